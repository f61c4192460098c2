//! Which fault strikes when: one every 10 to 15 seconds, one or two at a time.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, MissedTickBehavior};

use crate::dice::Dice;
use crate::fault::{Class, Deck, Fault};
use crate::strike::{Struck, World};

/// How long it is calm at first.
const CALM: Duration = Duration::from_secs(10);
/// The least time from one fault to the next, in milliseconds.
const PAUSE_MIN_MS: u64 = 10_000;
/// The most of it.
const PAUSE_MAX_MS: u64 = 15_000;
/// How many of a hundred faults are followed by another at once.
const PAIR_PERCENT: u64 = 25;
/// How soon that is, in milliseconds.
const PAIR_MAX_MS: u64 = 3_000;
/// How many faults there are at a time.
const AT_ONCE_MAX: usize = 2;
/// How often processes are looked after.
const WATCH_EVERY: Duration = Duration::from_secs(1);
/// How long any fault may take, until whoever was hurt is well.
const FAULT_MAX: Duration = Duration::from_mins(5);

/// What came of the faults.
#[derive(Debug, Default)]
pub(crate) struct Campaign {
    /// Those that were, in the order of their ends.
    pub(crate) struck: Vec<Struck>,
    /// Faults after which something did not become well.
    pub(crate) failed: Vec<String>,
}

impl Campaign {
    /// Has faults of these kinds strike for a time.
    pub(crate) async fn wage(world: &World, kinds: Vec<Fault>, seed: u64, time: Duration) -> anyhow::Result<Self> {
        let (mut campaign, mut dice) = (Self::default(), Dice::of(seed, 3));
        let mut deck = Deck::of(kinds, Dice::of(seed, 4));
        let (began, mut busy, mut running) = (Instant::now(), Vec::<Class>::new(), FuturesUnordered::new());
        let (mut next, end) = (began + CALM, began + time);
        let mut watch = tokio::time::interval(WATCH_EVERY);
        watch.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while Instant::now() < end || !running.is_empty() {
            tokio::select! {
                _ = watch.tick() => world.fleet.watch()?,
                Some((fault, ended)) = running.next() => {
                    busy.retain(|class| *class != Fault::class(fault));
                    campaign.note(fault, ended);
                }
                () = tokio::time::sleep_until(next), if next < end => {
                    if let Some(fault) = (running.len() < AT_ONCE_MAX).then(|| deck.draw(&busy)).flatten() {
                        tracing::info!(%fault, at_s = began.elapsed().as_secs(), "strikes");
                        let own = Dice::of(seed, 100 + dice.below(u64::from(u32::MAX)));
                        busy.push(fault.class());
                        running.push(async move { (fault, tokio::time::timeout(FAULT_MAX, world.strike(fault, own)).await) });
                    }
                    let pause = if dice.percent(PAIR_PERCENT) { dice.below(PAIR_MAX_MS) } else { dice.between(PAUSE_MIN_MS, PAUSE_MAX_MS) };
                    next = Instant::now() + Duration::from_millis(pause);
                }
            }
        }
        Ok(campaign)
    }

    fn note(&mut self, fault: Fault, ended: Result<anyhow::Result<Struck>, tokio::time::error::Elapsed>) {
        match ended {
            Ok(Ok(struck)) => {
                tracing::info!(%fault, target = struck.target, took_ms = struck.well_ms - struck.at_ms, "is over");
                self.struck.push(struck);
            }
            Ok(Err(error)) => self.failed.push(format!("after {fault}: {error:#}")),
            Err(_) => self.failed.push(format!("after {fault}: not well within {FAULT_MAX:?}")),
        }
    }

    /// How often a fault was.
    pub(crate) fn count(&self, fault: Fault) -> usize {
        self.struck.iter().filter(|struck| struck.fault == fault).count()
    }
}
