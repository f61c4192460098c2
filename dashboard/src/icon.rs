//! Small drawings: strokes on a grid of 16.

use maud::{Markup, html};

/// What is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Icon {
    Bolt,
    Bot,
    Hand,
    Key,
    Letter,
    List,
    Lock,
    Menu,
    Person,
    Pulse,
    Server,
    Talk,
    Tool,
}

/// A drawing in the colour of the text around it; it says nothing by itself.
pub(crate) fn draw(icon: Icon) -> Markup {
    let path = match icon {
        Icon::Bolt => "M9 1.5 3 9h4.5L7 14.5 13 7H8.5z",
        Icon::Bot => "M3 6h10v7H3zM8 6V3M6.5 3h3M6 9v1M10 9v1M1.5 8.5v2M14.5 8.5v2",
        Icon::Hand => "M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zM5.5 8l2 2 3.5-4",
        Icon::Key => "M10.5 2a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7zM8 8l-5.5 5.5M4.5 11.5l1.5 1.5",
        Icon::Letter => "M1.5 3.5h13v9h-13zM1.5 4.5 8 9l6.5-4.5",
        Icon::List => "M5.5 4h8M5.5 8h8M5.5 12h8M2.5 4h.5M2.5 8h.5M2.5 12h.5",
        Icon::Lock => "M3.5 7h9v6.5h-9zM5.5 7V5a2.5 2.5 0 0 1 5 0v2",
        Icon::Menu => "M2 4h12M2 8h12M2 12h12",
        Icon::Person => "M8 2.5a2.75 2.75 0 1 0 0 5.5 2.75 2.75 0 0 0 0-5.5zM2.5 14c.5-3 2.5-4 5.5-4s5 1 5.5 4",
        Icon::Pulse => "M1.5 8.5h3L6.5 3l3.5 10 2-4.5h2.5",
        Icon::Server => "M2 2.5h12v4.5H2zM2 9h12v4.5H2zM4.5 4.75h.5M4.5 11.25h.5",
        Icon::Talk => "M2 3h12v8H7.5L4.5 13.5V11H2z",
        Icon::Tool => "M2 2.5h5v5H2zM9 2.5h5v5H9zM2 9h5v5H2zM11.5 9v5M9 11.5h5",
    };
    html! { svg.icon viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" { path d=(path) {} } }
}

/// The sign of the product: a point on a line, from which something begins.
pub(crate) fn mark() -> Markup {
    html! {
        svg.mark viewBox="0 0 16 16" width="20" height="20" aria-hidden="true" {
            path d="M2 2v12" {}
            circle cx="2" cy="8" r="2" {}
            path d="M5.5 8h5M9 4.5 13.5 8 9 11.5" {}
        }
    }
}
