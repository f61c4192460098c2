//! The fields of a block: the parameters of its first line and the keys of its body, which win.

use serde_json::Value;
use skillset::invocation::{Body, Invocation, Part, Text, Tree};

use crate::fill::{self, Fill};

/// Fields by name, taken one by one; what is left is not known.
pub(crate) struct Fields<'a> {
    fill: &'a Fill<'a>,
    /// A name may end in `?`: then an empty value counts as none.
    entries: Vec<(String, Tree)>,
}

impl<'a> Fields<'a> {
    /// The parameters and the mapping of a body, if it is one.
    pub(crate) fn of(invocation: &Invocation, fill: &'a Fill<'a>) -> Self {
        let parameters = invocation.parameters.iter().map(|(name, value)| (name.clone(), Tree::Value(value.clone())));
        let mut fields = Self { fill, entries: parameters.collect() };
        match &invocation.body {
            Body::Tree(Tree::Map(entries)) => entries.iter().for_each(|(name, tree)| fields.put(name, tree.clone())),
            Body::Tree(Tree::Value(Value::Object(entries))) => {
                entries.iter().for_each(|(name, value)| fields.put(name, Tree::Value(value.clone())));
            }
            Body::Tree(_) | Body::Http(_) | Body::Text(_) => {}
        }
        fields
    }

    /// Puts a field in, in place of one of the same name.
    pub(crate) fn put(&mut self, name: &str, tree: Tree) {
        self.entries.retain(|(other, _)| bare(other) != bare(name));
        self.entries.push((name.to_owned(), tree));
    }

    /// A field as it stands.
    pub(crate) fn tree(&mut self, name: &str) -> Option<Tree> {
        let at = self.entries.iter().position(|(other, _)| bare(other) == name)?;
        let (written, tree) = self.entries.swap_remove(at);
        Some(tree).filter(|tree| written == name || !is_empty(tree, self.fill))
    }

    /// A field as JSON.
    pub(crate) fn value(&mut self, name: &str) -> Result<Option<Value>, String> {
        self.tree(name).map(|tree| self.fill.value(&tree, name)).transpose()
    }

    /// A field that is text; a number or a flag is written out.
    pub(crate) fn text(&mut self, name: &str) -> Result<Option<String>, String> {
        self.value(name)?.map(|value| scalar(value).ok_or_else(|| format!("{name} must be text"))).transpose()
    }

    /// A field that is a whole number.
    pub(crate) fn number(&mut self, name: &str) -> Result<Option<u64>, String> {
        let number = |text: String| text.trim().parse().map_err(|_| format!("{name} must be a whole number, not {text:?}"));
        self.text(name)?.map(number).transpose()
    }

    /// Says what is left, if anything.
    pub(crate) fn finish(self, known: &str) -> Result<(), String> {
        match self.entries.first() {
            Some((name, _)) => Err(format!("{} is not known here: {known} are", bare(name))),
            None => Ok(()),
        }
    }
}

/// A name without the `?` at its end.
pub(crate) fn bare(name: &str) -> &str {
    name.strip_suffix('?').unwrap_or(name)
}

/// Whether a tree comes to nothing; one with a secret, or one that fails, does not.
pub(crate) fn is_empty(tree: &Tree, fill: &Fill<'_>) -> bool {
    fill.value(tree, "").is_ok_and(|value| fill::is_empty(&value))
}

/// The text of a leaf; numbers and flags are written out.
pub(crate) fn scalar(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A leaf as a text, so that its references can be told apart.
pub(crate) fn leaf(tree: Tree, field: &str) -> Result<Text, String> {
    match tree {
        Tree::Text(text) => Ok(text),
        Tree::Value(value) => match scalar(value) {
            Some(text) => Ok(Text(vec![Part::Literal(text)])),
            None => Err(format!("{field} must be text")),
        },
        Tree::List(_) | Tree::Map(_) => Err(format!("{field} must be text")),
    }
}

/// The entries of a mapping.
pub(crate) fn entries(tree: Tree, field: &str) -> Result<Vec<(String, Tree)>, String> {
    match tree {
        Tree::Map(entries) => Ok(entries),
        Tree::Value(Value::Object(entries)) => Ok(entries.into_iter().map(|(key, value)| (key, Tree::Value(value))).collect()),
        Tree::Value(Value::Null) => Ok(Vec::new()),
        Tree::Value(_) | Tree::Text(_) | Tree::List(_) => Err(format!("{field} must be a mapping")),
    }
}
