//! What a run comes to: a table to read, and the same as JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::book::{Deed, Door, Sent};
use crate::campaign::Campaign;
use crate::check::{End, Ended, Violation};
use crate::fault::Fault;
use crate::load::Load;
use crate::recovery::{Cost, Measured, Times};

/// All that is reported.
pub(crate) struct Report<'a> {
    /// What was asked for.
    pub(crate) load: &'a Load,
    /// Kinds of faults that were asked for.
    pub(crate) kinds: &'a [Fault],
    /// What could not be tried, and why.
    pub(crate) not_run: &'a [String],
    /// The faults.
    pub(crate) campaign: &'a Campaign,
    /// What was sent.
    pub(crate) sent: &'a [Sent],
    /// How events ended.
    pub(crate) ended: &'a [Ended],
    /// How many effects happened.
    pub(crate) effects: usize,
    /// How long things took.
    pub(crate) measured: &'a Measured,
    /// Processes that ended as they should not have.
    pub(crate) oddities: &'a [String],
    /// What is wrong.
    pub(crate) violations: &'a [Violation],
    /// How long it took until everything was settled after the last event, in milliseconds.
    pub(crate) settled_ms: u128,
}

/// What came by one door.
#[derive(Debug, Default)]
struct Tally {
    sent: usize,
    accepted: usize,
    unknown: usize,
    retried: usize,
    tries: usize,
    refusals: BTreeMap<String, usize>,
}

fn ms(time: Option<i64>) -> String {
    time.map_or_else(|| "-".to_owned(), |time| time.to_string())
}

impl Report<'_> {
    fn tally(&self, door: Door) -> Tally {
        let mut tally = Tally::default();
        for sent in self.sent.iter().filter(|sent| sent.door == door) {
            tally.sent += 1;
            tally.accepted += usize::from(sent.event().is_some());
            tally.unknown += usize::from(sent.event().is_none());
            tally.retried += usize::from(sent.tries.len() > 1);
            tally.tries += sent.tries.len();
            for tried in sent.tries.iter().filter(|tried| tried.told != "accepted") {
                let why = tried.told.split_once(": ").map_or(tried.told.as_str(), |(_, why)| why);
                *tally.refusals.entry(why.to_owned()).or_default() += 1;
            }
        }
        tally
    }

    /// How many events ended how.
    fn ends(&self) -> BTreeMap<String, usize> {
        let mut ends = BTreeMap::new();
        for ended in self.ended {
            let name = match &ended.end {
                End::Completed { is_sure: true } => "completed".to_owned(),
                End::Completed { is_sure: false } => "completed, a call of it in doubt or failed".to_owned(),
                End::Cancelled => "cancelled".to_owned(),
                End::Failed { is_dead, code } => format!("{} {code}", if *is_dead { "dead" } else { "failed" }),
            };
            *ends.entry(name).or_default() += 1;
        }
        ends
    }

    /// Kinds that were asked for and never struck.
    pub(crate) fn missing(&self) -> Vec<&'static str> {
        self.kinds.iter().filter(|kind| self.campaign.count(**kind) == 0).map(|kind| kind.name()).collect()
    }

    /// The last line.
    pub(crate) fn verdict(&self) -> String {
        if !self.violations.is_empty() {
            return format!("VIOLATED: {} violations", self.violations.len());
        }
        match (self.not_run, self.missing().as_slice()) {
            ([], []) => "passed".to_owned(),
            (not_run, missing) => format!(
                "nothing found, but not everything was tried: {}",
                [&missing.join(", "), &not_run.join(", ")].map(String::as_str).join("; ").trim_matches([';', ' '])
            ),
        }
    }

    /// As JSON.
    pub(crate) fn json(&self) -> Value {
        let door = |door: Door| {
            let tally = self.tally(door);
            let facts = json!({ "sent": tally.sent, "accepted": tally.accepted, "unknown": tally.unknown, "retried": tally.retried, "tries": tally.tries, "refusals": tally.refusals });
            (door.name().to_owned(), facts)
        };
        let fault = |fault: &Fault| {
            let cost = self.measured.costs.get(fault).cloned().unwrap_or_default();
            let facts = json!({ "what": fault.told(), "count": self.campaign.count(*fault), "resumed": cost.resumed.json(), "cleared": cost.cleared.json(), "meanwhile": cost.meanwhile.json() });
            (fault.name().to_owned(), facts)
        };
        let struck = |struck: &crate::strike::Struck| json!({ "fault": struck.fault.name(), "target": struck.target, "at_ms": struck.at_ms, "well_ms": struck.well_ms });
        json!({
            "seed": self.load.seed,
            "asked": { "events": self.load.events, "sessions": self.load.sessions, "seconds": self.load.time.as_secs() },
            "doors": Door::ALL.map(door).into_iter().collect::<serde_json::Map<_, _>>(),
            "ends": self.ends(),
            "effects": self.effects,
            "faults": self.kinds.iter().map(fault).collect::<serde_json::Map<_, _>>(),
            "struck": self.campaign.struck.iter().map(struck).collect::<Vec<_>>(),
            "latency": { "calm": self.measured.calm.json(), "hurt": self.measured.hurt.json() },
            "settled_ms": u64::try_from(self.settled_ms).unwrap_or(u64::MAX),
            "never_struck": self.missing(),
            "not_run": self.not_run,
            "oddities": self.oddities,
            "violations": self.violations.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "verdict": self.verdict(),
        })
    }

    /// To read.
    pub(crate) fn table(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        let Load { events, sessions, seed, time } = self.load;
        writeln!(text, "chaos: seed {seed}, {events} events over {sessions} sessions in {} s\n", time.as_secs())?;
        writeln!(text, "{:<6} {:>8} {:>9} {:>8} {:>8} {:>8}  refused", "door", "sent", "accepted", "unknown", "retried", "tries")?;
        for door in Door::ALL {
            let Tally { sent, accepted, unknown, retried, tries, refusals } = self.tally(door);
            let refused: Vec<String> = refusals.iter().map(|(why, count)| format!("{count} x {why}")).collect();
            writeln!(text, "{:<6} {sent:>8} {accepted:>9} {unknown:>8} {retried:>8} {tries:>8}  {}", door.name(), refused.join(", "))?;
        }
        let ends: Vec<String> = self.ends().iter().map(|(end, count)| format!("{count} {end}")).collect();
        let given_up = self.sent.iter().filter(|sent| matches!(sent.deed, Deed::Sour | Deed::Torn)).count();
        writeln!(text, "\nends: {} ({given_up} events cannot succeed); {} effects", ends.join(", "), self.effects)?;
        self.costs(&mut text)?;
        for (name, times) in [("calm", &self.measured.calm), ("under faults", &self.measured.hurt)] {
            let [p50, p99, max] = [50, 99, 100].map(|of| ms(times.percentile(of)));
            writeln!(text, "first try to commit, {name}: p50 {p50} ms, p99 {p99} ms, max {max} ms ({} events)", times.len())?;
        }
        writeln!(
            text,
            "settled {:.1} s after the last event",
            std::time::Duration::from_millis(u64::try_from(self.settled_ms).unwrap_or_default()).as_secs_f64()
        )?;
        for oddity in self.oddities {
            writeln!(text, "odd: {oddity}")?;
        }
        writeln!(text, "chaos: {}", self.verdict())?;
        Ok(text)
    }

    fn costs(&self, text: &mut String) -> std::fmt::Result {
        let cells =
            |times: &Times, of: &[usize]| of.iter().map(|of| format!("{:>7}", ms(times.percentile(*of)))).collect::<Vec<_>>().concat();
        writeln!(
            text,
            "\n{:<17} {:>5}  {:<28}  {:<14}  {:<21}",
            "ms after the fault", "times", "a session goes on", "all goes on", "events of meanwhile"
        )?;
        writeln!(
            text,
            "{:<17} {:>5}  {:>7}{:>7}{:>7}{:>7}  {:>7}{:>7}  {:>7}{:>7}{:>7}",
            "", "", "p50", "p90", "p99", "max", "p50", "max", "p50", "p99", "max"
        )?;
        for fault in self.kinds {
            let Cost { resumed, cleared, meanwhile } = self.measured.costs.get(fault).cloned().unwrap_or_default();
            let (name, count) = (fault.name(), self.campaign.count(*fault));
            if count == 0 {
                writeln!(text, "{name:<17} NEVER")?;
                continue;
            }
            let (resumed, cleared) = (cells(&resumed, &[50, 90, 99, 100]), cells(&cleared, &[50, 100]));
            writeln!(text, "{name:<17} {count:>5}  {resumed}  {cleared}  {}", cells(&meanwhile, &[50, 99, 100]))?;
        }
        writeln!(text)
    }
}
