//! What a conversation took, from its records.

use axum::response::Response;
use proto::code::Code;
use proto::ending;
use schemars::json_schema;
use serde_json::{Map, Value, json};

use super::{READS, TAG, named};
use crate::api::call::{Call, give};
use crate::api::operation::{Answer, Form, Operation};
use crate::api_error::ApiError;
use crate::conversation;

/// The amounts that each model's share has.
const AMOUNTS: [&str; 6] = ["calls", "inputTokens", "cachedTokens", "outputTokens", "reasoningTokens", "costMicroUsd"];

/// The operation.
pub(super) fn operation() -> Operation {
    let schema = |_: &mut _| json_schema!({ "type": "object", "properties": { "tokens": { "type": "integer" }, "messages": { "type": "integer" }, "models": { "type": "array", "items": { "type": "object" } } }, "required": ["tokens", "messages", "models"] });
    Operation::get("fetchConversationUsage", "/conversation/{id}/usage/fetch", READS, fetch)
        .says(TAG, "Fetch what a conversation took")
        .answers(Answer::Object(Form { schema, example: json!({ "tokens": 310, "messages": 4, "models": [] }) }))
        .refuses(&[Code::ConversationUnknown])
}

async fn fetch(call: Call) -> Result<Response, ApiError> {
    let messages = conversation::all(&call.door, &named(&call)?).await?;
    let metas = messages.iter().filter_map(|message| message.meta.get("usage").and_then(Value::as_array));
    let models = sums(metas.flatten());
    give(&json!({ "tokens": ending::tokens(&models), "messages": messages.len(), "models": models }))
}

/// Each model's sum.
fn sums<'a>(shares: impl Iterator<Item = &'a Value>) -> Vec<Value> {
    let mut sums: Vec<(String, Map<String, Value>)> = Vec::new();
    for share in shares {
        let model = share.get("model").and_then(Value::as_str).unwrap_or_default();
        if !sums.iter().any(|(known, _)| known == model) {
            sums.push((model.to_owned(), Map::new()));
        }
        let Some((_, sum)) = sums.iter_mut().find(|(known, _)| known == model) else { continue };
        for name in AMOUNTS {
            let before = sum.get(name).and_then(Value::as_u64).unwrap_or_default();
            let more = share.get(name).and_then(Value::as_u64).unwrap_or_default();
            sum.insert(name.to_owned(), before.saturating_add(more).into());
        }
    }
    let told = |(model, mut sum): (String, Map<String, Value>)| {
        sum.insert("model".to_owned(), model.into());
        Value::Object(sum)
    };
    sums.into_iter().map(told).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn each_model_has_its_sum() {
        let shares = [
            json!({ "model": "a", "inputTokens": 1, "outputTokens": 2, "calls": 1 }),
            json!({ "model": "b", "inputTokens": 5 }),
            json!({ "model": "a", "inputTokens": 10, "calls": 1 }),
        ];
        let sums = super::sums(shares.iter());
        assert_eq!(sums.len(), 2);
        assert_eq!((&sums[0]["inputTokens"], &sums[0]["calls"], &sums[1]["inputTokens"]), (&json!(11), &json!(2), &json!(5)));
    }
}
