//! Puts a value into its place so that it changes nothing but that place.
//!
//! Invariant: what comes out can not end the part it stands in: a host stays a host, a path a path,
//! a header one line, a string of JSON one string.

use serde_json::Value;

use crate::http::METHODS;
use crate::json_text;
use crate::nats;
use crate::operation::text;
use crate::template::Place;

/// The words that stand for a value in its place, or what it must be.
pub(crate) fn put(place: Place, value: Option<&Value>) -> Result<String, String> {
    let words = value.map(text).unwrap_or_default();
    match place {
        Place::Method => METHODS
            .iter()
            .find(|method| method.eq_ignore_ascii_case(words.trim()))
            .map(|method| (*method).to_owned())
            .ok_or_else(|| format!("must be a method: {}", METHODS.join(", "))),
        Place::Origin => origin(words),
        Place::Host => check(
            words,
            |c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'),
            "must be a part of a host name: letters, digits, `.` and `-`",
        ),
        Place::Port => check(words, |c| c.is_ascii_digit(), "must be a port: digits"),
        Place::AfterHost if words.is_empty() || words.starts_with(['/', '?', '#']) => Ok(encode(&words, "")),
        Place::AfterHost => Err("must be empty or begin with `/`".to_owned()),
        Place::Path => Ok(encode(&words, "?#")),
        Place::Query => Ok(encode(&words, "#")),
        Place::QueryValue => Ok(encode(&words, "#&+")),
        Place::Fragment => Ok(encode(&words, "")),
        Place::Header if words.chars().any(|c| c.is_control() && c != '\t') => Err("must be one line: it goes into a header".to_owned()),
        Place::Plain | Place::Header => Ok(words),
        Place::JsonString => Ok(json_text::escape(&words)),
        Place::Json => Ok(value.unwrap_or(&Value::Null).to_string()),
        Place::JsonLoose => Ok(loose(value)),
        Place::Token => check(words, |c| is_token(c) && c != '.', "must be one word of a subject: no `.`, `*`, `>` and blanks"),
        Place::Subject => nats::check_subject(&words).map(|()| words),
    }
}

/// Whether the path of a URL, or a part of one, has a segment that leads elsewhere.
pub(crate) fn climbs(url: &str) -> bool {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let path = url.get(..end).unwrap_or_default();
    path.split(['/', '\\']).any(|segment| {
        let plain = segment.to_ascii_lowercase().replace("%2e", ".");
        plain == "." || plain == ".."
    })
}

fn origin(words: String) -> Result<String, String> {
    let lower = words.to_ascii_lowercase();
    let is_url = lower.starts_with("https://") || lower.starts_with("http://");
    if !is_url || words.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("must be a URL that begins with `https://` or `http://` and has no blanks".to_owned());
    }
    Ok(words)
}

fn check(words: String, fits: impl Fn(char) -> bool, must: &str) -> Result<String, String> {
    if words.is_empty() || !words.chars().all(fits) { Err(must.to_owned()) } else { Ok(words) }
}

fn is_token(c: char) -> bool {
    !c.is_whitespace() && !c.is_control() && c != '*' && c != '>'
}

/// JSON where the text is JSON, else the text as a string of JSON.
fn loose(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(words)) => serde_json::from_str::<Value>(words)
            .ok()
            .filter(|value| !value.is_string())
            .unwrap_or_else(|| words.as_str().into())
            .to_string(),
        Some(other) => other.to_string(),
        None => Value::Null.to_string(),
    }
}

/// The words as they may stand in a URL: what is encoded already stays so; `also` is encoded too.
fn encode(words: &str, also: &str) -> String {
    let mut encoded = String::with_capacity(words.len());
    let bytes = words.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        let c = char::from(*byte);
        let is_escape = || bytes.get(at + 1..at + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let is_kept = match c {
            '%' => is_escape(),
            _ => byte.is_ascii_graphic() && !"\"<>\\^`{|}".contains(c) && !also.contains(c),
        };
        if is_kept {
            encoded.push(c);
        } else {
            encoded.extend(['%', hex(byte >> 4), hex(byte & 15)]);
        }
    }
    encoded
}

fn hex(digit: u8) -> char {
    char::from_digit(digit.into(), 16).unwrap_or_default().to_ascii_uppercase()
}
