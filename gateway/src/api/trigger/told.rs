//! A trigger as it is told.

use backbone::alarm;
use backbone::catalogue::Revised;
use proto::id::TriggerId;
use proto::resource::{Busy, CatchUp, Rate, Trigger};
use schemars::JsonSchema;
use secrecy::ExposeSecret as _;
use serde::Serialize;
use serde_json::{Value, json};

use super::body::{BusyWord, CatchUpWord, RateBound, StateWord, state_word};
use super::limits::Limits;
use super::results::{Destination, Signature};
use crate::api::call::Call;
use crate::api::given::Whole;
use crate::api::shared;

/// A trigger.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Trigger")]
pub(super) struct Told {
    #[serde(flatten)]
    common: shared::Common,
    /// The display name.
    name: String,
    /// What it is for.
    description: String,
    /// The bot that answers.
    bot_id: Option<String>,
    /// The secret, for the scopes `admin` and `operate`; null where only its digest is known.
    secret: Option<String>,
    /// Whether callers must present the secret.
    authenticate: bool,
    /// The text that replaces the caller's.
    text: Option<String>,
    /// When it fires by itself.
    schedule: Option<String>,
    /// The IANA time zone that the schedule is read in.
    timezone: Option<String>,
    /// How long a session keeps its conversation, in milliseconds.
    session_duration: u64,
    /// When it last fired by itself, in milliseconds since 1970.
    last_trigger_at: Option<i64>,
    /// When it fires next by itself, in milliseconds since 1970.
    next_trigger_at: Option<i64>,
    /// What becomes of an event that arrives while its session is busy.
    busy: BusyWord,
    /// How long it must be quiet before collected events become a turn, in milliseconds.
    quiet_ms: u64,
    /// What its turns may take.
    limits: Option<Limits>,
    /// Whether it takes and works off events.
    state: StateWord,
    /// What becomes of times that passed while nothing ran.
    catch_up: CatchUpWord,
    /// How signed calls are checked.
    signature: Option<Signature>,
    /// Where the ends of its turns are told.
    results: Vec<Destination>,
    /// How many events it takes in a time.
    rate: Option<RateBound>,
}

/// A trigger as whoever calls may see it.
pub(super) fn tell(call: &Call, trigger: &Revised<Trigger>, now_ms: i64) -> Value {
    let millis = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let told = Told {
        common: shared::Common::of(&trigger.common, trigger.id.as_str(), trigger.revision),
        name: trigger.name.clone(),
        description: trigger.description.clone(),
        bot_id: trigger.bot.as_ref().map(ToString::to_string),
        secret: secret(call, trigger),
        authenticate: !trigger.open,
        text: trigger.text.clone(),
        schedule: trigger.schedule.clone(),
        timezone: trigger.timezone.clone(),
        session_duration: millis(trigger.session_duration),
        last_trigger_at: None,
        next_trigger_at: alarm::next_ms(trigger, now_ms),
        busy: match trigger.busy {
            Busy::Enqueue | Busy::Unspecified => BusyWord::Enqueue,
            Busy::Reject => BusyWord::Reject,
            Busy::Interrupt => BusyWord::Interrupt,
            Busy::Collect => BusyWord::Collect,
        },
        quiet_ms: millis(trigger.quiet),
        limits: Limits::tell(&trigger.limits),
        state: state_word(trigger.state),
        catch_up: if trigger.catch_up == CatchUp::Skip { CatchUpWord::Skip } else { CatchUpWord::Once },
        signature: trigger.signature.as_ref().and_then(Signature::tell),
        results: trigger.results.iter().map(Destination::tell).collect(),
        rate: trigger.rate.map(|Rate { count, per_ms }| RateBound { count: Whole(count.into()), per_ms: Whole(per_ms) }),
    };
    serde_json::to_value(told).unwrap_or_default()
}

/// Adds when triggers last fired by themselves: one read for a page, none where no trigger of it has a schedule.
pub(super) async fn add_last(client: &async_nats::Client, told: &mut [(String, Value)]) {
    let scheduled = told.iter().filter(|(_, told)| told.get("schedule").is_some_and(Value::is_string));
    let ids: Vec<TriggerId> = scheduled.filter_map(|(id, _)| id.parse().ok()).collect();
    if ids.is_empty() {
        return;
    }
    match alarm::last_ms(client, &ids).await {
        Ok(last) => {
            for (id, told) in told {
                let last_ms = id.parse().ok().and_then(|id: TriggerId| last.get(&id).copied());
                if let (Some(last_ms), Some(told)) = (last_ms, told.as_object_mut()) {
                    told.insert("lastTriggerAt".to_owned(), last_ms.into());
                }
            }
        }
        // Told as unknown: the trigger itself can be told all the same.
        Err(error) => tracing::debug!(%error, "when triggers last fired cannot be read"),
    }
}

fn secret(call: &Call, trigger: &Trigger) -> Option<String> {
    // What is no answer to that was refused before.
    if !super::reveals(call).unwrap_or(false) {
        return None;
    }
    Some(crate::secret::reveal(&call.door, trigger)?.expose_secret().to_owned())
}

/// A trigger as it might be told.
pub(super) fn example() -> Value {
    json!({
        "id": "t01k7", "alias": "orders", "name": "Orders", "description": "Answers questions about orders.", "meta": { "team": "shop" },
        "botId": "b01k7", "secret": "5f0c8a", "authenticate": true, "text": null, "schedule": "daily", "timezone": "Europe/Berlin",
        "sessionDuration": 3_600_000, "lastTriggerAt": null, "nextTriggerAt": 1_790_028_000_000_i64, "busy": "enqueue", "quietMs": 2_000,
        "limits": null, "state": "active", "catchUp": "once", "signature": null, "results": [], "rate": null,
        "createdAt": 1_790_000_000_000_i64, "updatedAt": 1_790_000_000_000_i64, "managedBy": "api", "revision": 42
    })
}
