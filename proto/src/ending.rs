//! How the end of a turn is told: pure.
//!
//! In ChatBotKit's words, with ours beside them: `end.reason` is one of its `stop`, `length`,
//! `iteration`, `error` and `abort`, or `merged` for an event that went into a later one's turn.

use serde_json::{Value, json};

use crate::code::Code;
use crate::id::{Receipt, SessionKey};
use crate::message::{Kind, Message};
use crate::record::{Record, Step};
use crate::status::Status;

/// The result of the turn that a record ends; `messages` are the record's own.
pub fn result(session: &SessionKey, record: &Record, messages: &[Message]) -> Option<Value> {
    let end = match record.step.as_ref()? {
        Step::Completed(step) => json!({ "reason": if step.truncated { "length" } else { "stop" } }),
        Step::Merged(_) => json!({ "reason": "merged" }),
        Step::Failed(step) if step.code == Code::TurnLimit.as_str() => {
            json!({ "reason": "iteration", "error": step.code, "message": step.message })
        }
        Step::Failed(step) => json!({ "reason": "error", "error": step.code, "message": step.message }),
        Step::Cancelled(step) => json!({ "reason": "abort", "message": step.reason, "by": step.by }),
        _ => return None,
    };
    let receipt = Receipt { session: session.clone(), event: record.event };
    let mut result = json!({
        "id": receipt.to_string(),
        "conversationId": record.conversation.id(session).to_string(),
        "status": Status::of(record),
        "usage": usage(messages),
        "end": end,
    });
    let reply = messages.iter().rev().find(|message| message.kind == Kind::Bot);
    if let (Some(map), Some(reply)) = (result.as_object_mut(), reply) {
        map.insert("text".into(), reply.text.clone().into());
    }
    Some(result)
}

/// What the turn took: the sum that ChatBotKit tells, and each model's share.
fn usage(messages: &[Message]) -> Value {
    let models = messages.last().and_then(|message| message.meta.get("usage")).and_then(Value::as_array).cloned().unwrap_or_default();
    json!({ "token": tokens(&models), "models": models })
}

/// The tokens that models took together: as many as a number can say, for what each took is a provider's word.
pub fn tokens(models: &[Value]) -> u64 {
    let part = |model: &Value, name: &str| model.get(name).and_then(Value::as_u64).unwrap_or_default();
    let parts = models.iter().flat_map(|model| [part(model, "inputTokens"), part(model, "outputTokens")]);
    parts.fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::result;
    use crate::id::{Epoch, EventSeq};
    use crate::record::{Conversation, Record, RecordId, Revisions, Step};
    use crate::{message, wire};

    fn told(step: Step) -> Option<Value> {
        let event = EventSeq { epoch: Epoch::from_second(1), seq: 7 };
        let record = Record {
            id: RecordId([0; 16]),
            event,
            cursor: 7,
            answers: 0,
            attempt: 1,
            base: 0,
            conversation: Conversation { opening: event, opened_at_ms: 0, base: 0, turn: 1, settings: 0 },
            worker: String::new(),
            traceparent: String::new(),
            received_at_ms: 0,
            revisions: Revisions::default(),
            cancels: vec![],
            edits: 0,
            step: Some(step),
        };
        let session = "t.s".parse().unwrap();
        result(&session, &record, &message::of(&session, 9, 0, &record))
    }

    #[test]
    fn a_reply_is_told_with_what_it_took() {
        let usage = |model: &str, input, output| wire::Usage { model: model.into(), input, output, calls: 1, ..wire::Usage::default() };
        let completed =
            wire::Completed { reply: "hello".into(), usage: vec![usage("a/b", 10, 5), usage("c/d", 1, 2)], ..wire::Completed::default() };
        let result = told(Step::Completed(completed.clone())).unwrap();
        assert_eq!((&result["id"], &result["conversationId"]), (&json!("evt.t.s.00000001.7"), &json!("cnv.t.s.00000001.7")));
        assert_eq!((&result["status"], &result["text"]), (&json!("completed"), &json!("hello")));
        assert_eq!((&result["usage"]["token"], result["usage"]["models"].as_array().map(Vec::len)), (&json!(18), Some(2)));
        assert_eq!(result["end"], json!({ "reason": "stop" }));
        let cut = told(Step::Completed(wire::Completed { truncated: true, ..completed })).unwrap();
        assert_eq!(cut["end"], json!({ "reason": "length" }));
    }

    #[test]
    fn what_providers_say_is_summed_as_far_as_numbers_go() {
        let usage = wire::Usage { model: "a/b".into(), input: u64::MAX, output: 1, calls: 1, ..wire::Usage::default() };
        let completed = wire::Completed { usage: vec![usage.clone(), usage], ..wire::Completed::default() };
        assert_eq!(told(Step::Completed(completed)).unwrap()["usage"]["token"], json!(u64::MAX));
    }

    #[test]
    fn every_other_end_says_why() {
        let failed =
            |code: &str, dead| Step::Failed(wire::Failed { code: code.into(), message: "m".into(), dead, ..wire::Failed::default() });
        let cancelled = Step::Cancelled(wire::Cancelled { reason: "r".into(), by: "ada".into(), ..wire::Cancelled::default() });
        for (step, status, end) in [
            (failed("CUE0607", false), "failed", json!({ "reason": "error", "error": "CUE0607", "message": "m" })),
            (failed("CUE0601", true), "dead", json!({ "reason": "error", "error": "CUE0601", "message": "m" })),
            (failed("CUE0609", false), "failed", json!({ "reason": "iteration", "error": "CUE0609", "message": "m" })),
            (cancelled, "cancelled", json!({ "reason": "abort", "message": "r", "by": "ada" })),
            (Step::Merged(wire::Merged::default()), "completed", json!({ "reason": "merged" })),
        ] {
            let result = told(step).unwrap();
            assert_eq!((&result["status"], &result["end"], &result["text"]), (&json!(status), &end, &Value::Null));
        }
        assert_eq!(told(Step::Started(wire::Started {})), None);
    }
}
