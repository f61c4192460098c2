//! What a worker process does: run turns, keep the index, deliver results.
//!
//! All of it unless told otherwise. Roles can be set apart where one of them needs processes of its
//! own; each of them bears any number of processes side by side.

use std::fmt;
use std::str::FromStr;

pub mod card;
pub mod index;

/// One thing that a worker does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Takes events and runs their turns.
    Turns,
    /// Projects the log into the index that lists are read from.
    Index,
    /// Delivers the ends of turns.
    Deliver,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Turns, Self::Index, Self::Deliver];
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Turns => "turns",
            Self::Index => "index",
            Self::Deliver => "deliver",
        })
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|role| role.to_string() == text)
            .ok_or_else(|| format!("{text:?} is no role: turns, index and deliver are"))
    }
}

#[cfg(test)]
mod tests {
    use super::Role;

    #[test]
    fn roles_have_the_names_that_they_print() {
        for role in Role::ALL {
            assert_eq!(role.to_string().parse(), Ok(role));
        }
        assert!("turn".parse::<Role>().is_err());
    }
}
