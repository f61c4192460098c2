//! The shape that an answer must have.

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

use crate::limit::{REASON_CHARS_MAX, VIOLATION_CHARS_MAX};
use crate::prompt::Output;
use crate::scrub::bounded;

/// How many violations are told.
const VIOLATIONS_MAX: usize = 5;

/// A JSON Schema that is ready to be held against answers.
pub(crate) struct Shape(Validator);

/// What is wrong with an answer.
#[derive(Debug)]
pub(crate) struct Violation {
    /// For the model: with what stands there.
    pub told: String,
    /// For an error: without.
    pub shown: String,
}

impl Shape {
    /// Reads the schema. References lead nowhere but into the schema itself, and patterns take linear time.
    pub(crate) fn of(output: &Output) -> Result<Self, String> {
        let built = jsonschema::options().with_pattern_options(PatternOptions::regex()).build(&output.schema);
        built.map(Self).map_err(|error| format!("output.schema cannot be used: {}", bounded(&error.to_string(), REASON_CHARS_MAX)))
    }

    /// The JSON of an answer that has the shape.
    pub(crate) fn check(&self, text: &str) -> Result<String, Violation> {
        let json = bare(text);
        let value: Value = serde_json::from_str(json).map_err(|error| {
            let what = format!("it is no JSON: line {} column {}", error.line(), error.column());
            Violation { told: what.clone(), shown: what }
        })?;
        let (mut told, mut shown) = (Vec::new(), Vec::new());
        for error in self.0.iter_errors(&value).take(VIOLATIONS_MAX) {
            let place = error.instance_path().to_string();
            let place = if place.is_empty() { "the whole" } else { &place };
            told.push(format!("{place}: {error}"));
            shown.push(format!("{place}: {}", error.masked()));
        }
        if told.is_empty() {
            return Ok(json.to_owned());
        }
        Err(Violation { told: bounded(&told.join("; "), VIOLATION_CHARS_MAX), shown: bounded(&shown.join("; "), REASON_CHARS_MAX) })
    }
}

/// The text without the fence that models like to put around JSON.
fn bare(text: &str) -> &str {
    let text = text.trim();
    let Some(fenced) = text.strip_prefix("```").and_then(|text| text.strip_suffix("```")) else { return text };
    let fenced = fenced.strip_prefix("json").unwrap_or(fenced);
    fenced.trim()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Shape;
    use crate::prompt::Output;

    fn shape(schema: Value) -> Result<Shape, String> {
        Shape::of(&Output { name: "order".into(), schema })
    }

    #[test]
    fn an_answer_is_held_against_the_schema() {
        let shape = shape(json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]})).unwrap();
        for text in ["{\"n\":1}", " {\"n\":1}\n", "```json\n{\"n\":1}\n```", "```\n{\"n\":1}```"] {
            assert_eq!(shape.check(text).unwrap(), "{\"n\":1}", "{text}");
        }
        for (text, told, shown) in [
            ("{\"n\":\"secret\"}", "/n: \"secret\" is not of type \"integer\"", "/n: value is not of type \"integer\""),
            ("{}", "the whole: \"n\" is a required property", "the whole: \"n\" is a required property"),
            ("n is 1", "it is no JSON: line 1 column 2", "it is no JSON: line 1 column 2"),
        ] {
            let violation = shape.check(text).unwrap_err();
            assert_eq!((violation.told.as_str(), violation.shown.as_str()), (told, shown));
        }
    }

    #[test]
    fn a_schema_leads_nowhere_else() {
        for schema in
            [json!({"$ref": "http://127.0.0.1:1/schema.json"}), json!({"$ref": "file:///etc/passwd"}), json!({"type": "nonsense"})]
        {
            let error = shape(schema).err().unwrap();
            assert!(error.starts_with("output.schema cannot be used: "), "{error}");
        }
    }
}
