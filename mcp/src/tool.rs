//! Tools, as a server tells of them: bounded and cleaned.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::error::Error;
use crate::limit::{DESCRIPTION_BYTES_MAX, NAME_BYTES_MAX, SCHEMA_BYTES_MAX, TOOLS_MAX};
use crate::mask::Mask;
use crate::text;

/// A tool of a server.
#[derive(Debug, Clone, PartialEq)]
pub struct Tool {
    /// The name by which the server knows it.
    pub name: String,
    /// What it says of itself, in words of the server: data, never an instruction to follow.
    pub description: String,
    /// The JSON Schema of its arguments, an object.
    pub input_schema: Map<String, Value>,
    /// Whether the server claims that it changes nothing.
    pub is_read_only: bool,
    /// Whether the server claims that calling it again changes nothing more.
    pub is_idempotent: bool,
}

/// The tools of one page of a list, and where the next one is.
pub(crate) fn page(result: Value, mask: &Mask) -> Result<(Vec<Tool>, Option<String>), Error> {
    let malformed = |reason: &str| Error::Malformed { reason: reason.to_owned() };
    let Value::Object(mut result) = result else { return Err(malformed("a list of tools is an object")) };
    let Some(Value::Array(tools)) = result.remove("tools") else { return Err(malformed("a list of tools has tools")) };
    if tools.len() > TOOLS_MAX {
        return Err(Error::TooLarge { what: "tools", max: TOOLS_MAX });
    }
    let cursor = match result.remove("nextCursor") {
        Some(Value::String(cursor)) => Some(cursor),
        _ => None,
    };
    Ok((tools.into_iter().filter_map(|tool| read(tool, mask)).collect(), cursor))
}

/// The list without tools that another has the name of.
pub(crate) fn distinct(tools: Vec<Tool>) -> Vec<Tool> {
    let mut seen = BTreeSet::new();
    tools.into_iter().filter(|tool| seen.insert(tool.name.clone())).collect()
}

/// A tool; one that cannot be called, or whose schema is over the bound, is left out.
fn read(tool: Value, mask: &Mask) -> Option<Tool> {
    let Value::Object(mut tool) = tool else { return skipped("it is no object") };
    let Some(Value::String(name)) = tool.remove("name") else { return skipped("it has no name") };
    if name.is_empty() || name.len() > NAME_BYTES_MAX || text::clean(&name) != name || name.contains(['\n', '\t']) {
        return skipped("its name is empty, over the bound or has control characters");
    }
    let Some(Value::Object(schema)) = tool.remove("inputSchema") else { return skipped("it has no input schema") };
    let Value::Object(input_schema) = mask.apply_to(cleaned(Value::Object(schema))) else { return None };
    if serde_json::to_vec(&input_schema).is_ok_and(|bytes| bytes.len() > SCHEMA_BYTES_MAX) {
        return skipped("its input schema is over the bound");
    }
    let description = match tool.remove("description") {
        Some(Value::String(told)) => text::cut(&mask.apply(&text::clean(&told)), DESCRIPTION_BYTES_MAX).to_owned(),
        _ => String::new(),
    };
    let hint = |name: &str| tool.get("annotations").and_then(|hints| hints.get(name)).and_then(Value::as_bool).unwrap_or(false);
    Some(Tool { name, description, input_schema, is_read_only: hint("readOnlyHint"), is_idempotent: hint("idempotentHint") })
}

fn skipped(reason: &'static str) -> Option<Tool> {
    tracing::warn!(reason, "a tool of a server is left out");
    None
}

/// The value with every text in it cleaned; names are the server's own keys and stay.
fn cleaned(value: Value) -> Value {
    match value {
        Value::String(told) => Value::String(text::clean(&told)),
        Value::Array(items) => items.into_iter().map(cleaned).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, cleaned(value))).collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{distinct, page};
    use crate::limit::{DESCRIPTION_BYTES_MAX, SCHEMA_BYTES_MAX, TOOLS_MAX};
    use crate::mask::Mask;

    #[test]
    fn a_tool_is_read_with_its_hints() {
        let told = json!({
            "tools": [{
                "name": "read", "description": "Reads\u{1b}[2J.\n", "inputSchema": { "type": "object", "description": "x\u{202e}y" },
                "annotations": { "readOnlyHint": true, "idempotentHint": true }, "more": 1,
            }],
            "nextCursor": "c",
        });
        let (tools, cursor) = page(told, &Mask::default()).unwrap();
        assert_eq!(cursor.as_deref(), Some("c"));
        assert_eq!(tools[0].name, "read");
        assert_eq!(tools[0].description, "Reads[2J.\n");
        assert_eq!(tools[0].input_schema["description"], "xy");
        assert!(tools[0].is_read_only && tools[0].is_idempotent);
    }

    #[test]
    fn a_tool_that_makes_no_sense_does_not_hide_the_others() {
        let schema = json!({ "type": "object" });
        let told = json!({ "tools": [
            1, {}, { "name": "" , "inputSchema": schema }, { "name": "a\nb", "inputSchema": schema }, { "name": "x".repeat(129), "inputSchema": schema },
            { "name": "none" }, { "name": "huge", "inputSchema": { "description": "x".repeat(SCHEMA_BYTES_MAX) } },
            { "name": "good", "inputSchema": schema, "description": "d".repeat(DESCRIPTION_BYTES_MAX + 1) }, { "name": "good", "inputSchema": {} },
        ] });
        let (tools, cursor) = page(told, &Mask::default()).unwrap();
        let tools = distinct(tools);
        assert_eq!(tools.iter().map(|tool| tool.name.as_str()).collect::<Vec<_>>(), ["good"]);
        assert_eq!(tools[0].description.len(), DESCRIPTION_BYTES_MAX);
        assert!(!tools[0].is_read_only && !tools[0].is_idempotent);
        assert_eq!(cursor, None);
    }

    #[test]
    fn a_secret_in_a_description_is_masked() {
        let mask = Mask::default();
        mask.add("hunter2hunter2");
        let told =
            json!({ "tools": [{ "name": "a", "description": "key hunter2hunter2", "inputSchema": { "default": "hunter2hunter2" } }] });
        let (tools, _) = page(told, &mask).unwrap();
        assert_eq!((tools[0].description.as_str(), &tools[0].input_schema["default"]), ("key [secret]", &json!("[secret]")));
    }

    #[test]
    fn no_list_and_too_long_a_list_are_refused() {
        for told in [json!(null), json!([]), json!({}), json!({ "tools": {} })] {
            page(told, &Mask::default()).unwrap_err();
        }
        let error = page(json!({ "tools": vec![1; TOOLS_MAX + 1] }), &Mask::default()).unwrap_err();
        assert_eq!(error.to_string(), "the answer has more than 1024 tools");
    }
}
