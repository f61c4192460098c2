//! How it goes, over all processes: what happened in a span of time, and what is under way.

use async_nats::jetstream::consumer::pull;
use axum::response::Response;
use backbone::topology;
use index::pulse::{Figures, Span};
use index::read::Pulse;
use proto::code::Code;
use proto::resource::Scope;
use proto::subject::{self, DEAD_STREAM};
use schemars::json_schema;
use serde_json::{Map, Value, json};

use super::call::{Call, give};
use super::operation::{Access, Answer, Form, Operation};
use super::{system, usage};
use crate::api_error::ApiError;
use crate::door::Door;

/// The operations of the group.
pub(super) fn operations() -> Vec<Operation> {
    // An empty one is none, as in every query.
    let spans: Vec<&str> = Span::ALL.map(Span::name).into_iter().chain([""]).collect();
    vec![
        Operation::get("fetchOverview", "/overview/fetch", Access::Scope(Scope::Read), fetch)
            .says("System", "Show how it goes, over all processes")
            .more("Latencies are told to within 22 %. While Redis is silent there are no points, and what is read from it is null; while the index is built the points are those of what it has read so far.")
            .query("span", json!({ "type": "string", "enum": spans, "default": Span::Hour.name() }), "The last hour by minutes, the last day by half hours, or the last week by three hours.")
            .answers(Answer::Object(form()))
            .refuses(&[Code::ParameterInvalid, Code::Unavailable]),
    ]
}

fn form() -> Form {
    let schema = |_: &mut _| {
        let count = |description: &str| json!({ "type": "integer", "description": description });
        let quantile = |description: &str| json!({ "type": ["number", "null"], "description": description });
        let figures = json!({
            "events": count("Events that the broker accepted then and whose turns have begun since; one that has written nothing yet has not."),
            "completed": count("Turns that ended with a reply."),
            "failed": count("Turns that ended without one, those given up included."),
            "dead": count("Turns that were given up, with a copy in DEAD."),
            "cancelled": count("Turns that were called off."),
            "tokens": count("Tokens of prompts and answers."),
            "turnP50Ms": quantile("From the acceptance of an event to the end of its turn, by the broker's clock; null where none ended."),
            "turnP99Ms": quantile("The same of the slowest hundredth."),
            "acceptP50Ms": quantile("From the arrival of an event's call at a gateway to its receipt; null where there was none."),
            "acceptP99Ms": quantile("The same of the slowest hundredth.")
        });
        let mut names: Vec<&String> = figures.as_object().map(|figures| figures.keys().collect()).unwrap_or_default();
        // A map keeps its order or sorts, by what else is built with it.
        names.sort_unstable();
        let mut point = json!({ "type": "object", "properties": figures, "required": names });
        let total = json!({ "type": ["object", "null"], "description": "The same over the whole span; null while Redis is silent.", "properties": figures, "required": names });
        if let Some(properties) = point.pointer_mut("/properties").and_then(Value::as_object_mut) {
            properties.insert("at".into(), count("When it begins, in milliseconds since 1970."));
        }
        let known = |description: &str| json!({ "type": ["integer", "null"], "description": description });
        json_schema!({
            "type": "object",
            "properties": {
                "span": { "type": "string", "enum": Span::ALL.map(Span::name) },
                "at": { "type": "integer", "description": "The broker's time, in milliseconds since 1970." },
                "stepMs": { "type": "integer", "description": "How long each point is; the last one is not over." },
                "points": { "type": "array", "items": point, "description": "Oldest first." },
                "total": total,
                "now": {
                    "type": "object",
                    "properties": {
                        "backlog": { "type": "integer", "description": "What the broker's consumer has not been told the end of, answers on their way to turns included, less the turns under way (which are not taken off while Redis is silent). A turn that has written nothing yet counts here." },
                        "running": known("Turns that have written something, have not ended and wait for nobody, by the index; null while Redis is silent."),
                        "waiting": known("Turns that wait for somebody, by the index; null while Redis is silent."),
                        "dead": { "type": "integer", "description": "Letters in DEAD." },
                        "workers": known("Workers that showed themselves in the last 15 s; null while Redis is silent.")
                    },
                    "required": ["backlog", "running", "waiting", "dead", "workers"]
                },
                "index": { "type": ["object", "null"], "description": "How far lists are behind the log, as system/fetch tells it; null while that cannot be said." }
            },
            "required": ["span", "at", "stepMs", "points", "total", "now", "index"]
        })
    };
    let total = json!({
        "events": 42, "completed": 40, "failed": 1, "dead": 1, "cancelled": 0, "tokens": 3100,
        "turnP50Ms": 926.0, "turnP99Ms": 2085.19, "acceptP50Ms": 1.39, "acceptP99Ms": 4.69
    });
    let mut point = total.clone();
    if let Some(point) = point.as_object_mut() {
        point.insert("at".into(), json!(1_790_000_040_000_i64));
    }
    Form {
        schema,
        example: json!({
            "span": "1h", "at": 1_790_000_075_000_i64, "stepMs": 60_000, "points": [point], "total": total,
            "now": { "backlog": 1, "running": 2, "waiting": 1, "dead": 1, "workers": 2 },
            "index": { "at": 42, "last": 42, "lag": 0, "complete": true, "leader": "w00000000000000ff" }
        }),
    }
}

/// The span that is asked for.
fn span(call: &Call) -> Result<Span, ApiError> {
    match call.asked("span")? {
        None => Ok(Span::Hour),
        Some(name) => Span::parse(&name).ok_or_else(|| ApiError::parameter("span", "must be 1h, 24h or 7d")),
    }
}

async fn fetch(call: Call) -> Result<Response, ApiError> {
    usage::admit(&call)?;
    let (span, door) = (span(&call)?, &call.door);
    let now_ms = door.clock.now_ms(&door.client).await;
    let now_ms = now_ms.ok_or_else(|| ApiError::unavailable("the broker's clock cannot be read", &"no answer"))?;
    let (pulse, open, dead, workers, index) =
        tokio::join!(door.index.pulse(span, now_ms), open(door), letters(door), system::living(&call), system::index_of(&call));
    let pulse = pulse.ok();
    let running = pulse.as_ref().map(|pulse| pulse.running);
    let now = json!({
        "backlog": open?.saturating_sub(running.unwrap_or_default()), "running": running,
        "waiting": pulse.as_ref().map(|pulse| pulse.waiting), "dead": dead?, "workers": workers,
    });
    give(&json!({
        "span": span.name(), "at": now_ms, "stepMs": span.step_ms(), "points": pulse.as_ref().map(points).unwrap_or_default(),
        "total": pulse.as_ref().map(|pulse| figures(&pulse.total())), "now": now, "index": index,
    }))
}

/// How many events and answers the broker has that no worker is done with.
async fn open(door: &Door) -> Result<u64, ApiError> {
    let unread =
        |error: &dyn std::error::Error| ApiError::unavailable("the events that wait cannot be counted right now", &error.to_string());
    let epoch = topology::current_epoch(&door.context).await.map_err(|error| unread(&error))?;
    let stream = subject::events_stream(epoch);
    let consumer = door.context.get_consumer_from_stream::<pull::Config, _, _>(subject::WORKERS, stream).await;
    let consumer = consumer.map_err(|error| unread(&error))?;
    let info = consumer.cached_info();
    Ok(info.num_pending.saturating_add(u64::try_from(info.num_ack_pending).unwrap_or(u64::MAX)))
}

/// How many letters lie in DEAD.
async fn letters(door: &Door) -> Result<u64, ApiError> {
    let stream = door.context.get_stream(DEAD_STREAM).await;
    let stream = stream.map_err(|error| ApiError::unavailable("the dead letters cannot be counted right now", &error))?;
    Ok(stream.cached_info().state.messages)
}

fn points(pulse: &Pulse) -> Vec<Value> {
    let point = |at_ms: i64, mut figures: Map<String, Value>| {
        figures.insert("at".into(), at_ms.into());
        Value::Object(figures)
    };
    pulse.points.iter().map(|slot| point(slot.at_ms, figures(&slot.figures))).collect()
}

fn figures(Figures { counts, turns, accepts }: &Figures) -> Map<String, Value> {
    let shown = [
        ("events", counts.events.into()),
        ("completed", counts.completed.into()),
        ("failed", counts.failed.into()),
        ("dead", counts.dead.into()),
        ("cancelled", counts.cancelled.into()),
        ("tokens", counts.tokens.into()),
        ("turnP50Ms", millis(turns.percentile_us(50))),
        ("turnP99Ms", millis(turns.percentile_us(99))),
        ("acceptP50Ms", millis(accepts.percentile_us(50))),
        ("acceptP99Ms", millis(accepts.percentile_us(99))),
    ];
    shown.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Milliseconds to the hundredth.
fn millis(us: Option<u64>) -> Value {
    us.map_or(Value::Null, |us| (f64::from(u32::try_from(us / 10).unwrap_or(u32::MAX)) / 100.0).into())
}

#[cfg(test)]
mod tests {
    use index::histogram::{Histogram, bucket};
    use index::pulse::{Counts, Figures};
    use index::read::{Point, Pulse};
    use serde_json::{Value, json};

    use super::{figures, millis, points};

    #[test]
    fn quantiles_are_milliseconds_or_nothing() {
        for (us, expected) in [(None, Value::Null), (Some(0), json!(0.0)), (Some(926), json!(0.92)), (Some(1_390_004), json!(1390.0))] {
            assert_eq!(millis(us), expected, "{us:?}");
        }
        assert_eq!(millis(Some(3_716_165_326)), json!(3_716_165.32));
    }

    #[test]
    fn a_point_says_what_happened_and_when() {
        let mut turns = Histogram::default();
        turns.add(bucket(2_000_000), 3);
        let counts = Counts { events: 5, completed: 2, failed: 1, dead: 1, cancelled: 0, tokens: 14 };
        let slot = Figures { counts, turns, accepts: Histogram::default() };
        let expected = json!({
            "events": 5, "completed": 2, "failed": 1, "dead": 1, "cancelled": 0, "tokens": 14,
            "turnP50Ms": figures(&slot)["turnP99Ms"], "turnP99Ms": figures(&slot)["turnP99Ms"], "acceptP50Ms": null, "acceptP99Ms": null, "at": 60_000
        });
        let told = points(&Pulse { points: vec![Point { at_ms: 60_000, figures: slot }], running: 0, waiting: 0 });
        assert_eq!(told, [expected]);
        let told = told[0]["turnP50Ms"].as_f64().unwrap();
        assert!((1_633.0..2_450.0).contains(&told), "{told} for 2,000");
    }
}
