//! Server-sent events out of bytes: bounded, and lenient where the standard is.
//!
//! Lines of unknown fields and comments are passed over. A server's wish for the pause before a
//! stream is opened again is kept within bounds: zero would be a loop without a pause.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt as _, stream};
use sse_stream::Sse;

use super::Error;
use crate::limit::{MESSAGE_BYTES_MAX, REOPEN_MAX, REOPEN_MIN};

/// The events of a response.
pub(super) fn events(
    bytes: impl Stream<Item = Result<Bytes, reqwest::Error>> + Send + 'static,
) -> BoxStream<'static, Result<Sse, sse_stream::Error>> {
    let parsed = bytes.scan(Some(Parser::default()), |parser, chunk| {
        let results = match (parser.as_mut(), chunk) {
            (None, _) => None,
            (Some(live), Ok(chunk)) => Some(live.push(&chunk).unwrap_or_else(|error| {
                *parser = None;
                vec![Err(failed(error))]
            })),
            (Some(_), Err(source)) => {
                *parser = None;
                Some(vec![Err(failed(Error::broken(source)))])
            }
        };
        std::future::ready(results)
    });
    parsed.flat_map(stream::iter).boxed()
}

fn failed(error: Error) -> sse_stream::Error {
    sse_stream::Error::Body(Box::new(error))
}

type Parsed = Vec<Result<Sse, sse_stream::Error>>;

/// Lines into events.
#[derive(Debug, Default)]
struct Parser {
    line: Vec<u8>,
    event: Sse,
    has_event: bool,
    event_bytes: usize,
    after_return: bool,
}

impl Parser {
    /// Takes bytes as they come, and gives the events that they complete.
    fn push(&mut self, bytes: &[u8]) -> Result<Parsed, Error> {
        let mut events = Vec::new();
        for byte in bytes {
            // "\r\n" is one end of a line.
            let is_end = match byte {
                b'\n' if std::mem::take(&mut self.after_return) => continue,
                b'\n' => true,
                b'\r' => {
                    self.after_return = true;
                    true
                }
                _ => false,
            };
            if is_end {
                events.extend(self.end_line().map(Ok));
                continue;
            }
            self.after_return = false;
            self.event_bytes += 1;
            if self.event_bytes > MESSAGE_BYTES_MAX {
                return Err(Error::TooLarge);
            }
            self.line.push(*byte);
        }
        Ok(events)
    }

    fn end_line(&mut self) -> Option<Sse> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            self.event_bytes = 0;
            let event = std::mem::take(&mut self.event);
            return std::mem::take(&mut self.has_event).then_some(event);
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let (field, value) = text.split_once(':').unwrap_or((text, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        self.has_event |= !field.is_empty();
        match field {
            // A comment keeps a stream alive; it is no part of an event.
            "" => self.event_bytes = self.event_bytes.saturating_sub(line.len()),
            "data" => match &mut self.event.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                data => *data = Some(value.to_owned()),
            },
            "event" => self.event.event = Some(value.to_owned()),
            "id" if !value.contains('\0') => self.event.id = Some(value.to_owned()),
            "retry" => self.event.retry = value.trim().parse().ok().map(pause_ms),
            _ => {}
        }
        None
    }
}

fn pause_ms(wanted_ms: u64) -> u64 {
    let pause = Duration::from_millis(wanted_ms).clamp(REOPEN_MIN, REOPEN_MAX);
    u64::try_from(pause.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sse_stream::Sse;

    use super::{Error, Parser};
    use crate::limit::MESSAGE_BYTES_MAX;

    fn parse(chunks: &[&[u8]]) -> Vec<Sse> {
        let mut parser = Parser::default();
        chunks.iter().flat_map(|chunk| parser.push(chunk).unwrap()).map(Result::unwrap).collect()
    }

    #[test]
    fn events_are_read_whatever_ends_their_lines() {
        let expected = [Sse::default().id("7").event("message").data("a\nb").retry(500), Sse::default().data("c")];
        for text in [
            "id: 7\nevent:message\ndata: a\ndata:b\nretry: 500\n\ndata: c\n\n",
            "id: 7\r\nevent:message\r\ndata: a\r\ndata:b\r\nretry: 500\r\n\r\ndata: c\r\n\r\n",
            "\u{feff}id: 7\revent:message\rdata: a\rdata:b\rretry: 500\r\rdata: c\r\r",
        ] {
            assert_eq!(parse(&[text.as_bytes()]), expected, "{text:?}");
        }
    }

    #[test]
    fn comments_unknown_fields_and_unfinished_events_are_passed_over() {
        assert_eq!(parse(&[b": ping\n\nfoo: bar\nbaz\ndata: 1\n\n\n\ndata: lost"]), [Sse::default().data("1")]);
        assert_eq!(parse(&[b"data: \xff\n\n"]), [Sse::default().data("\u{fffd}")]);
    }

    #[test]
    fn a_pause_is_kept_within_bounds() {
        let pauses = |text: &str| parse(&[text.as_bytes()]).first().and_then(|event| event.retry);
        assert_eq!(pauses("retry: 0\n\n"), Some(100));
        assert_eq!(pauses("retry: 99999999999\n\n"), Some(30_000));
        assert_eq!(pauses("retry: soon\n\n"), None);
    }

    #[test]
    fn an_event_without_an_end_is_refused() {
        let mut parser = Parser::default();
        let chunk = vec![b'x'; MESSAGE_BYTES_MAX / 4];
        for _ in 0..4 {
            parser.push(&chunk).unwrap();
        }
        assert!(matches!(parser.push(b"x"), Err(Error::TooLarge)));
        // Comments without end are no event.
        let mut parser = Parser::default();
        for _ in 0..5 {
            parser.push(b":").unwrap();
            parser.push(&chunk).unwrap();
            parser.push(b"\n").unwrap();
        }
    }

    proptest! {
        #[test]
        fn where_the_bytes_are_cut_makes_no_difference(text in "(data: [a-z]{0,3}|id: 1|:c|x)?(\r\n|\n|\r|\n\n|\r\r){0,2}{0,12}", cut in 0_usize..200) {
            let bytes = text.as_bytes();
            let (front, back) = bytes.split_at(cut.min(bytes.len()));
            prop_assert_eq!(parse(&[front, back]), parse(&[bytes]));
        }
    }
}
