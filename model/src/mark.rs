//! The opaque marks of an answer: what a provider wants back with its own calls.
//!
//! Anthropic and Google sign their thoughts, and refuse calls that come back without; `DeepSeek` wants its
//! reasoning. A mark says who made it, and goes back to that model only: to another one it is noise, or
//! an error.

use genai::chat::{ContentPart, CustomPart};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One mark.
#[derive(Debug, Serialize, Deserialize)]
struct Mark {
    /// Who made it, as `provider/model`.
    by: String,
    what: What,
}

/// What a mark keeps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum What {
    /// A signature before the words and calls.
    Signature(String),
    /// A thought before the words and calls; after a signature, the one that it signs.
    Thought(String),
    /// A block that goes back as it is.
    Block(Value),
    /// The signatures of one call, by its place.
    Call(usize, Vec<String>),
}

/// What goes back to a model with its calls.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    /// What stands before words and calls.
    pub leading: Vec<ContentPart>,
    /// The signatures of calls, by their place.
    calls: Vec<(usize, Vec<String>)>,
}

impl Marks {
    /// Reads the marks that a model made itself; the rest is left out.
    pub(crate) fn read(signatures: &[String], by: &str) -> Self {
        let mut marks = Self::default();
        for text in signatures {
            match serde_json::from_str::<Mark>(text) {
                Ok(mark) if mark.by == by => match mark.what {
                    What::Signature(signature) => marks.leading.push(ContentPart::ThoughtSignature(signature)),
                    What::Thought(thought) => marks.leading.push(ContentPart::ReasoningContent(thought)),
                    What::Block(data) => marks.leading.push(ContentPart::Custom(CustomPart { model_iden: None, data })),
                    What::Call(place, signatures) => marks.calls.push((place, signatures)),
                },
                _ => {}
            }
        }
        marks
    }

    /// The signatures of a call.
    pub(crate) fn of_call(&self, place: usize) -> Option<Vec<String>> {
        self.calls.iter().find(|(at, _)| *at == place).map(|(_, signatures)| signatures.clone())
    }
}

/// The marks of what stands before words and calls, and of the calls among it.
///
/// genai gives a signature twice: before everything, and with the call. It is kept where it belongs: with
/// the thought that it signs, else with the call.
pub(crate) fn write(parts: &[ContentPart], by: &str) -> Vec<String> {
    let signs_thoughts = parts.iter().any(|part| matches!(part, ContentPart::ReasoningContent(_)));
    let calls: Vec<&Vec<String>> = parts.iter().filter_map(of_call).collect();
    let mut place = 0;
    let what = parts.iter().filter_map(|part| match part {
        ContentPart::ThoughtSignature(signature) if !signs_thoughts && calls.iter().any(|own| own.contains(signature)) => None,
        ContentPart::ThoughtSignature(signature) => Some(What::Signature(signature.clone())),
        ContentPart::ReasoningContent(thought) => Some(What::Thought(thought.clone())),
        ContentPart::Custom(part) => Some(What::Block(part.data.clone())),
        ContentPart::ToolCall(_) => {
            place += 1;
            of_call(part).filter(|_| !signs_thoughts).map(|signatures| What::Call(place - 1, signatures.clone()))
        }
        _ => None,
    });
    what.filter_map(|what| serde_json::to_string(&Mark { by: by.to_owned(), what }).ok()).collect()
}

fn of_call(part: &ContentPart) -> Option<&Vec<String>> {
    if let ContentPart::ToolCall(call) = part { call.thought_signatures.as_ref() } else { None }
}

#[cfg(test)]
mod tests {
    use genai::chat::{ContentPart, ToolCall};
    use serde_json::json;

    use super::{Marks, write};

    #[test]
    fn marks_go_back_to_the_model_that_made_them_and_to_no_other() {
        let call = |signatures: Option<Vec<String>>| {
            ContentPart::ToolCall(ToolCall {
                call_id: "a".into(),
                fn_name: "f".into(),
                fn_arguments: json!({}),
                thought_signatures: signatures,
            })
        };
        let words = || ContentPart::Text("words are no mark".into());
        let signature = |text: &str| ContentPart::ThoughtSignature(text.into());
        let thought = || ContentPart::ReasoningContent("hm".into());
        let block = || ContentPart::from_custom(json!({"type": "redacted_thinking", "data": "x"}), None);
        for (parts, leading, call) in [
            // Anthropic signs thoughts, and genai gives the signature to the call as well.
            (vec![signature("s"), thought(), block(), words(), call(Some(vec!["s".into()]))], 3, None),
            // Google signs calls, and genai puts the signature in front as well.
            (vec![signature("s"), signature("t"), words(), call(Some(vec!["t".into()]))], 1, Some(vec!["t".to_owned()])),
            (vec![words(), call(None)], 0, None),
        ] {
            let mut written = write(&parts, "a/m");
            written.push("not one of ours".into());
            let marks = Marks::read(&written, "a/m");
            assert_eq!((marks.leading.len(), marks.of_call(0)), (leading, call), "{marks:?}");
            let other = Marks::read(&written, "a/n");
            assert!(other.leading.is_empty() && other.of_call(0).is_none());
        }
    }
}
