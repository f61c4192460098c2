//! Which traces are told.
//!
//! What a caller traces is told as far as it goes here, and what a caller chose not to trace is not.
//! Where nobody chose, so many traces are begun a second and no more: at low load every event has its
//! story, and at any load telling costs the same. What callers trace counts towards that, so that a
//! worker's share goes to events whose beginning was told before it goes to others.

use std::num::NonZeroU32;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use proto::trace::Traceparent;

/// The decision, one for a process. The default tells nothing.
#[derive(Debug, Default)]
pub struct Stories {
    is_told: bool,
    /// Whether spans say what was said.
    has_content: bool,
    pace: Option<DefaultDirectRateLimiter>,
}

impl Stories {
    /// Tells what callers trace, and so many a second of the rest.
    pub fn new(roots_per_second: u32, has_content: bool) -> Self {
        let pace = NonZeroU32::new(roots_per_second).map(|count| RateLimiter::direct(Quota::per_second(count)));
        Self { is_told: true, has_content, pace }
    }

    /// Whether anything is told at all.
    pub fn is_told(&self) -> bool {
        self.is_told
    }

    /// Whether spans say what was asked of models and abilities, and what they answered.
    pub fn has_content(&self) -> bool {
        self.has_content
    }

    /// Whether what now begins is told, given the trace that it goes on from.
    pub fn begins(&self, from: Option<&Traceparent>) -> bool {
        if !self.is_told {
            return false;
        }
        let has_room = || self.pace.as_ref().is_some_and(|pace| pace.check().is_ok());
        match from.map(Traceparent::is_sampled) {
            Some(true) => {
                has_room();
                true
            }
            Some(false) => false,
            None => has_room(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proto::trace::Traceparent;

    use super::Stories;

    fn caller(flags: &str) -> Option<Traceparent> {
        Traceparent::parse(&format!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-{flags}"))
    }

    #[test]
    fn callers_decide_and_the_rest_has_a_pace() {
        let stories = Stories::new(3, false);
        assert!((0..100).all(|_| stories.begins(caller("01").as_ref())));
        assert!((0..100).all(|_| !stories.begins(caller("00").as_ref())));
        assert!(!stories.begins(None), "what callers trace counts");
        let stories = Stories::new(3, false);
        assert_eq!((0..100).filter(|_| stories.begins(None)).count(), 3);
    }

    #[test]
    fn nothing_is_told_by_default_and_nothing_begun_at_a_pace_of_none() {
        let silent = Stories::default();
        assert!(!silent.begins(caller("01").as_ref()) && !silent.begins(None));
        let following = Stories::new(0, false);
        assert!(following.begins(caller("01").as_ref()) && !following.begins(None));
    }
}
