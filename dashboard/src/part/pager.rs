//! The way to the next page of a list.

use maud::{Markup, html};

use crate::visit::Visit;

/// How many rows a page of a list has.
pub(crate) const ROWS: usize = 50;

/// The cursor of the next page; none where this one is the last.
pub(crate) fn next(rows: usize, cursor: Option<&str>) -> Option<&str> {
    cursor.filter(|cursor| rows >= ROWS && !cursor.is_empty())
}

/// A link to the next page, with what this one was narrowed by; a script loads it when it comes into sight.
pub(crate) fn more(visit: &Visit, cursor: Option<&str>) -> Markup {
    let Some(cursor) = cursor else { return Markup::default() };
    let query = visit.uri.query().unwrap_or_default();
    let mut next = url::form_urlencoded::Serializer::new(String::new());
    let kept = url::form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name != "cursor" && name != "note");
    let next = next.extend_pairs(kept).append_pair("cursor", cursor).finish();
    html! { p.more { a.button rel="next" href={ (visit.uri.path()) "?" (next) } { "Show more" } } }
}
