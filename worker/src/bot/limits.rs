//! What turns may take, as a definition says it.
//!
//! ```yaml
//! limits:
//!   turns: 20                      # at once, in one worker
//!   turn: { modelCalls: 8, abilityCalls: 16, tokens: 60000, time: 2m, costUsd: 0.25 }
//!   day: { tokens: 5000000, costUsd: 20 }
//!   sessionDay: { tokens: 200000 }
//!   contactDay: { modelCalls: 200 }
//! ```

use std::time::Duration;

use proto::resource::{Budget, Limits};
use serde_json::Value;

use super::DefinitionError;
use super::node::Node;

/// How many millionths a US dollar has.
const MICRO: f64 = 1e6;
/// Longest time that a turn may be given.
const TIME_MAX: Duration = proto::limit::TURN_DEADLINE;

/// Reads the field `limits` of a trigger.
pub fn parse(value: &Value) -> Result<Limits, DefinitionError> {
    read(&Node { path: "limits".to_owned(), value })
}

/// Reads limits wherever they stand.
pub(in crate::bot) fn read(node: &Node<'_>) -> Result<Limits, DefinitionError> {
    let fields = node.fields(&["turns", "turn", "day", "sessionDay", "contactDay"])?;
    let budget = |name: &str| fields.get(name).map(|node| budget(&node, name == "turn")).transpose();
    Ok(Limits {
        turns: fields.get("turns").map(|node| count(&node)).transpose()?.map_or(0, |turns| u32::try_from(turns).unwrap_or(u32::MAX)),
        turn: budget("turn")?,
        day: budget("day")?,
        session_day: budget("sessionDay")?,
        contact_day: budget("contactDay")?,
    })
}

fn budget(node: &Node<'_>, is_of_turn: bool) -> Result<Budget, DefinitionError> {
    let known: &[&str] = if is_of_turn {
        &["modelCalls", "abilityCalls", "tokens", "time", "costUsd"]
    } else {
        &["modelCalls", "abilityCalls", "tokens", "costUsd"]
    };
    let fields = node.fields(known)?;
    let number = |name: &str| fields.get(name).map(|node| count(&node)).transpose().map(Option::unwrap_or_default);
    Ok(Budget {
        model_calls: number("modelCalls")?,
        ability_calls: number("abilityCalls")?,
        tokens: number("tokens")?,
        time_ms: fields.get("time").map(|node| time(&node)).transpose()?.unwrap_or_default(),
        cost_micro_usd: fields.get("costUsd").map(|node| cost(&node)).transpose()?.unwrap_or_default(),
    })
}

fn count(node: &Node<'_>) -> Result<u64, DefinitionError> {
    node.value.as_u64().filter(|count| *count > 0).ok_or_else(|| node.fault("must be a whole number above 0"))
}

fn time(node: &Node<'_>) -> Result<u64, DefinitionError> {
    let time = duration(node)?;
    if time.is_zero() || time > TIME_MAX {
        return Err(node.fault(format!("must be above 0 and at most {}", humantime::format_duration(TIME_MAX))));
    }
    Ok(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rounded, finite and not negative")]
fn cost(node: &Node<'_>) -> Result<u64, DefinitionError> {
    let usd = node.value.as_f64().filter(|usd| usd.is_finite() && *usd > 0.0 && *usd <= 1e9);
    usd.map(|usd| (usd * MICRO).ceil() as u64).ok_or_else(|| node.fault("must be an amount in US dollars above 0"))
}

/// A duration: milliseconds, or text such as `30s`.
pub(in crate::bot) fn duration(node: &Node<'_>) -> Result<Duration, DefinitionError> {
    match node.value {
        Value::Number(number) => number.as_u64().map(Duration::from_millis).ok_or_else(|| node.fault("must not be negative or broken")),
        Value::String(text) => humantime::parse_duration(text).map_err(|error| node.fault(error)),
        _ => Err(node.fault("must be a duration such as 30s, or milliseconds")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::parse;

    #[test]
    fn every_amount_has_its_unit() {
        let limits =
            parse(&json!({ "turns": 3, "turn": { "time": "2m", "costUsd": 0.25, "tokens": 7 }, "day": { "modelCalls": 9 } })).unwrap();
        let turn = limits.turn.unwrap();
        assert_eq!((limits.turns, turn.time_ms, turn.cost_micro_usd, turn.tokens), (3, 120_000, 250_000, 7));
        assert_eq!((limits.day.unwrap().model_calls, limits.session_day), (9, None));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (value, expected) in [
            (json!({ "turns": 0 }), "limits.turns: must be a whole number above 0"),
            (json!({ "turn": { "time": "1d" } }), "limits.turn.time: must be above 0 and at most 10m"),
            (json!({ "turn": { "costUsd": -1 } }), "limits.turn.costUsd: must be an amount"),
            (json!({ "day": { "time": "1s" } }), "limits.day: unknown field \"time\""),
            (json!({ "week": {} }), "limits: unknown field \"week\""),
            (json!([]), "limits: must be an object"),
        ] {
            let error = parse(&value).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
