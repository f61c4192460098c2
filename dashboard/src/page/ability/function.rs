//! The function that comes of an ability.

use maud::{Markup, html};
use serde_json::Value;

use super::{Function, Offer};
use crate::part::code;

/// What a model is offered, under a heading.
pub(super) fn card(title: &str, offer: &Offer) -> Markup {
    html! {
        section.card.form #function {
            h2 { (title) }
            @match (&offer.function, offer.action.as_deref()) {
                (Some(function), action) => (told(function, action.unwrap_or_default())),
                (None, Some("mcp")) => p.muted { "Of this ability, the model is offered the tools of the server that it names, as the server has them when a turn begins." },
                (None, Some(_)) => p.muted { "It is not offered: nothing of its name can stand in the name of a function. Give it a name with letters or digits." },
                (None, None) => p.muted { "It is not offered: its instruction cannot be read." },
            }
        }
    }
}

fn told(function: &Function, action: &str) -> Markup {
    let parameters = parameters(&function.parameters);
    html! {
        p { code.id { (function.name) } " " span.muted { "does " (action) } }
        p.muted { (function.description) }
        @if parameters.is_empty() { br; p { "It has no parameters." } }
        @else {
            dl.facts.parameters {
                @for one in &parameters {
                    div { dt { code.id { (one.name) } " " (one.kind) @if one.is_required { ", required" } } dd { @if one.says.is_empty() { span.muted { "–" } } @else { (one.says) } } }
                }
            }
        }
        details.hint { summary { "As JSON Schema" } (code::block("JSON Schema of the parameters", &code::json(&function.parameters))) }
    }
}

/// A parameter of a function.
#[derive(Debug, PartialEq)]
pub(super) struct Parameter<'a> {
    pub(super) name: &'a str,
    /// Its type: `string`, `number`, `boolean`, `array` or `object`.
    pub(super) kind: &'a str,
    pub(super) is_required: bool,
    /// What the model is told of it, and its bounds.
    pub(super) says: String,
    /// The values that it may have; any if empty.
    pub(super) choices: Vec<String>,
    /// What it is where it is not given.
    pub(super) default: Option<&'a Value>,
}

/// The parameters that a schema has.
pub(super) fn parameters(schema: &Value) -> Vec<Parameter<'_>> {
    let required: Vec<&str> = schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    let told = properties.map(|(name, schema)| Parameter {
        name,
        kind: schema.get("type").and_then(Value::as_str).unwrap_or_default(),
        is_required: required.contains(&name.as_str()),
        says: says(schema),
        choices: schema.get("enum").and_then(Value::as_array).into_iter().flatten().map(plain).collect(),
        default: schema.get("default"),
    });
    told.collect()
}

/// A value in words: a text as it is, all else as JSON.
pub(super) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn says(schema: &Value) -> String {
    let description = schema.get("description").and_then(Value::as_str).map(str::to_owned);
    let bounds = [
        ("minimum", "at least "),
        ("maximum", "at most "),
        ("minLength", "characters: at least "),
        ("maxLength", "characters: at most "),
        ("default", "left out: "),
    ];
    let bounds = bounds.into_iter().filter_map(|(name, words)| schema.get(name).map(|value| format!("{words}{}", plain(value))));
    let choices: Vec<String> = schema.get("enum").and_then(Value::as_array).into_iter().flatten().map(plain).collect();
    let choices = (!choices.is_empty()).then(|| format!("one of {}", choices.join(", ")));
    description.into_iter().chain(choices).chain(bounds).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::parameters;

    #[test]
    fn parameters_say_what_they_must_be() {
        let schema = json!({
            "type": "object", "required": ["id"],
            "properties": {
                "id": { "type": "number", "description": "the order", "minimum": 1 },
                "way": { "type": "string", "enum": ["by land", "by sea"], "default": "by sea" }
            }
        });
        let told: Vec<_> = parameters(&schema).into_iter().map(|one| (one.name, one.kind, one.is_required, one.says)).collect();
        assert_eq!(
            told,
            [
                ("id", "number", true, "the order; at least 1".to_owned()),
                ("way", "string", false, "one of by land, by sea; left out: by sea".to_owned()),
            ]
        );
        assert!(parameters(&json!(null)).is_empty());
    }
}
