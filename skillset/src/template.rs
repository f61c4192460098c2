//! An action with places for values: what an instruction is once it is read.

use std::ops::Range;

use serde_json::Value;

use crate::operation::Step;
use crate::placeholder::Reference;

/// A body with places for values.
#[derive(Debug, Clone)]
pub(crate) enum Body {
    /// A raw HTTP request.
    Http(Http),
    /// A tree.
    Tree(Node),
    /// A text.
    Text(Phrase),
}

/// A raw HTTP request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Http {
    /// Empty means GET.
    pub(crate) method: Phrase,
    /// The URL.
    pub(crate) url: Phrase,
    /// Names and values in their order.
    pub(crate) headers: Vec<(String, Phrase)>,
    /// What comes after the empty line.
    pub(crate) body: Option<Phrase>,
}

/// A node of a tree, and where it stands in the instruction.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// Where it stands.
    pub(crate) span: Range<usize>,
    /// What it is.
    pub(crate) content: Content,
}

/// What a node is.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    /// Anything but text.
    Value(Value),
    /// A text.
    Phrase(Phrase),
    /// One value that keeps its type.
    Alone(Slot),
    /// A list.
    List(Vec<Node>),
    /// A mapping.
    Map(Vec<Entry>),
}

/// A key with its node.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// The key.
    pub(crate) key: String,
    /// Where the key stands.
    pub(crate) span: Range<usize>,
    /// The node.
    pub(crate) node: Node,
}

/// A text with places for values.
#[derive(Debug, Clone, Default)]
pub(crate) struct Phrase(pub(crate) Vec<Piece>);

/// A piece of a text.
#[derive(Debug, Clone)]
pub(crate) enum Piece {
    /// Words of the instruction.
    Literal(String),
    /// A value of the model.
    Slot(Slot),
    /// A value of whoever acts.
    Reference(Reference),
}

/// A place for the value of a field.
#[derive(Debug, Clone)]
pub(crate) struct Slot {
    /// The field, by its position.
    pub(crate) field: usize,
    /// What is done to the value first.
    pub(crate) steps: Vec<Step>,
    /// What kind of place it is: how the value is kept from changing more than this place.
    pub(crate) place: Place,
    /// What a whole leaf is where there is no value.
    pub(crate) absent: Absent,
}

/// What a whole leaf is where there is no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Absent {
    /// Null.
    Null,
    /// The empty text.
    Empty,
    /// It is left out, with its key.
    Omitted,
}

/// What kind of place a value stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Any text or leaf.
    Plain,
    /// The method of a request.
    Method,
    /// A whole URL, or all up to its path.
    Origin,
    /// Labels of a host name.
    Host,
    /// The number after a host.
    Port,
    /// Directly after a host: nothing or what begins with `/`, `?` or `#`.
    AfterHost,
    /// Within a path.
    Path,
    /// Within the query: any number of parameters.
    Query,
    /// The value of a parameter of the query.
    QueryValue,
    /// After `#`.
    Fragment,
    /// The value of a header.
    Header,
    /// Within a string of JSON text.
    JsonString,
    /// A value of JSON text.
    Json,
    /// A value of JSON text that is taken for JSON where it is JSON.
    JsonLoose,
    /// A token of a NATS subject.
    Token,
    /// A whole NATS subject.
    Subject,
}

impl Phrase {
    /// Words without places.
    pub(crate) fn literal(words: impl Into<String>) -> Self {
        Self(vec![Piece::Literal(words.into())])
    }

    /// The words, if there are no places.
    pub(crate) fn words(&self) -> Option<String> {
        let word = |piece: &Piece| if let Piece::Literal(words) = piece { Some(words.clone()) } else { None };
        self.0.iter().map(word).collect()
    }

    /// The references in it.
    pub(crate) fn references(&self) -> impl Iterator<Item = &Reference> {
        self.0.iter().filter_map(|piece| if let Piece::Reference(reference) = piece { Some(reference) } else { None })
    }

    /// The places in it.
    pub(crate) fn slots_mut(&mut self) -> impl Iterator<Item = &mut Slot> {
        self.0.iter_mut().filter_map(|piece| if let Piece::Slot(slot) = piece { Some(slot) } else { None })
    }
}

impl Node {
    /// The entries, if it is a mapping.
    pub(crate) fn entries(&self) -> Option<&[Entry]> {
        if let Content::Map(entries) = &self.content { Some(entries) } else { None }
    }

    /// Goes over all texts and lone places in it.
    pub(crate) fn each_leaf(&mut self, visit: &mut impl FnMut(&mut Content, &Range<usize>)) {
        match &mut self.content {
            leaf @ (Content::Phrase(_) | Content::Alone(_)) => visit(leaf, &self.span),
            Content::Value(_) => {}
            Content::List(items) => items.iter_mut().for_each(|item| item.each_leaf(visit)),
            Content::Map(entries) => entries.iter_mut().for_each(|entry| entry.node.each_leaf(visit)),
        }
    }
}
