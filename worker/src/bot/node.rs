//! Walks a definition, so that every fault carries its path.

use std::fmt::Display;

use serde_json::{Map, Value};

use crate::bot::DefinitionError;

/// A value in a definition, and where it stands.
#[derive(Debug, Clone)]
pub(in crate::bot) struct Node<'a> {
    /// The place, such as `rules[2].when.text`; empty for the whole.
    pub(in crate::bot) path: String,
    /// The value.
    pub(in crate::bot) value: &'a Value,
}

/// An object in a definition, all of whose fields are known.
#[derive(Debug, Clone)]
pub(in crate::bot) struct Fields<'a> {
    path: String,
    map: &'a Map<String, Value>,
}

impl<'a> Node<'a> {
    /// The whole of a definition.
    pub(in crate::bot) fn root(value: &'a Value) -> Self {
        Self { path: String::new(), value }
    }

    /// A fault at this place.
    pub(in crate::bot) fn fault(&self, reason: impl Display) -> DefinitionError {
        DefinitionError::Invalid { path: self.path.clone(), reason: reason.to_string() }
    }

    /// The field `name` of this object, with its value.
    pub(in crate::bot) fn field(&self, name: &str, value: &'a Value) -> Self {
        Self { path: join(&self.path, name), value }
    }

    /// The object that must stand here.
    pub(in crate::bot) fn fields(&self, known: &[&str]) -> Result<Fields<'a>, DefinitionError> {
        let map = self.value.as_object().ok_or_else(|| self.fault("must be an object"))?;
        if let Some(name) = map.keys().find(|name| !known.contains(&name.as_str())) {
            return Err(self.fault(format!("unknown field {name:?}: {} are known", known.join(", "))));
        }
        Ok(Fields { path: self.path.clone(), map })
    }

    /// The items of the list that must stand here, one to `max` of them.
    pub(in crate::bot) fn items(&self, max: usize) -> Result<Vec<Self>, DefinitionError> {
        let items = self.value.as_array().ok_or_else(|| self.fault("must be a list"))?;
        if items.is_empty() || items.len() > max {
            return Err(self.fault(format!("has {} items, must have 1 to {max}", items.len())));
        }
        Ok(items.iter().enumerate().map(|(index, value)| Self { path: format!("{}[{index}]", self.path), value }).collect())
    }

    /// The text of at most `bytes_max` bytes that must stand here.
    pub(in crate::bot) fn text(&self, bytes_max: usize) -> Result<&'a str, DefinitionError> {
        let text = self.value.as_str().ok_or_else(|| self.fault("must be a string"))?;
        if text.len() > bytes_max {
            return Err(self.fault(format!("has {} bytes, at most {bytes_max} are taken", text.len())));
        }
        Ok(text)
    }

    /// The text that must stand here and not be empty.
    pub(in crate::bot) fn word(&self, bytes_max: usize) -> Result<&'a str, DefinitionError> {
        let word = self.text(bytes_max)?;
        if word.is_empty() { Err(self.fault("must not be empty")) } else { Ok(word) }
    }

    /// The boolean that must stand here.
    pub(in crate::bot) fn flag(&self) -> Result<bool, DefinitionError> {
        self.value.as_bool().ok_or_else(|| self.fault("must be true or false"))
    }

    /// One of the words of a table.
    pub(in crate::bot) fn choice<T: Copy>(&self, table: &[(&str, T)]) -> Result<T, DefinitionError> {
        let word = self.value.as_str().unwrap_or_default();
        let found = table.iter().find(|(name, _)| *name == word).map(|(_, choice)| *choice);
        let names = || table.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(" or ");
        found.ok_or_else(|| self.fault(format!("must be {}", names())))
    }
}

impl<'a> Fields<'a> {
    /// The field, where it is set.
    pub(in crate::bot) fn get(&self, name: &str) -> Option<Node<'a>> {
        self.map.get(name).map(|value| Node { path: join(&self.path, name), value })
    }

    /// The field, which must be set.
    pub(in crate::bot) fn need(&self, name: &str) -> Result<Node<'a>, DefinitionError> {
        self.get(name).ok_or_else(|| DefinitionError::Invalid { path: join(&self.path, name), reason: "is missing".to_owned() })
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
