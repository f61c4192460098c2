//! Puts references in: what the deployment knows, and secrets where they may stand.
//!
//! A value that was put in is never looked through for references: parts come structured.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use reqwest::header::{HeaderName, HeaderValue};
use secrecy::zeroize::Zeroizing;
use serde_json::{Map, Value};
use skillset::invocation::{Part, Text, Tree};

use crate::call::request;
use crate::scrub::Scrub;
use crate::secret::{self, Secret, Secrets};

/// How deep a tree may be.
const DEPTH_MAX: usize = 64;

/// Fills the texts of one invocation in, and keeps which secrets it used.
pub(crate) struct Fill<'a> {
    facts: &'a BTreeMap<String, String>,
    secrets: &'a dyn Secrets,
    used: Mutex<Vec<Secret>>,
}

impl<'a> Fill<'a> {
    /// Fills in from these.
    pub(crate) fn new(facts: &'a BTreeMap<String, String>, secrets: &'a dyn Secrets) -> Self {
        Self { facts, secrets, used: Mutex::default() }
    }

    /// A look for all secrets that were put in.
    pub(crate) fn scrub(&self) -> Scrub {
        Scrub::new(self.used().iter())
    }

    /// A text where no secret may stand.
    pub(crate) fn text(&self, text: &Text, field: &str) -> Result<String, String> {
        text.0.iter().try_fold(String::new(), |filled, part| Ok(filled + self.part(part, field)?))
    }

    /// A text that is a header's value, secrets included; with one in it, it is marked as sensitive.
    pub(crate) fn header(&self, text: &Text, name: &HeaderName) -> Result<HeaderValue, String> {
        let mut filled = Zeroizing::new(String::new());
        let mut is_sensitive = false;
        for part in &text.0 {
            match part {
                Part::Reference(reference) if reference.starts_with(secret::PREFIX) => {
                    let found = self.secrets.get(reference).map_err(|error| format!("header {name}: {error}"))?;
                    let secret = found.ok_or_else(|| format!("header {name}: there is no secret {reference}"))?;
                    secret.append_to(&mut filled);
                    is_sensitive = true;
                    self.use_secret(secret);
                }
                Part::Literal(_) | Part::Reference(_) => filled.push_str(self.part(part, &format!("header {name}"))?),
            }
        }
        let mut value = request::header_value(name, filled.trim())?;
        value.set_sensitive(is_sensitive);
        Ok(value)
    }

    /// A tree where no secret may stand, as JSON. Keys that end in `?` go without it, or not at all if their value is empty.
    pub(crate) fn value(&self, tree: &Tree, field: &str) -> Result<Value, String> {
        self.nested(tree, field, 0)
    }

    fn nested(&self, tree: &Tree, field: &str, depth: usize) -> Result<Value, String> {
        if depth > DEPTH_MAX {
            return Err(format!("{field} is nested more than {DEPTH_MAX} deep"));
        }
        match tree {
            Tree::Value(value) => Ok(value.clone()),
            Tree::Text(text) => self.text(text, field).map(Value::String),
            Tree::List(items) => items.iter().map(|item| self.nested(item, field, depth + 1)).collect(),
            Tree::Map(entries) => {
                let mut map = Map::new();
                for (key, item) in entries {
                    let value = self.nested(item, &format!("{field}.{key}"), depth + 1)?;
                    match key.strip_suffix('?') {
                        Some(_) if is_empty(&value) => {}
                        Some(bare) => drop(map.insert(bare.to_owned(), value)),
                        None => drop(map.insert(key.clone(), value)),
                    }
                }
                Ok(Value::Object(map))
            }
        }
    }

    /// Puts a secret of the deployment to those that were put in.
    pub(crate) fn use_secret(&self, secret: Secret) {
        self.used().push(secret);
    }

    fn used(&self) -> MutexGuard<'_, Vec<Secret>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn part<'p>(&'p self, part: &'p Part, field: &str) -> Result<&'p str, String> {
        match part {
            Part::Literal(text) => Ok(text),
            Part::Reference(name) if name.starts_with(secret::PREFIX) => {
                Err(format!("{field}: {name} may stand in a header of a fetch only"))
            }
            Part::Reference(name) => self.facts.get(name).map(String::as_str).ok_or_else(|| format!("{field}: {name} is not known here")),
        }
    }
}

/// Whether a value is as good as none.
pub(crate) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}
