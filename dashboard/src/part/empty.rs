//! Nothing to show, and what to do about it.

use maud::{Markup, html};

/// Says that there is nothing, and what to do next.
pub(crate) fn tell(title: &str, next: &Markup) -> Markup {
    html! { div.empty { p.title { (title) } p { (next) } } }
}
