//! What a body says about a trigger.

use std::time::Duration;

use backbone::catalogue;
use outbox::destination::DESTINATIONS_MAX;
use proto::id::BotId;
use proto::limit::{QUIET_DEFAULT, QUIET_MAX, SESSION_DURATION_DEFAULT, SESSION_DURATION_MAX, TRIGGER_TEXT_BYTES_MAX};
use proto::resource::{Busy, CatchUp, Rate, State, Trigger};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::limits::Limits;
use super::results::{Destination, Signature};
use crate::api::call::Call;
use crate::api::given::{Given, Whole};
use crate::api::notes::{self, Head};
use crate::api::{bot, kind};
use crate::api_error::ApiError;

/// Longest schedule or time zone, in bytes.
const SCHEDULE_BYTES_MAX: usize = 256;
/// How many events a rate may allow.
const RATE_COUNT_MAX: u32 = 1_000_000;
/// Longest time of a rate, in milliseconds: a day.
const RATE_MS_MAX: u64 = 24 * 3_600_000;

/// What a body says about a trigger.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(rename = "TriggerChange")]
pub(crate) struct Body {
    /// A second name: 1 to 128 of a-z 0-9 _ -.
    #[schemars(regex(pattern = "^[a-z0-9_-]{1,128}$"))]
    alias: Given<String>,
    /// The display name.
    #[schemars(length(max = 256))]
    name: Given<String>,
    /// What it is for.
    #[schemars(length(max = 8192))]
    description: Given<String>,
    /// Notes; `{"$update": {..}}` adds to those that are there.
    meta: Given<Map<String, Value>>,
    /// The bot that answers.
    #[schemars(length(max = 129))]
    bot_id: Given<String>,
    /// Whether callers must present the secret.
    authenticate: Given<bool>,
    /// The text that replaces the caller's.
    #[schemars(length(max = 32_768))]
    text: Given<String>,
    /// When it fires by itself: a named interval, five cron fields, HH:MM, or an ISO 8601 time.
    #[schemars(schema_with = "schedules")]
    schedule: Given<String>,
    /// An earlier name of `schedule`.
    #[schemars(schema_with = "schedules")]
    trigger_schedule: Given<String>,
    /// The IANA time zone that the schedule is read in; UTC without one.
    #[schemars(schema_with = "zones")]
    timezone: Given<String>,
    /// How long a session keeps its conversation, in milliseconds; 0 never, a day without a word.
    #[schemars(range(max = 2_678_400_000_u64))]
    session_duration: Given<Whole>,
    /// What becomes of an event that arrives while its session is busy.
    busy: Given<BusyWord>,
    /// How long it must be quiet before collected events become a turn, in milliseconds.
    #[schemars(range(max = 300_000))]
    quiet_ms: Given<Whole>,
    /// What its turns may take.
    limits: Given<Limits>,
    /// Whether it takes and works off events.
    state: Given<StateWord>,
    /// What becomes of times that passed while nothing ran.
    catch_up: Given<CatchUpWord>,
    /// How signed calls are checked.
    signature: Given<Signature>,
    /// Where the ends of its turns are told.
    #[schemars(length(max = 8))]
    results: Given<Vec<Destination>>,
    /// How many events it takes in a time.
    rate: Given<RateBound>,
    /// Only kept.
    blueprint_id: Given<Value>,
    /// Only kept.
    max_iterations: Given<Value>,
    /// Only kept.
    max_time: Given<Value>,
    /// Only kept; a trigger's model is its bot's.
    model: Given<Value>,
    /// Only kept; a trigger's backstory is its bot's.
    backstory: Given<Value>,
    /// Only kept.
    dataset_id: Given<Value>,
    /// Only kept; a trigger's skillset is its bot's.
    skillset_id: Given<Value>,
    /// Only kept.
    privacy: Given<Value>,
    /// Only kept.
    moderation: Given<Value>,
}

/// The names of all time zones.
fn zones(_: &mut SchemaGenerator) -> Schema {
    let names: Vec<Value> = schedule::zone::names().into_iter().map(Value::from).chain([Value::Null]).collect();
    json_schema!({ "description": "The IANA time zone that the schedule is read in; UTC without one.", "enum": names })
}

/// The forms of a schedule; cron fields beyond these are taken too.
fn schedules(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "description": "When it fires by itself: a named interval, five cron fields, HH:MM, or an ISO 8601 time; empty or null never.",
        "type": ["string", "null"],
        "pattern": "^((never|quarterhourly|halfhourly|hourly|twicedaily|daily|twiceweekly|weekly|twicemonthly|monthly)|([01][0-9]|2[0-3]):[0-5][0-9]|([*]|[0-9]|[1-5][0-9]) ([*]|[0-9]|1[0-9]|2[0-3]) ([*]|[1-9]|1[0-9]|2[0-8]) ([*]|[1-9]|1[0-2]) ([*]|[0-6])|20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z)?$"
    })
}

/// What becomes of an event that arrives while its session is busy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum BusyWord {
    /// It waits for its turn.
    Enqueue,
    /// It is refused.
    Reject,
    /// The running turn is called off, then it runs.
    Interrupt,
    /// All events that wait become one turn, after a quiet period.
    Collect,
}

/// Whether something does its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum StateWord {
    /// It does.
    Active,
    /// Events are taken and wait.
    Paused,
    /// Events are refused; those that wait are worked off.
    Draining,
}

/// What becomes of times of a schedule that passed while nothing ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum CatchUpWord {
    /// One run makes up for all of them.
    Once,
    /// They are left out.
    Skip,
}

/// A bound on how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RateBound {
    /// How many.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(super) count: Whole,
    /// In which time, in milliseconds.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub(super) per_ms: Whole,
}

impl Body {
    /// The trigger with what the body says.
    pub(super) async fn apply(self, call: &Call, mut trigger: Trigger) -> Result<Trigger, ApiError> {
        let head = Head { alias: self.alias, meta: self.meta, name: self.name, description: self.description };
        head.put(&mut trigger.common, &mut trigger.name, &mut trigger.description)?;
        let kept = [
            ("blueprintId", self.blueprint_id),
            ("maxIterations", self.max_iterations),
            ("maxTime", self.max_time),
            ("model", self.model),
            ("backstory", self.backstory),
            ("datasetId", self.dataset_id),
            ("skillsetId", self.skillset_id),
            ("privacy", self.privacy),
            ("moderation", self.moderation),
        ];
        notes::keep(&mut trigger.common, kept)?;
        if let Some(text) = self.text.value() {
            notes::check_size("text", text.len(), TRIGGER_TEXT_BYTES_MAX)?;
        }
        self.text.put_optional(&mut trigger.text);
        trigger.text = trigger.text.filter(|text| !text.is_empty());
        if let Some(authenticate) = self.authenticate.said() {
            trigger.open = authenticate == Some(false);
        }
        if let Some(bot) = self.bot_id.said() {
            trigger.bot = match bot.filter(|id| !id.is_empty()) {
                Some(name) => Some(existing(call, &name).await?),
                None => None,
            };
        }
        // The earlier name is looked at beside the later one too, which goes before it.
        if let Some(schedule) = self.trigger_schedule.value().filter(|text| !text.is_empty()) {
            schedule::Schedule::parse(schedule, "").map_err(|fault| ApiError::field("triggerSchedule", fault.rule))?;
        }
        time(&mut trigger, self.schedule.or(self.trigger_schedule), self.timezone, self.catch_up)?;
        durations(&mut trigger, self.session_duration, self.quiet_ms)?;
        put_word(&mut trigger.busy, self.busy, Busy::Enqueue, |word| match word {
            BusyWord::Enqueue => Busy::Enqueue,
            BusyWord::Reject => Busy::Reject,
            BusyWord::Interrupt => Busy::Interrupt,
            BusyWord::Collect => Busy::Collect,
        });
        put_word(&mut trigger.state, self.state, State::Active, state);
        if let Some(limits) = self.limits.said() {
            trigger.limits = limits.map(Limits::read).transpose()?.unwrap_or_default();
        }
        if let Some(rate) = self.rate.said() {
            trigger.rate = rate.map(RateBound::read).transpose()?;
        }
        if let Some(signature) = self.signature.said() {
            trigger.signature = signature.map(|signature| signature.read(call, &trigger)).transpose()?;
        }
        if let Some(results) = self.results.said() {
            let results = results.unwrap_or_default();
            if results.len() > DESTINATIONS_MAX {
                return Err(ApiError::field(
                    "results",
                    format_args!("has {} entries, at most {DESTINATIONS_MAX} are taken", results.len()),
                ));
            }
            trigger.results = Destination::read(results, call, &trigger)?;
        }
        Ok(trigger)
    }
}

/// A state by its word.
pub(crate) fn state(word: StateWord) -> State {
    match word {
        StateWord::Active => State::Active,
        StateWord::Paused => State::Paused,
        StateWord::Draining => State::Draining,
    }
}

/// The word of a state.
pub(crate) fn state_word(state: State) -> StateWord {
    match state {
        State::Active | State::Unspecified => StateWord::Active,
        State::Paused => StateWord::Paused,
        State::Draining => StateWord::Draining,
    }
}

/// Puts a value by its word; `null` is the default.
pub(crate) fn put_word<W, T>(into: &mut T, given: Given<W>, default: T, of: impl Fn(W) -> T) {
    if let Some(said) = given.said() {
        *into = said.map_or(default, of);
    }
}

async fn existing(call: &Call, name: &str) -> Result<BotId, ApiError> {
    let found = kind::find::<bot::Bots>(call, name).await;
    let found: std::sync::Arc<catalogue::Revised<proto::resource::Bot>> =
        found.map_err(|error| ApiError { field: Some("botId".into()), ..error })?;
    Ok(found.id.clone())
}

fn time(trigger: &mut Trigger, schedule: Given<String>, timezone: Given<String>, catch_up: Given<CatchUpWord>) -> Result<(), ApiError> {
    let is_said = schedule.value().is_some() || timezone.value().is_some();
    schedule.put_optional(&mut trigger.schedule);
    timezone.put_optional(&mut trigger.timezone);
    trigger.schedule = trigger.schedule.take().filter(|text| !text.is_empty());
    trigger.timezone = trigger.timezone.take().filter(|text| !text.is_empty());
    put_word(&mut trigger.catch_up, catch_up, CatchUp::Once, |word| match word {
        CatchUpWord::Once => CatchUp::Once,
        CatchUpWord::Skip => CatchUp::Skip,
    });
    if !is_said {
        return Ok(());
    }
    let (text, zone) = (trigger.schedule.as_deref().unwrap_or_default(), trigger.timezone.as_deref().unwrap_or_default());
    notes::check_text("schedule", text, SCHEDULE_BYTES_MAX)?;
    notes::check_text("timezone", zone, SCHEDULE_BYTES_MAX)?;
    schedule::Schedule::parse(text, zone).map(drop).map_err(|fault| ApiError::field(fault.field, fault.rule))
}

fn durations(trigger: &mut Trigger, session: Given<Whole>, quiet: Given<Whole>) -> Result<(), ApiError> {
    let bounded = |field: &'static str, ms: u64, max: Duration| {
        let duration = Duration::from_millis(ms);
        if duration <= max {
            return Ok(duration);
        }
        let max_ms = usize::try_from(max.as_millis()).unwrap_or(usize::MAX);
        Err(ApiError { limit: Some(max_ms), ..ApiError::field(field, format_args!("must be at most {max_ms} ms")) })
    };
    if let Some(ms) = session.said() {
        let duration = ms.map(|ms| bounded("sessionDuration", ms.0, SESSION_DURATION_MAX)).transpose()?;
        trigger.session_duration = duration.unwrap_or(SESSION_DURATION_DEFAULT);
    }
    if let Some(ms) = quiet.said() {
        let quiet = ms.filter(|ms| ms.0 > 0).map(|ms| bounded("quietMs", ms.0, QUIET_MAX)).transpose()?;
        trigger.quiet = quiet.unwrap_or(QUIET_DEFAULT);
    }
    Ok(())
}

impl RateBound {
    fn read(self) -> Result<Rate, ApiError> {
        let count = u32::try_from(self.count.0).unwrap_or(u32::MAX);
        if !(1..=RATE_COUNT_MAX).contains(&count) {
            return Err(ApiError::field("rate.count", format_args!("must be 1 to {RATE_COUNT_MAX}")));
        }
        if !(1..=RATE_MS_MAX).contains(&self.per_ms.0) {
            return Err(ApiError::field("rate.perMs", format_args!("must be 1 to {RATE_MS_MAX}")));
        }
        Ok(Rate { count, per_ms: self.per_ms.0 })
    }
}

/// A body as somebody might send it.
pub(super) fn example() -> Value {
    json!({ "name": "Orders", "description": "Answers questions about orders.", "alias": "orders", "sessionDuration": 3_600_000, "schedule": "daily", "timezone": "Europe/Berlin", "meta": { "team": "shop" } })
}
