//! Texts for machines.

use maud::{Markup, html};
use serde::Serialize;
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
pub(crate) fn json(value: &impl Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    if [json!(null), json!([]), json!({})].contains(&value) { String::new() } else { pretty(&value) }
}

/// A value as people read it: words as they are, all else on lines.
pub(crate) fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| pretty(value), str::to_owned)
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}
