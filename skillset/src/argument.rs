//! Checks what a model gives against the fields, and turns it into what they are.
//!
//! Models err in small ways that are put right here: numbers and booleans as strings, a number for
//! a string, `null` for nothing, JSON in a string. All else is a problem, told with its path.

use serde_json::{Map, Value};

use crate::field::{Field, Kind, Shape, Text};
use crate::limit::{ARGUMENTS_BYTES_MAX, PROBLEMS_MAX};
use crate::number;

/// The argument that a model may always give; see [`crate::function`].
pub(crate) const JUSTIFICATION: &str = "justification";
/// How much of a wrong value is told, in characters.
const SHOWN_CHARS_MAX: usize = 40;

/// What is wrong with the arguments of a call.
#[derive(Debug, Default)]
pub(crate) struct Problems(Vec<String>);

impl Problems {
    /// Takes one problem, as long as there is room.
    pub(crate) fn add(&mut self, path: &str, reason: impl std::fmt::Display) {
        let problem = if path.is_empty() { reason.to_string() } else { format!("{path}: {reason}") };
        if self.0.len() < PROBLEMS_MAX && !self.0.contains(&problem) {
            self.0.push(problem);
        }
    }

    /// Whether nothing is wrong.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All that was found.
    pub(crate) fn into_list(self) -> Vec<String> {
        self.0
    }
}

/// The values of the fields, in their order.
pub(crate) fn take(fields: &[Field], arguments: &Value, problems: &mut Problems) -> Vec<Option<Value>> {
    let map = object(arguments, problems);
    let known = |name: &str| fields.iter().any(|field| field.name == name && !field.is_hidden);
    for name in map.keys().filter(|name| !known(name) && *name != JUSTIFICATION) {
        problems.add(&shown(name), "is no argument of this function");
    }
    let value = |field: &Field, problems: &mut Problems| {
        let given = map.get(&field.name).filter(|value| !value.is_null() && !field.is_hidden);
        match given {
            Some(given) => cast(&field.shape, given, &field.name, problems),
            None => absent(&field.shape, &field.name, problems),
        }
    };
    fields.iter().map(|field| value(field, problems)).collect()
}

/// The value as a shape has it, if it is one.
pub(crate) fn fit(shape: &Shape, value: &Value) -> Result<Value, String> {
    let mut problems = Problems::default();
    let value = cast(shape, value, "", &mut problems);
    value.filter(|_| problems.is_empty()).ok_or_else(|| problems.0.join("; "))
}

/// Whether a value of the type is within its bounds.
pub(crate) fn within(kind: &Kind, value: &Value) -> Result<(), String> {
    match (kind, value) {
        (Kind::Text(text), Value::String(value)) => within_text(text, value),
        (Kind::Number { choices, min, max }, Value::Number(value)) => {
            let is_equal = |choice: &serde_json::Number| !number::is_less(choice, value) && !number::is_less(value, choice);
            if !choices.is_empty() && !choices.iter().any(is_equal) {
                let names: Vec<_> = choices.iter().map(ToString::to_string).collect();
                return Err(format!("must be one of {}, not {value}", names.join(", ")));
            }
            if let Some(min) = min.as_ref().filter(|min| number::is_less(value, min)) {
                return Err(format!("must be at least {min}, not {value}"));
            }
            if let Some(max) = max.as_ref().filter(|max| number::is_less(max, value)) {
                return Err(format!("must be at most {max}, not {value}"));
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn within_text(text: &Text, value: &str) -> Result<(), String> {
    if !text.choices.is_empty() && !text.choices.iter().any(|choice| choice == value) {
        return Err(format!("must be one of {}, not {}", text.choices.join(", "), shown(value)));
    }
    let chars = u64::try_from(value.chars().count()).unwrap_or(u64::MAX);
    if let Some(min) = text.chars_min.filter(|min| chars < *min) {
        return Err(format!("has {chars} characters, must have at least {min}"));
    }
    if let Some(max) = text.chars_max.filter(|max| chars > *max) {
        return Err(format!("has {chars} characters, may have at most {max}"));
    }
    Ok(())
}

/// The arguments as an object, which they are unless the model erred.
fn object(arguments: &Value, problems: &mut Problems) -> Map<String, Value> {
    let bytes = arguments.to_string().len();
    if bytes > ARGUMENTS_BYTES_MAX {
        problems.add("", format!("the arguments have {bytes} bytes, at most {ARGUMENTS_BYTES_MAX} are taken"));
        return Map::new();
    }
    let parsed = match arguments {
        Value::Object(map) => return map.clone(),
        Value::Null => return Map::new(),
        Value::String(text) if text.trim().is_empty() => return Map::new(),
        Value::String(text) => serde_json::from_str(text).ok(),
        _ => None,
    };
    let Some(Value::Object(map)) = parsed else {
        problems.add("", format!("the arguments must be a JSON object, not {}", sort(arguments)));
        return Map::new();
    };
    map
}

fn absent(shape: &Shape, path: &str, problems: &mut Problems) -> Option<Value> {
    if shape.default.is_none() && shape.is_required {
        problems.add(path, "is missing");
    }
    shape.default.clone()
}

/// The value as the type has it.
fn cast(shape: &Shape, given: &Value, path: &str, problems: &mut Problems) -> Option<Value> {
    let value = match (&shape.kind, given) {
        (Kind::Text(text), Value::Array(_) | Value::Object(_)) if text.takes_json => Some(given.clone()),
        (Kind::Text(_), Value::String(_)) | (Kind::Boolean, Value::Bool(_)) => Some(given.clone()),
        (Kind::Text(_), Value::Number(_) | Value::Bool(_)) => Some(given.to_string().into()),
        (Kind::Number { .. }, Value::Number(number)) => Some(number::whole(number).into()),
        (Kind::Number { .. }, Value::String(text)) => number::parse(text).map(Value::Number),
        (Kind::Boolean, Value::String(text)) => text.trim().to_ascii_lowercase().parse().ok().map(Value::Bool),
        (Kind::List(items), Value::Array(values)) => Some(list(items.as_deref(), values, path, problems)),
        (Kind::Record(properties), Value::Object(map)) => Some(record(properties, map, path, problems)),
        (Kind::List(_) | Kind::Record(_), Value::String(text)) => {
            let parsed = serde_json::from_str::<Value>(text).ok().filter(|value| value.is_array() || value.is_object());
            return match parsed {
                Some(parsed) => cast(shape, &parsed, path, problems),
                None => refuse(shape, given, path, problems),
            };
        }
        _ => None,
    };
    let Some(value) = value else { return refuse(shape, given, path, problems) };
    if let Err(reason) = within(&shape.kind, &value) {
        problems.add(path, reason);
        return None;
    }
    Some(value)
}

fn refuse(shape: &Shape, given: &Value, path: &str, problems: &mut Problems) -> Option<Value> {
    problems.add(path, format!("must be {}, not {}", with_article(shape.kind.name()), sort(given)));
    None
}

fn list(items: Option<&Shape>, values: &[Value], path: &str, problems: &mut Problems) -> Value {
    let Some(shape) = items else { return values.into() };
    let cast_one = |(index, value)| cast(shape, value, &format!("{path}[{index}]"), problems);
    values.iter().enumerate().filter_map(cast_one).collect()
}

fn record(properties: &[(String, Shape)], map: &Map<String, Value>, path: &str, problems: &mut Problems) -> Value {
    if properties.is_empty() {
        return map.clone().into();
    }
    for name in map.keys().filter(|name| !properties.iter().any(|(known, _)| known == *name)) {
        problems.add(path, format!("has no property {}", shown(name)));
    }
    let mut values = Map::new();
    for (name, shape) in properties {
        let path = format!("{path}.{name}");
        let value = match map.get(name).filter(|value| !value.is_null()) {
            Some(given) => cast(shape, given, &path, problems),
            None => absent(shape, &path, problems),
        };
        values.extend(value.map(|value| (name.clone(), value)));
    }
    values.into()
}

/// What a value is, with its words where they are few.
fn sort(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => format!("the string {}", shown(text)),
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

fn with_article(name: &str) -> String {
    let article = if name.starts_with(['a', 'o']) { "an" } else { "a" };
    format!("{article} {name}")
}

/// A text in quotes, cut short.
pub(crate) fn shown(text: &str) -> String {
    let short: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    let dots = if short.len() < text.len() { "..." } else { "" };
    format!("{short:?}{dots}")
}

#[cfg(test)]
mod tests {
    use serde_json::{Number, Value, json};

    use super::{Problems, take};
    use crate::field::{Field, Kind, Shape, Text};

    fn field(name: &str, kind: Kind, is_required: bool) -> Field {
        Field { name: name.to_owned(), shape: Shape { is_required, ..Shape::of(kind) }, is_hidden: false }
    }

    fn fields() -> Vec<Field> {
        let number = Kind::Number { choices: Vec::new(), min: Some(Number::from(1)), max: Some(Number::from(9)) };
        let text = Text { choices: vec!["a".into(), "bc".into()], ..Text::default() };
        let item = Shape::of(Kind::Record(vec![("id".into(), Shape { is_required: true, ..Shape::of(number.clone()) })]));
        let mut hidden = field("_h", Kind::Text(Text::default()), false);
        hidden.is_hidden = true;
        hidden.shape.default = Some("fixed".into());
        vec![
            field("n", number, true),
            field("s", Kind::Text(text), false),
            field("t", Kind::Text(Text { chars_max: Some(3), takes_json: true, ..Text::default() }), false),
            field("b", Kind::Boolean, false),
            field("l", Kind::List(Some(Box::new(item))), false),
            field("o", Kind::Record(Vec::new()), false),
            hidden,
        ]
    }

    fn check(arguments: &Value) -> Result<Value, Vec<String>> {
        let mut problems = Problems::default();
        let values = take(&fields(), arguments, &mut problems);
        if problems.is_empty() { Ok(json!(values)) } else { Err(problems.into_list()) }
    }

    #[test]
    fn small_errors_are_put_right() {
        for (arguments, expected) in [
            (json!({ "n": 5 }), json!([5, null, null, null, null, null, "fixed"])),
            (json!({ "n": "5.0", "s": "a", "b": "True" }), json!([5, "a", null, true, null, null, "fixed"])),
            (json!({ "n": 5.0, "t": 7, "s": null, "justification": "why" }), json!([5, null, "7", null, null, null, "fixed"])),
            (json!("{\"n\": 5, \"l\": \"[{\\\"id\\\": \\\"3\\\"}]\"}"), json!([5, null, null, null, [{ "id": 3 }], null, "fixed"])),
            (
                json!({ "n": 2, "t": ["long", "list"], "o": { "any": [] } }),
                json!([2, null, ["long", "list"], null, null, { "any": [] }, "fixed"]),
            ),
        ] {
            assert_eq!(check(&arguments), Ok(expected), "{arguments}");
        }
    }

    #[test]
    fn every_problem_is_told_with_its_path() {
        let arguments =
            json!({ "n": 0, "s": "c", "t": "four", "b": "yes", "l": [{ "id": "x" }, {}, { "id": 1, "x": 2 }], "o": [], "q": 1, "_h": "y" });
        let problems = check(&arguments).unwrap_err();
        let expected = [
            "\"_h\": is no argument of this function",
            "\"q\": is no argument of this function",
            "b: must be a boolean, not the string \"yes\"",
            "l: has no property",
            "l[0].id: must be a number, not the string \"x\"",
            "l[1].id: is missing",
            "l[2]: has no property \"x\"",
            "n: must be at least 1, not 0",
            "o: must be an object, not an array",
            "s: must be one of a, bc, not \"c\"",
            "t: has 4 characters, may have at most 3",
        ];
        let mut sorted = problems;
        sorted.sort();
        assert_eq!(sorted, expected.into_iter().filter(|problem| !problem.starts_with("l: ")).collect::<Vec<_>>());
    }

    #[test]
    fn arguments_that_are_no_object_are_refused() {
        for (arguments, expected) in [
            (json!(null), "n: is missing"),
            (json!(" "), "n: is missing"),
            (json!("call it"), "the arguments must be a JSON object, not the string \"call it\""),
            (json!([1]), "the arguments must be a JSON object, not an array"),
            (json!({ "n": 1, "t": "x".repeat(300_000) }), "the arguments have 300014 bytes, at most 262144 are taken"),
        ] {
            assert_eq!(check(&arguments).unwrap_err()[0], expected);
        }
    }
}
