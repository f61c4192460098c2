//! Reads YAML into a tree that keeps tags and places.
//!
//! Taken: one document of mappings with text for keys, lists and scalars, in block and flow style
//! (so JSON too). Not taken: anchors and aliases, merges, directives, keys twice, keys with
//! placeholders. So a small text cannot become a large tree, and every key is the instruction's own.

use std::ops::Range;

use serde_json::Value;
use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput};

use crate::fault::{Fault, Report};
use crate::limit::{DEPTH_MAX, NODES_MAX};
use crate::number;
use crate::skeleton::Skeleton;

/// A node.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// Where it stands in the instruction, without its tag.
    pub(crate) span: Range<usize>,
    /// Its tag, such as `!fetch`.
    pub(crate) tag: Option<Tag>,
    /// What it is.
    pub(crate) content: Content,
}

/// A tag and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Tag {
    /// As it is written, with its exclamation mark.
    pub(crate) name: String,
    /// Where it stands.
    pub(crate) span: Range<usize>,
}

/// What a node is.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    /// A scalar, decoded but masked.
    Scalar(String, Style),
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

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Without quotes: a number, true, false or null if it reads so.
    Plain,
    /// In double quotes.
    Double,
    /// In single quotes.
    Single,
    /// As a block.
    Block,
}

/// Reads the document of a part of the instruction; nothing where it has a fault.
pub(crate) fn read(skeleton: &Skeleton<'_>, report: &mut Report<'_>) -> Option<Node> {
    let options = serde_saphyr::granit_parser::options! { emit_comments: false };
    let events = Parser::new_from_str_with_options(skeleton.masked(), options);
    Reader { skeleton, events, report, nodes: 0 }.document().ok()
}

/// What a plain scalar is, if it is anything but text.
pub(crate) fn resolve(plain: &str) -> Option<Value> {
    match plain {
        "" | "~" | "null" | "Null" | "NULL" => return Some(Value::Null),
        "true" | "True" | "TRUE" => return Some(true.into()),
        "false" | "False" | "FALSE" => return Some(false.into()),
        _ => {}
    }
    let radix = |prefix, radix| plain.strip_prefix(prefix).and_then(|digits| u64::from_str_radix(digits, radix).ok()).map(Value::from);
    radix("0x", 16).or_else(|| radix("0o", 8)).or_else(|| number::parse(plain).map(Value::Number))
}

struct Reader<'a, 'r, 's> {
    skeleton: &'a Skeleton<'a>,
    events: Parser<'a, StrInput<'a>>,
    report: &'r mut Report<'s>,
    nodes: usize,
}

/// A fault was reported that ends the reading.
struct Stop;

impl<'a> Reader<'a, '_, '_> {
    fn document(&mut self) -> Result<Node, Stop> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => break,
                Event::DocumentStart(..) if root.is_some() => {
                    return Err(self.stop(self.place(span), "a second document begins here", "write one document, without `---`"));
                }
                Event::DocumentStart(..) => {
                    let (event, span) = self.next()?;
                    root = Some(self.node(&event, span, 0)?);
                }
                _ => {}
            }
        }
        let range = self.skeleton.range();
        Ok(root.unwrap_or(Node { span: range.start..range.start, tag: None, content: Content::Scalar(String::new(), Style::Plain) }))
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), Stop> {
        match self.events.next_event() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => Err(self.broken(&error)),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn node(&mut self, event: &Event<'_>, span: Span, depth: usize) -> Result<Node, Stop> {
        let place = self.place(span);
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            return Err(self.stop(place, format!("at most {NODES_MAX} nodes are taken"), "split the ability"));
        }
        if depth > DEPTH_MAX {
            return Err(self.stop(place, format!("at most {DEPTH_MAX} levels are taken"), "nest less"));
        }
        if event.is_alias() || event.anchor_id().is_some() {
            return Err(self.stop(place, "anchors and aliases are not taken", "write the value at each place"));
        }
        let tag = event
            .tag()
            .map(|tag| Tag { name: tag.original(), span: span.tag_span().map_or_else(|| place.clone(), |span| self.place(span)) });
        let content = match event {
            Event::Scalar(text, style, ..) => self.scalar(text, *style, span)?,
            Event::SequenceStart(..) => self.list(depth)?,
            Event::MappingStart(..) => self.map(depth)?,
            _ => return Err(self.stop(place, "a value is expected here", "write one")),
        };
        Ok(Node { span: place, tag, content })
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, span: Span) -> Result<Content, Stop> {
        let style = match style {
            ScalarStyle::Plain if span.byte_range().is_some_and(|range| range.is_empty()) => {
                return Ok(Content::Scalar(String::new(), Style::Plain));
            }
            ScalarStyle::Plain => Style::Plain,
            ScalarStyle::DoubleQuoted => Style::Double,
            ScalarStyle::SingleQuoted => Style::Single,
            ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
        };
        let raw = span.slice(self.skeleton.masked()).unwrap_or_default();
        if style == Style::Double && Skeleton::tokens(raw) != Skeleton::tokens(text) {
            return Err(self.stop(self.place(span), "an escape stands for a character of private use", "leave it out"));
        }
        Ok(Content::Scalar(text.to_owned(), style))
    }

    fn list(&mut self, depth: usize) -> Result<Content, Stop> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::SequenceEnd {
                return Ok(Content::List(items));
            }
            items.push(self.node(&event, span, depth + 1)?);
        }
    }

    fn map(&mut self, depth: usize) -> Result<Content, Stop> {
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(Content::Map(entries));
            }
            let key = self.node(&event, span, depth + 1)?;
            let (event, span) = self.next()?;
            let node = self.node(&event, span, depth + 1)?;
            let Some(text) = self.key(&key) else { continue };
            if entries.iter().any(|entry| entry.key == text) {
                self.report.add(Fault::new(key.span, format!("the key `{text}` stands here twice")).help("keep one of them"));
                continue;
            }
            entries.push(Entry { key: text, span: key.span, node });
        }
    }

    /// The words of a key; a key is text of the instruction alone.
    fn key(&mut self, node: &Node) -> Option<String> {
        let fault = |message: &str| Fault::new(node.span.clone(), message);
        let text = match &node.content {
            _ if node.tag.is_some() => Err(fault("a key has no tag")),
            Content::Scalar(text, _) if !Skeleton::tokens(text).is_empty() => {
                Err(fault("a key is never filled in: a placeholder stands for a value")
                    .help("write the key, or a whole object as the value of the key above"))
            }
            Content::Scalar(text, Style::Plain) if text == "<<" => {
                Err(fault("merges are not taken").help("write the entries at each place"))
            }
            Content::Scalar(text, _) => Ok(text.clone()),
            Content::List(_) | Content::Map(_) => Err(fault("a key is text")),
        };
        text.map_err(|fault| self.report.add(fault)).ok()
    }

    fn place(&self, span: Span) -> Range<usize> {
        self.skeleton.span(span.byte_range().unwrap_or_default())
    }

    fn stop(&mut self, place: Range<usize>, message: impl Into<String>, help: &str) -> Stop {
        self.report.add(Fault::new(place, message).help(help));
        Stop
    }

    fn broken(&mut self, error: &ScanError) -> Stop {
        let at = error.marker().byte_offset().unwrap_or_default();
        let place = self.skeleton.span(at..at + 1);
        self.stop(place, format!("this is no YAML: {}", error.info()), "text with a colon, a hash or a quote in it goes into quotes")
    }
}

#[cfg(test)]
mod tests;
