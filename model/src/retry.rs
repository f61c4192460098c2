//! When a model that gave no answer is called again: a decision without clock or network.

use std::time::Duration;

use crate::failure::Failure;
use crate::jitter::Jitter;
use crate::limit::Settings;

/// How much longer than the wait before a wait is at least: jitter alone would let a client come back
/// sooner each time, and that is how a storm looks from the other side.
const GROWTH_MIN: f64 = 1.5;
/// Which part of the first ceiling the first wait is at least.
const FIRST_MIN: f64 = 0.125;

/// The calls of one model so far.
#[derive(Debug, Default)]
pub(crate) struct Course {
    calls: u32,
    /// The last wait that was not the provider's wish.
    waited: Duration,
}

/// What to do after a call that gave no answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Call again, after this time.
    Again(Duration),
    /// Call the next model.
    Elsewhere,
    /// Call nobody.
    Nobody,
}

impl Course {
    /// Decides, with so much time left for the whole.
    pub(crate) fn after(&mut self, failure: &Failure, left: Duration, settings: &Settings, jitter: &dyn Jitter) -> Next {
        self.calls = self.calls.saturating_add(1);
        let retry_after = match failure {
            Failure::Refused(_) => return Next::Nobody,
            Failure::Barred(_) => return Next::Elsewhere,
            Failure::Passing { retry_after, .. } => *retry_after,
        };
        if self.calls >= settings.attempts_max.get() || retry_after.is_some_and(|wish| wish > settings.retry_after_max) {
            return Next::Elsewhere;
        }
        let drawn = jitter.draw();
        let wait = if let Some(wish) = retry_after {
            // Not before it wants, and not all at the same moment.
            wish.saturating_add(settings.back_off.mul_f64(drawn))
        } else {
            let doubled = 2_u32.saturating_pow(self.calls.saturating_sub(1));
            let ceiling = settings.back_off.saturating_mul(doubled).min(settings.back_off_max);
            let floor = settings.back_off.mul_f64(FIRST_MIN).max(self.waited.mul_f64(GROWTH_MIN)).min(ceiling);
            self.waited = floor.saturating_add(ceiling.saturating_sub(floor).mul_f64(drawn));
            self.waited
        };
        if wait < left { Next::Again(wait) } else { Next::Elsewhere }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::{Course, Next};
    use crate::failure::Failure;
    use crate::jitter::{Jitter, Seeded};
    use crate::limit::Settings;

    const LONG: Duration = Duration::from_hours(1);

    struct Fixed(f64);

    impl Jitter for Fixed {
        fn draw(&self) -> f64 {
            self.0
        }
    }

    fn limited(after: Duration) -> Failure {
        Failure::Passing { reason: String::new(), retry_after: Some(after) }
    }

    fn waits(failure: &Failure, draw: f64) -> Vec<Option<u128>> {
        let mut course = Course::default();
        let next = |_| match course.after(failure, LONG, &Settings::default(), &Fixed(draw)) {
            Next::Again(wait) => Some(wait.as_millis()),
            _ => None,
        };
        (0..4).map(next).collect()
    }

    #[test]
    fn waits_double_and_the_fourth_call_is_the_last() {
        assert_eq!(waits(&Failure::passing(""), 1.0), [Some(500), Some(1_000), Some(2_000), None]);
        assert_eq!(waits(&Failure::passing(""), 0.5), [Some(281), Some(710), Some(1_533), None]);
        assert_eq!(waits(&Failure::passing(""), 0.0), [Some(62), Some(93), Some(140), None]);
    }

    #[test]
    fn a_wish_of_the_provider_is_waited_for_and_never_less() {
        assert_eq!(waits(&limited(Duration::from_secs(3)), 0.0), [Some(3_000), Some(3_000), Some(3_000), None]);
        assert_eq!(waits(&limited(Duration::from_secs(3)), 0.5), [Some(3_250), Some(3_250), Some(3_250), None]);
        assert_eq!(waits(&limited(Duration::from_mins(1)), 0.0)[0], Some(60_000));
    }

    #[test]
    fn the_next_model_is_called_where_this_one_is_out() {
        let settings = Settings::default();
        let after = |failure: &Failure, left| Course::default().after(failure, left, &settings, &Fixed(0.5));
        assert_eq!(after(&limited(Duration::from_millis(60_001)), LONG), Next::Elsewhere);
        assert_eq!(after(&limited(Duration::MAX), LONG), Next::Elsewhere);
        assert_eq!(after(&Failure::Barred(String::new()), LONG), Next::Elsewhere);
        assert_eq!(after(&Failure::passing(""), Duration::from_millis(281)), Next::Elsewhere);
        assert_eq!(after(&Failure::passing(""), Duration::from_millis(282)), Next::Again(Duration::from_micros(281_250)));
        assert_eq!(after(&Failure::Refused(String::new()), LONG), Next::Nobody);
    }

    proptest! {
        #[test]
        fn waits_grow_and_stay_below_their_ceiling(seed in any::<u64>()) {
            let (settings, jitter) = (Settings::default(), Seeded::new(seed));
            let mut course = Course::default();
            let mut last = Duration::ZERO;
            for ceiling in [500, 1_000, 2_000] {
                let Next::Again(wait) = course.after(&Failure::passing(""), LONG, &settings, &jitter) else { panic!("it gave up") };
                prop_assert!(wait <= Duration::from_millis(ceiling) && wait >= last.mul_f64(1.49), "{last:?} {wait:?}");
                last = wait;
            }
        }
    }
}
