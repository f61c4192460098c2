//! What every resource can be given: an alias, notes, a state.

use proto::resource::{Common, State};
use serde_json::{Map, Value};

use super::fault::Fault;
use super::fields::{self, Fields};
use super::tree::{Node, Value as Tree};

/// Longest alias, in characters.
const ALIAS_CHARS_MAX: usize = 128;
/// Largest `meta`, in bytes of JSON.
const META_BYTES_MAX: usize = 32 * 1024;
/// The states, by the names that they have in files.
pub(super) const STATES: [(&str, State); 3] = [("active", State::Active), ("paused", State::Paused), ("draining", State::Draining)];

/// Takes `alias` and `meta`.
pub(super) fn take(fields: &mut Fields<'_>, faults: &mut Vec<Fault>) -> Common {
    let path = fields.path_of("alias");
    let alias = fields.take("alias").and_then(|node| alias(node, path, faults));
    let path = fields.path_of("meta");
    let meta = fields.take("meta").map(|node| meta(node, path, faults)).unwrap_or_default();
    Common { alias, meta, ..Common::default() }
}

fn alias(node: &Node, path: String, faults: &mut Vec<Fault>) -> Option<String> {
    let text = fields::text(node, path.clone(), faults)?;
    let is_right = (1..=ALIAS_CHARS_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    if is_right {
        return Some(text.to_owned());
    }
    let reason = format!("must be 1 to {ALIAS_CHARS_MAX} characters of A-Z a-z 0-9 _ -");
    faults.push(Fault { at: node.at, path, reason });
    None
}

fn meta(node: &Node, path: String, faults: &mut Vec<Fault>) -> Map<String, Value> {
    let reason = match (&node.value, node.to_json()) {
        (Tree::Map(_), Value::Object(map)) => match Value::Object(map.clone()).to_string().len() {
            0..=META_BYTES_MAX => return map,
            bytes => format!("has {bytes} bytes, at most {META_BYTES_MAX} are taken"),
        },
        _ => format!("must be a mapping, not {}", node.kind()),
    };
    faults.push(Fault { at: node.at, path, reason });
    Map::new()
}

/// Takes a field that holds one of a few words.
pub(super) fn word<T: Copy>(
    fields: &mut Fields<'_>,
    name: &'static str,
    words: &[(&str, T)],
    default: T,
    faults: &mut Vec<Fault>,
) -> Option<T> {
    let path = fields.path_of(name);
    let Some(node) = fields.take(name) else { return Some(default) };
    let said = fields::text(node, path.clone(), faults)?;
    let found = words.iter().find(|(word, _)| *word == said).map(|(_, value)| *value);
    if found.is_none() {
        let known = words.iter().map(|(word, _)| *word).collect::<Vec<_>>();
        let known = known.split_last().map_or(String::new(), |(last, rest)| format!("{} or {last}", rest.join(", ")));
        faults.push(Fault { at: node.at, path, reason: format!("must be {known}") });
    }
    found
}
