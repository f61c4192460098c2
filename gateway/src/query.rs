//! Query strings, decoded strictly.
//!
//! A value that is not UTF-8 after decoding is an error of the caller rather than a replacement
//! character: two different sessions must never become one.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// A value that is not percent-encoded UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotText;

/// The pairs of a query string in order, values not yet decoded.
pub(crate) fn pairs(query: &str) -> impl Iterator<Item = (Cow<'_, str>, &str)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (percent_decode_str(name).decode_utf8_lossy(), value)
    })
}

/// A value as text; `+` is a space, as in forms.
pub(crate) fn decode(value: &str) -> Result<String, NotText> {
    let spaced: Cow<'_, str> = if value.contains('+') { value.replace('+', " ").into() } else { value.into() };
    percent_decode_str(&spaced).decode_utf8().map(Cow::into_owned).map_err(|_| NotText)
}

/// The first value of a name.
pub(crate) fn first(query: Option<&str>, wanted: &str) -> Option<Result<String, NotText>> {
    pairs(query?).find(|(name, _)| name == wanted).map(|(_, value)| decode(value))
}

#[cfg(test)]
mod tests {
    use super::{NotText, first};

    #[test]
    fn the_first_value_is_decoded_strictly() {
        assert_eq!(first(Some("a=1&b=x+y%26&b=2"), "b"), Some(Ok("x y&".into())));
        assert_eq!(first(Some("a%2Eb=1"), "a.b"), Some(Ok("1".into())));
        assert_eq!(first(Some("a=%ff"), "a"), Some(Err(NotText)));
        assert_eq!(first(Some("a&&=&"), "a"), Some(Ok(String::new())));
        assert_eq!(first(None, "a"), None);
    }
}
