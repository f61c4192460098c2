//! The bodies of the two calls, read: pure.
//!
//! A field that is not known is refused rather than passed over: a misspelt `approve` must not be
//! taken for silence.

use std::borrow::Cow;
use std::collections::BTreeMap;

use proto::answer::Kind;
use proto::code::Code;
use proto::limit::{BY_BYTES_MAX, REASON_BYTES_MAX};
use proto::wire::{Approved, Cancel, Rejected, Said as Words};
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use crate::api_error::ApiError;

/// How much of an unknown field's name is said back, in characters.
const NAME_CHARS_MAX: usize = 64;

/// Which of the two calls it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Cancel,
    Answer,
}

/// What is said.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Said {
    /// The turn is called off: by whom, and how.
    Cancel(String, Kind),
    /// A call has its answer.
    Answer(Answered),
}

/// An answer to one call.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answered {
    pub(super) call: String,
    pub(super) by: String,
    pub(super) kind: Kind,
}

/// The fields of a body that were not taken yet.
struct Fields<'a>(BTreeMap<Cow<'a, str>, &'a RawValue>);

/// What tells one answer from another of the same turn.
pub(super) fn digest(answer: &[u8]) -> [u8; 32] {
    Sha256::digest(answer).into()
}

impl Form {
    /// What the record calls it.
    pub(super) fn action(self) -> &'static str {
        match self {
            Self::Cancel => "event.cancel",
            Self::Answer => "event.answer",
        }
    }

    /// Reads a body; an empty one is an empty object.
    pub(super) fn read(self, body: &[u8]) -> Result<Said, ApiError> {
        let malformed = |error: serde_json::Error| ApiError::new(Code::BodyMalformed, format!("the body is not a JSON object: {error}"));
        let body = if body.trim_ascii().is_empty() { b"{}" } else { body };
        let mut fields = Fields(serde_json::from_slice(body).map_err(malformed)?);
        let said = match self {
            Self::Cancel => {
                let reason = fields.reason()?.unwrap_or_default();
                Said::Cancel(fields.by()?, Kind::Cancel(Cancel { reason }))
            }
            Self::Answer => Said::Answer(fields.answer()?),
        };
        fields.end(self)?;
        Ok(said)
    }

    fn known(self) -> &'static str {
        match self {
            Self::Cancel => "reason and by",
            Self::Answer => "call, text, approve, reason and by",
        }
    }
}

impl<'a> Fields<'a> {
    /// Takes a field; `null` is none.
    fn take(&mut self, name: &str) -> Option<&'a str> {
        self.0.remove(name).map(RawValue::get).filter(|json| *json != "null")
    }

    fn string(&mut self, name: &'static str, rule: &'static str) -> Result<Option<String>, ApiError> {
        self.take(name).map(|json| serde_json::from_str(json).map_err(|_| ApiError::parameter(name, rule))).transpose()
    }

    fn by(&mut self) -> Result<String, ApiError> {
        let rule = "must be a string of at most 254 bytes without control characters";
        let by = self.string("by", rule)?.unwrap_or_default();
        if by.len() > BY_BYTES_MAX || by.chars().any(char::is_control) {
            return Err(ApiError { limit: Some(BY_BYTES_MAX), ..ApiError::parameter("by", rule) });
        }
        Ok(by)
    }

    fn reason(&mut self) -> Result<Option<String>, ApiError> {
        let rule = "must be a string of at most 4096 bytes: say less, or where more can be read";
        let reason = self.string("reason", rule)?;
        if reason.as_ref().is_some_and(|reason| reason.len() > REASON_BYTES_MAX) {
            return Err(ApiError { limit: Some(REASON_BYTES_MAX), ..ApiError::parameter("reason", rule) });
        }
        Ok(reason)
    }

    fn answer(&mut self) -> Result<Answered, ApiError> {
        let rule = "must be the id of the call that waits, such as \"1.0\"";
        let call = self.string("call", rule)?.filter(|call| !call.is_empty() && call.len() <= BY_BYTES_MAX);
        let call = call.ok_or_else(|| ApiError::parameter("call", rule))?;
        let (text, approve, reason) = (self.take("text"), self.take("approve"), self.reason()?);
        let kind = match (text, approve, reason) {
            (Some(json), None, None) => Kind::Said(Words { text: spoken(json) }),
            (Some(_), None, Some(_)) => {
                return Err(ApiError::parameter("reason", "goes with approve only: put all that is said into text"));
            }
            (None, Some("true"), reason) => Kind::Approved(Approved { reason: reason.unwrap_or_default() }),
            (None, Some("false"), reason) => Kind::Rejected(Rejected { reason: reason.unwrap_or_default() }),
            (None, Some(_), _) => return Err(ApiError::parameter("approve", "must be true or false")),
            (Some(_), Some(_), _) | (None, None, _) => {
                return Err(ApiError::parameter("text", "or approve must be there, and only one of them"));
            }
        };
        Ok(Answered { call, by: self.by()?, kind })
    }

    fn end(self, form: Form) -> Result<(), ApiError> {
        match self.0.into_keys().next() {
            None => Ok(()),
            Some(name) => {
                let name: String = name.chars().take(NAME_CHARS_MAX).collect();
                let message = format!("the body has an unknown field {name:?}: known are {}", form.known());
                Err(ApiError::new(Code::ParameterInvalid, message))
            }
        }
    }
}

/// Any JSON as the words of an answer.
///
/// Words that are themselves JSON stay what they are to the bot: the string `"5"` is no number.
fn spoken(json: &str) -> String {
    match serde_json::from_str::<Value>(json) {
        Ok(Value::String(text)) if serde_json::from_str::<&RawValue>(&text).is_err() => text,
        _ => json.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proto::answer::Kind;

    use super::{Form, Said};

    fn read(form: Form, body: &str) -> Result<Said, String> {
        form.read(body.as_bytes()).map_err(|error| format!("{} {:?} {}", error.code.as_str(), error.field, error.message))
    }

    #[test]
    fn a_cancel_may_say_why_and_by_whom() {
        let cancelled = |body| match read(Form::Cancel, body).unwrap() {
            Said::Cancel(by, Kind::Cancel(cancel)) => (cancel.reason, by),
            other => panic!("{other:?}"),
        };
        for body in ["", " \n", "{}", r#"{"reason":null}"#] {
            assert_eq!(cancelled(body), (String::new(), String::new()), "{body}");
        }
        assert_eq!(cancelled(r#"{"reason":"too slow","by":"ada"}"#), ("too slow".into(), "ada".into()));
    }

    #[test]
    fn an_answer_is_words_or_a_verdict() {
        let answered = |body| match read(Form::Answer, body).unwrap() {
            Said::Answer(answer) => match answer.kind {
                Kind::Said(said) => format!("{} {} said {}", answer.call, answer.by, said.text),
                Kind::Approved(said) => format!("{} {} approved {}", answer.call, answer.by, said.reason),
                Kind::Rejected(said) => format!("{} {} rejected {}", answer.call, answer.by, said.reason),
                other => panic!("{other:?}"),
            },
            other @ Said::Cancel(..) => panic!("{other:?}"),
        };
        for (body, expected) in [
            (r#"{"call":"1.0","text":"yes, grüße"}"#, "1.0  said yes, grüße"),
            (r#"{"call":"1.0","text":"5","by":"ada"}"#, r#"1.0 ada said "5""#),
            (r#"{"call":"1.0","text":5.50}"#, "1.0  said 5.50"),
            (r#"{"call":"1.0","text":{"a": [true, "é"]}}"#, r#"1.0  said {"a": [true, "é"]}"#),
            (r#"{"call":"1.0","text":""}"#, "1.0  said "),
            (r#"{"call":"1.0","approve":true}"#, "1.0  approved "),
            (r#"{"call":"1.0","approve":false,"reason":"no","text":null}"#, "1.0  rejected no"),
        ] {
            assert_eq!(answered(body), expected, "{body}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let long = format!(r#"{{"reason":"{}"}}"#, "x".repeat(4_097));
        for (form, body, expected) in [
            (Form::Cancel, "[]", "CUE0101 None the body is not a JSON object"),
            (Form::Cancel, "{", "CUE0101 None the body is not a JSON object"),
            (Form::Cancel, r#"{"reason":5}"#, r#"CUE0106 Some("reason") reason must be a string of at most 4096 bytes"#),
            (Form::Cancel, &long, r#"CUE0106 Some("reason") reason must be"#),
            (Form::Cancel, r#"{"by":"a\nb"}"#, r#"CUE0106 Some("by") by must be"#),
            (Form::Cancel, r#"{"call":"1.0"}"#, r#"CUE0106 None the body has an unknown field "call": known are reason and by"#),
            (Form::Answer, "", r#"CUE0106 Some("call") call must be the id"#),
            (Form::Answer, r#"{"call":""}"#, r#"CUE0106 Some("call")"#),
            (Form::Answer, r#"{"call":1.0}"#, r#"CUE0106 Some("call")"#),
            (Form::Answer, r#"{"call":"1.0"}"#, r#"CUE0107 Some("text") text or approve must be there"#),
            (Form::Answer, r#"{"call":"1.0","text":1,"approve":true}"#, r#"CUE0107 Some("text")"#),
            (Form::Answer, r#"{"call":"1.0","approve":"yes"}"#, r#"CUE0106 Some("approve")"#),
            (Form::Answer, r#"{"call":"1.0","text":"x","reason":"y"}"#, r#"CUE0106 Some("reason") reason goes with approve"#),
            (Form::Answer, r#"{"call":"1.0","text":"x","aprove":true}"#, r#"CUE0106 None the body has an unknown field "aprove""#),
        ] {
            let error = read(form, body).unwrap_err();
            assert!(error.starts_with(expected), "{body}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_body_panics(
            body in proptest::collection::vec(any::<u8>(), 0..200),
            json in r#"\{("(call|text|approve|reason|by|x)":("[a-z1.0]{0,4}"|true|5|null),?){0,4}\}"#,
        ) {
            for form in [Form::Cancel, Form::Answer] {
                drop(form.read(&body));
                drop(form.read(json.as_bytes()));
            }
        }
    }
}
