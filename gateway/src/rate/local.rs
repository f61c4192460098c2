//! The count of this process, for as long as Redis is away.
//!
//! `governor` holds one rate for many keys, so there is a limiter for each rate in use. What is counted
//! is bounded: past that, whatever is new shares one count. Unlike the shared count, a call that one
//! limit refuses may have been counted by another.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use proto::resource::Rate;

use super::{Limit, Standing};

/// How many rates are held at a time.
const RATES_MAX: usize = 1_024;
/// How many keys of one rate are counted.
const KEYS_MAX: usize = 16_384;
/// What is counted where there is no more room.
const REST: &str = "";

type Counter = RateLimiter<String, HashMapStateStore<String>, DefaultClock, StateInformationMiddleware>;

/// Counts by rate and key.
#[derive(Debug, Default)]
pub(super) struct Counts(Mutex<HashMap<(u32, u64), Arc<Counter>>>);

impl Counts {
    /// Counts a call.
    pub(super) fn take(&self, limits: &[Limit]) -> Vec<Standing> {
        limits.iter().filter_map(|limit| self.take_one(limit)).collect()
    }

    fn take_one(&self, limit: &Limit) -> Option<Standing> {
        let counter = self.counter(limit.rate)?;
        let mut key = format!("{}:{}", limit.kind.as_str(), limit.of);
        if counter.len() >= KEYS_MAX {
            counter.retain_recent();
            if counter.len() >= KEYS_MAX {
                key = REST.to_owned();
            }
        }
        let interval = interval(limit.rate);
        let (left, refused_for) = match counter.check_key(&key) {
            Ok(snapshot) => (snapshot.remaining_burst_capacity(), None),
            Err(until) => (0, Some(until.wait_time_from(DefaultClock::default().now()))),
        };
        let whole_in = interval.saturating_mul(limit.rate.count.saturating_sub(left));
        Some(Standing { kind: limit.kind, rate: limit.rate, left, whole_in, refused_for })
    }

    fn counter(&self, rate: Rate) -> Option<Arc<Counter>> {
        let count = NonZeroU32::new(rate.count)?;
        let quota = Quota::with_period(interval(rate))?.allow_burst(count);
        let mut counters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = (rate.count, rate.per_ms);
        if counters.len() >= RATES_MAX && !counters.contains_key(&wanted) {
            counters.retain(|_, counter| {
                counter.retain_recent();
                !counter.is_empty()
            });
            if counters.len() >= RATES_MAX {
                counters.clear();
            }
        }
        let counter = counters.entry(wanted).or_insert_with(|| Arc::new(RateLimiter::hashmap(quota).with_middleware()));
        Some(Arc::clone(counter))
    }
}

fn interval(rate: Rate) -> Duration {
    Duration::from_micros((rate.per_ms.saturating_mul(1_000) / u64::from(rate.count.max(1))).max(1))
}

#[cfg(test)]
mod tests {
    use proto::resource::Rate;

    use super::super::{Kind, Limit};
    use super::{Counts, KEYS_MAX, RATES_MAX};

    fn limit(of: &str, count: u32) -> Limit {
        Limit::of(Kind::Trigger, of, Some(Rate { count, per_ms: 3_600_000 })).unwrap()
    }

    #[test]
    fn as_many_pass_as_may_and_each_key_has_its_own_count() {
        let counts = Counts::default();
        for of in ["a", "b"] {
            let standings: Vec<_> = (0..5).map(|_| counts.take(&[limit(of, 3)])[0]).collect();
            assert_eq!(standings.iter().map(|standing| standing.left).collect::<Vec<_>>(), [2, 1, 0, 0, 0]);
            let refused: Vec<_> = standings.iter().map(|standing| standing.refused_for.is_some()).collect();
            assert_eq!(refused, [false, false, false, true, true]);
            assert!(standings[3].refused_for.unwrap().as_secs() <= 1_200);
        }
    }

    #[test]
    fn what_is_counted_is_bounded() {
        let counts = Counts::default();
        for index in 0..=KEYS_MAX + 5 {
            counts.take(&[limit(&index.to_string(), 2)]);
        }
        assert!(counts.take(&[limit("one more", 2)])[0].refused_for.is_some());
        for count in 0..=u32::try_from(RATES_MAX).unwrap() {
            counts.take(&[limit("x", count + 10)]);
        }
        assert!(counts.0.lock().unwrap().len() <= RATES_MAX);
    }
}
