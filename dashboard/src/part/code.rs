//! Texts for machines.

use maud::{Markup, html};
use serde_json::{Value, json};

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

/// A value as a form shows it; nothing where it says nothing.
pub(crate) fn json(value: Option<&Value>) -> String {
    let said = value.filter(|value| !value.is_null() && **value != json!([]) && **value != json!({}));
    said.map(|value| serde_json::to_string_pretty(value).unwrap_or_default()).unwrap_or_default()
}
