//! What is known of one thing, name by name.

use maud::{Markup, html};

/// Names and values; those without a value are left out.
pub(crate) fn list(facts: Vec<(&str, Option<Markup>)>) -> Markup {
    html! {
        dl.facts {
            @for (name, value) in facts {
                @if let Some(value) = value { div { dt { (name) } dd { (value) } } }
            }
        }
    }
}

/// A text; none where it is empty.
pub(crate) fn text(text: &str) -> Option<Markup> {
    (!text.is_empty()).then(|| html! { (text) })
}

/// A link; none where there is nothing to link.
pub(crate) fn link(path: &str, text: &str) -> Option<Markup> {
    (!text.is_empty()).then(|| html! { a href=(path) { (text) } })
}
