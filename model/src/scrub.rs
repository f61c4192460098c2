//! Makes what a provider or a connection said about an error fit to be shown.
//!
//! A provider may give back the key it was sent, or an address with one in it; what it says may be a
//! page of HTML, or as long as it likes.

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::limit::REASON_CHARS_MAX;

/// Takes out the key, cuts addresses down to where they lead, and bounds the rest to one line.
pub(crate) fn scrub(text: &str, key: Option<&SecretString>) -> String {
    let text = match key.map(ExposeSecret::expose_secret).filter(|key| !key.is_empty()) {
        Some(key) => text.replace(key, "***"),
        None => text.to_owned(),
    };
    let words: Vec<String> = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).map(plain).collect();
    bounded(&words.join(" "), REASON_CHARS_MAX)
}

/// The start of a text, with a mark where something was cut off.
pub(crate) fn bounded(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// A word, without user name, password, query and fragment where it has an address in it.
fn plain(word: &str) -> String {
    let Some(start) = word.find("https://").or_else(|| word.find("http://")) else { return word.to_owned() };
    let (before, address) = word.split_at(start);
    let end = address.find(|c: char| "\"'<>()[]{},;".contains(c)).unwrap_or(address.len());
    let (address, after) = address.split_at(end);
    let Ok(url) = Url::parse(address) else { return format!("{before}[address]{after}") };
    format!("{before}{}{}{after}", url.origin().ascii_serialization(), url.path())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::SecretString;

    use super::scrub;
    use crate::limit::REASON_CHARS_MAX;

    #[test]
    fn keys_and_what_addresses_carry_are_taken_out() {
        let key = SecretString::from("sk-1234");
        for (text, expected) in [
            ("Incorrect API key provided: sk-1234.", "Incorrect API key provided: ***."),
            ("see https://u:p@h.example/path?key=abc#x, now", "see https://h.example/path, now"),
            ("(https://h.example/a?sk-1234)", "(https://h.example/a)"),
            ("url=http://h:8080/?q=1", "url=http://h:8080/"),
            ("http://[", "[address]["),
            ("one\r\n\ttwo\u{0}three", "one two three"),
        ] {
            assert_eq!(scrub(text, Some(&key)), expected);
        }
    }

    proptest! {
        #[test]
        fn what_is_left_is_short_one_line_and_without_the_key(before in "\\PC{0,400}", after in "\\PC{0,400}") {
            let text = scrub(&format!("{before}sk-1234{after}"), Some(&SecretString::from("sk-1234")));
            prop_assert!(text.chars().count() <= REASON_CHARS_MAX + 3);
            prop_assert!(!text.contains("sk-1234") && !text.contains('\n'));
        }
    }
}
