//! Dead letters: events that were given up on or refused.

use std::sync::Arc;

use axum::response::Response;
use backbone::direct::{self, Stored};
use backbone::letter::{self, Letter, Meant};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use index::read;
use prost::Message as _;
use proto::code::Code;
use proto::id::{EventSeq, Receipt, SessionKey};
use proto::idempotency::{self, Key};
use proto::limit::READ_BATCH_MAX;
use proto::resource::Scope;
use proto::subject::{self, DEAD_STREAM};
use proto::wire::DeadLetter;
use schemars::{JsonSchema, json_schema};
use serde::Deserialize;
use serde_json::{Value, json};

use super::call::{Call, give};
use super::indexed::{self, by, paged, refusal, sees};
use super::list::{self, Item};
use super::operation::{Access, Answer, Form, Operation};
use super::page::{Order, Wanted};
use super::trigger_event::{Nothing, sent};
use crate::api_error::ApiError;
use crate::audit::{self, Deed};
use crate::ingest;

const TAG: &str = "Dead letters";
/// How many letters one call looks through.
const SCAN_LETTERS_MAX: usize = 4_096;
/// How many bytes of letters one read asks for.
const READ_BYTES_MAX: usize = 8 << 20;
/// How many letters one call sends again.
const REPLAYS_AT_ONCE_MAX: usize = 100;

/// The operations of the group.
pub(super) fn operations() -> Vec<Operation> {
    let listed = paged(Operation::get("listDeadLetters", "/dead/list", Access::Scope(Scope::Read), listed))
        .says(TAG, "List dead letters")
        .answers(Answer::List(form()))
        .refuses(&[Code::ParameterInvalid, Code::CursorUnknown, Code::Unavailable]);
    vec![
        by(by(listed, "triggerId", "Of a trigger."), "code", "With this reason, such as CUE0601."),
        Operation::get("fetchDeadLetter", "/dead/{id}/fetch", Access::Scope(Scope::Read), fetch)
            .says(TAG, "Fetch a dead letter with its bytes")
            .answers(Answer::Object(form()))
            .refuses(&[Code::ResourceUnknown, Code::Unavailable]),
        Operation::post("replayDeadLetter", "/dead/{id}/replay", Access::Scope(Scope::Operate), replay)
            .says(TAG, "Send a dead letter again")
            .more("An event becomes a new event of its session, an answer the answer that it was. The letter stays.")
            .takes::<Nothing>(json!({}))
            .header("Idempotency-Key", json!({ "type": "string", "maxLength": 255 }), "Calls with one key send it once, within two minutes.")
            .answers(Answer::Object(sent()))
            .refuses(&[Code::KeyInvalid, Code::KeyReused, Code::ResourceUnknown, Code::TriggerUnknown, Code::EnvelopeInvalid, Code::SubjectInvalid])
            .refuses(&[Code::SessionBacklogFull, Code::BrokerFull, Code::Unconfirmed, Code::Unavailable]),
        Operation::post("replayDeadLetters", "/dead/replay", Access::Scope(Scope::Operate), replay_many)
            .says(TAG, "Send dead letters again")
            .more("Oldest first, up to 100 at a time: call again with the cursor until there is none. A letter is sent again each time that it is met.")
            .takes::<ReplayMany>(json!({ "triggerId": "orders", "code": "CUE0601" }))
            .answers(Answer::Object(replayed()))
            .refuses(&[Code::FieldInvalid, Code::CursorUnknown, Code::Unavailable]),
    ]
}

/// Which letters are sent again.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct ReplayMany {
    /// Of a trigger.
    trigger_id: Option<String>,
    /// With this reason.
    code: Option<String>,
    /// Put there at or after, in milliseconds since 1970.
    from: Option<i64>,
    /// Put there at or before, in milliseconds since 1970.
    to: Option<i64>,
    /// Where the call before stopped.
    cursor: Option<String>,
    /// How many at most.
    take: Option<usize>,
}

/// Which letters are wanted.
#[derive(Debug, Clone, Default)]
struct Filter {
    trigger: Option<String>,
    code: Option<String>,
}

impl Filter {
    fn wants(&self, call: &Call, letter: &DeadLetter) -> bool {
        let trigger = session_of(letter).map(|session| session.trigger.to_string()).unwrap_or_default();
        sees(call, &trigger)
            && self.trigger.as_ref().is_none_or(|wanted| *wanted == trigger)
            && self.code.as_ref().is_none_or(|code| *code == letter.code)
    }
}

fn session_of(letter: &DeadLetter) -> Option<SessionKey> {
    subject::session_of_event(&letter.subject).or_else(|| subject::session_of_answer(&letter.subject))
}

fn form() -> Form {
    let schema = |_: &mut _| {
        json_schema!({
            "type": "object",
            "properties": {
                "id": { "type": "string" },
                "type": { "type": "string", "enum": ["event", "answer", "unknown"] },
                "code": { "type": "string" },
                "reason": { "type": "string" },
                "subject": { "type": "string" },
                "triggerId": { "type": "string" },
                "session": { "type": "string" },
                "eventId": { "type": "string", "description": "The receipt of the event." },
                "attempts": { "type": "integer" },
                "bytes": { "type": "integer" },
                "text": { "type": "string", "description": "The bytes, where they are text." },
                "data": { "type": "string", "description": "The bytes in base64, where they are not." },
                "headers": { "type": "object" },
                "receivedAt": { "type": "integer" },
                "createdAt": { "type": "integer" },
                "updatedAt": { "type": "integer" }
            },
            "required": ["id", "type", "code", "reason", "subject", "attempts", "bytes", "createdAt", "updatedAt"]
        })
    };
    let example = json!({
        "id": "7", "type": "event", "code": "CUE0601", "reason": "attempted 3 times", "subject": "event.orders.k1f3", "triggerId": "orders", "session": "k1f3",
        "eventId": "evt.orders.k1f3.6a1b2c3d.42", "attempts": 3, "bytes": 120, "receivedAt": 1_790_000_000_000_i64, "createdAt": 1_790_000_060_000_i64, "updatedAt": 1_790_000_060_000_i64
    });
    Form { schema, example }
}

fn replayed() -> Form {
    let schema = |_: &mut _| {
        json_schema!({
            "type": "object",
            "properties": {
                "items": { "type": "array", "items": { "type": "object", "properties": { "id": { "type": "string" }, "eventId": { "type": "string" }, "error": { "type": "string" } }, "required": ["id"] } },
                "replayed": { "type": "integer" },
                "failed": { "type": "integer" },
                "cursor": { "type": "string", "description": "Where to go on; absent at the end." }
            },
            "required": ["items", "replayed", "failed"]
        })
    };
    Form { schema, example: json!({ "items": [{ "id": "7", "eventId": "evt.orders.k1f3.6a1b2c3d.43" }], "replayed": 1, "failed": 0 }) }
}

fn refused(error: &letter::Error) -> ApiError {
    let code = match error {
        letter::Error::Missing(_) | letter::Error::Unreadable(..) => Code::ResourceUnknown,
        letter::Error::Subject { .. } => Code::SubjectInvalid,
        letter::Error::Answer(_) => Code::EnvelopeInvalid,
        letter::Error::Trigger { .. } => Code::TriggerUnknown,
        letter::Error::Read(_) => Code::Unavailable,
        letter::Error::Publish(_, source) => ingest::code(source),
    };
    ApiError { cause: Some(error.to_string()), ..ApiError::new(code, error.to_string()) }
}

fn place(cursor: Option<&str>) -> Result<Option<u64>, ApiError> {
    cursor.map(|cursor| cursor.parse().map_err(|_| refusal(&read::Error::Cursor))).transpose()
}

async fn listed(call: Call) -> Result<Response, ApiError> {
    let filter = Filter { trigger: call.asked("triggerId")?, code: call.asked("code")? };
    let call = Arc::new(call);
    let given = Arc::clone(&call);
    list::answer(&call, move |wanted: Wanted| {
        let (call, filter) = (Arc::clone(&given), filter.clone());
        async move {
            let after = place(wanted.cursor.as_deref())?;
            let found = if wanted.order == Order::Ascending {
                upwards(&call, after.unwrap_or_default(), wanted.take, |letter| filter.wants(&call, &letter.content)).await?.0
            } else {
                downwards(&call, after, wanted.take, &filter).await?
            };
            Ok(found.iter().map(|letter| (letter.id.to_string(), shown(letter, false))).collect::<Vec<Item>>())
        }
    })
    .await
}

fn parsed(stored: Stored) -> Option<Letter> {
    let content = DeadLetter::decode(stored.body).ok()?;
    Some(Letter { id: stored.seq, at_ms: stored.at_ms, content })
}

async fn some(call: &Call, from: u64, count: usize) -> Result<Vec<Stored>, ApiError> {
    let read = direct::batch_within(&call.door.client, DEAD_STREAM, subject::DEAD, from, (count, READ_BYTES_MAX)).await;
    read.map_err(|error| ApiError::unavailable("the dead letters cannot be read right now", &error))
}

/// Letters behind a place, oldest first; and the last place that was looked at, where there may be more.
async fn upwards(call: &Call, after: u64, take: usize, wants: impl Fn(&Letter) -> bool) -> Result<(Vec<Letter>, Option<u64>), ApiError> {
    let (mut found, mut seen, mut looked) = (Vec::new(), after, 0);
    while looked < SCAN_LETTERS_MAX {
        let stored = some(call, seen + 1, READ_BATCH_MAX).await?;
        if stored.is_empty() {
            return Ok((found, None));
        }
        for stored in stored {
            seen = stored.seq;
            looked += 1;
            found.extend(parsed(stored).filter(|letter| wants(letter)));
            if found.len() >= take {
                return Ok((found, Some(seen)));
            }
        }
    }
    Ok((found, Some(seen)))
}

/// Letters before a place, newest first: the stream is read in pieces from its end.
async fn downwards(call: &Call, before: Option<u64>, take: usize, filter: &Filter) -> Result<Vec<Letter>, ApiError> {
    let stream = call.door.context.get_stream(DEAD_STREAM).await;
    let stream = stream.map_err(|error| ApiError::unavailable("the dead letters cannot be read right now", &error))?;
    let state = &stream.cached_info().state;
    let step = u64::try_from(READ_BATCH_MAX).unwrap_or(u64::MAX);
    let mut high = before.map_or(state.last_sequence, |before| before.saturating_sub(1).min(state.last_sequence));
    let (mut found, mut looked) = (Vec::new(), 0);
    while high >= state.first_sequence.max(1) && looked < SCAN_LETTERS_MAX {
        let low = high.saturating_sub(step - 1).max(1);
        let mut piece: Vec<Letter> = Vec::new();
        let mut from = low;
        // Large letters come in several reads.
        while from <= high {
            let stored = some(call, from, READ_BATCH_MAX).await?;
            let Some(last) = stored.last().map(|stored| stored.seq) else { break };
            piece.extend(stored.into_iter().filter(|stored| stored.seq <= high).filter_map(parsed));
            from = last + 1;
        }
        looked += READ_BATCH_MAX;
        found.extend(piece.into_iter().rev().filter(|letter| filter.wants(call, &letter.content)));
        if found.len() >= take {
            found.truncate(take);
            break;
        }
        high = low.saturating_sub(1);
    }
    Ok(found)
}

fn shown(letter: &Letter, is_whole: bool) -> Value {
    let Letter { id, at_ms, content } = letter;
    let kind = match letter::meant(*id, content) {
        Ok(Meant::Event(_)) => "event",
        Ok(Meant::Answer(_)) => "answer",
        Err(_) => "unknown",
    };
    let mut shown = json!({
        "id": id.to_string(), "type": kind, "code": content.code, "reason": content.reason, "subject": content.subject, "attempts": content.attempts,
        "bytes": content.body.len(), "receivedAt": content.received_at_ms, "createdAt": at_ms, "updatedAt": at_ms,
    });
    let Some(fields) = shown.as_object_mut() else { return shown };
    if let Some(session) = session_of(content) {
        fields.insert("triggerId".into(), session.trigger.to_string().into());
        fields.insert("session".into(), session.token.to_string().into());
        if let (Ok(epoch), "event") = (content.epoch.parse(), kind) {
            let receipt = Receipt { session, event: EventSeq { epoch, seq: content.event } };
            fields.insert("eventId".into(), receipt.to_string().into());
        }
    }
    if is_whole {
        fields.insert("headers".into(), json!(content.headers));
        match std::str::from_utf8(&content.body) {
            Ok(text) => fields.insert("text".into(), text.into()),
            Err(_) => fields.insert("data".into(), STANDARD.encode(&content.body).into()),
        };
    }
    shown
}

async fn find(call: &Call) -> Result<Letter, ApiError> {
    let unknown = || ApiError::new(Code::ResourceUnknown, "there is no such dead letter");
    let id = call.place("id").parse::<u64>().ok().filter(|id| *id > 0).ok_or_else(unknown)?;
    let letter = letter::find(&call.door.client, id).await.map_err(|error| refused(&error))?;
    if Filter::default().wants(call, &letter.content) { Ok(letter) } else { Err(unknown()) }
}

async fn fetch(call: Call) -> Result<Response, ApiError> {
    give(&shown(&find(&call).await?, true))
}

async fn replay(call: Call) -> Result<Response, ApiError> {
    let Nothing {} = call.json()?;
    let letter = find(&call).await?;
    let key = indexed::key(&call)?;
    let receipt = send(&call, letter, key.as_ref()).await?;
    give(&json!({ "id": receipt.to_string(), "session": receipt.session.token }))
}

/// Sends a letter again, on record.
async fn send(call: &Call, letter: Letter, key: Option<&Key>) -> Result<Receipt, ApiError> {
    let Letter { id, content, .. } = letter;
    let meant = letter::meant(id, &content).map_err(|error| refused(&error))?;
    let session = meant.session();
    if session.trigger.as_str() != subject::DIRECT {
        call.door.directory.trigger(Some(session.trigger.as_str())).await?;
    }
    let message_id = match key {
        Some(key) => format!("dead.{id}.{}", idempotency::message_id(&call.door.key.get(), &session.trigger, key)),
        None => letter::fresh_id(&content),
    };
    let subject = format!("dead.{id}");
    let replaying = async {
        match letter::replay(&call.door.client, id, content, &meant, message_id).await {
            Ok(receipt) => Ok(Ok(receipt)),
            // What the broker said is for the place, the rest is not about it.
            Err(letter::Error::Publish(_, error)) => Err(error),
            Err(error) => Ok(Err(error)),
        }
    };
    let sending = async {
        let replayed = call.door.publish(replaying).await.map_err(|error| letter::Error::Publish(id, error));
        replayed.and_then(std::convert::identity).map_err(|error| refused(&error))
    };
    audit::on_record(&call.door, &call.caller.who(), Deed::of("dead.replay", &subject), sending).await
}

async fn replay_many(call: Call) -> Result<Response, ApiError> {
    let asked: ReplayMany = call.json()?;
    let filter = Filter { trigger: asked.trigger_id, code: asked.code };
    let take = asked.take.unwrap_or(REPLAYS_AT_ONCE_MAX).clamp(1, REPLAYS_AT_ONCE_MAX);
    let is_in_time = |at: i64| asked.from.is_none_or(|from| at >= from) && asked.to.is_none_or(|to| at <= to);
    let after = place(asked.cursor.as_deref().filter(|cursor| !cursor.is_empty()))?.unwrap_or_default();
    let wants = |letter: &Letter| is_in_time(letter.at_ms) && filter.wants(&call, &letter.content);
    let (letters, more) = upwards(&call, after, take, wants).await?;
    let (mut items, mut failed) = (Vec::new(), 0_usize);
    for letter in letters {
        let id = letter.id.to_string();
        match send(&call, letter, None).await {
            Ok(receipt) => items.push(json!({ "id": id, "eventId": receipt.to_string() })),
            Err(error) => {
                failed += 1;
                items.push(json!({ "id": id, "error": format!("{}: {}", error.code.as_str(), error.message) }));
            }
        }
    }
    let mut done = json!({ "replayed": items.len() - failed, "failed": failed, "items": items });
    if let (Some(more), Some(done)) = (more, done.as_object_mut()) {
        done.insert("cursor".into(), more.to_string().into());
    }
    give(&done)
}

#[cfg(test)]
mod tests {
    use backbone::letter::Letter;
    use proto::wire::DeadLetter;

    use super::{place, shown};

    #[test]
    fn a_letter_says_what_it_was_and_its_bytes_only_where_asked() {
        let content = DeadLetter {
            code: "CUE0601".into(),
            subject: "event.orders.s".into(),
            epoch: "6a1b2c3d".into(),
            event: 42,
            body: vec![0xff, 0x00].into(),
            ..DeadLetter::default()
        };
        let letter = Letter { id: 7, at_ms: 9, content };
        let (listed, fetched) = (shown(&letter, false), shown(&letter, true));
        assert_eq!((listed["type"].as_str(), listed["eventId"].as_str()), (Some("event"), Some("evt.orders.s.6a1b2c3d.42")));
        assert_eq!((listed.get("data"), fetched["data"].as_str()), (None, Some("/wA=")));
    }

    #[test]
    fn a_cursor_is_a_place_in_the_stream() {
        assert_eq!(place(Some("7")).unwrap(), Some(7));
        assert_eq!(place(Some("x")).unwrap_err().code.as_str(), "CUE0130");
    }
}
