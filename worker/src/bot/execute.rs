//! A turn without a bot: one call of an ability, whose outcome is the reply.
//!
//! The reply is JSON: `{"result": ...}`, or `{"error": "..."}` where the call failed.

use async_trait::async_trait;
use proto::wire::outcome::End;
use serde_json::{Map, Value, json};

use super::{Bot, Error, Request, Thought, Turn};

/// Makes one call.
#[derive(Debug)]
pub(super) struct Executor {
    /// The function.
    pub(super) function: String,
    /// The arguments.
    pub(super) arguments: Value,
}

#[async_trait]
impl Bot for Executor {
    async fn think(&self, turn: Turn<'_>) -> Result<Thought, Error> {
        let Some(step) = turn.steps.last() else {
            let request = Request { ability: self.function.clone(), arguments: self.arguments.clone(), doubt: None };
            return Ok(Thought::call(vec![request]));
        };
        let told = match step.outcomes.first().and_then(|outcome| outcome.end.as_ref()) {
            Some(End::Result(result)) => {
                json!({ "result": serde_json::from_str::<Value>(result).unwrap_or_else(|_| result.clone().into()) })
            }
            Some(End::Error(error)) => json!({ "error": error }),
            Some(End::Unknown(_)) | None => json!({ "error": "the outcome is unknown: it may have happened, or may still happen" }),
        };
        Ok(Thought::reply(told.to_string()))
    }
}

/// The arguments that an input stands for: a mapping, or the words for the only parameter.
pub(super) fn arguments(input: &str, parameters: &Value) -> Result<Value, String> {
    if input.trim().is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    let mapping = |value: Value| value.is_object().then_some(value);
    let json = serde_json::from_str(input).ok().and_then(mapping);
    if let Some(object) = json.or_else(|| serde_saphyr::from_str(input).ok().and_then(mapping)) {
        return Ok(object);
    }
    let properties = parameters.get("properties").and_then(Value::as_object);
    let mut names = properties.into_iter().flat_map(Map::keys);
    match (names.next(), names.next()) {
        (Some(only), None) => Ok(json!({ only: input })),
        _ => Err(format!("the input must be a mapping that fits {parameters}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::arguments;

    #[test]
    fn an_input_is_a_mapping_or_the_words_for_the_only_parameter() {
        let one = json!({ "properties": { "city": {} } });
        let two = json!({ "properties": { "city": {}, "day": {} } });
        for (input, parameters, expected) in [
            (r#"{"city":"Bonn"}"#, &two, Some(json!({ "city": "Bonn" }))),
            ("city: Bonn\nday: 3", &two, Some(json!({ "city": "Bonn", "day": 3 }))),
            ("Bonn am Rhein", &one, Some(json!({ "city": "Bonn am Rhein" }))),
            ("7", &one, Some(json!({ "city": "7" }))),
            ("Bonn", &two, None),
            ("", &two, Some(json!({}))),
            ("Bonn", &Value::Null, None),
        ] {
            assert_eq!(arguments(input, parameters).ok(), expected, "{input}");
        }
    }
}
