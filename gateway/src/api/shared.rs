//! What the operations of several groups say alike.

use proto::code::Code;
use proto::resource::Scope;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::operation::{Access, Operation};

/// Whoever may read.
pub(crate) const READS: Access = Access::Scope(Scope::Read);
/// Whoever may change resources.
pub(crate) const OPERATES: Access = Access::Scope(Scope::Operate);

/// How a change of a resource may be refused.
pub(crate) const CHANGES: [Code; 8] = [
    Code::FieldInvalid,
    Code::FieldUnknown,
    Code::TriggerUnknown,
    Code::ResourceUnknown,
    Code::RevisionLost,
    Code::AliasTaken,
    Code::KeptByFile,
    Code::BrokerFull,
];

/// The id of what was done something to.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Id {
    /// The id.
    pub(crate) id: String,
}

/// An operation that lists.
pub(crate) fn listed(operation: Operation) -> Operation {
    operation
        .query("cursor", json!({ "type": "string" }), "The id of the last item of the page before.")
        .query("order", json!({ "type": "string", "enum": ["asc", "desc"], "default": "desc" }), "Oldest or newest first.")
        .query("take", json!({ "type": "integer", "default": 100 }), "How many; a number outside 1 to 100 is brought to the nearer end.")
        .query(
            "meta",
            json!({ "type": "object", "additionalProperties": { "type": "string" } }),
            "What the item's notes must say: `meta[app]=x`, or `meta.app=x`.",
        )
        .refuses(&[Code::ParameterInvalid, Code::AcceptUnknown])
}

/// An operation that changes what was fetched before.
pub(crate) fn fenced(operation: Operation) -> Operation {
    operation
        .header(
            "If-Match",
            json!({ "type": "string", "pattern": r#"^("?[0-9]{1,19}"?|\*)$"# }),
            "The revision that the change is decided on; without it the last one.",
        )
        .refuses(&[Code::ParameterInvalid])
}

/// What all kinds of resources are told with.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Common {
    /// The id.
    pub(crate) id: String,
    /// A second name, unique among resources of one kind; `@alias` stands for the id in paths.
    pub(crate) alias: Option<String>,
    /// What its keeper notes on it.
    pub(crate) meta: serde_json::Map<String, serde_json::Value>,
    /// When it was made, in milliseconds since 1970; 0 where a file keeps it.
    pub(crate) created_at: i64,
    /// When it was last changed, in milliseconds since 1970; 0 where a file keeps it.
    pub(crate) updated_at: i64,
    /// Who keeps it: `api`, or `file:<name>`.
    pub(crate) managed_by: String,
    /// Which version of it this is, for `If-Match`.
    pub(crate) revision: u64,
}

impl Common {
    /// What is told of a resource.
    pub(crate) fn of(common: &proto::resource::Common, id: &str, revision: u64) -> Self {
        Self {
            id: id.to_owned(),
            alias: common.alias.clone(),
            meta: common.meta.clone(),
            created_at: common.created_at_ms,
            updated_at: common.updated_at_ms,
            managed_by: common.managed_by.clone(),
            revision,
        }
    }
}
