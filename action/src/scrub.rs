//! Keeps secrets out of what comes back.
//!
//! A server may echo the header that it got, plainly or packed into something else. Every value
//! that this call used is looked for in every text that leaves: as it is, in base64 at any of the
//! three places it can stand in, percent-encoded in any mixture, escaped as in JSON or HTML, and with
//! backslashes as Markdown puts them. This stops what slips back, not a server that means to smuggle:
//! it could spell the value backwards.

use std::collections::BTreeSet;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use secrecy::zeroize::Zeroizing;
use serde_json::{Map, Value};

use crate::secret::Secret;

/// What stands in a secret's place.
const MASK: &str = "[secret]";
/// Shorter values are left: they would stand in any text by chance.
const BYTES_MIN: usize = 4;
/// Shorter pieces of base64 are left, for the same reason.
const PIECE_BYTES_MIN: usize = 6;

/// The values of one call's secrets, in every spelling that is looked for.
#[derive(Default)]
pub(crate) struct Scrub(Vec<Zeroizing<Vec<u8>>>);

impl Scrub {
    /// Looks for these secrets.
    pub(crate) fn new<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        let mut needles = BTreeSet::new();
        for secret in secrets {
            secret.parts().filter(|part| part.len() >= BYTES_MIN).for_each(|part| spell(part, &mut needles));
        }
        Self(needles.into_iter().map(Zeroizing::new).collect())
    }

    /// The text without them.
    pub(crate) fn text(&self, text: String) -> String {
        if self.0.is_empty() {
            return text;
        }
        let mut spans: Vec<Range<usize>> = Vec::new();
        for view in [View::plain(&text), View::percent(&text), View::backslash(&text)].into_iter().flatten() {
            self.0.iter().for_each(|needle| view.find(needle, &mut spans));
        }
        if spans.is_empty() { text } else { mask(&text, spans) }
    }

    /// The value without them, in keys too.
    pub(crate) fn value(&self, value: Value) -> Value {
        if self.0.is_empty() {
            return value;
        }
        match value {
            Value::String(text) => Value::String(self.text(text)),
            Value::Array(items) => items.into_iter().map(|item| self.value(item)).collect(),
            Value::Object(entries) => {
                Value::Object(entries.into_iter().map(|(key, value)| (self.text(key), self.value(value))).collect::<Map<_, _>>())
            }
            Value::Number(number) => {
                let (text, scrubbed) = (number.to_string(), self.text(number.to_string()));
                if text == scrubbed { Value::Number(number) } else { Value::String(scrubbed) }
            }
            Value::Null | Value::Bool(_) => value,
        }
    }
}

/// All spellings of a value but for those that a [`View`] undoes.
fn spell(value: &str, needles: &mut BTreeSet<Vec<u8>>) {
    needles.insert(value.as_bytes().to_vec());
    needles.insert(value.replace(' ', "+").into_bytes());
    let json = Value::from(value).to_string();
    needles.insert(json.trim_start_matches('"').trim_end_matches('"').as_bytes().to_vec());
    let html = value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    needles.insert(html.replace('"', "&quot;").replace('\'', "&#39;").into_bytes());
    needles.insert(html.into_bytes());
    for (engine, padded) in [(STANDARD_NO_PAD, STANDARD), (URL_SAFE_NO_PAD, URL_SAFE)] {
        needles.insert(engine.encode(value).into_bytes());
        needles.insert(padded.encode(value).into_bytes());
        for (before, first) in [(&b""[..], 0), (b"\0", 2), (b"\0\0", 3)] {
            // Characters that hold bits of a neighbour too are cut off.
            let shifted = [before, value.as_bytes()].concat();
            let whole = shifted.len() / 3 * 4;
            let piece = engine.encode(&shifted).into_bytes();
            if let Some(piece) = piece.get(first..whole).filter(|piece| piece.len() >= PIECE_BYTES_MIN) {
                needles.insert(piece.to_vec());
            }
        }
    }
}

/// A text with one kind of escapes undone, and where each of its bytes stood.
struct View {
    bytes: Vec<u8>,
    /// Where each byte begins in the text, and at the end the text's length.
    starts: Vec<usize>,
}

impl View {
    #[expect(clippy::unnecessary_wraps, reason = "in line with the other views, which may be needless")]
    fn plain(text: &str) -> Option<Self> {
        Some(Self { bytes: text.as_bytes().to_vec(), starts: (0..=text.len()).collect() })
    }

    fn percent(text: &str) -> Option<Self> {
        let hex = |byte: Option<&u8>| char::from(*byte?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        Self::undo(text, b'%', |rest| Some((hex(rest.first())? << 4 | hex(rest.get(1))?, 2)))
    }

    fn backslash(text: &str) -> Option<Self> {
        Self::undo(text, b'\\', |rest| Some((*rest.first().filter(|next| next.is_ascii_punctuation())?, 1)))
    }

    /// Undoes escapes that begin with `mark`: what follows it yields a byte, and how many bytes spelt it.
    fn undo(text: &str, mark: u8, unescape: impl Fn(&[u8]) -> Option<(u8, usize)>) -> Option<Self> {
        let source = text.as_bytes();
        if !source.contains(&mark) {
            return None;
        }
        let (mut bytes, mut starts, mut at) = (Vec::with_capacity(source.len()), Vec::with_capacity(source.len()), 0);
        while let Some(byte) = source.get(at) {
            let escaped = (*byte == mark).then(|| source.get(at + 1..).and_then(&unescape)).flatten();
            let (byte, length) = escaped.map_or((*byte, 1), |(byte, length)| (byte, length + 1));
            bytes.push(byte);
            starts.push(at);
            at += length;
        }
        starts.push(source.len());
        Some(Self { bytes, starts })
    }

    fn find(&self, needle: &[u8], spans: &mut Vec<Range<usize>>) {
        let Some(first) = needle.first() else { return };
        let mut from = 0;
        while let Some(offset) = self.bytes.get(from..).and_then(|rest| rest.iter().position(|byte| byte == first)) {
            let at = from + offset;
            from = at + 1;
            let is_here = self.bytes.get(at..).is_some_and(|rest| rest.starts_with(needle));
            if let (true, Some(start), Some(end)) = (is_here, self.starts.get(at), self.starts.get(at + needle.len())) {
                spans.push(*start..*end);
                from = at + needle.len();
            }
        }
    }
}

fn mask(text: &str, mut spans: Vec<Range<usize>>) -> String {
    spans.sort_by_key(|span| span.start);
    let (mut masked, mut end) = (String::new(), 0);
    for span in spans {
        // Spans begin and end at characters: needles are whole characters, and escapes are ASCII.
        if span.start >= end {
            masked.push_str(text.get(end..span.start).unwrap_or_default());
            masked.push_str(MASK);
        }
        end = end.max(span.end);
    }
    masked.push_str(text.get(end..).unwrap_or_default());
    masked
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;
    use serde_json::json;

    use super::{MASK, Scrub};
    use crate::secret::Secret;

    fn scrub(secrets: &[&str]) -> Scrub {
        Scrub::new(&secrets.iter().map(|text| Secret::plain((*text).into())).collect::<Vec<_>>())
    }

    #[test]
    fn a_secret_is_masked_in_every_usual_spelling() {
        let scrub = scrub(&["s3cr+t/K_y & \"é\""]);
        for (text, expected) in [
            ("a s3cr+t/K_y & \"é\" b", "a [secret] b"),
            ("s3cr+t/K_y & \"é\"s3cr+t/K_y & \"é\"", "[secret][secret]"),
            ("?k=s3cr%2Bt%2FK_y%20%26%20%22%C3%A9%22&b", "?k=[secret]&b"),
            ("s3cr%2bt/K_y+%26+\"%c3%a9\"", "[secret]"),
            ("%73%33%63%72%2B%74/K_y & \"é\"!", "[secret]!"),
            (r#"{"k":"s3cr+t/K_y & \"é\""}"#, r#"{"k":"[secret]"}"#),
            ("<b>s3cr+t/K_y &amp; &quot;é&quot;</b>", "<b>[secret]</b>"),
            ("<b>s3cr+t/K_y &amp; \"é\"</b>", "<b>[secret]</b>"),
            (r#"s3cr\+t/K\_y & \"é\""#, "[secret]"),
            ("s3cr+t/K_y", "s3cr+t/K_y"),
            ("100% é \\ %zz %", "100% é \\ %zz %"),
        ] {
            assert_eq!(scrub.text(text.to_owned()), expected, "{text}");
        }
    }

    #[test]
    fn keys_and_numbers_are_masked_too() {
        let value = json!({ "a12345678": [12_345_678, 1, "x", null, true, 0.123_456_78], "b": { "c": "12345678" } });
        let expected = json!({ "a[secret]": ["[secret]", 1, "x", null, true, "0.[secret]"], "b": { "c": MASK } });
        assert_eq!(scrub(&["12345678"]).value(value), expected);
    }

    #[test]
    fn of_user_and_password_the_password_is_masked_alone() {
        let scrub = Scrub::new(&[Secret::basic("user:hush-hush".into())]);
        assert_eq!(scrub.text("user hush-hush dXNlcjpodXNoLWh1c2g= user:hush-hush".into()), "user [secret] [secret] [secret]");
    }

    #[test]
    fn short_values_are_left() {
        assert_eq!(scrub(&["abc", ""]).text("abcabc".into()), "abcabc");
        assert_eq!(scrub(&["abcd"]).text("abcabcd".into()), "abc[secret]");
    }

    proptest! {
        #[test]
        fn no_encoding_of_a_long_secret_is_left(secret in "[ -~é€]{12,40}", before in "[ -~é]{0,9}", after in "[ -~é]{0,9}") {
            let scrub = scrub(&[&secret]);
            let whole = format!("{before}{secret}{after}");
            prop_assert!(!scrub.text(whole.clone()).contains(&secret) || MASK.contains(&secret));
            let percent = utf8_percent_encode(&secret, NON_ALPHANUMERIC).to_string();
            prop_assert_eq!(scrub.text(percent), MASK);
            for engine in [STANDARD, URL_SAFE] {
                // Only characters at the ends, which hold bits of what stands around, may stay.
                let (encoded, scrubbed) = (engine.encode(&whole), scrub.text(engine.encode(&whole)));
                prop_assert!(scrubbed.contains(MASK), "{} {}", encoded, scrubbed);
                let around = (before.len() + 3 + after.len() + 3).div_ceil(3) * 4 + 2 * 4;
                prop_assert!(scrubbed.len() <= around + MASK.len(), "{} {}", encoded, scrubbed);
            }
        }

        #[test]
        fn no_text_panics(secret in ".{0,12}", text in ".{0,40}") {
            scrub(&[&secret]).text(text);
        }
    }
}
