//! How long things took, counted in buckets: pure.
//!
//! Every process has the same buckets, so counts of many processes and of many minutes add up, in
//! Redis as here. Bounds lie 1.5 apart from 0.1 ms to a little over an hour. A quantile is told as the
//! geometric middle of the bucket that it lies in, so between the first and the last bound it is wrong
//! by at most a factor of `sqrt(1.5)`: 22 %. What took less or more is told as the first or the last bound.
//!
//! The bounds are part of what is stored: others need another [`crate::key::VERSION`] and other keys of
//! [`crate::key::accepts`].

/// How many buckets there are; the last one is of what took longer than the last bound.
pub const BUCKETS: usize = 45;
/// The highest microsecond of each bucket but the last.
const BOUNDS_US: [u64; BUCKETS - 1] = bounds();

const fn bounds() -> [u64; BUCKETS - 1] {
    let mut bounds = [100; BUCKETS - 1];
    let mut last = 100;
    let mut rest = bounds.as_mut_slice();
    while let Some((bound, behind)) = rest.split_first_mut() {
        *bound = last;
        last += last / 2;
        rest = behind;
    }
    bounds
}

/// The bucket that so many microseconds fall into.
pub fn bucket(us: u64) -> usize {
    BOUNDS_US.partition_point(|bound| *bound < us)
}

/// How often something took how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Histogram([u64; BUCKETS]);

impl Default for Histogram {
    fn default() -> Self {
        Self([0; BUCKETS])
    }
}

impl From<[u64; BUCKETS]> for Histogram {
    fn from(counts: [u64; BUCKETS]) -> Self {
        Self(counts)
    }
}

impl Histogram {
    /// Counts so many in a bucket; there is none for what a later version may have written.
    pub fn add(&mut self, bucket: usize, by: u64) {
        if let Some(count) = self.0.get_mut(bucket) {
            *count = count.saturating_add(by);
        }
    }

    /// These and others.
    #[must_use]
    pub fn plus(self, other: &Self) -> Self {
        let mut both = self;
        other.counts().for_each(|(bucket, by)| both.add(bucket, by));
        both
    }

    /// Buckets that have something in them, with how much.
    pub fn counts(&self) -> impl Iterator<Item = (usize, u64)> {
        self.0.into_iter().enumerate().filter(|(_, count)| *count > 0)
    }

    /// What so many of a hundred did not exceed, in microseconds; none where nothing was counted.
    pub fn percentile_us(&self, percent: u64) -> Option<u64> {
        let all = self.0.iter().fold(0_u64, |sum, count| sum.saturating_add(*count));
        let rank = (u128::from(all) * u128::from(percent)).div_ceil(100).max(1);
        let mut seen = 0_u128;
        let found = self.0.iter().position(|count| {
            seen += u128::from(*count);
            seen >= rank
        });
        found.map(middle_us)
    }
}

/// What stands for all that lies in a bucket.
fn middle_us(bucket: usize) -> u64 {
    let bound = |bucket: usize| BOUNDS_US.get(bucket).copied();
    match (bucket.checked_sub(1).and_then(bound), bound(bucket)) {
        (Some(low), Some(high)) => (low * high).isqrt(),
        (Some(last), None) => last,
        (None, first) => first.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{BOUNDS_US, BUCKETS, Histogram, bucket};

    /// The first bound and the last.
    const RANGE_US: std::ops::RangeInclusive<u64> = 100..=3_600_000_000;

    fn of(values_us: &[u64]) -> Histogram {
        let mut histogram = Histogram::default();
        for us in values_us {
            histogram.add(bucket(*us), 1);
        }
        histogram
    }

    #[test]
    fn the_bounds_are_those_that_are_stored() {
        assert_eq!(BOUNDS_US[..8], [100, 150, 225, 337, 505, 757, 1_135, 1_702]);
        assert_eq!(BOUNDS_US[BUCKETS - 2], 3_716_165_326);
        assert!(BOUNDS_US.is_sorted_by(|low, high| low < high && high * 2 <= low * 3));
    }

    #[test]
    fn each_value_falls_into_its_bucket() {
        for (us, expected) in [(0, 0), (100, 0), (101, 1), (150, 1), (151, 2), (1_000, 6), (3_600_000_000, 43), (u64::MAX, 44)] {
            assert_eq!(bucket(us), expected, "{us} us");
        }
    }

    #[test]
    fn quantiles_of_a_few_values() {
        assert_eq!(Histogram::default().percentile_us(50), None);
        let mut values = vec![1_000; 98];
        values.extend([900_000, 900_000]);
        let histogram = of(&values);
        assert_eq!((histogram.percentile_us(50), histogram.percentile_us(98)), (Some(926), Some(926)));
        assert!(histogram.percentile_us(99).is_some_and(|us| (735_000..=1_102_000).contains(&us)), "{histogram:?}");
        assert_eq!((of(&[7]).percentile_us(50), of(&[u64::MAX]).percentile_us(99)), (Some(100), Some(3_716_165_326)));
    }

    #[test]
    fn a_bucket_that_is_not_known_is_passed_over() {
        let mut histogram = of(&[1_000]);
        histogram.add(BUCKETS, 9);
        assert_eq!(histogram, of(&[1_000]));
    }

    proptest! {
        #[test]
        fn a_quantile_is_wrong_by_at_most_22_percent(mut values in proptest::collection::vec(RANGE_US, 1..200), percent in 1..=100_u64) {
            let found = of(&values).percentile_us(percent).unwrap();
            values.sort_unstable();
            let rank = (values.len() * usize::try_from(percent).unwrap()).div_ceil(100);
            let exact = values[rank - 1];
            // The square of the ratio in whole numbers, with a microsecond for the rounded middle.
            let (low, high) = (u128::from(found.min(exact)) + 1, u128::from(found.max(exact)));
            prop_assert!(high * high * 2 <= low * low * 3, "{found} for {exact}");
        }

        #[test]
        fn counts_of_two_add_up(left in proptest::collection::vec(any::<u64>(), 0..50), right in proptest::collection::vec(any::<u64>(), 0..50)) {
            let both: Vec<u64> = left.iter().chain(&right).copied().collect();
            prop_assert_eq!(of(&left).plus(&of(&right)), of(&both));
        }
    }
}
