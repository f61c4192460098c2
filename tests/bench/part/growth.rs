//! How much slower it is with a million sessions in the log than with a thousand.
//!
//! With a thousand sessions each has fifty events, and one lease and one look at the log serve them all;
//! with a million each event is of a session of its own. The third figure tells the two apart: as many
//! sessions as events, and only those in the log.

use super::drain;
use crate::report::{Bar, Report, median};
use crate::stage::System;

const EVENTS: u64 = 50_000;
const SMALL: u64 = 1_000;
const LARGE: u64 = 1_000_000;

pub(crate) async fn run(rounds: usize, report: &mut Report) -> anyhow::Result<()> {
    let mut rates = [Vec::new(), Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..rounds.div_ceil(2) {
        for (known, rates) in [LARGE, SMALL].into_iter().zip(&mut rates) {
            rates.push(drain::once(System::Ours, EVENTS, known.min(EVENTS), known).await?);
        }
        let [.., same, bare] = &mut rates;
        same.push(drain::once(System::Ours, EVENTS, EVENTS, EVENTS).await?);
        bare.push(drain::once(System::Bare, EVENTS, LARGE.min(EVENTS), LARGE).await?);
    }
    let [large, small, same, bare] = rates.map(|values| median(&values));
    report.ratio("50,000 events at 1 M sessions against 1 k", "ev/s", (large, small), Bar::AtLeast(0.85));
    report.ratio("the same sessions, 1 M in the log against 50 k", "ev/s", (large, same), Bar::AtLeast(0.85));
    report.show("50,000 events at 1 M sessions, bare loop", "ev/s", bare);
    Ok(())
}
