//! Randomness for waits, from outside: a test or a simulation must be able to repeat it.

use std::sync::atomic::{AtomicU64, Ordering};

/// Draws what waits are spread by.
pub trait Jitter: Send + Sync {
    /// A number from 0 to 1, 1 excluded.
    fn draw(&self) -> f64;
}

/// Numbers that follow from a seed (splitmix64): spread evenly, and no secret.
#[derive(Debug)]
pub struct Seeded(AtomicU64);

/// What the state of splitmix64 moves by.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl Seeded {
    /// The numbers of a seed.
    pub fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }
}

impl Jitter for Seeded {
    fn draw(&self) -> f64 {
        let state = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        // The upper 32 bits fit a float without loss.
        f64::from(u32::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap_or(u32::MAX)) / (f64::from(u32::MAX) + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{Jitter as _, Seeded};

    #[test]
    fn draws_are_spread_over_the_range_and_follow_from_the_seed() {
        let drawn = |seed| -> Vec<f64> {
            let jitter = Seeded::new(seed);
            (0..1_000).map(|_| jitter.draw()).collect()
        };
        let draws = drawn(7);
        assert!(draws.iter().all(|draw| (0.0..1.0).contains(draw)));
        let mean = draws.iter().sum::<f64>() / 1_000.0;
        assert!((0.45..0.55).contains(&mean), "{mean}");
        assert_eq!(draws, drawn(7));
        assert_ne!(draws, drawn(8));
    }
}
