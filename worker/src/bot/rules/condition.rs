//! When a rule applies.

use std::collections::BTreeMap;

use regex::{Regex, RegexBuilder};
use serde_json::Value;

use crate::bot::DefinitionError;
use crate::bot::node::Node;

/// Longest regular expression, in bytes.
const PATTERN_BYTES_MAX: usize = 4 * 1024;
/// Largest compiled regular expression, in bytes.
const PATTERN_SIZE_MAX: usize = 1024 * 1024;
/// Longest JSON Pointer, in bytes.
const POINTER_BYTES_MAX: usize = 1024;
/// How many conditions on the payload a rule may have.
const CONDITIONS_MAX: usize = 32;

/// What named groups matched; none for a group that took no part.
pub(super) type Captures = BTreeMap<String, Option<String>>;

/// When a rule applies: all parts must hold.
#[derive(Debug, Default)]
pub(super) struct When {
    text: Option<Regex>,
    payload: Vec<Condition>,
}

#[derive(Debug)]
struct Condition {
    pointer: String,
    test: Test,
}

#[derive(Debug)]
enum Test {
    Equals(Value),
    Exists(bool),
    Matches(Regex),
}

impl When {
    /// Reads the `when` of a rule.
    pub(super) fn parse(node: &Node<'_>) -> Result<Self, DefinitionError> {
        let fields = node.fields(&["text", "payload"])?;
        let text = fields.get("text").map(|node| pattern(&node)).transpose()?;
        let conditions = fields.get("payload").map(|node| node.items(CONDITIONS_MAX)).transpose()?.unwrap_or_default();
        let payload = conditions.iter().map(Condition::parse).collect::<Result<Vec<_>, _>>()?;
        let when = Self { text, payload };
        if when.patterns().next().is_none() && when.payload.is_empty() {
            return Err(node.fault("must have text or payload; leave it out to match every event"));
        }
        let mut names: Vec<&str> = when.names().collect();
        names.sort_unstable();
        if let Some([name, _]) = names.array_windows().find(|[name, next]| name == next) {
            return Err(node.fault(format!("captures {name:?} twice")));
        }
        Ok(when)
    }

    /// The names of all captures.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.patterns().flat_map(Regex::capture_names).flatten()
    }

    /// What was captured, if the rule applies; asks for the payload only if it has to.
    pub(super) fn matches<'v>(&self, text: &str, payload: impl Fn() -> &'v Value) -> Option<Captures> {
        let mut captures = Captures::new();
        if let Some(pattern) = &self.text {
            capture(pattern, text, &mut captures)?;
        }
        for condition in &self.payload {
            condition.holds(payload(), &mut captures)?;
        }
        Some(captures)
    }

    fn patterns(&self) -> impl Iterator<Item = &Regex> {
        let conditions = self.payload.iter().filter_map(|condition| match &condition.test {
            Test::Matches(pattern) => Some(pattern),
            Test::Equals(_) | Test::Exists(_) => None,
        });
        self.text.iter().chain(conditions)
    }
}

impl Condition {
    fn parse(node: &Node<'_>) -> Result<Self, DefinitionError> {
        let fields = node.fields(&["pointer", "equals", "exists", "matches"])?;
        let place = fields.need("pointer")?;
        let pointer = place.text(POINTER_BYTES_MAX)?;
        let is_rooted = pointer.is_empty() || pointer.starts_with('/');
        let is_escaped = pointer.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
        if !is_rooted || !is_escaped {
            return Err(place.fault("is no JSON Pointer: it starts with / and writes ~ as ~0, / as ~1"));
        }
        let test = match (fields.get("equals"), fields.get("exists"), fields.get("matches")) {
            (Some(equals), None, None) => Test::Equals(equals.value.clone()),
            (None, Some(exists), None) => Test::Exists(exists.flag()?),
            (None, None, Some(matches)) => Test::Matches(pattern(&matches)?),
            _ => return Err(node.fault("must have exactly one of equals, exists and matches")),
        };
        Ok(Self { pointer: pointer.to_owned(), test })
    }

    fn holds(&self, payload: &Value, captures: &mut Captures) -> Option<()> {
        let found = payload.pointer(&self.pointer);
        match &self.test {
            Test::Equals(expected) => found.filter(|value| is_same(value, expected)).map(|_| ()),
            Test::Exists(expected) => (found.is_some() == *expected).then_some(()),
            Test::Matches(pattern) => capture(pattern, found?.as_str()?, captures),
        }
    }
}

fn pattern(node: &Node<'_>) -> Result<Regex, DefinitionError> {
    let text = node.text(PATTERN_BYTES_MAX)?;
    let compiled = RegexBuilder::new(text).size_limit(PATTERN_SIZE_MAX).build();
    compiled.map_err(|error| node.fault(format!("is no regular expression: {error}")))
}

fn capture(pattern: &Regex, text: &str, captures: &mut Captures) -> Option<()> {
    let found = pattern.captures(text)?;
    for name in pattern.capture_names().flatten() {
        captures.insert(name.to_owned(), found.name(name).map(|group| group.as_str().to_owned()));
    }
    Some(())
}

/// Whether two values are equal, 1 and 1.0 among them.
fn is_same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) if left.is_f64() != right.is_f64() => left.as_f64() == right.as_f64(),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| is_same(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len() && left.iter().all(|(name, value)| right.get(name).is_some_and(|other| is_same(value, other)))
        }
        _ => left == right,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Captures, When};
    use crate::bot::node::Node;

    fn parse(when: &Value) -> Result<When, String> {
        When::parse(&Node { path: "when".to_owned(), value: when }).map_err(|error| error.to_string())
    }

    fn check(condition: &Value, payload: &Value, expected: bool) {
        let when = parse(&json!({ "payload": [condition] })).unwrap();
        assert_eq!(when.matches("", || payload).is_some(), expected, "{condition} over {payload}");
    }

    #[test]
    fn conditions_hold_over_the_value_that_the_pointer_finds() {
        let payload = json!({ "status": "paid", "n": 1, "none": null, "a/b": { "~": [10, true] }, "deep": { "x": [1, { "y": 2 }] } });
        for (condition, expected) in [
            (json!({ "pointer": "/status", "equals": "paid" }), true),
            (json!({ "pointer": "/status", "equals": "Paid" }), false),
            (json!({ "pointer": "/n", "equals": 1 }), true),
            (json!({ "pointer": "/n", "equals": 1.0 }), true),
            (json!({ "pointer": "/n", "equals": "1" }), false),
            (json!({ "pointer": "/deep", "equals": { "x": [1.0, { "y": 2.0 }] } }), true),
            (json!({ "pointer": "/deep", "equals": { "x": [1] } }), false),
            (json!({ "pointer": "/none", "equals": null }), true),
            (json!({ "pointer": "/absent", "equals": null }), false),
            (json!({ "pointer": "/none", "exists": true }), true),
            (json!({ "pointer": "/absent", "exists": true }), false),
            (json!({ "pointer": "/absent", "exists": false }), true),
            (json!({ "pointer": "/a~1b/~0/1", "equals": true }), true),
            (json!({ "pointer": "", "exists": true }), true),
            (json!({ "pointer": "/status", "matches": "^pa" }), true),
            (json!({ "pointer": "/status", "matches": "^x" }), false),
            (json!({ "pointer": "/n", "matches": "1" }), false),
            (json!({ "pointer": "/absent", "matches": "" }), false),
        ] {
            check(&condition, &payload, expected);
        }
    }

    #[test]
    fn captures_come_from_text_and_payload() {
        let when = parse(&json!({
            "text": r"(?i)order (?P<id>\d+)(?P<rush>!)?",
            "payload": [{ "pointer": "/mail", "matches": "@(?<host>.+)$" }],
        }));
        let payload = json!({ "mail": "ada@example.com" });
        let captures = when.unwrap().matches("an ORDER 17", || &payload).unwrap();
        let expected: Captures = [("id", Some("17")), ("rush", None), ("host", Some("example.com"))]
            .map(|(name, text)| (name.to_owned(), text.map(str::to_owned)))
            .into();
        assert_eq!(captures, expected);
    }

    #[test]
    fn every_fault_names_its_place() {
        for (when, expected) in [
            (json!({}), "when: must have text or payload"),
            (json!("x"), "when: must be an object"),
            (json!({ "txt": "" }), "when: unknown field \"txt\": text, payload are known"),
            (json!({ "text": 1 }), "when.text: must be a string"),
            (json!({ "text": "(" }), "when.text: is no regular expression"),
            (json!({ "text": r"(\w{100}){100}" }), "when.text: is no regular expression"),
            (json!({ "text": "x".repeat(5000) }), "when.text: has 5000 bytes"),
            (json!({ "payload": [] }), "when.payload: has 0 items"),
            (json!({ "payload": [{ "exists": true }] }), "when.payload[0].pointer: is missing"),
            (json!({ "payload": [{ "pointer": "status", "exists": true }] }), "when.payload[0].pointer: is no JSON Pointer"),
            (json!({ "payload": [{ "pointer": "/~2", "exists": true }] }), "when.payload[0].pointer: is no JSON Pointer"),
            (json!({ "payload": [{ "pointer": "/a" }] }), "when.payload[0]: must have exactly one"),
            (json!({ "payload": [{ "pointer": "/a", "exists": true, "equals": 1 }] }), "when.payload[0]: must have exactly one"),
            (json!({ "payload": [{ "pointer": "/a", "exists": "yes" }] }), "when.payload[0].exists: must be true or false"),
            (json!({ "text": "(?<a>x)", "payload": [{ "pointer": "/a", "matches": "(?<a>x)" }] }), "when: captures \"a\" twice"),
        ] {
            let error = parse(&when).unwrap_err();
            assert!(error.starts_with(expected), "{when} gave {error}");
        }
    }
}
