//! Triggers in a file.

use std::path::Path;
use std::time::Duration;

use proto::id::{BotId, TriggerId};
use proto::limit::{QUIET_DEFAULT, QUIET_MAX, SESSION_DURATION_DEFAULT, SESSION_DURATION_MAX};
use proto::resource::{self, Busy, CatchUp, Limits, Rate};
use schedule::Schedule;
use worker::bot::DefinitionError;

use super::fault::Fault;
use super::fields::{Fields, Placed};
use super::source::{self, SecretSource};
use super::tree::{Node, Value};
use super::{notes, result};

/// What becomes of an event while its session is busy, by the names that it has in files.
pub(super) const BUSY: [(&str, Busy); 4] =
    [("enqueue", Busy::Enqueue), ("reject", Busy::Reject), ("interrupt", Busy::Interrupt), ("collect", Busy::Collect)];
/// What becomes of missed times, by the names that it has in files.
pub(super) const CATCH_UP: [(&str, CatchUp); 2] = [("once", CatchUp::Once), ("skip", CatchUp::Skip)];
/// Longest time that a rate may be set for.
const RATE_PER_MAX: Duration = Duration::from_hours(24);

/// Where events come in; its secrets are still to be fetched.
#[derive(Debug, Clone)]
pub struct Trigger {
    /// All but its secrets.
    pub resource: resource::Trigger,
    /// Where its secret comes from.
    pub secret: SecretSource,
    /// Where the key comes from that signed calls are checked with.
    pub signature_key: Option<SecretSource>,
    /// Where the keys come from that webhooks are signed with, by destination.
    pub result_keys: Vec<(String, SecretSource)>,
}

/// A trigger, as far as it could be read.
pub(super) struct PlacedTrigger {
    pub(super) id: Option<Placed<TriggerId>>,
    pub(super) bot: Option<Placed<BotId>>,
    pub(super) trigger: Option<Trigger>,
}

/// Reads one trigger.
pub(super) fn read(node: &Node, path: String, base: &Path, faults: &mut Vec<Fault>) -> Option<PlacedTrigger> {
    let mut fields = Fields::of(node, path, faults)?;
    let id = fields.parse::<TriggerId>("id", faults);
    let bot = fields.parse::<BotId>("bot", faults);
    let blank = || Some(resource::Trigger::new(id.as_ref()?.value.clone(), Some(bot.as_ref()?.value.clone())));
    let said = blank();
    let words = words(&mut fields, faults);
    let times = times(&mut fields, faults);
    let open = !fields.flag("authenticate", true, faults);
    let path = fields.path_of("limits");
    let limits = fields.take("limits").map_or_else(|| Some(Limits::default()), |node| limits(node, &path, faults));
    let path = fields.path_of("rate");
    let rate = fields.take("rate").map_or(Some(None), |node| rate(node, &path, faults).map(Some));
    let path = fields.path_of("secret");
    let secret = fields.take("secret").map_or(Some(SecretSource::Made), |node| source::read(node, path, base, faults));
    let path = fields.path_of("signature");
    let signature = fields.take("signature").map_or(Some(None), |node| result::signature(node, path, base, faults).map(Some));
    let results = result::take(&mut fields, base, faults);
    fields.finish(faults);
    let whole = || {
        let (signature, signature_key) = signature?.unzip();
        let (results, result_keys) = results?;
        let trigger = resource::Trigger { open, limits: limits?, rate: rate?, signature, results, ..times?(words?(said?)) };
        Some(Trigger { resource: trigger, secret: secret?, signature_key: signature_key.flatten(), result_keys })
    };
    let trigger = whole();
    Some(PlacedTrigger { id, bot, trigger })
}

/// What stands in a trigger once these fields are put into it.
type Put = Box<dyn FnOnce(resource::Trigger) -> resource::Trigger>;

/// The words of a trigger, and how it behaves.
fn words(fields: &mut Fields<'_>, faults: &mut Vec<Fault>) -> Option<Put> {
    let (name, description) = (fields.text("name", faults), fields.text("description", faults));
    let text = Some(fields.text("text", faults)).filter(|text| !text.is_empty());
    let common = notes::take(fields, faults);
    let state = notes::word(fields, "state", &notes::STATES, resource::State::Active, faults);
    let busy = notes::word(fields, "busy", &BUSY, Busy::Enqueue, faults);
    let (state, busy) = (state?, busy?);
    Some(Box::new(move |trigger| resource::Trigger { name, description, text, common, state, busy, ..trigger }))
}

/// When it fires, and how long things last.
fn times(fields: &mut Fields<'_>, faults: &mut Vec<Fault>) -> Option<Put> {
    let path = fields.path_of("sessionDuration");
    let session_duration =
        fields.take("sessionDuration").map_or(Some(SESSION_DURATION_DEFAULT), |node| duration(node, path, SESSION_DURATION_MAX, faults));
    let path = fields.path_of("quiet");
    let quiet = fields.take("quiet").map_or(Some(QUIET_DEFAULT), |node| duration(node, path, QUIET_MAX, faults));
    let (at, schedule_path) = (fields.at(), fields.path_of("schedule"));
    let (schedule, timezone) = (fields.text("schedule", faults), fields.text("timezone", faults));
    if let Err(fault) = Schedule::parse(&schedule, &timezone) {
        let path = schedule_path.strip_suffix("schedule").map_or_else(String::new, |prefix| format!("{prefix}{}", fault.field));
        faults.push(Fault { at, path, reason: fault.rule });
        return None;
    }
    let catch_up = notes::word(fields, "catchUp", &CATCH_UP, CatchUp::Once, faults);
    let present = |text: String| Some(text).filter(|text| !text.is_empty());
    let (session_duration, quiet, catch_up) = (session_duration?, quiet?, catch_up?);
    let (schedule, timezone) = (present(schedule), present(timezone));
    Some(Box::new(move |trigger| resource::Trigger { session_duration, quiet, schedule, timezone, catch_up, ..trigger }))
}

fn rate(node: &Node, path: &str, faults: &mut Vec<Fault>) -> Option<Rate> {
    let mut fields = Fields::of(node, path.to_owned(), faults)?;
    let count = fields.require("count", faults).map(|node| match &node.value {
        Value::Number(number) => number.as_u64().and_then(|count| u32::try_from(count).ok()).filter(|count| *count > 0),
        _ => None,
    });
    let per_path = fields.path_of("per");
    let per = fields.require("per", faults).and_then(|node| duration(node, per_path, RATE_PER_MAX, faults));
    fields.finish(faults);
    let Some(count) = count? else {
        faults.push(Fault { at: node.at, path: format!("{path}.count"), reason: "must be a whole number above 0".into() });
        return None;
    };
    let per = per.filter(|per| !per.is_zero());
    if per.is_none() {
        faults.push(Fault { at: node.at, path: format!("{path}.per"), reason: "must be longer than 0s".into() });
    }
    Some(Rate { count, per_ms: u64::try_from(per?.as_millis()).ok()? })
}

fn limits(node: &Node, path: &str, faults: &mut Vec<Fault>) -> Option<Limits> {
    match worker::bot::limits::parse(&node.to_json()) {
        Ok(limits) => Some(limits),
        Err(DefinitionError::Kind(reason)) => {
            faults.push(Fault { at: node.at, path: path.to_owned(), reason });
            None
        }
        Err(DefinitionError::Invalid { path: inner, reason }) => {
            let inner = inner.strip_prefix("limits").unwrap_or(&inner);
            faults.push(Fault { at: node.place_of(inner), path: format!("{path}{inner}"), reason });
            None
        }
    }
}

pub(super) fn duration(node: &Node, path: String, most: Duration, faults: &mut Vec<Fault>) -> Option<Duration> {
    let duration = match &node.value {
        Value::Number(number) => number.as_u64().map(Duration::from_millis).ok_or_else(|| "must not be negative or broken".to_owned()),
        Value::Text(text) => humantime::parse_duration(text).map_err(|error| error.to_string()),
        _ => Err(format!("must be a duration such as 1d, or milliseconds, not {}", node.kind())),
    };
    let reason = match duration {
        Ok(duration) if duration <= most => return Some(duration),
        Ok(_) => format!("may be at most {}", humantime::format_duration(most)),
        Err(reason) => reason,
    };
    faults.push(Fault { at: node.at, path, reason });
    None
}
