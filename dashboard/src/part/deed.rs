//! What can be done with one press.

use maud::{Markup, html};

use crate::frame;
use crate::visit::Visit;

/// A button that does something: a form of its own, so that it works without scripts.
pub(crate) fn button(visit: &Visit, action: &str, label: &str, hidden: &[(&str, &str)]) -> Markup {
    toned(visit, action, label, ("", hidden))
}

/// The same, as the thing that most come for.
pub(crate) fn primary(visit: &Visit, action: &str, label: &str, hidden: &[(&str, &str)]) -> Markup {
    toned(visit, action, label, ("primary", hidden))
}

fn toned(visit: &Visit, action: &str, label: &str, (class, hidden): (&str, &[(&str, &str)])) -> Markup {
    html! {
        form.deed method="post" action=(action) {
            (frame::word(visit))
            @for (name, value) in hidden { input type="hidden" name=(name) value=(value); }
            button class=(class) type="submit" { (label) }
        }
    }
}

/// Something that cannot be taken back: a second press, below what it means.
pub(crate) fn confirmed(visit: &Visit, action: &str, label: &str, meaning: &str, hidden: &[(&str, &str)]) -> Markup {
    html! {
        details.confirm {
            summary.button.danger { (label) "…" }
            div.card {
                p { (meaning) }
                (toned(visit, action, label, ("danger", hidden)))
            }
        }
    }
}
