//! What a list is narrowed by: a form that asks for the same page.

use maud::{Markup, html};

use crate::visit::Visit;

/// One condition.
#[derive(Debug)]
pub(crate) enum Condition<'a> {
    /// A text.
    Text { name: &'a str, label: &'a str },
    /// A day.
    Day { name: &'a str, label: &'a str },
    /// One of some: values, and what people call them.
    One { name: &'a str, label: &'a str, options: Vec<(String, String)> },
}

impl Condition<'_> {
    fn name(&self) -> &str {
        match self {
            Self::Text { name, .. } | Self::Day { name, .. } | Self::One { name, .. } => name,
        }
    }
}

/// The form, with what was asked for.
pub(crate) fn form(visit: &Visit, conditions: &[Condition<'_>]) -> Markup {
    let is_narrowed = conditions.iter().any(|condition| !visit.asked(condition.name()).is_empty());
    html! {
        search { form.filter method="get" action=(visit.uri.path()) {
            @for condition in conditions {
                @let value = visit.asked(condition.name());
                @match condition {
                    Condition::Text { name, label } => { input type="search" name=(name) value=(value) aria-label=(label) placeholder=(label); }
                    Condition::Day { name, label } => { label.inline { span { (label) } input type="date" name=(name) value=(value); } }
                    Condition::One { name, label, options } => {
                        select name=(name) aria-label=(label) {
                            option value="" { (label) ": all" }
                            @for (option, text) in options { option value=(option) selected[option == value] { (text) } }
                        }
                    }
                }
            }
            button type="submit" { "Filter" }
            @if is_narrowed { a.button.quiet href=(visit.uri.path()) { "Clear" } }
        } }
    }
}
