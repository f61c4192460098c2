//! JSON in plain ASCII.
//!
//! Readers of JSON lines are known that decode each chunk of the network by itself and so break a
//! character that lies across two.

use std::io;

use bytes::Bytes;
use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;

/// JSON in which every character beyond ASCII is written by its code.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ascii;

impl Formatter for Ascii {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(char) = rest.chars().find(|char| !char.is_ascii()) {
            let (plain, beyond) = rest.split_once(char).unwrap_or((rest, ""));
            writer.write_all(plain.as_bytes())?;
            for unit in char.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = beyond;
        }
        writer.write_all(rest.as_bytes())
    }
}

/// One line with its end; empty where the value cannot be written, for half a line would be worse than none.
pub(crate) fn line(value: &impl Serialize) -> Bytes {
    let mut bytes = Vec::new();
    if value.serialize(&mut Serializer::with_formatter(&mut bytes, Ascii)).is_err() {
        return Bytes::new();
    }
    bytes.push(b'\n');
    bytes.into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn a_line_is_one_line_of_ascii() {
        assert_eq!(super::line(&json!({ "a": "ü\n🚀" })), "{\"a\":\"\\u00fc\\n\\ud83d\\ude80\"}\n");
    }
}
