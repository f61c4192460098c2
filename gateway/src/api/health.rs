//! Whether the process can do its work.

use axum::routing::get;
use schemars::json_schema;
use serde_json::json;

use super::operation::{Access, Answer, Form, Method, Operation};
use crate::ready;

const TAG: &str = "System";

/// The operations of the group.
pub(super) fn operations() -> Vec<Operation> {
    let schema = |_: &mut _| json_schema!({ "type": "object", "properties": { "status": { "type": "string" }, "checks": { "type": "object" } }, "required": ["status"] });
    vec![
        Operation::raw("live", Method::Get, "/livez", Access::Open, get(ready::livez))
            .bare()
            .says(TAG, "Say that the process runs")
            .more("Served without a prefix too.")
            .answers(Answer::Object(Form { schema, example: json!({ "status": "alive" }) })),
        Operation::raw("ready", Method::Get, "/readyz", Access::Open, get(ready::readyz))
            .bare()
            .says(TAG, "Say whether the process can do its work")
            .more("Answered with status 503 and the same form while it cannot. Served without a prefix too.")
            .answers(Answer::Object(Form { schema, example: json!({ "status": "ready", "checks": { "nats": "ok", "redis": "ok" } }) })),
    ]
}
