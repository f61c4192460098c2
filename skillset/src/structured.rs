//! The form without a fence: YAML whose tags say what it is.
//!
//! `!fetch` and the like name the action, `!string {name: ..}` and the like stand for values of the
//! model, `!reference NAME` for values of whoever acts, and `!concat [..]` puts texts together.

use crate::fault::Fault;
use crate::field::{Field, Kind};
use crate::invocation::Action;
use crate::nearest::advice;
use crate::placeholder::{self, Reference};
use crate::settle;
use crate::template::{Absent, Body, Content, Entry, Node, Phrase, Piece, Place, Slot};
use crate::verb;
use crate::weave::Weaver;
use crate::yaml::{self, Tag};

mod shape;

/// The tags of values.
const TAGS: [&str; 7] = ["!string", "!number", "!boolean", "!array", "!object", "!reference", "!concat"];

/// Whether a document is in this form: its root has a tag, or an `action` that has.
pub(crate) fn looks_so(node: &yaml::Node) -> bool {
    node.tag.is_some() || action_entry(node).is_some()
}

/// Reads a document.
pub(crate) fn read(weaver: &mut Weaver<'_, '_, '_>, node: &yaml::Node) -> (Option<Action>, Option<Body>) {
    let root = match action_entry(node) {
        Some(entry) if node.tag.is_none() => {
            if let yaml::Content::Map(entries) = &node.content {
                for other in entries.iter().filter(|other| other.key != "action") {
                    weaver.report.add(
                        Fault::new(other.span.clone(), "beside `action` there is nothing to say")
                            .help("what the action needs stands below its tag"),
                    );
                }
            }
            &entry.node
        }
        _ => node,
    };
    let Some(tag) = &root.tag else {
        weaver
            .report
            .add(Fault::new(root.span.clone(), "`action` needs a tag").help("write `action: !fetch`, or begin the text with `!fetch`"));
        return (None, None);
    };
    let Some(action) = action(weaver, tag) else { return (None, None) };
    let bare = yaml::Node { tag: None, ..root.clone() };
    let mut tree = convert(weaver, &bare);
    let is_empty = matches!(&tree.content, Content::Value(value) if value.is_null());
    match (&mut tree.content, settle::form(action).main.or_else(|| settle::form(action).keys.first().copied())) {
        (content, _) if is_empty => *content = Content::Map(Vec::new()),
        (Content::Phrase(phrase), Some(key)) => {
            let node = Node { span: tree.span.clone(), content: Content::Phrase(std::mem::take(phrase)) };
            tree.content = Content::Map(vec![Entry { key: key.to_owned(), span: tree.span.clone(), node }]);
        }
        _ => {}
    }
    (Some(action), settle::tree_body(action, tree, &[], weaver.report))
}

fn action_entry(node: &yaml::Node) -> Option<&yaml::Entry> {
    let yaml::Content::Map(entries) = &node.content else { return None };
    entries.iter().find(|entry| entry.key == "action" && entry.node.tag.is_some())
}

/// The action of a tag: `!mcp.install` is `mcp`.
fn action(weaver: &mut Weaver<'_, '_, '_>, tag: &Tag) -> Option<Action> {
    let name = tag.name.trim_start_matches('!');
    let (word, operation) = name.split_once('.').unwrap_or((name, ""));
    let fault = match (verb::action(word, tag.span.clone()), operation) {
        (Ok(Action::Mcp), "" | "install" | "activate" | "load") => return Some(Action::Mcp),
        (Ok(Action::Mcp), _) => Fault::new(tag.span.clone(), format!("`{}` is not there", tag.name))
            .help("tools are there as long as the ability is: write `!mcp.install`"),
        (Ok(action), "") => return Some(action),
        (Ok(_), _) => Fault::new(tag.span.clone(), format!("`{}` is no action", tag.name)).help(format!("write `!{word}`")),
        (Err(_), _) if TAGS.contains(&tag.name.trim_end_matches('?')) => {
            Fault::new(tag.span.clone(), "a value stands where the action is expected").help("begin with the action, such as `!fetch`")
        }
        (Err(fault), _) => fault,
    };
    weaver.report.add(fault);
    None
}

fn convert(weaver: &mut Weaver<'_, '_, '_>, node: &yaml::Node) -> Node {
    let content = match (&node.tag, &node.content) {
        (Some(tag), _) => tagged(weaver, tag, node),
        (None, yaml::Content::Scalar(text, style)) => weaver.scalar(text, *style),
        (None, yaml::Content::List(items)) => Content::List(items.iter().map(|item| convert(weaver, item)).collect()),
        (None, yaml::Content::Map(entries)) => Content::Map(entries.iter().map(|entry| convert_entry(weaver, entry)).collect()),
    };
    Node { span: node.span.clone(), content }
}

fn convert_entry(weaver: &mut Weaver<'_, '_, '_>, entry: &yaml::Entry) -> Entry {
    Entry { key: entry.key.clone(), span: entry.span.clone(), node: convert(weaver, &entry.node) }
}

fn tagged(weaver: &mut Weaver<'_, '_, '_>, tag: &Tag, node: &yaml::Node) -> Content {
    let nothing = Content::Phrase(Phrase::default());
    match (tag.name.as_str(), &node.content) {
        ("!!str", yaml::Content::Scalar(text, _)) => Content::Phrase(weaver.text(text)),
        ("!reference", _) => {
            reference(weaver, node).map_or(nothing, |reference| Content::Phrase(Phrase(vec![Piece::Reference(reference)])))
        }
        ("!concat", yaml::Content::List(items)) => Content::Phrase(concat(weaver, items)),
        ("!concat", _) => {
            weaver
                .report
                .add(Fault::new(node.span.clone(), "`!concat` takes a list").help("write `!concat [\"text\", !string {name: x}]`"));
            nothing
        }
        (name, _) if TAGS.contains(&name.trim_end_matches('?')) => slot(weaver, tag, node).map_or(nothing, Content::Alone),
        (name, _) => {
            weaver.report.add(Fault::new(tag.span.clone(), format!("unknown tag `{name}`")).help(advice(name, &TAGS)));
            nothing
        }
    }
}

/// Texts, values and references in a row.
fn concat(weaver: &mut Weaver<'_, '_, '_>, items: &[yaml::Node]) -> Phrase {
    let mut pieces = Vec::new();
    for item in items {
        match (convert(weaver, item).content, &item.tag) {
            (Content::Phrase(phrase), _) => pieces.extend(phrase.0),
            (Content::Value(value), _) => pieces.push(Piece::Literal(crate::operation::text(&value))),
            (Content::Alone(slot), Some(tag)) if !matches!(tag.name.trim_end_matches('?'), "!array" | "!object") => {
                pieces.push(Piece::Slot(slot));
            }
            _ => weaver.report.add(Fault::new(item.span.clone(), "`!concat` takes texts, numbers and references")),
        }
    }
    Phrase(pieces)
}

fn reference(weaver: &mut Weaver<'_, '_, '_>, node: &yaml::Node) -> Option<Reference> {
    let name = match &node.content {
        yaml::Content::Scalar(text, _) => Some(weaver.skeleton.original(text)),
        yaml::Content::Map(entries) => entries.iter().find(|entry| entry.key == "name").and_then(|entry| match &entry.node.content {
            yaml::Content::Scalar(text, _) => Some(weaver.skeleton.original(text)),
            _ => None,
        }),
        yaml::Content::List(_) => None,
    };
    let name = name.unwrap_or_default();
    if !placeholder::is_reserved(&name) {
        let prefixes = placeholder::RESERVED.join("... ");
        weaver
            .report
            .add(Fault::new(node.span.clone(), format!("`{name}` is no reference")).help(format!("the references are {prefixes}...")));
        return None;
    }
    Some(Reference { name, span: node.span.clone(), steps: Vec::new() })
}

/// A value of the model: its field is declared here.
fn slot(weaver: &mut Weaver<'_, '_, '_>, tag: &Tag, node: &yaml::Node) -> Option<Slot> {
    let declared = shape::declared(weaver, tag, node)?;
    let name = declared.name.unwrap_or_default();
    if !placeholder::is_name(&name) {
        let fault = Fault::new(node.span.clone(), format!("`{name}` is no name of a field"));
        weaver.report.add(fault.help("write `name:` with a letter and then letters, digits, `_`, `-` and `.`"));
        return None;
    }
    if placeholder::is_reserved(&name) {
        let fault = Fault::new(node.span.clone(), format!("`{name}` is a reference, which a model never fills"));
        weaver.report.add(fault.help(format!("write `!reference {name}`")));
        return None;
    }
    let absent = if declared.shape.is_required { Absent::Null } else { Absent::Omitted };
    let field = Field { is_hidden: placeholder::is_private(&name), name, shape: declared.shape };
    let is_structure = matches!(field.shape.kind, Kind::List(_) | Kind::Record(_));
    let field = weaver.gather.declare(field, node.span.clone(), weaver.report);
    let steps = if is_structure { Vec::new() } else { declared.steps };
    Some(Slot { field, steps, place: Place::Plain, absent })
}
