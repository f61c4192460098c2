//! Names that every provider takes: ids of calls, and functions.

use std::collections::HashSet;

use crate::limit::NAME_CHARS_MAX;
use crate::prompt::{Function, Message};
use crate::provider::Kind;

/// Names that genai takes for tools of the provider itself, whoever offers them.
fn reserved(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Anthropic => &["web_search"],
        Kind::Gemini => &["googleSearch", "googleSearchRetrieval", "codeExecution", "urlContext"],
        _ => &[],
    }
}

/// What functions are called on the wire of one provider.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// Pairs of ours and the provider's, where they differ.
    renamed: Vec<(String, String)>,
}

impl Names {
    pub(crate) fn of(functions: &[Function], kind: Kind) -> Self {
        let mut taken: HashSet<String> = functions.iter().map(|function| function.name.clone()).collect();
        let mut renamed = Vec::new();
        for name in reserved(kind).iter().filter(|name| functions.iter().any(|function| function.name == **name)) {
            let other = free(name, &taken);
            taken.insert(other.clone());
            renamed.push(((*name).to_owned(), other));
        }
        Self { renamed }
    }

    /// The name on the wire. A model may have made up one that no provider takes back.
    pub(crate) fn out(&self, name: &str) -> String {
        let renamed = self.renamed.iter().find(|(ours, _)| ours == name);
        renamed.map_or_else(|| plain(name, "unknown"), |(_, theirs)| theirs.clone())
    }

    /// Our name.
    pub(crate) fn back(&self, name: &str) -> String {
        let renamed = self.renamed.iter().find(|(_, theirs)| theirs == name);
        renamed.map_or_else(|| name.to_owned(), |(ours, _)| ours.clone())
    }
}

/// Ids of calls that are taken in a conversation.
#[derive(Debug, Default)]
pub(crate) struct Ids(HashSet<String>);

impl Ids {
    pub(crate) fn of(messages: &[Message]) -> Self {
        let calls = messages.iter().flat_map(|message| match message {
            Message::Assistant(assistant) => assistant.calls.as_slice(),
            _ => &[],
        });
        Self(calls.map(|call| call.id.clone()).collect())
    }

    /// A provider's id as it can stand in the conversation: some give none, and some give the same one
    /// again, which others refuse.
    pub(crate) fn take(&mut self, id: &str) -> String {
        let id = free(&plain(id, "call"), &self.0);
        self.0.insert(id.clone());
        id
    }
}

/// Letters, digits, `_` and `-` only, and not too many of them.
fn plain(name: &str, instead: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let name: String = name.chars().take(NAME_CHARS_MAX).map(|c| if is_plain(c) { c } else { '_' }).collect();
    if name.is_empty() { instead.to_owned() } else { name }
}

/// A name that is not taken yet: itself, or with a number behind it.
fn free(name: &str, taken: &HashSet<String>) -> String {
    // One of so many must be free.
    let numbered = (2..=taken.len().saturating_add(2)).map(|number| {
        let number = format!("_{number}");
        let start: String = name.chars().take(NAME_CHARS_MAX.saturating_sub(number.len())).collect();
        start + &number
    });
    let is_reserved = |name: &str| reserved(Kind::Anthropic).contains(&name) || reserved(Kind::Gemini).contains(&name);
    let is_free = |candidate: &String| !taken.contains(candidate) && !is_reserved(candidate);
    std::iter::once(name.to_owned()).chain(numbered).find(is_free).unwrap_or_else(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::{Ids, Names};
    use crate::prompt::{Assistant, Call, Function, Message};
    use crate::provider::Kind;

    fn function(name: &str) -> Function {
        Function { name: name.to_owned(), description: String::new(), parameters: json!({}) }
    }

    #[test]
    fn a_function_that_is_called_like_a_tool_of_the_provider_goes_by_another_name() {
        let functions = [function("web_search"), function("web_search_2"), function("f")];
        let names = Names::of(&functions, Kind::Anthropic);
        assert_eq!(
            (names.out("web_search"), names.out("web_search_2"), names.out("f")),
            ("web_search_3".into(), "web_search_2".into(), "f".into())
        );
        assert_eq!((names.back("web_search_3"), names.back("f")), ("web_search".into(), "f".into()));
        assert_eq!(Names::of(&functions, Kind::OpenAi).out("web_search"), "web_search");
    }

    #[test]
    fn a_name_that_a_model_made_up_can_go_back_to_it() {
        let names = Names::default();
        for (name, expected) in [("functions.f", "functions_f"), ("", "unknown"), ("schön", "sch_n")] {
            assert_eq!(names.out(name), expected);
        }
    }

    #[test]
    fn an_id_stands_once_in_a_conversation() {
        let call = Call { id: "call_0".into(), name: "f".into(), arguments: json!({}) };
        let mut ids = Ids::of(&[Message::Assistant(Assistant { calls: vec![call], ..Assistant::default() })]);
        assert_eq!(["call_0", "call_0", "", "call#f#0"].map(|id| ids.take(id)), ["call_0_2", "call_0_3", "call", "call_f_0"]);
    }

    proptest! {
        #[test]
        fn ids_are_plain_and_differ(given in proptest::collection::vec("\\PC{0,80}", 0..20)) {
            let mut ids = Ids::default();
            let taken: Vec<String> = given.iter().map(|id| ids.take(id)).collect();
            for (place, id) in taken.iter().enumerate() {
                prop_assert!((1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'));
                prop_assert!(!taken.iter().take(place).any(|other| other == id));
            }
        }
    }
}
