//! A server's words are data: bounded, and without what steers a terminal or hides from a reader.

/// Text without control characters, but for line breaks and tabs, and without characters that
/// reorder or conceal others.
pub(crate) fn clean(text: &str) -> String {
    text.chars().filter(|char| matches!(char, '\n' | '\t') || !(char.is_control() || is_deceptive(*char))).collect()
}

/// Cleaned text on one line, of at most `bytes_max` bytes.
pub(crate) fn line(text: &str, bytes_max: usize) -> String {
    let line: String = clean(text).split_whitespace().collect::<Vec<_>>().join(" ");
    cut(&line, bytes_max).to_owned()
}

/// The longest beginning that has at most `bytes_max` bytes.
pub(crate) fn cut(text: &str, bytes_max: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes_max)).unwrap_or(text)
}

/// Overrides of the writing direction, invisible operators, the byte order mark, and the tags that
/// mirror ASCII without being seen.
fn is_deceptive(char: char) -> bool {
    matches!(
        char,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use super::{clean, cut, line};

    #[test]
    fn what_steers_or_hides_is_dropped() {
        assert_eq!(clean("a\u{1b}[31mb\u{0}\nc\td\r"), "a[31mb\nc\td");
        assert_eq!(clean("pay\u{202e}evil\u{e0041}\u{e0042}"), "payevil");
        assert_eq!(clean("naïve 你好 👨\u{200d}👩 می\u{200c}خواهم"), "naïve 你好 👨\u{200d}👩 می\u{200c}خواهم");
    }

    #[test]
    fn a_line_is_one_line_and_no_longer_than_told() {
        assert_eq!(line("  a\n b\t\tc ", 100), "a b c");
        assert_eq!(line("ääää", 5), "ää");
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("", 0), "");
    }
}
