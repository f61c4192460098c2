//! What a model is told of arguments that do not fit.

use std::fmt::{self, Display, Formatter};

use serde_json::Value;

/// Why a call cannot be made as it was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Violation {
    /// What is wrong, each with its path.
    pub problems: Vec<String>,
    /// What the arguments must match.
    pub schema: Value,
}

impl Display for Violation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("the arguments do not fit:")?;
        for problem in &self.problems {
            write!(f, "\n- {problem}")?;
        }
        write!(f, "\nthe arguments must match this JSON schema: {}", self.schema)
    }
}

impl std::error::Error for Violation {}
