//! The audit log.

use std::sync::Arc;

use axum::response::Response;
use proto::code::Code;
use proto::resource::Scope;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use super::call::Call;
use super::list;
use super::operation::{Access, Answer, Form, Operation};
use crate::api_error::ApiError;
use crate::audit::page::{self, Filter};

const TAG: &str = "Audit";
const ADMIN: Access = Access::Scope(Scope::Admin);
/// The columns of an export.
const COLUMNS: [&str; 11] = ["id", "at", "who.type", "who.id", "action", "key", "outcome", "before", "after", "of", "reason"];

/// The operations of the group.
pub(super) fn operations() -> Vec<Operation> {
    let form = || Form { schema, example: example() };
    vec![
        filtered(Operation::get("listAudit", "/audit/list", ADMIN, listed))
            .says(TAG, "List who was asked to do what")
            .more("One page looks at 100,000 entries at most; where none of these fits, the refusal names the cursor to go on with.")
            .answers(Answer::List(form())),
        filtered(Operation::get("exportAudit", "/audit/export", ADMIN, exported))
            .says(TAG, "Export who was asked to do what")
            .answers(Answer::Export(form())),
    ]
}

fn filtered(operation: Operation) -> Operation {
    operation
        .query("cursor", json!({ "type": "string" }), "The id of the last entry of the page before.")
        .query("order", json!({ "type": "string", "enum": ["asc", "desc"], "default": "desc" }), "Oldest or newest first.")
        .query("take", json!({ "type": "integer", "default": 100 }), "How many; a number outside 1 to 100 is brought to the nearer end.")
        .query("who", json!({ "type": "string" }), "The id or name of a token, the id of a trigger, or `config`.")
        .query("action", json!({ "type": "string" }), "The action, such as `trigger.update`, or its beginning, such as `trigger.`.")
        .query("key", json!({ "type": "string" }), "What it was done to, such as `trigger.orders`.")
        .query("from", json!({ "type": "integer" }), "The earliest time, in milliseconds since 1970.")
        .query("to", json!({ "type": "integer" }), "The time before which, in milliseconds since 1970.")
        .refuses(&[Code::ParameterInvalid, Code::AcceptUnknown])
}

async fn listed(call: Call) -> Result<Response, ApiError> {
    let (filter, door) = (Filter::parse(&call)?, Arc::clone(&call.door));
    list::answer(&call, move |wanted| {
        let (filter, door) = (filter.clone(), Arc::clone(&door));
        async move { page::fetch(&door, &filter, &wanted).await }
    })
    .await
}

async fn exported(call: Call) -> Result<Response, ApiError> {
    let (filter, door) = (Filter::parse(&call)?, Arc::clone(&call.door));
    list::export(&call, &COLUMNS, move |wanted| {
        let (filter, door) = (filter.clone(), Arc::clone(&door));
        async move { page::fetch(&door, &filter, &wanted).await }
    })
    .await
}

fn schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "properties": {
            "id": { "type": "string", "description": "Its place in the record." },
            "at": { "type": "integer", "description": "When, in milliseconds since 1970." },
            "who": { "type": "object", "description": "Whoever asked: a token, the token of the configuration, or the secret of a trigger.", "properties": { "type": { "type": "string" }, "id": { "type": "string" }, "name": { "type": "string" }, "trigger": { "type": "string" } }, "required": ["type"] },
            "action": { "type": "string" },
            "key": { "type": "string", "description": "What it was done to." },
            "before": { "type": "string", "description": "SHA-256 of what was stored before." },
            "after": { "type": "string", "description": "SHA-256 of what was stored after." },
            "traceId": { "type": "string" },
            "outcome": { "type": "string", "enum": ["begun", "failed"], "description": "`begun` was done, unless a later entry `of` it says `failed`." },
            "of": { "type": "integer", "description": "The entry that this one is about." },
            "reason": { "type": "string" }
        },
        "required": ["id", "at", "who", "action", "key", "outcome"]
    })
}

fn example() -> Value {
    json!({ "id": "7", "at": 1_790_000_000_000_i64, "who": { "type": "token", "id": "k01k7", "name": "CI" }, "action": "trigger.update", "key": "trigger.orders", "before": "9f86d0", "after": "60303a", "outcome": "begun" })
}
