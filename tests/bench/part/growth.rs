//! How much slower it is with a million sessions in the log than with a thousand.

use super::drain;
use crate::report::{Bar, Report, median};
use crate::stage::System;

const EVENTS: u64 = 50_000;
const SMALL: u64 = 1_000;
const LARGE: u64 = 1_000_000;

pub(crate) async fn run(rounds: usize, report: &mut Report) -> anyhow::Result<()> {
    let mut rates = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..rounds.div_ceil(2) {
        for (known, rates) in [LARGE, SMALL].into_iter().zip(&mut rates) {
            rates.push(drain::once(System::Ours, EVENTS, known.min(EVENTS), known).await?);
        }
        let [.., bare] = &mut rates;
        bare.push(drain::once(System::Bare, EVENTS, LARGE.min(EVENTS), LARGE).await?);
    }
    let [large, small, bare] = rates.map(|values| median(&values));
    report.ratio("50,000 events at 1 M sessions against 1 k", "ev/s", (large, small), Bar::AtLeast(0.85));
    report.show("the same at 1 M sessions, bare loop", "ev/s", bare);
    Ok(())
}
