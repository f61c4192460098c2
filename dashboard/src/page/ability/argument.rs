//! The arguments of a call, asked for by the function's parameters.

use maud::{Markup, html};
use serde_json::{Map, Number, Value};

use super::function::{Parameter, parameters, plain};
use crate::api::Failure;
use crate::form::Form;
use crate::part::field::Field;

/// The field that says all arguments at once.
pub(super) const WHOLE: &str = "whole";

/// The field of a parameter: a name that is none of the form's own.
fn field_of(name: &str) -> String {
    format!("argument.{name}")
}

/// The names of the fields that [`fields`] has.
pub(super) fn names(schema: &Value) -> Vec<String> {
    parameters(schema).iter().map(|parameter| field_of(parameter.name)).chain([WHOLE.to_owned()]).collect()
}

/// A field for each parameter, and one for all of them as JSON.
pub(super) fn fields(schema: &Value, form: &Form, failure: Option<&Failure>) -> Markup {
    let is_said = !form.text(WHOLE).trim().is_empty();
    html! {
        @for parameter in parameters(schema) { (field(&parameter, form, failure)) }
        details.hint open[is_said] {
            summary { "Say the arguments as JSON instead" }
            (Field::new(WHOLE, "Arguments", failure).hint("Such as {\"id\": 7}. What stands here counts, and the fields above do not.").source(&form.text(WHOLE), 4))
        }
    }
}

fn field(parameter: &Parameter<'_>, form: &Form, failure: Option<&Failure>) -> Markup {
    let name = field_of(parameter.name);
    let label = if parameter.is_required { format!("{} (required)", parameter.name) } else { parameter.name.to_owned() };
    let kind = match parameter.kind {
        "number" | "integer" => "A number",
        "array" => "A list, as JSON",
        "object" => "An object, as JSON",
        _ => "",
    };
    let hint = [kind, &parameter.says].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(": ");
    let field = Field::new(&name, &label, failure).hint(&hint);
    let value = form.said(&name).map_or_else(|| parameter.default.map(plain).unwrap_or_default(), |_| form.text(&name));
    if !parameter.choices.is_empty() {
        return choice(&field, &value, &parameter.choices);
    }
    match parameter.kind {
        "boolean" => choice(&field, &value, &["true".to_owned(), "false".to_owned()]),
        "number" | "integer" => field.line(&value),
        "string" => field.area(&value, 2),
        _ => field.source(&value, 3),
    }
}

fn choice(field: &Field<'_>, value: &str, choices: &[String]) -> Markup {
    let options: Vec<(&str, &str)> = [("", "left out")].into_iter().chain(choices.iter().map(|one| (one.as_str(), one.as_str()))).collect();
    field.choice(value, &options)
}

/// The arguments that a form says. What is empty is left out.
pub(super) fn read(schema: &Value, form: &Form) -> Result<Value, Failure> {
    match form.json(WHOLE)? {
        Value::Null => {}
        whole @ Value::Object(_) => return Ok(whole),
        _ => return Err(Failure::field(WHOLE, "must be an object: {\"…\": …}")),
    }
    let mut arguments = Map::new();
    for parameter in parameters(schema) {
        let name = field_of(parameter.name);
        let text = form.text(&name);
        if text.trim().is_empty() {
            continue;
        }
        let value = match parameter.kind {
            "string" => text.into(),
            "number" | "integer" => {
                let number = text.trim().parse::<Number>();
                Value::Number(number.map_err(|_| Failure::field(name, "must be a number"))?)
            }
            _ => form.json(&name)?,
        };
        arguments.insert(parameter.name.to_owned(), value);
    }
    Ok(Value::Object(arguments))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{fields, read};
    use crate::form::Form;

    fn schema() -> Value {
        json!({
            "type": "object", "required": ["id"],
            "properties": {
                "id": { "type": "number", "description": "the order" }, "note": { "type": "string", "default": "none" },
                "way": { "type": "string", "enum": ["land", "sea"] }, "now": { "type": "boolean" }, "tags": { "type": "array" }
            }
        })
    }

    #[test]
    fn each_parameter_has_a_field_of_its_type() {
        let shown = fields(&schema(), &Form::default(), None).into_string();
        for expected in [
            "<input id=\"argument.id\"",
            "id (required)",
            "A number: the order",
            "<textarea id=\"argument.note\"",
            "\nnone</textarea>",
            "<select id=\"argument.way\"",
            "<select id=\"argument.now\"",
            "<textarea class=\"source\" id=\"argument.tags\"",
            "<textarea class=\"source\" id=\"whole\"",
        ] {
            assert!(shown.contains(expected), "{expected} in {shown}");
        }
    }

    #[test]
    fn arguments_have_their_types_and_what_is_empty_is_left_out() {
        let form = Form::of(b"argument.id=7.5&argument.note=a%0D%0Ab&argument.way=&argument.now=true&argument.tags=%5B1%5D");
        assert_eq!(read(&schema(), &form).unwrap(), json!({ "id": 7.5, "note": "a\nb", "now": true, "tags": [1] }));
        let whole = Form::of(b"argument.id=7&whole=%7B%22x%22%3A1%7D");
        assert_eq!(read(&schema(), &whole).unwrap(), json!({ "x": 1 }));
        for (form, field) in [("argument.id=seven", "argument.id"), ("argument.tags=%5B", "argument.tags"), ("whole=1", "whole")] {
            assert_eq!(read(&schema(), &Form::of(form.as_bytes())).unwrap_err().field.as_deref(), Some(field));
        }
    }
}
