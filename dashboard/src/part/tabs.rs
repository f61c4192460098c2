//! The sides of one thing, each a page with its own address.

use maud::{Markup, html};

use crate::visit::Visit;

/// Links to the sides; the one that is shown is marked.
pub(crate) fn show(visit: &Visit, name: &str, tabs: &[(&str, String)]) -> Markup {
    let here = visit.uri.path();
    html! {
        nav.tabs aria-label=(name) {
            @for (label, path) in tabs { a href=(path) aria-current=[(path == here).then_some("page")] { (label) } }
        }
    }
}
