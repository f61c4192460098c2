//! YAML with places.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::Number;
use serde_saphyr::{Location, MessageFormatter as _, Spanned};

use super::fault::Fault;

/// Where something stands in a file; both count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: u64,
    /// The column.
    pub column: u64,
}

impl Place {
    /// The start of a file.
    pub(crate) const START: Self = Self { line: 1, column: 1 };
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

impl From<Location> for Place {
    fn from(location: Location) -> Self {
        Self { line: location.line().max(1), column: location.column().max(1) }
    }
}

/// A value and where it stands.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) at: Place,
    pub(super) value: Value,
}

/// What a node holds.
#[derive(Debug)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One entry of a mapping.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) at: Place,
    pub(super) key: String,
    pub(super) node: Node,
}

/// Reads a file; an empty one is an empty mapping.
pub(super) fn read(text: &str) -> Result<Node, Fault> {
    let options = serde_saphyr::options! {
        with_snippet: false,
        strict_booleans: true,                 // `y` and `no` are text
        leading_zero_numbers_as_strings: true, // so is an order number such as 007
    };
    match serde_saphyr::from_str_with_options::<Spanned<Value>>(text, options) {
        Ok(Spanned { value: Value::Null, .. }) => Ok(Node { at: Place::START, value: Value::Map(Vec::new()) }),
        Ok(root) => Ok(root.into()),
        Err(error) => {
            let reason = serde_saphyr::UserMessageFormatter.format_message(error.without_snippet()).into_owned();
            Err(Fault { at: error.location().map_or(Place::START, Place::from), path: String::new(), reason })
        }
    }
}

impl Node {
    /// What the reader of a message calls such a value.
    pub(super) fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::Text(_) => "text",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }

    /// The same without places.
    pub(super) fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => (*value).into(),
            Value::Number(value) => value.clone().into(),
            Value::Text(text) => text.clone().into(),
            Value::List(nodes) => nodes.iter().map(Self::to_json).collect(),
            Value::Map(entries) => entries.iter().map(|entry| (entry.key.clone(), entry.node.to_json())).collect(),
        }
    }

    /// The place of a path such as `rules[2].when.text`, or of as much of it as there is.
    pub(super) fn place_of(&self, path: &str) -> Place {
        let path = path.trim_start_matches('.');
        let next = match &self.value {
            Value::List(nodes) => path.strip_prefix('[').and_then(|rest| rest.split_once(']')).and_then(|(index, rest)| {
                let node = nodes.get(index.parse::<usize>().ok()?)?;
                Some((node, rest))
            }),
            Value::Map(entries) => entries.iter().find_map(|entry| {
                let rest = path.strip_prefix(entry.key.as_str())?;
                (rest.is_empty() || rest.starts_with(['.', '['])).then_some((&entry.node, rest))
            }),
            _ => None,
        };
        next.map_or(self.at, |(node, rest)| node.place_of(rest))
    }
}

impl From<Spanned<Value>> for Node {
    fn from(spanned: Spanned<Value>) -> Self {
        Self { at: spanned.referenced.into(), value: spanned.value }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("the number is not finite"))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = items.next_element::<Spanned<Value>>()? {
            nodes.push(node.into());
        }
        Ok(Value::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = items.next_key::<Spanned<Value>>()? {
            let name = match key.value {
                Value::Text(text) => text,
                Value::Number(number) => number.to_string(),
                Value::Bool(value) => value.to_string(),
                _ => return Err(A::Error::custom("a key must be text")),
            };
            entries.push(Entry { at: key.referenced.into(), key: name, node: items.next_value::<Spanned<Value>>()?.into() });
        }
        Ok(Value::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::{Place, read};

    #[test]
    fn nodes_know_their_places_and_their_values() {
        let root = read("a: [1, 2.5, {x: y}]\nb:\n  - c.d:\n      - ~\n      - true\n").unwrap();
        assert_eq!(root.to_json(), serde_json::json!({ "a": [1, 2.5, { "x": "y" }], "b": [{ "c.d": [null, true] }] }));
        let place = |path| root.place_of(path).to_string();
        assert_eq!(place("a[1]"), "1:8");
        assert_eq!(place("a[2].x"), "1:17");
        assert_eq!(place("b[0].c.d[1]"), "5:9");
        assert_eq!(place("b[0].c.d[7].e"), "4:7");
        assert_eq!(place("nowhere"), "1:1");
    }

    #[test]
    fn what_is_no_yaml_is_a_fault_with_its_place() {
        let fault = read("a: 1\nb: [1,\n").unwrap_err();
        assert!(fault.at > Place::START, "{fault:?}");
        assert_eq!(read("a: 1\na: 2\n").unwrap_err().at.line, 2);
        read("").unwrap();
        read("# nothing\n").unwrap();
    }
}
