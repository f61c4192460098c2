//! What a form sent.

use axum::body::Body;
use axum::http::StatusCode;
use serde_json::{Map, Value};

use crate::api::Failure;

/// Largest form, in bytes: a definition of a bot with everything encoded.
const FORM_BYTES_MAX: usize = 2 << 20;

/// What a form sent, in its order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Form {
    fields: Vec<(String, String)>,
}

impl Form {
    /// Reads a body within its bound.
    pub(crate) async fn read(body: Body) -> Result<Self, Failure> {
        let bytes = axum::body::to_bytes(body, FORM_BYTES_MAX).await;
        let bytes = bytes.map_err(|_| Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "the form has more than 2 MiB"))?;
        Ok(Self::of(&bytes))
    }

    /// Reads `a=b&c=d`.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self { fields: url::form_urlencoded::parse(bytes).into_owned().collect() }
    }

    /// A form as it is first shown.
    pub(crate) fn filled<const N: usize>(fields: [(&str, String); N]) -> Self {
        Self { fields: fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect() }
    }

    /// With one more box that is ticked.
    pub(crate) fn ticked(mut self, name: &str, is_on: bool) -> Self {
        if is_on {
            self.fields.push((name.to_owned(), "on".to_owned()));
        }
        self
    }

    /// With what was chosen under names that may stand several times.
    pub(crate) fn chosen<'a>(mut self, chosen: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        self.fields.extend(chosen.map(|(name, value)| (name.to_owned(), value.to_owned())));
        self
    }

    /// What a field says, or null where it says nothing.
    pub(crate) fn or_null(&self, name: &str) -> Value {
        let text = self.text(name);
        if text.trim().is_empty() { Value::Null } else { text.into() }
    }

    /// An object of texts and of JSON, each null where its field says nothing.
    pub(crate) fn object(&self, texts: &[&str], jsons: &[&str]) -> Result<Map<String, Value>, Failure> {
        let texts = texts.iter().map(|name| Ok(((*name).to_owned(), self.or_null(name))));
        let jsons = jsons.iter().map(|name| Ok(((*name).to_owned(), self.json(name)?)));
        texts.chain(jsons).collect()
    }

    /// A whole number, or null where the field says nothing.
    pub(crate) fn number(&self, name: &str) -> Result<Value, Failure> {
        let word = self.word(name);
        if word.is_empty() {
            return Ok(Value::Null);
        }
        word.parse::<u64>().map(Value::from).map_err(|_| Failure::field(name, "must be a whole number"))
    }

    /// JSON, or null where the field says nothing.
    pub(crate) fn json(&self, name: &str) -> Result<Value, Failure> {
        let text = self.text(name);
        if text.trim().is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).map_err(|error| Failure::field(name, format!("is not JSON: {error}")))
    }

    /// What a field says; none where the form has no such field.
    pub(crate) fn said(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// What a field says, with lines ended as everywhere else; empty where it says nothing.
    pub(crate) fn text(&self, name: &str) -> String {
        self.said(name).unwrap_or_default().replace("\r\n", "\n")
    }

    /// The same without white space around it.
    pub(crate) fn word(&self, name: &str) -> &str {
        self.said(name).unwrap_or_default().trim()
    }

    /// All that was chosen under one name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.fields.iter().filter(move |(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// Whether a box was ticked.
    pub(crate) fn is_on(&self, name: &str) -> bool {
        self.said(name).is_some()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::Form;

    #[test]
    fn fields_are_read_as_they_were_typed() {
        let form = Form::of(b"a=+x%20&b=1%0D%0A2&on=&s=read&s=publish");
        assert_eq!((form.word("a"), form.text("b").as_str(), form.word("none")), ("x", "1\n2", ""));
        assert!(form.is_on("on") && !form.is_on("off"));
        assert_eq!(form.all("s").collect::<Vec<_>>(), ["read", "publish"]);
        let form = Form::of(b"n=7&bad=x&empty=&j=%7B%22a%22%3A1%7D&half=%7B");
        assert_eq!((form.number("n").unwrap(), form.number("empty").unwrap()), (7.into(), Value::Null));
        assert_eq!((form.json("j").unwrap(), form.json("empty").unwrap()), (serde_json::json!({ "a": 1 }), Value::Null));
        assert_eq!(form.number("bad").unwrap_err().field.as_deref(), Some("bad"));
        assert!(form.json("half").unwrap_err().message.starts_with("is not JSON"));
    }
}
