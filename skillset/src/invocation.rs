//! What filling an ability in comes to: an action with its texts, structured before anything was put in.
//!
//! The structure (which header, which field) is read off the instruction alone. A value of the
//! model, of a caller or of a page can change a leaf, never the structure, and is never looked
//! through for references.
//!
//! Whoever acts fills references in by [`Text::put`], which encodes each for its place: what a
//! caller says of itself must not change a URL or a JSON text either.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::json_text::{self, Lexer};
use crate::operation;

/// One piece of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Words as they are: of the instruction, or a value that was put in.
    Literal(String),
    /// A reference of the instruction that whoever acts fills in, such as `SECRET_DEFAULT` or `CONTACT_EMAIL`.
    Reference(String),
}

/// A leaf of an invocation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Text(pub Vec<Part>);

/// Where a text goes: how what references stand for is encoded in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A header, a mail, a question: as it is.
    Plain,
    /// A URL or a part of one, or a form: as one part of it; `.` and `..`, which would lead elsewhere, as nothing.
    Url,
    /// The body of a request or a message, or a leaf of one: where the text is JSON, as JSON or within its string, else as it is.
    Body,
}

impl Text {
    /// The words, if there are no references.
    pub fn words(&self) -> Option<String> {
        let word = |part: &Part| if let Part::Literal(words) = part { Some(words.clone()) } else { None };
        self.0.iter().map(word).collect()
    }

    /// The names of the references in it.
    pub fn references(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| if let Part::Reference(name) = part { Some(name.as_str()) } else { None })
    }

    /// The text with its references filled in by `look_up`, each encoded for the place.
    pub fn put<E>(&self, place: Place, mut look_up: impl FnMut(&str) -> Result<String, E>) -> Result<String, E> {
        let is_json = place == Place::Body && matches!(self.0.first(), Some(Part::Literal(words)) if json_text::looks_so(words));
        let mut lexer = Lexer::default();
        let mut filled = String::new();
        for part in &self.0 {
            match part {
                Part::Literal(words) => {
                    lexer.read(words);
                    filled.push_str(words);
                }
                Part::Reference(name) => {
                    let value = look_up(name)?;
                    filled.push_str(&match place {
                        Place::Url if value == "." || value == ".." => String::new(),
                        Place::Url => operation::percent(&value),
                        _ if is_json && lexer.is_string() => json_text::escape(&value),
                        _ if is_json => Value::from(value).to_string(),
                        _ => value,
                    });
                }
            }
        }
        Ok(filled)
    }
}

impl From<&str> for Text {
    fn from(words: &str) -> Self {
        if words.is_empty() { Self::default() } else { Self(vec![Part::Literal(words.to_owned())]) }
    }
}

/// What an ability does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// One HTTP call.
    Fetch,
    /// A search over the web.
    Search,
    /// A mail.
    Email,
    /// Gives its input back.
    Echo,
    /// Ends the turn.
    Abort,
    /// The tools of another program.
    Mcp,
    /// A message to other services.
    Nats,
    /// Asks somebody outside, and waits.
    Await,
}

/// An action that is ready to be done, but for its references.
#[derive(Debug, Clone, PartialEq)]
pub struct Invocation {
    /// What is done.
    pub action: Action,
    /// The parameters of the block's first line, such as `timeout` and `format`.
    pub parameters: BTreeMap<String, Value>,
    /// The rest.
    pub body: Body,
}

/// The body of a block, in the form its action takes.
///
/// `fetch` has a raw request or a mapping; `search`, `email`, `mcp` and `nats` have a mapping, in
/// which the parameters of the first line and a body of plain text stand under their keys; `echo`,
/// `abort` and `await` have a text, or a tree with the keys `result`, `reason` and `question`.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// A raw HTTP request.
    Http(Http),
    /// YAML or JSON.
    Tree(Tree),
    /// Anything else.
    Text(Text),
}

/// A raw HTTP request: `METHOD URL`, headers, an empty line, a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// The method; empty means GET.
    pub method: Text,
    /// The URL.
    pub url: Text,
    /// Headers in their order; the names are the instruction's own. One without a value may be empty: it is not sent.
    pub headers: Vec<(String, Text)>,
    /// The body.
    pub body: Option<Text>,
}

/// A tree whose keys are the instruction's own.
#[derive(Debug, Clone, PartialEq)]
pub enum Tree {
    /// Anything but text: of the instruction, or a value that stands alone in its place.
    Value(Value),
    /// A text.
    Text(Text),
    /// A list.
    List(Vec<Self>),
    /// A mapping, in its order.
    Map(Vec<(String, Self)>),
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Part, Place, Text};

    fn put(place: Place, text: &str, value: &str) -> String {
        let parts = text.split("${X}").map(|words| Part::Literal(words.to_owned()));
        let mut joined: Vec<Part> = Vec::new();
        for part in parts {
            joined.extend((!joined.is_empty()).then(|| Part::Reference("X".to_owned())));
            joined.push(part);
        }
        Text(joined).put(place, |name| if name == "X" { Ok(value.to_owned()) } else { Err(()) }).unwrap()
    }

    #[test]
    fn a_reference_is_encoded_for_its_place() {
        for (place, text, expected) in [
            (Place::Plain, "to ${X}.", "to a\"&/\n."),
            (Place::Url, "https://x/${X}?y", "https://x/a%22%26%2F%0A?y"),
            (Place::Body, "a=${X}", "a=a\"&/\n"),
            (Place::Body, "{\"a\": \"${X}\"}", "{\"a\": \"a\\\"&/\\n\"}"),
            (Place::Body, "{\"a\": ${X}}", "{\"a\": \"a\\\"&/\\n\"}"),
        ] {
            assert_eq!(put(place, text, "a\"&/\n"), expected, "{text}");
        }
    }

    #[test]
    fn a_reference_does_not_climb_in_a_path() {
        assert_eq!(put(Place::Url, "https://x/a/${X}/b", ".."), "https://x/a//b");
        assert_eq!(put(Place::Url, "https://x/a/${X}/b", "../c"), "https://x/a/..%2Fc/b");
    }

    #[test]
    fn a_reference_that_nobody_knows_is_an_error() {
        let text = Text(vec![Part::Reference("Y".to_owned())]);
        assert_eq!(text.put(Place::Plain, |name| Err::<String, _>(name.to_owned())), Err("Y".to_owned()));
        assert_eq!((text.words(), text.references().collect::<Vec<_>>()), (None, vec!["Y"]));
    }

    #[test]
    fn whatever_stands_for_a_reference_a_json_body_keeps_its_keys() {
        for value in ["\", \"admin\": true, \"x\": \"", "\\", "}", "${SECRET_X}"] {
            let body: Value = serde_json::from_str(&put(Place::Body, "{\"a\": [\"x ${X} y\", ${X}]}", value)).unwrap();
            assert_eq!(body, json!({ "a": [format!("x {value} y"), value] }));
        }
    }
}
