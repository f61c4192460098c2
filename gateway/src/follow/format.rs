//! The two forms of a stream: server-sent events, and JSON lines.
//!
//! Both carry the same JSON, one object a piece: `{"type", "id"?, "event"?, "data"}`. A piece is one
//! chunk of the answer. Readers of JSON lines are known that decode each chunk of the network by
//! itself and so break a character that lies across two, so lines are plain ASCII.

use axum::http::HeaderMap;
use axum::http::header::ACCEPT;
use bytes::Bytes;
use serde::Serialize;
use serde_json::Serializer;

use crate::api_error::ApiError;
use crate::ascii::Ascii;
use crate::place::Place;

/// The form that the caller asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// `text/event-stream`.
    Events,
    /// `application/jsonl`.
    Lines,
}

/// One piece of a stream.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Piece<'a, T> {
    /// What it is.
    #[serde(rename = "type")]
    pub(super) kind: &'a str,
    /// What to resume behind; none where nothing is committed.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "print")]
    pub(super) id: Option<Place>,
    /// The event that it is about, where that is not in the data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) event: Option<&'a str>,
    /// The rest.
    pub(super) data: T,
}

#[expect(clippy::ref_option, reason = "the form of a serde attribute")]
fn print<S: serde::Serializer>(id: &Option<Place>, to: S) -> Result<S::Ok, S::Error> {
    match id {
        Some(id) => to.collect_str(id),
        None => to.serialize_none(),
    }
}

impl Format {
    /// The first form in `Accept` that is served; whoever does not mind gets lines.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, ApiError> {
        let mut asked = headers.get_all(ACCEPT).into_iter().flat_map(|value| value.to_str().unwrap_or("?").split(',')).peekable();
        if asked.peek().is_none() {
            return Ok(Self::Lines);
        }
        let known = |range: &str| match range.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "text/event-stream" => Some(Self::Events),
            "" | "*/*" | "application/*" | "application/json" | "application/jsonl" | "application/x-ndjson" => Some(Self::Lines),
            _ => None,
        };
        let rule = "must be text/event-stream or application/jsonl";
        asked.find_map(known).ok_or_else(|| ApiError::parameter("Accept", rule))
    }

    /// The media type.
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Events => "text/event-stream",
            Self::Lines => "application/jsonl",
        }
    }

    /// The bytes of one piece.
    pub(super) fn render<T: Serialize>(self, piece: &Piece<'_, T>) -> Bytes {
        let mut bytes = Vec::new();
        let written = match self {
            Self::Lines => piece.serialize(&mut Serializer::with_formatter(&mut bytes, Ascii)),
            Self::Events => {
                bytes.extend_from_slice(b"event: ");
                bytes.extend_from_slice(piece.kind.as_bytes());
                if let Some(id) = piece.id {
                    bytes.extend_from_slice(format!("\nid: {id}").as_bytes());
                }
                bytes.extend_from_slice(b"\ndata: ");
                let written = serde_json::to_writer(&mut bytes, piece);
                bytes.push(b'\n');
                written
            }
        };
        // Keys are strings and writing to memory does not fail; half a line would be worse than none.
        if written.is_err() {
            bytes.clear();
        } else {
            bytes.push(b'\n');
        }
        bytes.into()
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::{Format, Piece};
    use crate::place::Place;

    fn asked(accept: &[&str]) -> Result<Format, String> {
        let mut headers = HeaderMap::new();
        for value in accept {
            headers.append("accept", value.parse().unwrap());
        }
        Format::of(&headers).map_err(|error| error.field.unwrap().into_owned())
    }

    #[test]
    fn the_first_form_that_is_served_is_taken() {
        for (accept, expected) in [
            (&[][..], Ok(Format::Lines)),
            (&[""], Ok(Format::Lines)),
            (&["*/*"], Ok(Format::Lines)),
            (&["application/json"], Ok(Format::Lines)),
            (&["application/jsonl; charset=utf-8"], Ok(Format::Lines)),
            (&["Text/Event-Stream"], Ok(Format::Events)),
            (&["text/html, text/event-stream;q=0.9, */*;q=0.1"], Ok(Format::Events)),
            (&["text/html", "application/jsonl"], Ok(Format::Lines)),
            (&["text/csv"], Err("Accept")),
            (&["text/html, image/*"], Err("Accept")),
        ] {
            assert_eq!(asked(accept), expected.map_err(str::to_owned), "{accept:?}");
        }
    }

    #[test]
    fn both_forms_say_the_same() {
        let piece = Piece { kind: "message", id: Place::parse("12.0"), event: None, data: json!({ "text": "a\nb" }) };
        let json = r#"{"type":"message","id":"12.0","data":{"text":"a\nb"}}"#;
        assert_eq!(Format::Lines.render(&piece), format!("{json}\n"));
        assert_eq!(Format::Events.render(&piece), format!("event: message\nid: 12.0\ndata: {json}\n\n"));
        let news = Piece { kind: "token", id: None, event: Some("evt.t.s.6a1b2c3d.1"), data: json!({ "token": "ü" }) };
        let json = r#"{"type":"token","event":"evt.t.s.6a1b2c3d.1","data":{"token":"ü"}}"#;
        assert_eq!(Format::Events.render(&news), format!("event: token\ndata: {json}\n\n"));
        assert_eq!(Format::Lines.render(&news), format!("{}\n", json.replace('ü', "\\u00fc")));
    }

    proptest! {
        #[test]
        fn whatever_is_said_is_one_line_and_survives(text in any::<String>(), key in any::<String>()) {
            let data = json!({ key: text });
            let piece = Piece { kind: "message", id: None, event: None, data: &data };
            let line = Format::Lines.render(&piece);
            let inner = line.strip_suffix(b"\n").unwrap();
            prop_assert!(inner.is_ascii() && !inner.contains(&b'\n'));
            let read: Value = serde_json::from_slice(&line).unwrap();
            prop_assert_eq!(&read["data"], &data);
            let event = String::from_utf8(Format::Events.render(&piece).to_vec()).unwrap();
            let json = event.strip_prefix("event: message\ndata: ").and_then(|rest| rest.strip_suffix("\n\n")).unwrap();
            prop_assert!(!json.contains(['\n', '\r']));
            let read: Value = serde_json::from_str(json).unwrap();
            prop_assert_eq!(&read["data"], &data);
        }
    }
}
