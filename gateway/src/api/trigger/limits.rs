//! What turns may take, as a body says it and as it is told.

use std::time::Duration;

use proto::limit::TURN_DEADLINE;
use proto::resource;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::api::given::Whole;
use crate::api_error::ApiError;

/// How many millionths a US dollar has.
const MICRO: f64 = 1e6;
/// The most that may be allowed, in US dollars.
const USD_MAX: f64 = 1e9;

/// What turns may take; what is left out has no limit of its own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Limits {
    /// How many turns run at once in one worker.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    turns: Option<Whole>,
    /// What one turn may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    turn: Option<Budget>,
    /// What all turns of a day (UTC) may take together.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "of_days")]
    day: Option<Budget>,
    /// What all turns of one session may take in a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "of_days")]
    session_day: Option<Budget>,
    /// What all turns for one contact may take in a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "of_days")]
    contact_day: Option<Budget>,
}

/// A bound on what is spent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Budget {
    /// How often a model may be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    model_calls: Option<Whole>,
    /// How many calls of abilities may be made.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    ability_calls: Option<Whole>,
    /// How many tokens models may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    tokens: Option<Whole>,
    /// How long one turn may take, in milliseconds; only of a turn.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 600_000))]
    time: Option<Whole>,
    /// What it may cost by estimate, in US dollars.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 1_000_000_000), extend("exclusiveMinimum" = 0))]
    cost_usd: Option<f64>,
}

/// A bound on what many turns take: only a turn has a bound in time.
fn of_days(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = Budget::json_schema(generator);
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.remove("time");
    }
    let object = schema.to_value();
    json_schema!({ "anyOf": [object, { "type": "null" }] })
}

impl Limits {
    /// The limits that are meant.
    pub(super) fn read(self) -> Result<resource::Limits, ApiError> {
        let budget = |name: &'static str, budget: Option<Budget>| budget.map(|budget| budget.read(name)).transpose();
        if self.turns == Some(Whole(0)) {
            return Err(ApiError::field("limits.turns", "must be above 0"));
        }
        Ok(resource::Limits {
            turns: u32::try_from(self.turns.unwrap_or_default().0).unwrap_or(u32::MAX),
            turn: budget("turn", self.turn)?,
            day: budget("day", self.day)?,
            session_day: budget("sessionDay", self.session_day)?,
            contact_day: budget("contactDay", self.contact_day)?,
        })
    }

    /// Limits as they are told; none where there are none.
    pub(super) fn tell(limits: &resource::Limits) -> Option<Self> {
        (*limits != resource::Limits::default()).then(|| Self {
            turns: Some(limits.turns).filter(|turns| *turns > 0).map(|turns| Whole(turns.into())),
            turn: limits.turn.as_ref().map(Budget::tell),
            day: limits.day.as_ref().map(Budget::tell),
            session_day: limits.session_day.as_ref().map(Budget::tell),
            contact_day: limits.contact_day.as_ref().map(Budget::tell),
        })
    }
}

impl Budget {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rounded, finite and not negative")]
    fn read(self, name: &'static str) -> Result<resource::Budget, ApiError> {
        let counts = [("modelCalls", self.model_calls), ("abilityCalls", self.ability_calls), ("tokens", self.tokens), ("time", self.time)];
        if let Some((field, _)) = counts.into_iter().find(|(_, count)| *count == Some(Whole(0))) {
            return Err(ApiError::field(format!("limits.{name}.{field}"), "must be above 0"));
        }
        if let Some(Whole(time)) = self.time {
            if name != "turn" {
                return Err(ApiError::field(format!("limits.{name}.time"), "is a limit of one turn: put it into limits.turn"));
            }
            if Duration::from_millis(time) > TURN_DEADLINE {
                return Err(ApiError::field("limits.turn.time", format_args!("must be at most {} ms", TURN_DEADLINE.as_millis())));
            }
        }
        if self.cost_usd.is_some_and(|usd| !(usd.is_finite() && usd > 0.0 && usd <= USD_MAX)) {
            return Err(ApiError::field(format!("limits.{name}.costUsd"), "must be an amount in US dollars above 0 and at most 1e9"));
        }
        Ok(resource::Budget {
            model_calls: self.model_calls.unwrap_or_default().0,
            ability_calls: self.ability_calls.unwrap_or_default().0,
            tokens: self.tokens.unwrap_or_default().0,
            time_ms: self.time.unwrap_or_default().0,
            cost_micro_usd: self.cost_usd.map_or(0, |usd| (usd * MICRO).ceil() as u64),
        })
    }

    #[expect(clippy::cast_precision_loss, reason = "an amount of money is shown")]
    fn tell(budget: &resource::Budget) -> Self {
        let above = |count: u64| Some(count).filter(|count| *count > 0).map(Whole);
        Self {
            model_calls: above(budget.model_calls),
            ability_calls: above(budget.ability_calls),
            tokens: above(budget.tokens),
            time: above(budget.time_ms),
            cost_usd: above(budget.cost_micro_usd).map(|micro| micro.0 as f64 / MICRO),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Limits;

    #[test]
    fn what_is_read_is_told_again() {
        let said = json!({ "turns": 3, "turn": { "time": 1_000, "costUsd": 0.25 }, "day": { "tokens": 7 } });
        let limits: Limits = serde_json::from_value(said.clone()).unwrap();
        assert_eq!(serde_json::to_value(Limits::tell(&limits.read().unwrap())).unwrap(), said);
        assert_eq!(Limits::tell(&proto::resource::Limits::default()), None);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let check = |said: Value, field: &str| {
            let limits: Limits = serde_json::from_value(said).unwrap();
            assert_eq!(limits.read().unwrap_err().field.as_deref(), Some(field));
        };
        check(json!({ "turns": 0 }), "limits.turns");
        check(json!({ "turn": { "tokens": 0 } }), "limits.turn.tokens");
        check(json!({ "turn": { "time": 600_001 } }), "limits.turn.time");
        check(json!({ "day": { "time": 1 } }), "limits.day.time");
        check(json!({ "day": { "costUsd": -1 } }), "limits.day.costUsd");
    }
}
