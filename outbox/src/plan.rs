//! What a record of the log comes to: pure.

use backbone::journal::Entry;
use bytes::Bytes;
use proto::id::{Receipt, SessionKey};
use proto::idempotency::hex;
use proto::record::Step;
use proto::resource::Destination;
use proto::status::Status;
use proto::{ending, message};
use serde_json::{Value, json};

use crate::destination;
use crate::parcel::Label;

/// Whether a record ends a turn so that somebody may be told: what went into a later turn, or was only put down, is not.
pub(crate) fn is_told(entry: &Entry) -> bool {
    matches!(entry.record.step, Some(Step::Completed(_) | Step::Failed(_) | Step::Cancelled(_)))
}

/// Those of a trigger's destinations that are told of a record.
pub(crate) fn told<'a>(destinations: &'a [Destination], entry: &'a Entry) -> impl Iterator<Item = &'a Destination> {
    let status = Status::of(&entry.record);
    let told = is_told(entry);
    destinations.iter().filter(move |one| told && !one.disabled && destination::wants(one, status))
}

/// What a destination is told of a record, and how the parcel is labelled; none where the record ends no turn.
pub(crate) fn parcel(session: &SessionKey, entry: &Entry, destination: &str) -> Option<(Label, Bytes)> {
    let messages = message::of(session, entry.seq, entry.at_ms, &entry.record);
    let mut data = ending::result(session, &entry.record, &messages)?;
    let status = destination::name_of(Status::of(&entry.record))?;
    if let Some(map) = data.as_object_mut() {
        map.insert("trigger".into(), session.trigger.as_str().into());
        map.insert("receivedAt".into(), entry.record.received_at_ms.into());
        map.insert("endedAt".into(), entry.at_ms.into());
    }
    let kind = format!("turn.{status}");
    let receipt = Receipt { session: session.clone(), event: entry.record.event }.to_string();
    let webhook_id = format!("msg_{}_{destination}", hex(&entry.record.id.0));
    let label = Label { log: entry.seq, webhook_id, kind: kind.clone(), receipt, repeats: String::new() };
    Some((label, payload(&kind, entry.at_ms, &data)))
}

/// A payload as Standard Webhooks shapes it.
pub(crate) fn payload(kind: &str, at_ms: i64, data: &Value) -> Bytes {
    let at = jiff::Timestamp::from_millisecond(at_ms).unwrap_or_default();
    json!({ "type": kind, "timestamp": at.to_string(), "data": data }).to_string().into()
}

#[cfg(test)]
pub(crate) mod tests {
    use backbone::journal::Entry;
    use proto::id::{Epoch, EventSeq};
    use proto::record::{Conversation, Record, RecordId, Revisions, Step};
    use proto::resource::Destination;
    use proto::wire;
    use proto::wire::destination::To;
    use serde_json::{Value, json};

    use super::{parcel, told};

    fn entry(step: Step) -> Entry {
        let event = EventSeq { epoch: Epoch::from_second(1), seq: 7 };
        let record = Record {
            id: RecordId([0xab; 16]),
            event,
            cursor: 7,
            answers: 0,
            attempt: 1,
            base: 0,
            conversation: Conversation { opening: event, opened_at_ms: 0, base: 0, turn: 1, settings: 0 },
            worker: String::new(),
            traceparent: String::new(),
            received_at_ms: 1_000,
            revisions: Revisions::default(),
            cancels: vec![],
            edits: 0,
            step: Some(step),
        };
        Entry { seq: 9, at_ms: 2_500, record }
    }

    fn failed(dead: bool) -> Step {
        Step::Failed(wire::Failed { code: "CUE0607".into(), message: "m".into(), dead, ..wire::Failed::default() })
    }

    #[test]
    fn a_payload_says_what_the_turn_came_to() {
        let session = "t.s".parse().unwrap();
        let completed = Step::Completed(wire::Completed { reply: "hello".into(), ..wire::Completed::default() });
        let (label, body) = parcel(&session, &entry(completed), "crm").unwrap();
        assert_eq!((label.webhook_id.as_str(), label.kind.as_str()), ("msg_abababababababababababababababab_crm", "turn.completed"));
        assert!(!label.webhook_id.contains('.'), "a dot would end it in what is signed");
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((&body["type"], &body["timestamp"]), (&json!("turn.completed"), &json!("1970-01-01T00:00:02.5Z")));
        let data = &body["data"];
        assert_eq!((&data["id"], &data["text"], &data["status"]), (&json!("evt.t.s.00000001.7"), &json!("hello"), &json!("completed")));
        assert_eq!((&data["receivedAt"], &data["endedAt"], &data["trigger"]), (&json!(1_000), &json!(2_500), &json!("t")));
        for (step, kind) in [(failed(false), "turn.failed"), (failed(true), "turn.dead")] {
            assert_eq!(parcel(&session, &entry(step), "crm").unwrap().0.kind, kind);
        }
    }

    #[test]
    fn only_the_end_of_a_turn_is_told_and_only_to_those_who_want_it() {
        let to = |id: &str, statuses: &[&str], disabled| Destination {
            id: id.into(),
            to: Some(To::Subject("x".into())),
            statuses: statuses.iter().map(|status| (*status).to_owned()).collect(),
            disabled,
        };
        let all = [to("all", &[], false), to("dead", &["dead"], false), to("off", &[], true)];
        let names = |step| told(&all, &entry(step)).map(|one| one.id.clone()).collect::<Vec<_>>();
        assert_eq!(names(failed(false)), ["all"]);
        assert_eq!(names(failed(true)), ["all", "dead"]);
        assert_eq!(names(Step::Cancelled(wire::Cancelled::default())), ["all"]);
        for step in [
            Step::Merged(wire::Merged::default()),
            Step::Noted(wire::Noted::default()),
            Step::Started(wire::Started {}),
            Step::Suspended(wire::Suspended::default()),
        ] {
            assert!(names(step.clone()).is_empty(), "{step:?}");
        }
    }
}
