//! What filling an ability in comes to: an action with its texts, structured before anything was put in.
//!
//! The structure (which header, which field) is read off the instruction alone. A value of the
//! model, of a caller or of a page can change a leaf, never the structure, and is never looked
//! through for references.

use std::collections::BTreeMap;

use serde_json::Value;

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
    /// Headers in their order; the names are the instruction's own.
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
