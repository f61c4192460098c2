//! Paths and queries, put together.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stands in a path as it is.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'@');

/// A text as one part of a path.
pub(crate) fn part(text: &str) -> String {
    // A browser would take these for steps up.
    if text == "." || text == ".." {
        return text.replace('.', "%2E");
    }
    utf8_percent_encode(text, KEPT).to_string()
}

/// A path with a query of what is not empty.
pub(crate) fn with(path: &str, query: &[(&str, &str)]) -> String {
    let mut text = url::form_urlencoded::Serializer::new(String::new());
    let said = query.iter().filter(|(_, value)| !value.is_empty());
    let text = text.extend_pairs(said).finish();
    if text.is_empty() { path.to_owned() } else { format!("{path}?{text}") }
}

#[cfg(test)]
mod tests {
    use super::{part, with};

    #[test]
    fn what_was_said_is_no_syntax() {
        assert_eq!(part("a/b?c#d e"), "a%2Fb%3Fc%23d%20e");
        assert_eq!((part(".."), part("cnv.t.s.1")), ("%2E%2E".to_owned(), "cnv.t.s.1".to_owned()));
        assert_eq!(with("/ui", &[("a", ""), ("b", "x&y=1")]), "/ui?b=x%26y%3D1");
        assert_eq!(with("/ui", &[("a", "")]), "/ui");
    }
}
