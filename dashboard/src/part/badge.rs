//! States, in a word and a colour.

use maud::{Markup, html};

/// How a state is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Well.
    Good,
    /// Under way.
    Busy,
    /// Somebody has to do something.
    Wait,
    /// Not well.
    Bad,
    /// Neither.
    Calm,
}

impl Tone {
    fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Busy => "busy",
            Self::Wait => "wait",
            Self::Bad => "bad",
            Self::Calm => "calm",
        }
    }
}

/// A word in a tone.
pub(crate) fn toned(tone: Tone, word: &str) -> Markup {
    html! { span.badge.(tone.class()) { (word) } }
}

/// The state of an event, a turn, a delivery or a resource.
pub(crate) fn status(name: &str) -> Markup {
    let tone = match name {
        "completed" | "active" | "enabled" | "delivered" | "authenticated" => Tone::Good,
        "running" | "queued" | "pending" => Tone::Busy,
        "waiting" | "paused" | "draining" | "scheduled" => Tone::Wait,
        "failed" | "dead" | "stopped" | "unauthenticated" => Tone::Bad,
        _ => Tone::Calm,
    };
    toned(tone, name)
}
