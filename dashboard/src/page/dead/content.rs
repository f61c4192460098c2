//! The bytes of a letter, as they can be read.

use maud::{Markup, html};
use serde_json::Value;

use crate::part::{code, number};

/// How many bytes a page shows.
const SHOWN_BYTES_MAX: usize = 64 << 10;
/// How many bytes a line of a dump has.
const LINE_BYTES: usize = 16;

/// The bytes, or as many of them as a page shows.
pub(super) fn show(bytes: &[u8]) -> Markup {
    let (name, text) = match readable(bytes) {
        Some(text) => ("Text", bounded(text).to_owned()),
        None => ("Bytes", dump(bytes.get(..SHOWN_BYTES_MAX).unwrap_or(bytes))),
    };
    let is_cut = bytes.len() > SHOWN_BYTES_MAX;
    let json = readable(bytes).filter(|_| !is_cut).and_then(indented);
    html! {
        @if bytes.is_empty() {
            p.muted { "It has no bytes." }
        } @else if let Some(json) = json {
            pre.wrap tabindex="0" aria-label="JSON, indented" { code { (json) } }
            details.hint { summary { "As it came" } pre.wrap tabindex="0" aria-label=(name) { code { (text) } } (code::copy("the text", &text)) }
        } @else if name == "Text" {
            pre.wrap tabindex="0" aria-label=(name) { code { (text) } }
        } @else {
            pre tabindex="0" aria-label=(name) { code { (text) } }
        }
        @if is_cut { p.hint { "The first " (number::bytes(SHOWN_BYTES_MAX as u64)) " of " (number::bytes(bytes.len() as u64)) "; the API has all of it." } }
    }
}

/// The text that bytes are; none where they are something else, or have characters that are not seen.
fn readable(bytes: &[u8]) -> Option<&str> {
    let is_seen = |character: char| !character.is_control() || matches!(character, '\n' | '\r' | '\t');
    std::str::from_utf8(bytes).ok().filter(|text| text.chars().all(is_seen))
}

/// The beginning of a text, up to a whole character.
fn bounded(text: &str) -> &str {
    text.get(..text.floor_char_boundary(SHOWN_BYTES_MAX)).unwrap_or(text)
}

/// An object or a list of JSON with its lines apart; none of what is as short as it can be.
fn indented(text: &str) -> Option<String> {
    let value: Value = serde_json::from_str(text).ok().filter(|value: &Value| value.is_object() || value.is_array())?;
    serde_json::to_string_pretty(&value).ok().filter(|pretty| pretty != text)
}

/// Offsets, bytes, and the characters among them.
fn dump(bytes: &[u8]) -> String {
    let lines = bytes.chunks(LINE_BYTES).enumerate();
    lines.map(|(number, line)| self::line(number * LINE_BYTES, line)).collect()
}

fn line(offset: usize, bytes: &[u8]) -> String {
    let (left, right) = bytes.split_at(bytes.len().min(LINE_BYTES / 2));
    let pairs = |half: &[u8]| half.iter().map(|byte| format!(" {byte:02x}")).collect::<Vec<_>>().concat();
    let seen = bytes.iter().map(|byte| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' });
    format!("{offset:08x} {:24} {:24}  {}\n", pairs(left), pairs(right), seen.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::{SHOWN_BYTES_MAX, bounded, dump, indented, readable, show};

    #[test]
    fn text_is_what_can_be_read() {
        for (bytes, expected) in [
            (&b"plain"[..], Some("plain")),
            ("zwei\r\n\tZeilen, ümlaut".as_bytes(), Some("zwei\r\n\tZeilen, ümlaut")),
            (b"\xff\x00", None),
            (b"a\x00b", None),
            (b"\x1b[31mred", None),
        ] {
            assert_eq!(readable(bytes), expected);
        }
    }

    #[test]
    fn a_dump_has_offsets_and_characters() {
        let expected = "00000000  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  0123456789abcdef\n\
                        00000010  ff 00 20                                          .. \n";
        assert_eq!(dump(b"0123456789abcdef\xff\x00 "), expected);
        assert_eq!(dump(b""), "");
    }

    #[test]
    fn a_long_text_is_cut_at_a_whole_character() {
        let text = "ü".repeat(SHOWN_BYTES_MAX);
        assert_eq!(bounded(&text).len(), SHOWN_BYTES_MAX);
        let text = format!("x{text}");
        assert_eq!(bounded(&text).len(), SHOWN_BYTES_MAX - 1);
        assert!(show(text.as_bytes()).into_string().contains("The first 64.0 KiB of"));
    }

    #[test]
    fn json_has_its_lines_apart_and_nothing_becomes_markup() {
        assert_eq!(indented(r#"{"a":1}"#).as_deref(), Some("{\n  \"a\": 1\n}"));
        assert_eq!((indented("7"), indented("{"), indented("{\n  \"a\": 1\n}")), (None, None, None));
        let shown = show(br#"{"texd":"<script>"}"#).into_string();
        assert!(shown.contains("&lt;script&gt;") && !shown.contains("<script>"), "{shown}");
    }
}
