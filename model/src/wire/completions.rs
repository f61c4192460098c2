//! Chat completions: the calls are put together here, and the shape of each chunk is checked.

use serde_json::Value;

use super::{Extra, Piece, member, object};
use crate::answer::Usage;
use crate::limit::CALLS_MAX;

/// The chunks so far.
#[derive(Debug, Default)]
pub(super) struct Frames {
    calls: Vec<Slot>,
    refusal: String,
    usage: Option<Usage>,
    is_done: bool,
}

/// A call that is being put together.
#[derive(Debug)]
struct Slot {
    place: Option<u64>,
    piece: Piece,
}

impl Frames {
    pub(super) fn take(&mut self, data: &str) -> Result<(), String> {
        // An empty frame is a comment that keeps the connection open.
        if self.is_done || data.is_empty() {
            return Ok(());
        }
        if data == "[DONE]" {
            self.is_done = true;
            return Ok(());
        }
        let chunk = object(data)?;
        // The last one counts; Groq puts it elsewhere, but for those who ask for it.
        let x_groq = chunk.pointer("/x_groq/usage").filter(|usage| usage.is_object());
        self.usage = member(&chunk, "usage").or(x_groq).map(usage).or(self.usage);
        let choice = match member(&chunk, "choices") {
            None => return Ok(()),
            Some(Value::Array(choices)) => match choices.first() {
                None => return Ok(()),
                Some(choice) => choice,
            },
            Some(_) => return Err("its choices are no list".to_owned()),
        };
        if !choice.is_object() {
            return Err("a choice is no object".to_owned());
        }
        let Some(delta) = member(choice, "delta") else { return Ok(()) };
        if !delta.is_object() {
            return Err("a delta is no object".to_owned());
        }
        if member(delta, "content").is_some_and(|content| !content.is_string() && !content.is_array()) {
            return Err("its content is no text".to_owned());
        }
        if let Some(refusal) = member(delta, "refusal").and_then(Value::as_str) {
            self.refusal.push_str(refusal);
        }
        match member(delta, "tool_calls") {
            None => Ok(()),
            Some(Value::Array(calls)) => calls.iter().try_for_each(|call| self.call(call)),
            Some(_) => Err("its calls are no list".to_owned()),
        }
    }

    fn call(&mut self, call: &Value) -> Result<(), String> {
        if !call.is_object() {
            return Err("a call is no object".to_owned());
        }
        let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
        let place = member(call, "index").and_then(Value::as_u64);
        let function = member(call, "function");
        let id = text(member(call, "id"));
        let name = text(function.and_then(|function| member(function, "name")));
        let arguments = match function.and_then(|function| member(function, "arguments")) {
            None => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(whole @ Value::Object(_)) => whole.to_string(),
            Some(_) => return Err("the arguments of a call are no text".to_owned()),
        };
        let piece = self.piece(place, &id, &name)?;
        // Some servers make up another id for every fragment: the first one counts.
        if piece.id.is_empty() {
            piece.id = id;
        }
        if !name.is_empty() {
            piece.name = name;
        }
        piece.arguments.push_str(&arguments);
        Ok(())
    }

    /// Where a fragment belongs: by its place; by its id where a provider gives every call the same
    /// place or none; else to the last call. A new call has a name.
    fn piece(&mut self, place: Option<u64>, id: &str, name: &str) -> Result<&mut Piece, String> {
        let is_start = !name.is_empty();
        let is_same = |slot: &Slot| id.is_empty() || slot.piece.id == id;
        let found = match place {
            Some(_) => self.calls.iter().rposition(|slot| slot.place == place && (!is_start || is_same(slot))),
            None if is_start && id.is_empty() => None,
            None if is_start => self.calls.iter().rposition(is_same),
            None => self.calls.len().checked_sub(1),
        };
        let at = match found {
            Some(at) => at,
            None if !is_start => return Err("a part of a call has no call that it belongs to".to_owned()),
            None if self.calls.len() >= CALLS_MAX => return Err(format!("it wants more than {CALLS_MAX} calls")),
            None => {
                self.calls.push(Slot { place, piece: Piece::default() });
                self.calls.len() - 1
            }
        };
        self.calls.get_mut(at).map(|slot| &mut slot.piece).ok_or_else(|| "a call got lost".to_owned())
    }

    pub(super) fn extra(&mut self) -> Extra {
        let calls = std::mem::take(&mut self.calls).into_iter().map(|slot| slot.piece).collect();
        Extra { calls: Some(calls), refusal: std::mem::take(&mut self.refusal), usage: self.usage, ..Extra::default() }
    }
}

fn usage(usage: &Value) -> Usage {
    let count = |pointer: &str| usage.pointer(pointer).and_then(Value::as_u64);
    Usage {
        input: count("/prompt_tokens").unwrap_or_default(),
        cached: count("/prompt_tokens_details/cached_tokens").or_else(|| count("/prompt_cache_hit_tokens")).unwrap_or_default(),
        output: count("/completion_tokens").unwrap_or_default(),
        reasoning: count("/completion_tokens_details/reasoning_tokens").unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::Frames;
    use crate::wire::Piece;

    fn take(frames: &mut Frames, calls: &Value) -> Result<(), String> {
        frames.take(&json!({"choices": [{"index": 0, "delta": {"tool_calls": calls}}]}).to_string())
    }

    fn calls(chunks: &[Value]) -> Vec<(String, String, String)> {
        let mut frames = Frames::default();
        for chunk in chunks {
            take(&mut frames, chunk).unwrap();
        }
        let pieces = frames.extra().calls.unwrap();
        pieces.into_iter().map(|Piece { id, name, arguments }| (id, name, arguments)).collect()
    }

    fn call(id: &str, name: &str, arguments: &str) -> (String, String, String) {
        (id.to_owned(), name.to_owned(), arguments.to_owned())
    }

    #[test]
    fn fragments_of_parallel_calls_find_their_calls() {
        let both = [call("a", "f", r#"{"x":1}"#), call("b", "g", "{}")];
        for chunks in [
            // In turn, as OpenAI sends them.
            vec![
                json!([{"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}]),
                json!([{"index": 0, "function": {"arguments": "{\"x\""}}]),
                json!([{"index": 0, "function": {"arguments": ":1}"}}]),
                json!([{"index": 1, "id": "b", "function": {"name": "g", "arguments": "{}"}}]),
            ],
            // Interleaved, from a first place that is not 0.
            vec![
                json!([{"index": 1, "id": "a", "function": {"name": "f", "arguments": "{\"x\""}}, {"index": 2, "id": "b", "function": {"name": "g"}}]),
                json!([{"index": 2, "function": {"arguments": "{}"}}, {"index": 1, "function": {"arguments": ":1}"}}]),
            ],
            // Without places.
            vec![
                json!([{"id": "a", "function": {"name": "f", "arguments": "{\"x\""}}]),
                json!([{"function": {"arguments": ":1}"}}]),
                json!([{"id": "b", "function": {"name": "g", "arguments": {}}}]),
            ],
            // All at place 0, whole, told apart by their ids.
            vec![json!([
                {"index": 0, "id": "a", "function": {"name": "f", "arguments": {"x": 1}}},
                {"index": 0, "id": "b", "function": {"name": "g", "arguments": "{}"}},
            ])],
            // Another id with every fragment.
            vec![
                json!([{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{\"x\""}}]),
                json!([{"index": 0, "id": "z", "function": {"arguments": ":1}"}}]),
                json!([{"index": 1, "id": "b", "function": {"name": "g", "arguments": "{}"}}]),
            ],
            // The id and the name again with every fragment.
            vec![
                json!([{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{\"x\""}}]),
                json!([{"index": 0, "id": "a", "function": {"name": "f", "arguments": ":1}"}}]),
                json!([{"index": 1, "id": "b", "function": {"name": "g", "arguments": "{}"}}]),
            ],
        ] {
            assert_eq!(calls(&chunks), both, "{chunks:?}");
        }
        // A place so high that making room for it would end the process is but another call.
        assert_eq!(calls(&[json!([{"index": u32::MAX, "id": "a", "function": {"name": "f"}}])]), [call("a", "f", "")]);
    }

    #[test]
    fn what_is_no_chunk_is_a_flaw() {
        for data in [
            "{",
            "[]",
            "1",
            r#"{"choices":{}}"#,
            r#"{"choices":[1]}"#,
            r#"{"choices":[{"delta":[]}]}"#,
            r#"{"choices":[{"delta":{"content":5}}]}"#,
            r#"{"choices":[{"delta":{"tool_calls":{}}}]}"#,
            r#"{"choices":[{"delta":{"tool_calls":[1]}}]}"#,
            r#"{"choices":[{"delta":{"tool_calls":[{"function":{"arguments":"}"}}]}}]}"#,
            r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":5}}]}}]}"#,
        ] {
            assert!(Frames::default().take(data).is_err(), "{data}");
        }
        for data in [
            "",
            "[DONE]",
            "{}",
            r#"{"choices":null}"#,
            r#"{"choices":[]}"#,
            r#"{"choices":[{"delta":{"content":null,"tool_calls":null}}]}"#,
        ] {
            assert_eq!(Frames::default().take(data), Ok(()), "{data}");
        }
    }

    #[test]
    fn an_answer_wants_a_bounded_number_of_calls() {
        let mut frames = Frames::default();
        let wants =
            |frames: &mut Frames, at: usize| take(frames, &json!([{"index": at, "id": format!("c{at}"), "function": {"name": "f"}}]));
        for at in 0..128 {
            wants(&mut frames, at).unwrap();
        }
        assert_eq!(wants(&mut frames, 128), Err("it wants more than 128 calls".to_owned()));
    }

    proptest! {
        #[test]
        fn no_frames_panic(data in proptest::collection::vec("\\PC{0,40}", 0..4)) {
            let mut frames = Frames::default();
            for data in data {
                drop(frames.take(&data));
            }
            drop(frames.extra());
        }
    }
}
