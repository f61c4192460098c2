//! The names of actions, and the first line of a block.

use crate::fault::Fault;
use crate::invocation::Action;
use crate::nearest::nearest;
use crate::skeleton::Skeleton;
use crate::template::{Content, Node, Phrase};
use crate::weave::Weaver;
use crate::yaml::Style;

/// The actions that are there.
pub(crate) const ACTIONS: [(&str, Action); 8] = [
    ("fetch", Action::Fetch),
    ("search", Action::Search),
    ("email", Action::Email),
    ("echo", Action::Echo),
    ("abort", Action::Abort),
    ("mcp", Action::Mcp),
    ("nats", Action::Nats),
    ("await", Action::Await),
];
/// Actions of `ChatBotKit` that are not.
const ABSENT: [&str; 22] = [
    "view",
    "listen",
    "blueprint",
    "bot",
    "dataset",
    "skillset",
    "memory",
    "space",
    "file",
    "attachment",
    "text",
    "image",
    "form",
    "shell",
    "conversation",
    "task",
    "time",
    "rating",
    "pack",
    "agent",
    "todo",
    "list",
];
/// What an `mcp` block may say that it does, all the same.
const INSTALLS: [&str; 3] = ["install", "activate", "load"];

/// A parameter of a block's first line.
#[derive(Debug, Clone)]
pub(crate) struct Parameter {
    /// Its name.
    pub(crate) name: String,
    /// Its value: true for one that stands alone.
    pub(crate) node: Node,
}

/// The action that a word names.
pub(crate) fn action(word: &str, span: std::ops::Range<usize>) -> Result<Action, Fault> {
    if let Some((_, action)) = ACTIONS.iter().find(|(name, _)| *name == word) {
        return Ok(*action);
    }
    let names: Vec<_> = ACTIONS.iter().map(|(name, _)| *name).collect();
    let there = format!("there are {}", names.join(", "));
    if ABSENT.contains(&word) {
        return Err(Fault::new(span, format!("`{word}` of ChatBotKit is not there")).help(there));
    }
    let meant = nearest(word, &names).map(|name| format!("did you mean `{name}`? ")).unwrap_or_default();
    Err(Fault::new(span, format!("`{word}` is no action")).help(format!("{meant}{there}")))
}

/// Reads a block's first line: `action/name=value/flag`.
pub(crate) fn read(weaver: &mut Weaver<'_, '_, '_>) -> (Option<Action>, Vec<Parameter>) {
    let masked = weaver.skeleton.masked();
    let word = masked.split(|c: char| c == '/' || c.is_whitespace()).next().unwrap_or_default();
    let span = weaver.skeleton.span(0..word.len());
    let known = if word.is_empty() {
        Err(Fault::new(span, "the block names no action").help("write it after the backticks, such as ```fetch"))
    } else {
        action(&weaver.skeleton.original(word), span)
    };
    let known = known.map_err(|fault| weaver.report.add(fault)).ok();
    let rest = masked.get(word.len()..).unwrap_or_default();
    let Some(rest) = rest.strip_prefix('/') else {
        if !rest.trim().is_empty() {
            let span = weaver.skeleton.span(word.len()..masked.len());
            weaver.report.add(Fault::new(span, "parameters begin with `/`").help("what the action does stands on the next line"));
        }
        return (known, Vec::new());
    };
    let mut parameters: Vec<Parameter> = Vec::new();
    let mut at = word.len() + 1;
    for part in rest.split('/') {
        if let Some(parameter) = parameter(weaver, part, at) {
            if parameters.iter().any(|known| known.name == parameter.name) {
                weaver.report.add(Fault::new(parameter.node.span.clone(), format!("the parameter `{}` stands here twice", parameter.name)));
            }
            parameters.push(parameter);
        }
        at += part.len() + 1;
    }
    if known == Some(Action::Mcp) {
        parameters.retain(|parameter| !installs(weaver, parameter));
    }
    (known, parameters)
}

fn parameter(weaver: &mut Weaver<'_, '_, '_>, part: &str, at: usize) -> Option<Parameter> {
    let span = weaver.skeleton.span(at..at + part.len());
    let (name, value) = part.split_once('=').map_or((part, None), |(name, value)| (name, Some(value)));
    let name = name.trim();
    if name.is_empty() && value.is_none() {
        return None;
    }
    if name.is_empty() || !Skeleton::tokens(name).is_empty() {
        weaver.report.add(Fault::new(span, "a parameter has a name").help("write `/name=value`; a `/` in a value is `%2F`"));
        return None;
    }
    let content = match value {
        None => Content::Value(true.into()),
        Some(value) => match unescape(value) {
            value if value.is_empty() => Content::Phrase(Phrase::default()),
            value if value == "~" || value.eq_ignore_ascii_case("null") => Content::Phrase(Phrase::literal(value)),
            value => weaver.scalar(&value, Style::Plain),
        },
    };
    Some(Parameter { name: unescape(name), node: Node { span, content } })
}

fn unescape(text: &str) -> String {
    text.replace("%2F", "/").replace("%2f", "/")
}

/// Whether a parameter only says whether tools are installed, which an `mcp` block always does.
fn installs(weaver: &mut Weaver<'_, '_, '_>, parameter: &Parameter) -> bool {
    if parameter.name == "uninstall" {
        let fault = Fault::new(parameter.node.span.clone(), "`mcp/uninstall` is not there");
        weaver.report.add(fault.help("tools are there as long as the ability is"));
    }
    parameter.name == "uninstall" || INSTALLS.contains(&parameter.name.as_str())
}
