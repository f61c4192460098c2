//! The forms of an answer.

use axum::http::HeaderMap;
use axum::http::header::ACCEPT;
use bytes::Bytes;
use proto::code::Code;
use serde::Serialize;
use serde_json::{Value, json};

use crate::api_error::ApiError;
use crate::ascii;

/// The form that the caller asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// `application/json`: one object.
    Json,
    /// `application/jsonl`: one `{"type", "data"}` a line.
    Lines,
    /// `text/event-stream`.
    Events,
    /// `text/csv`, on exports.
    Csv,
}

impl Format {
    /// The first form in `Accept` that is known; whoever does not mind gets JSON.
    pub(crate) fn of(headers: &HeaderMap, known: &[Self]) -> Result<Self, ApiError> {
        let mut asked = headers.get_all(ACCEPT).into_iter().flat_map(|value| value.to_str().unwrap_or("?").split(',')).peekable();
        if asked.peek().is_none() {
            return Ok(Self::Json);
        }
        let form = |range: &str| match range.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "" | "*/*" | "application/*" | "application/json" => Some(Self::Json),
            "application/jsonl" | "application/x-ndjson" => Some(Self::Lines),
            "text/event-stream" => Some(Self::Events),
            "text/csv" => Some(Self::Csv),
            _ => None,
        };
        let found = asked.filter_map(form).find(|format| known.contains(format));
        found.ok_or_else(|| {
            let names: Vec<_> = known.iter().map(|format| format.content_type()).collect();
            let message = format!("Unsupported accept header: this answers in {}", names.join(", "));
            ApiError { field: Some("Accept".into()), ..ApiError::new(Code::AcceptUnknown, message) }
        })
    }

    /// The media type.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Lines => "application/jsonl",
            Self::Events => "text/event-stream",
            Self::Csv => "text/csv",
        }
    }

    /// One piece of a stream: a line, or an event.
    pub(crate) fn piece(self, kind: &str, data: &impl Serialize) -> Bytes {
        if self != Self::Events {
            return ascii::line(&Piece { kind, data });
        }
        let line = ascii::line(data);
        if line.is_empty() { line } else { [format!("event: {kind}\ndata: ").as_bytes(), &line, b"\n"].concat().into() }
    }

    /// A refusal in the middle of a stream.
    pub(crate) fn fault(self, error: &ApiError) -> Bytes {
        self.piece("error", &json!({ "message": error.message, "code": error.code.class(), "error": error.code.as_str() }))
    }
}

#[derive(Serialize)]
struct Piece<'a, T> {
    #[serde(rename = "type")]
    kind: &'a str,
    data: &'a T,
}

/// The first line of a table.
pub(crate) fn head(columns: &[&str]) -> Bytes {
    row(columns.iter().map(|column| (*column).to_owned()))
}

/// A line of a table; what is no text stands there as JSON, and nothing where there is nothing.
pub(crate) fn cells(columns: &[&str], item: &Value) -> Bytes {
    row(columns.iter().map(|column| match item.get(column) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }))
}

/// RFC 4180: every cell in quotes.
fn row(cells: impl Iterator<Item = String>) -> Bytes {
    let quoted: Vec<_> = cells.map(|cell| format!("\"{}\"", cell.replace('"', "\"\""))).collect();
    format!("{}\r\n", quoted.join(",")).into()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;
    use serde_json::json;

    use super::{Format, cells, head};

    fn asked(accept: &[&str], known: &[Format]) -> Result<Format, &'static str> {
        let mut headers = HeaderMap::new();
        for value in accept {
            headers.append("accept", value.parse().unwrap());
        }
        Format::of(&headers, known).map_err(|error| error.code.as_str())
    }

    #[test]
    fn the_first_form_that_is_given_is_taken() {
        let list = [Format::Json, Format::Lines, Format::Events];
        for (accept, expected) in [
            (&[][..], Ok(Format::Json)),
            (&[""], Ok(Format::Json)),
            (&["*/*"], Ok(Format::Json)),
            (&["application/jsonl; charset=utf-8"], Ok(Format::Lines)),
            (&["text/html, text/event-stream;q=0.9, */*;q=0.1"], Ok(Format::Events)),
            (&["text/html", "application/jsonl"], Ok(Format::Lines)),
            (&["text/csv, application/json"], Ok(Format::Json)),
            (&["text/csv"], Err("CUE0111")),
            (&["image/*"], Err("CUE0111")),
        ] {
            assert_eq!(asked(accept, &list), expected, "{accept:?}");
        }
        assert_eq!(asked(&["text/csv"], &[Format::Json, Format::Csv]), Ok(Format::Csv));
    }

    #[test]
    fn a_piece_is_one_line_or_one_event() {
        assert_eq!(Format::Lines.piece("item", &json!({ "a": "ü" })), "{\"type\":\"item\",\"data\":{\"a\":\"\\u00fc\"}}\n");
        assert_eq!(Format::Events.piece("item", &json!({ "a": "x\ny" })), "event: item\ndata: {\"a\":\"x\\ny\"}\n\n");
    }

    #[test]
    fn every_cell_is_quoted() {
        assert_eq!(head(&["id", "meta"]), "\"id\",\"meta\"\r\n");
        let item = json!({ "id": "a \"b\",\nc", "meta": { "k": 1 }, "name": null });
        assert_eq!(cells(&["id", "meta", "name", "none"], &item), "\"a \"\"b\"\",\nc\",\"{\"\"k\"\":1}\",\"\",\"\"\r\n");
    }
}
