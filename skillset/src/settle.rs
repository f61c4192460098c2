//! Gives a block's body the form that its action takes.

use crate::fault::{Fault, Report};
use crate::http;
use crate::invocation::Action;
use crate::json_text;
use crate::nearest::advice;
use crate::secrecy::{self, Room};
use crate::skeleton::Bit;
use crate::template::{Body, Content, Entry, Node, Piece, Place};
use crate::verb::Parameter;
use crate::weave::{Weaver, unquote};
use crate::yaml::{self, Style};

/// What an action reads, if it reads a mapping.
#[derive(Debug)]
pub(crate) struct Form {
    /// The key that a body of plain text stands for.
    pub(crate) main: Option<&'static str>,
    /// The keys; a body with none of them is text.
    pub(crate) keys: &'static [&'static str],
    /// Whether other keys are faults.
    pub(crate) is_closed: bool,
    /// Whether parameters of the first line stand for keys.
    pub(crate) takes_parameters: bool,
}

/// What each action reads.
pub(crate) const fn form(action: Action) -> Form {
    let (main, keys): (Option<&'static str>, &'static [&'static str]) = match action {
        Action::Fetch => (None, &["method", "url", "path", "query", "headers", "authorization", "body", "options"]),
        Action::Search => (Some("query"), &["query", "type"]),
        Action::Email => (Some("content"), &["to", "cc", "bcc", "from", "replyTo", "subject", "content"]),
        Action::Echo => (None, &["result"]),
        Action::Abort => (None, &["reason"]),
        Action::Mcp => (Some("url"), &crate::mcp::KEYS),
        Action::Nats => (None, &crate::nats::KEYS),
        Action::Await => (None, &crate::question::KEYS),
    };
    let takes_parameters = matches!(action, Action::Search | Action::Email | Action::Mcp | Action::Nats);
    Form { main, keys, is_closed: !matches!(action, Action::Search | Action::Echo | Action::Abort), takes_parameters }
}

/// Reads the body of a block; its parameters go in where they stand for keys.
pub(crate) fn body(weaver: &mut Weaver<'_, '_, '_>, action: Action, parameters: &[Parameter]) -> Option<Body> {
    let form = form(action);
    if action == Action::Fetch && http::looks_so(weaver.skeleton) {
        return Some(crate::fetch::raw(weaver, parameters));
    }
    let masked = weaver.skeleton.masked();
    let tree = if reads_as_tree(weaver, action, &form) {
        let node = yaml::read(weaver.skeleton, weaver.report)?;
        weaver.node(&node)
    } else {
        match form.main {
            _ if masked.trim().is_empty() && form.takes_parameters => {
                Node { span: weaver.skeleton.range(), content: Content::Map(Vec::new()) }
            }
            Some(main) => {
                let (mut lines, content) = header_lines(masked, &form).unwrap_or((Vec::new(), masked));
                lines.push((main, content.trim()));
                map_of(weaver, lines)
            }
            None => {
                let mut phrase = weaver.text(masked.trim());
                if let (true, [Piece::Slot(slot)]) = (action != Action::Echo, phrase.0.as_mut_slice()) {
                    unquote(&mut slot.steps);
                }
                secrecy::check(&phrase, Room::Plain, weaver.report);
                return Some(Body::Text(phrase));
            }
        }
    };
    tree_body(action, tree, parameters, weaver.report)
}

/// Finishes a body that is a tree, of a block or of the structured form.
pub(crate) fn tree_body(action: Action, mut tree: Node, parameters: &[Parameter], report: &mut Report<'_>) -> Option<Body> {
    let form = form(action);
    if let Content::Map(entries) = &mut tree.content {
        if action == Action::Fetch {
            crate::fetch::rename(entries);
        }
        for parameter in parameters.iter().filter(|_| form.takes_parameters) {
            put(entries, parameter);
        }
        if form.is_closed {
            check_keys(entries, form.keys, report);
        }
    } else if form.is_closed || form.takes_parameters {
        let is_empty = matches!(&tree.content, Content::Value(value) if value.is_null());
        let fault = Fault::new(tree.span.clone(), if is_empty { "the block says nothing" } else { "the body is no mapping" });
        report.add(fault.help(format!("there are the keys {}", form.keys.join(", "))));
        return None;
    }
    match action {
        Action::Fetch => crate::fetch::tree(&mut tree, parameters, report),
        Action::Mcp => crate::mcp::settle(&mut tree, report),
        Action::Nats => crate::nats::settle(&mut tree, report),
        Action::Email => mail(&mut tree, report),
        _ => secrecy::check_tree(&mut tree, Room::Plain, report),
    }
    Some(Body::Tree(tree))
}

/// What stands in the headers of a mail is one line.
fn mail(tree: &mut Node, report: &mut Report<'_>) {
    secrecy::check_tree(tree, Room::Plain, report);
    let Content::Map(entries) = &mut tree.content else { return };
    for entry in entries.iter_mut().filter(|entry| entry.key != "content") {
        entry.node.each_leaf(&mut |leaf, _| match leaf {
            Content::Phrase(phrase) => phrase.slots_mut().for_each(|slot| slot.place = Place::Header),
            Content::Alone(slot) => slot.place = Place::Header,
            _ => {}
        });
    }
}

/// Faults for keys that are none of those known.
pub(crate) fn check_keys(entries: &[Entry], known: &[&str], report: &mut Report<'_>) {
    for entry in entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
        report.add(Fault::new(entry.span.clone(), format!("unknown key `{}`", entry.key)).help(advice(&entry.key, known)));
    }
}

/// Whether a body is YAML rather than text: some action takes text, and text can look like YAML.
fn reads_as_tree(weaver: &Weaver<'_, '_, '_>, action: Action, form: &Form) -> bool {
    let masked = weaver.skeleton.masked();
    if matches!(action, Action::Fetch | Action::Nats) {
        return true;
    }
    if masked.trim().is_empty() {
        return false;
    }
    let mut scratch = Report::new("");
    let node = yaml::read(weaver.skeleton, &mut scratch);
    match node.map(|node| node.content) {
        Some(yaml::Content::Map(entries)) if action != Action::Echo || !json_text::looks_so(masked) => {
            entries.iter().any(|entry| form.keys.contains(&entry.key.as_str()))
        }
        Some(yaml::Content::Map(_) | yaml::Content::List(_)) => action == Action::Echo && json_text::looks_so(masked),
        Some(yaml::Content::Scalar(..)) => false,
        None => has_key_line(masked, form) && header_lines(masked, form).is_none(),
    }
}

/// Whether a line begins with a key of the action: then YAML is meant, though it has a fault.
fn has_key_line(masked: &str, form: &Form) -> bool {
    let is_key = |line: &str| line.split_once(':').is_some_and(|(key, _)| form.keys.contains(&key));
    masked.lines().any(is_key)
}

/// The lines of a text that begins as a mail does: `Subject: ...`, an empty line, the content.
fn header_lines<'a>(masked: &'a str, form: &Form) -> Option<(Vec<(&'static str, &'a str)>, &'a str)> {
    if !form.keys.contains(&"subject") || form.main.is_none() {
        return None;
    }
    let mut headers: Vec<(&'static str, &'a str)> = Vec::new();
    let mut rest = masked.trim_start();
    loop {
        let line = rest.split_inclusive('\n').next()?;
        rest = rest.get(line.len()..)?;
        if line.trim().is_empty() {
            return Some((headers, rest)).filter(|(headers, _)| !headers.is_empty());
        }
        let (name, value) = line.split_once(':')?;
        let key = form.keys.iter().find(|key| key.eq_ignore_ascii_case(&name.replace('-', "")))?;
        if Some(*key) == form.main || headers.iter().any(|(known, _)| known == key) {
            return None;
        }
        headers.push((key, value.trim()));
    }
}

/// A mapping of texts; one that is a lone placeholder needs no quotes.
fn map_of(weaver: &mut Weaver<'_, '_, '_>, lines: Vec<(&'static str, &str)>) -> Node {
    let span = weaver.skeleton.range();
    let entry = |(key, words): (&str, &str)| {
        let is_alone = matches!(weaver.skeleton.decode(words).as_slice(), [Bit::Placeholder(_)]);
        let content = if is_alone { weaver.scalar(words, Style::Plain) } else { Content::Phrase(weaver.text(words)) };
        Entry { key: key.to_owned(), span: span.clone(), node: Node { span: span.clone(), content } }
    };
    let entries = lines.into_iter().map(entry).collect();
    Node { span: span.clone(), content: Content::Map(entries) }
}

/// Sets a key by a parameter; a flag sets none that the body has, as in `ChatBotKit`.
fn put(entries: &mut Vec<Entry>, parameter: &Parameter) {
    let is_flag = matches!(&parameter.node.content, Content::Value(value) if value == true);
    match entries.iter_mut().find(|entry| entry.key == parameter.name) {
        Some(entry) if is_flag && !matches!(&entry.node.content, Content::Value(value) if value.is_boolean()) => {}
        Some(entry) => entry.node = parameter.node.clone(),
        None => entries.push(Entry { key: parameter.name.clone(), span: parameter.node.span.clone(), node: parameter.node.clone() }),
    }
}
