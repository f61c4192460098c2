//! What is wrong with a file, and where.

use std::fmt;

pub use super::tree::Place;

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where it stands.
    pub at: Place,
    /// The field, such as `triggers[0].bot`; empty for the whole file.
    pub path: String,
    /// What is wrong.
    pub reason: String,
}

/// All faults of a file, in the order of their lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults {
    file: String,
    own: Vec<Fault>,
    /// Those of further files.
    others: Vec<Self>,
}

impl Faults {
    /// The faults of a file; at least one.
    pub(crate) fn new(file: &str, mut faults: Vec<Fault>) -> Self {
        faults.sort_by_key(|fault| fault.at);
        Self { file: file.to_owned(), own: faults, others: Vec::new() }
    }

    /// The faults of several files as one; none where there are none.
    pub(crate) fn together(all: Vec<Self>) -> Option<Self> {
        let mut all = all.into_iter();
        let first = all.next()?;
        Some(Self { others: all.collect(), ..first })
    }
}

/// A line a fault: `FILE:LINE:COLUMN: field: reason`; what more there is of a reason is indented.
impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Fault { at, path, reason }) in self.own.iter().enumerate() {
            let newline = if index == 0 { "" } else { "\n" };
            let colon = if path.is_empty() { "" } else { ": " };
            write!(f, "{newline}{}:{at}: {path}{colon}{}", self.file, reason.replace('\n', "\n    "))?;
        }
        for other in &self.others {
            write!(f, "\n{other}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}
