//! What every resource can be given: an alias, and notes.

use proto::resource::Common;
use serde_json::{Map, Value};

use super::given::Given;
use crate::api_error::ApiError;

/// Longest alias, in characters.
pub(crate) const ALIAS_CHARS_MAX: usize = 128;
/// Largest `meta`, in bytes of JSON.
pub(crate) const META_BYTES_MAX: usize = 32 * 1024;
/// Longest name, in characters.
pub(crate) const NAME_CHARS_MAX: usize = 256;
/// Longest description, in characters.
pub(crate) const DESCRIPTION_CHARS_MAX: usize = 8 * 1024;
/// Largest sum of what is only kept for older clients, in bytes of JSON.
pub(crate) const EXTRA_BYTES_MAX: usize = 32 * 1024;

/// A word by which a body asks for its notes to be added to those that are there.
const UPDATE: &str = "$update";

/// What a body says that most resources have.
#[derive(Debug)]
pub(crate) struct Head {
    /// A second name.
    pub(crate) alias: Given<String>,
    /// Notes.
    pub(crate) meta: Given<Map<String, Value>>,
    /// The display name.
    pub(crate) name: Given<String>,
    /// What it is for.
    pub(crate) description: Given<String>,
}

impl Head {
    /// Puts it into a resource.
    pub(crate) fn put(self, common: &mut Common, name: &mut String, description: &mut String) -> Result<(), ApiError> {
        put_alias(&mut common.alias, self.alias)?;
        put_meta(&mut common.meta, self.meta)?;
        self.name.put(name);
        check_text("name", name, NAME_CHARS_MAX)?;
        self.description.put(description);
        check_text("description", description, DESCRIPTION_CHARS_MAX)
    }
}

/// Puts an alias into a resource; null takes it away.
pub(crate) fn put_alias(alias: &mut Option<String>, given: Given<String>) -> Result<(), ApiError> {
    if let Some(alias) = given.value() {
        check_alias(alias)?;
    }
    given.put_optional(alias);
    Ok(())
}

/// Puts notes into a resource: all anew, or added where they stand in `$update`.
pub(crate) fn put_meta(meta: &mut Map<String, Value>, given: Given<Map<String, Value>>) -> Result<(), ApiError> {
    let Some(said) = given.said() else { return Ok(()) };
    let mut said = said.unwrap_or_default();
    let mut after = match said.remove(UPDATE) {
        None => clean(said),
        Some(Value::Object(update)) if said.is_empty() => {
            let mut after = meta.clone();
            for (key, value) in clean(update) {
                if value.is_null() {
                    after.remove(&key);
                } else {
                    after.insert(key, value);
                }
            }
            after
        }
        Some(Value::Object(_)) => return Err(ApiError::field("meta", "has other keys beside $update: put them into it")),
        Some(_) => return Err(ApiError::field("meta.$update", "must be an object")),
    };
    check_bytes("meta", &after, META_BYTES_MAX)?;
    std::mem::swap(meta, &mut after);
    Ok(())
}

/// Keys that begin with `_`, or with what is no letter or digit, are dropped, as ChatBotKit does.
fn clean(said: Map<String, Value>) -> Map<String, Value> {
    said.into_iter().filter(|(key, _)| key.starts_with(|first: char| first.is_ascii_alphanumeric())).collect()
}

/// An alias: lower-case letters, digits, `_` and `-`.
pub(crate) fn check_alias(alias: &str) -> Result<(), ApiError> {
    let is_right =
        (1..=ALIAS_CHARS_MAX).contains(&alias.len()) && alias.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'));
    if is_right {
        Ok(())
    } else {
        let error = ApiError::field("alias", format_args!("must be 1 to {ALIAS_CHARS_MAX} characters of a-z 0-9 _ -"));
        Err(ApiError { limit: Some(ALIAS_CHARS_MAX), ..error })
    }
}

/// Keeps fields that mean nothing here for the clients that send them.
pub(crate) fn keep<const N: usize>(common: &mut Common, fields: [(&str, Given<Value>); N]) -> Result<(), ApiError> {
    for (name, given) in fields {
        match given.said() {
            None => {}
            Some(None) => drop(common.extra.remove(name)),
            Some(Some(value)) => drop(common.extra.insert(name.to_owned(), value)),
        }
    }
    check_bytes("the fields that are only kept", &common.extra, EXTRA_BYTES_MAX)
}

/// Refuses a text that is too long, as the document counts it.
pub(crate) fn check_text(field: &'static str, text: &str, chars_max: usize) -> Result<(), ApiError> {
    let chars = if text.len() <= chars_max { 0 } else { text.chars().count() };
    if chars <= chars_max {
        return Ok(());
    }
    let error = ApiError::field(field, format_args!("has {chars} characters, at most {chars_max} are taken"));
    Err(ApiError { limit: Some(chars_max), ..error })
}

/// Refuses something that takes too much room.
pub(crate) fn check_size(field: &'static str, bytes: usize, bytes_max: usize) -> Result<(), ApiError> {
    if bytes <= bytes_max {
        return Ok(());
    }
    let error = ApiError::field(field, format_args!("has {bytes} bytes, at most {bytes_max} are taken"));
    Err(ApiError { limit: Some(bytes_max), ..error })
}

fn check_bytes(field: &'static str, object: &Map<String, Value>, bytes_max: usize) -> Result<(), ApiError> {
    check_size(field, proto::resource::common::text(object).len(), bytes_max)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{check_alias, put_meta};
    use crate::api::given::Given;

    #[expect(clippy::needless_pass_by_value, reason = "a row of a table")]
    fn check(before: &Value, said: Value, expected: Result<Value, &str>) {
        let mut meta = before.as_object().unwrap().clone();
        let given = if said.is_null() { Given::Null } else { Given::Value(said.as_object().unwrap().clone()) };
        let put = put_meta(&mut meta, given).map_err(|error| error.field.unwrap().into_owned());
        match expected {
            Ok(expected) => assert_eq!((put, Value::Object(meta)), (Ok(()), expected)),
            Err(field) => assert_eq!((put, &Value::Object(meta)), (Err(field.to_owned()), before)),
        }
    }

    #[test]
    fn notes_are_replaced_added_to_or_cleared() {
        let before = json!({ "a": 1, "b": { "c": 2 } });
        check(&before, json!({ "x": 1, "_y": 2, "$z": 3, "-w": 4 }), Ok(json!({ "x": 1 })));
        check(&before, json!({ "$update": { "a": null, "d": 3, "_e": 4 } }), Ok(json!({ "b": { "c": 2 }, "d": 3 })));
        check(&before, Value::Null, Ok(json!({})));
        check(&before, json!({ "$update": 7 }), Err("meta.$update"));
        check(&before, json!({ "$update": {}, "x": 1 }), Err("meta"));
        check(&before, json!({ "x": "y".repeat(40_000) }), Err("meta"));
    }

    #[test]
    fn an_alias_has_its_alphabet() {
        for (alias, expected) in [("a-b_7", true), ("", false), ("A", false), ("ü", false), ("a.b", false)] {
            assert_eq!(check_alias(alias).is_ok(), expected, "{alias}");
        }
        assert!(check_alias(&"a".repeat(128)).is_ok() && check_alias(&"a".repeat(129)).is_err());
    }
}
