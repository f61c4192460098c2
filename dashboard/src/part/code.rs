//! Texts for machines.

use maud::{Markup, html};

/// A block that can be copied as a whole. `name` says what it is, for those who do not see it.
pub(crate) fn block(name: &str, text: &str) -> Markup {
    html! {
        div.code {
            pre tabindex="0" aria-label=(name) { code { (text) } }
            (copy(name, text))
        }
    }
}

/// A button that copies a text; there only where scripts run.
pub(crate) fn copy(name: &str, text: &str) -> Markup {
    html! { button.quiet.copy type="button" hidden data-copy=(text) aria-label={ "Copy " (name) } { "Copy" } }
}

/// An id, whole, in the letters of machines.
pub(crate) fn id(id: &str) -> Markup {
    html! { code.id title=(id) { (id) } }
}
