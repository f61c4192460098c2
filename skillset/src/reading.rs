//! Reads an invocation's tree into types, with errors that name the field.

use std::time::Duration;

use serde_json::Value;

use crate::duration;
use crate::invocation::{Body, Invocation, Text, Tree};

/// Why an invocation cannot be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The invocation is of another action, or its body has another form.
    #[error("this is no {0} block")]
    Form(&'static str),
    /// A field must stand and does not.
    #[error("{field} is missing")]
    Missing {
        /// The field.
        field: String,
    },
    /// A field is not what it must be.
    #[error("{field} {reason}")]
    Invalid {
        /// The field.
        field: String,
        /// What it must be.
        reason: String,
    },
}

/// The fields of a tree, or of a block's parameters where the tree has none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a> {
    invocation: &'a Invocation,
}

impl<'a> Fields<'a> {
    /// The fields of an invocation.
    pub(crate) fn new(invocation: &'a Invocation) -> Self {
        Self { invocation }
    }

    /// The leaf or tree of a field, unless it is null.
    pub(crate) fn get(self, name: &str) -> Option<Tree> {
        let Body::Tree(Tree::Map(entries)) = &self.invocation.body else { return self.parameter(name) };
        let found = entries.iter().find(|(key, _)| key == name).map(|(_, tree)| tree.clone());
        found.filter(|tree| *tree != Tree::Value(Value::Null)).or_else(|| self.parameter(name))
    }

    fn parameter(self, name: &str) -> Option<Tree> {
        let value = self.invocation.parameters.get(name).filter(|value| !value.is_null())?;
        Some(if let Value::String(words) = value { Tree::Text(words.as_str().into()) } else { Tree::Value(value.clone()) })
    }

    /// A text, in which references may stand.
    pub(crate) fn text(self, name: &str) -> Result<Option<Text>, Error> {
        self.get(name).map(|tree| text(&tree).ok_or_else(|| invalid(name, "must be text"))).transpose()
    }

    /// A text of words alone.
    pub(crate) fn words(self, name: &str) -> Result<Option<String>, Error> {
        let words = |text: Text| text.words().ok_or_else(|| invalid(name, "takes no references"));
        self.text(name)?.map(words).transpose()
    }

    /// True or false.
    pub(crate) fn flag(self, name: &str) -> Result<Option<bool>, Error> {
        let flag = |tree: Tree| match tree {
            Tree::Value(Value::Bool(flag)) => Ok(flag),
            other => words(&other).and_then(|words| words.parse().ok()).ok_or_else(|| invalid(name, "must be true or false")),
        };
        self.get(name).map(flag).transpose()
    }

    /// A span of time of at most `max`.
    pub(crate) fn duration(self, name: &str, max: Duration) -> Result<Option<Duration>, Error> {
        let Some(tree) = self.get(name) else { return Ok(None) };
        let value = match tree {
            Tree::Value(value) => value,
            other => Value::from(words(&other).unwrap_or_default()),
        };
        let span = duration::parse(&value).map_err(|reason| invalid(name, reason))?;
        if span > max {
            return Err(invalid(name, format!("must be at most {}, not {}", duration::show(max), duration::show(span))));
        }
        Ok(Some(span))
    }

    /// One to `max` words: a list, or text with commas.
    pub(crate) fn list(self, name: &str, max: usize) -> Result<Option<Vec<String>>, Error> {
        let Some(tree) = self.get(name) else { return Ok(None) };
        let items: Option<Vec<String>> = match &tree {
            Tree::List(items) => items.iter().map(words).collect(),
            Tree::Value(Value::Array(items)) => items.iter().map(|item| words(&Tree::Value(item.clone()))).collect(),
            other => {
                words(other).map(|words| words.split(',').map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect())
            }
        };
        let items = items.ok_or_else(|| invalid(name, "must be a list of words"))?;
        if items.is_empty() || items.len() > max || items.iter().any(String::is_empty) {
            return Err(invalid(name, format!("must be 1 to {max} words that are not empty")));
        }
        Ok(Some(items))
    }

    /// Names and texts.
    pub(crate) fn pairs(self, name: &str) -> Result<Vec<(String, Text)>, Error> {
        match self.get(name) {
            None => Ok(Vec::new()),
            Some(Tree::Map(entries)) => entries
                .into_iter()
                .map(|(key, tree)| {
                    text(&tree).map(|text| (key.clone(), text)).ok_or_else(|| invalid(&format!("{name}.{key}"), "must be text"))
                })
                .collect(),
            Some(_) => Err(invalid(name, "must be a mapping")),
        }
    }
}

/// An error at a field.
pub(crate) fn invalid(field: &str, reason: impl Into<String>) -> Error {
    Error::Invalid { field: field.to_owned(), reason: reason.into() }
}

/// The error that a field is not there.
pub(crate) fn missing(field: &str) -> Error {
    Error::Missing { field: field.to_owned() }
}

/// A leaf as text; null is the empty one.
fn text(tree: &Tree) -> Option<Text> {
    match tree {
        Tree::Text(text) => Some(text.clone()),
        Tree::Value(Value::Null) => Some(Text::default()),
        Tree::Value(value @ (Value::Bool(_) | Value::Number(_) | Value::String(_))) => Some(crate::operation::text(value).as_str().into()),
        _ => None,
    }
}

fn words(tree: &Tree) -> Option<String> {
    text(tree)?.words()
}
