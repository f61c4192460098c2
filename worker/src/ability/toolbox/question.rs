//! What whoever approves reads: as it will be done, and with nothing hidden in it.
//!
//! The words are a model's, which may have been talked into them. What hides, reorders or breaks
//! lines is written out, so that the question looks the way it is; and what is too long says so,
//! since the rest of it, which nobody was shown, would be done as well.

use serde_json::Value;

/// Longest question, in bytes.
const QUESTION_BYTES_MAX: usize = 4 * 1024;
/// What stands at the end of a question that is longer.
const CUT: &str = " ... (cut: read the arguments of the call)";

/// A question for leave to make a call.
pub(super) fn leave(function: &str, arguments: &Value) -> String {
    bounded(format!("{function}({arguments})").chars().flat_map(|char| plain(char, false)).collect())
}

/// A question in words of an ability; it may have lines.
pub(super) fn words(text: &str) -> String {
    bounded(text.chars().flat_map(|char| plain(char, true)).collect())
}

fn bounded(mut text: String) -> String {
    if text.len() > QUESTION_BYTES_MAX {
        text.truncate(text.floor_char_boundary(QUESTION_BYTES_MAX - CUT.len()));
        text.push_str(CUT);
    }
    text
}

/// A character, or how it is written where it would not be seen for what it is.
fn plain(char: char, has_lines: bool) -> impl Iterator<Item = char> {
    let is_shown = (has_lines && char == '\n') || !(char.is_control() || is_deceptive(char));
    let written = if is_shown { None } else { Some(char.escape_unicode()) };
    written.into_iter().flatten().chain(is_shown.then_some(char))
}

/// Line and paragraph separators, marks and overrides of the writing direction, what has no width,
/// and the tags that mirror ASCII without being seen.
fn is_deceptive(char: char) -> bool {
    matches!(
        char,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{CUT, QUESTION_BYTES_MAX, leave, words};

    #[test]
    fn what_hides_or_reorders_is_written_out() {
        let question = leave("pay", &json!({ "to": "ada\u{202e}eve\u{200b}\u{e0041}\u{2028}\u{7f}\n" }));
        assert_eq!(question, r#"pay({"to":"ada\u{202e}eve\u{200b}\u{e0041}\u{2028}\u{7f}\n"})"#);
        assert_eq!(words("May I?\n\r\u{1b}[2Kü 你好"), "May I?\n\\u{d}\\u{1b}[2Kü 你好");
    }

    #[test]
    fn what_is_cut_says_so() {
        let question = leave("pay", &json!({ "note": "ü".repeat(QUESTION_BYTES_MAX), "to": "eve" }));
        assert!(question.len() <= QUESTION_BYTES_MAX && question.ends_with(CUT), "{question}");
        assert!(!words(&"x".repeat(QUESTION_BYTES_MAX)).ends_with(CUT));
    }
}
