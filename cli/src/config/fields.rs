//! The fields of one mapping: each is taken once, and what nobody took is a fault.

use std::fmt::Display;
use std::str::FromStr;

use proto::limit::TRIGGER_TEXT_BYTES_MAX;

use super::fault::Fault;
use super::tree::{Entry, Node, Place, Value};

/// What is left of a mapping, and the faults found on the way.
pub(super) struct Fields<'a> {
    /// The field that the mapping is, such as `triggers[0]`.
    path: String,
    /// Where the mapping begins.
    at: Place,
    left: Vec<&'a Entry>,
    /// The names that were asked for, for the message about those that were not.
    known: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// The fields of a node that must be a mapping.
    pub(super) fn of(node: &'a Node, path: String, faults: &mut Vec<Fault>) -> Option<Self> {
        let Value::Map(entries) = &node.value else {
            faults.push(Fault { at: node.at, path, reason: format!("must be a mapping, not {}", node.kind()) });
            return None;
        };
        Some(Self { path, at: node.at, left: entries.iter().collect(), known: Vec::new() })
    }

    /// The path of a field.
    pub(super) fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// Where the mapping begins.
    pub(super) fn at(&self) -> Place {
        self.at
    }

    /// Looks at a list without taking it.
    pub(super) fn look(&self, name: &str) -> Vec<(&'a Node, String)> {
        let path = self.path_of(name);
        let node = self.left.iter().find(|entry| entry.key == name).map(|entry| &entry.node);
        match node.map(|node| &node.value) {
            Some(Value::List(nodes)) => nodes.iter().enumerate().map(|(index, node)| (node, format!("{path}[{index}]"))).collect(),
            _ => Vec::new(),
        }
    }

    /// Takes a field; one that holds nothing is not there.
    pub(super) fn take(&mut self, name: &'static str) -> Option<&'a Node> {
        self.known.push(name);
        let index = self.left.iter().position(|entry| entry.key == name)?;
        let entry = self.left.swap_remove(index);
        Some(&entry.node).filter(|node| !matches!(node.value, Value::Null))
    }

    /// Takes a field that must be there.
    pub(super) fn require(&mut self, name: &'static str, faults: &mut Vec<Fault>) -> Option<&'a Node> {
        let node = self.take(name);
        if node.is_none() {
            faults.push(Fault { at: self.at, path: self.path_of(name), reason: "is missing".into() });
        }
        node
    }

    /// Takes a field that holds text; empty where it is not there.
    pub(super) fn text(&mut self, name: &'static str, faults: &mut Vec<Fault>) -> String {
        let path = self.path_of(name);
        let Some(node) = self.take(name) else { return String::new() };
        match text(node, path.clone(), faults) {
            Some(text) if text.len() > TRIGGER_TEXT_BYTES_MAX => {
                let reason = format!("has {} bytes, at most {TRIGGER_TEXT_BYTES_MAX} are taken", text.len());
                faults.push(Fault { at: node.at, path, reason });
                String::new()
            }
            text => text.unwrap_or_default().to_owned(),
        }
    }

    /// Takes a field that holds true or false.
    pub(super) fn flag(&mut self, name: &'static str, default: bool, faults: &mut Vec<Fault>) -> bool {
        let Some(node) = self.take(name) else { return default };
        if let Value::Bool(value) = node.value {
            return value;
        }
        faults.push(Fault { at: node.at, path: self.path_of(name), reason: format!("must be true or false, not {}", node.kind()) });
        default
    }

    /// Takes a field that must be there and be an id or the like.
    pub(super) fn parse<T: FromStr<Err: Display>>(&mut self, name: &'static str, faults: &mut Vec<Fault>) -> Option<Placed<T>> {
        let path = self.path_of(name);
        let node = self.require(name, faults)?;
        parse(node, path, faults)
    }

    /// Takes a list with the path of each item; empty where it is not there.
    pub(super) fn list(&mut self, name: &'static str, faults: &mut Vec<Fault>) -> Vec<(&'a Node, String)> {
        let path = self.path_of(name);
        let Some(node) = self.take(name) else { return Vec::new() };
        if let Value::List(nodes) = &node.value {
            return nodes.iter().enumerate().map(|(index, node)| (node, format!("{path}[{index}]"))).collect();
        }
        faults.push(Fault { at: node.at, path, reason: format!("must be a list, not {}", node.kind()) });
        Vec::new()
    }

    /// What nobody took, as JSON.
    pub(super) fn into_json(self) -> serde_json::Value {
        self.left.iter().map(|entry| (entry.key.clone(), entry.node.to_json())).collect()
    }

    /// Reports what nobody took.
    pub(super) fn finish(self, faults: &mut Vec<Fault>) {
        for entry in &self.left {
            let reason = format!("is not known here: {} are", self.known.join(", "));
            faults.push(Fault { at: entry.at, path: self.path_of(&entry.key), reason });
        }
    }
}

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Placed<T> {
    pub(super) at: Place,
    pub(super) path: String,
    pub(super) value: T,
}

/// The text of a node.
pub(super) fn text<'a>(node: &'a Node, path: String, faults: &mut Vec<Fault>) -> Option<&'a str> {
    if let Value::Text(text) = &node.value {
        return Some(text);
    }
    faults.push(Fault { at: node.at, path, reason: format!("must be text, not {}: put it in quotes", node.kind()) });
    None
}

/// What the text of a node stands for.
pub(super) fn parse<T: FromStr<Err: Display>>(node: &Node, path: String, faults: &mut Vec<Fault>) -> Option<Placed<T>> {
    match text(node, path.clone(), faults)?.parse() {
        Ok(value) => Some(Placed { at: node.at, path, value }),
        Err(error) => {
            faults.push(Fault { at: node.at, path, reason: error.to_string() });
            None
        }
    }
}
