//! What an operand does to a value on its way into its place.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use regex::Regex;
use serde_json::Value;

/// What `encodeURIComponent` of JavaScript encodes: what comes of it stays within one part of a URL.
const COMPONENT: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'!').remove(b'~').remove(b'*').remove(b'\'').remove(b'(').remove(b')');

/// One operand that changes a value.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    /// What is done.
    pub(crate) operation: Operation,
    /// Whether it is left out where there is no value: the operand's `?`.
    pub(crate) when_set: bool,
}

/// What is done to a value.
#[derive(Debug, Clone)]
pub(crate) enum Operation {
    /// `euc`: as a part of a URL.
    Percent,
    /// `j` and `y`: the JSON that the text is.
    Parse,
    /// `js` and `ys`: as JSON.
    Json,
    /// `dq`: in double quotes.
    DoubleQuote,
    /// `edq`: with its double quotes escaped.
    DoubleEscape,
    /// `sq`: in single quotes.
    SingleQuote,
    /// `esq`: with its single quotes escaped.
    SingleEscape,
    /// `rn`: on one line.
    OneLine,
    /// `trim`: without white space around it.
    Trim,
    /// `sanitize<..>`: without what the pattern matches.
    Without(Regex),
    /// The transform `lower`.
    Lower,
    /// The transform `upper`.
    Upper,
}

impl Operation {
    /// The operand of a placeholder that has no argument.
    pub(crate) fn operand(word: &str) -> Option<Self> {
        Some(match word {
            "euc" => Self::Percent,
            "j" | "y" => Self::Parse,
            "js" | "ys" => Self::Json,
            "dq" => Self::DoubleQuote,
            "edq" => Self::DoubleEscape,
            "sq" => Self::SingleQuote,
            "esq" => Self::SingleEscape,
            "rn" => Self::OneLine,
            "trim" => Self::Trim,
            _ => return None,
        })
    }

    /// The transform of a field of the structured form.
    pub(crate) fn transform(word: &str) -> Option<Self> {
        Some(match word {
            "lower" => Self::Lower,
            "upper" => Self::Upper,
            "trim" => Self::Trim,
            "urlencode" => Self::Percent,
            _ => return None,
        })
    }

    /// Whether it only writes a value as a literal of JSON or YAML, which a whole leaf undoes.
    pub(crate) fn is_quoting(&self) -> bool {
        matches!(self, Self::Json | Self::DoubleQuote | Self::SingleQuote)
    }

    fn apply(&self, value: Option<&Value>) -> Result<Value, String> {
        let plain = || value.map(text).unwrap_or_default();
        Ok(Value::String(match self {
            Self::Percent => percent(&plain()),
            Self::Parse => return parse(value),
            Self::Json => value.map_or_else(|| "\"\"".to_owned(), Value::to_string),
            Self::DoubleQuote => format!("\"{}\"", plain().replace('"', "\\\"")),
            Self::DoubleEscape => plain().replace('"', "\\\""),
            Self::SingleQuote => format!("'{}'", plain().replace('\'', "\\'")),
            Self::SingleEscape => plain().replace('\'', "\\'"),
            Self::OneLine => one_line(&plain()),
            Self::Trim => plain().trim().to_owned(),
            Self::Without(pattern) => pattern.replace_all(&plain(), "").into_owned(),
            Self::Lower => plain().to_lowercase(),
            Self::Upper => plain().to_uppercase(),
        }))
    }
}

/// Applies the steps in their order; patterns go first, as in `ChatBotKit`.
pub(crate) fn apply(steps: &[Step], value: Option<&Value>) -> Result<Option<Value>, String> {
    let mut value = value.filter(|value| !value.is_null()).cloned();
    let is_first = |step: &&Step| matches!(step.operation, Operation::Without(_));
    let ordered = steps.iter().filter(is_first).chain(steps.iter().filter(|step| !is_first(step)));
    for step in ordered {
        let is_set = value.as_ref().is_some_and(|value| value != "");
        if is_set || !step.when_set {
            value = Some(step.operation.apply(value.as_ref())?);
        }
    }
    Ok(value)
}

/// A value as it stands in a text: a string as it is, anything else as JSON.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// The text as one part of a URL.
pub(crate) fn percent(text: &str) -> String {
    utf8_percent_encode(text, COMPONENT).to_string()
}

/// The JSON that a text is; none is an empty object, as in `ChatBotKit`.
fn parse(value: Option<&Value>) -> Result<Value, String> {
    match value {
        None => Ok(Value::Object(serde_json::Map::new())),
        Some(Value::String(text)) if text.trim().is_empty() => Ok(Value::Object(serde_json::Map::new())),
        Some(Value::String(text)) => serde_json::from_str(text).map_err(|error| format!("must be JSON: {error}")),
        Some(other) => Ok(other.clone()),
    }
}

fn one_line(text: &str) -> String {
    text.split(['\n', '\r']).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Operation, Step, apply};

    fn run(operands: &str, value: Option<&Value>) -> Option<Value> {
        let step = |word: &str| {
            let name = word.trim_end_matches('?');
            let operation = name
                .strip_prefix('-')
                .map_or_else(|| Operation::operand(name), |pattern| Some(Operation::Without(pattern.parse().unwrap())));
            Step { operation: operation.or_else(|| Operation::transform(name)).unwrap(), when_set: word != name }
        };
        apply(&operands.split_whitespace().map(step).collect::<Vec<_>>(), value).unwrap()
    }

    #[test]
    fn operands_do_what_they_do_in_chatbotkit() {
        for (operands, value, expected) in [
            ("euc", json!("a b/ü&'()*~!"), json!("a%20b%2F%C3%BC%26'()*~!")),
            ("euc", json!(true), json!("true")),
            ("j", json!("{\"a\": [1]}"), json!({ "a": [1] })),
            ("y", json!(7), json!(7)),
            ("js", json!("a\"\n"), json!("\"a\\\"\\n\"")),
            ("ys", json!({ "a": 1 }), json!("{\"a\":1}")),
            ("dq", json!("a\"b"), json!("\"a\\\"b\"")),
            ("edq", json!("a\"b"), json!("a\\\"b")),
            ("sq", json!("a'b"), json!("'a\\'b'")),
            ("esq", json!("a'b"), json!("a\\'b")),
            ("rn", json!("a\n\nb\r\nc"), json!("a b c")),
            ("trim", json!(" \n a "), json!("a")),
            ("dq euc", json!("John"), json!("%22John%22")),
            ("dq -[0-9]+ trim", json!(" a1 "), json!("\" a \"")),
            ("upper", json!("aß"), json!("ASS")),
            ("lower urlencode", json!("A B"), json!("a%20b")),
        ] {
            assert_eq!(run(operands, Some(&value)), Some(expected), "{operands} of {value}");
        }
    }

    #[test]
    fn a_missing_value_is_quoted_unless_the_operand_says_when_set() {
        assert_eq!(run("", None), None);
        assert_eq!(run("ys", None), Some(json!("\"\"")));
        assert_eq!(run("j", None), Some(json!({})));
        assert_eq!(run("dq", Some(&Value::Null)), Some(json!("\"\"")));
        assert_eq!(run("dq?", None), None);
        assert_eq!(run("dq?", Some(&json!(""))), Some(json!("")));
        assert_eq!(run("dq?", Some(&json!("a"))), Some(json!("\"a\"")));
        assert_eq!(run("euc? dq?", Some(&json!(0))), Some(json!("\"0\"")));
    }

    #[test]
    fn what_is_no_json_is_told() {
        let steps = [Step { operation: Operation::Parse, when_set: false }];
        assert!(apply(&steps, Some(&json!("{"))).unwrap_err().starts_with("must be JSON: "));
    }
}
