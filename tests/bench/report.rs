//! The table and the files.
//!
//! Each part has a file of its own, `target/bench/<part>.json`, written as soon as the part has ended:
//! what it measured, by which command, on which machine, of which commit. `tests/docs/benchmarks.py`
//! makes the tables of `docs/benchmarks.md` of these files.

use std::path::Path;

use serde::Serialize;

use crate::machine::Machine;
use crate::plan::Plan;

/// Where the files go.
const FOLDER: &str = "target/bench";

/// One figure.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figure {
    name: String,
    value: f64,
    unit: String,
    /// What it is compared with; none for an absolute figure.
    against: Option<f64>,
    ratio: Option<f64>,
    bar: Option<String>,
    /// None where nothing is asked of it.
    pass: Option<bool>,
}

/// What is asked of a ratio or value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bar {
    AtLeast(f64),
    AtMost(f64),
}

impl Bar {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::AtLeast(least) => value >= least,
            Self::AtMost(most) => value <= most,
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtLeast(least) => format!(">= {least}"),
            Self::AtMost(most) => format!("<= {most}"),
        }
    }
}

/// What one part came to.
#[derive(Debug, Serialize)]
struct Chapter<'a> {
    part: &'a str,
    command: String,
    rounds: usize,
    quick: bool,
    took_s: f64,
    machine: &'a Machine,
    figures: &'a [Figure],
}

/// All figures of a run.
#[derive(Debug, Default)]
pub(crate) struct Report {
    figures: Vec<Figure>,
    /// How many of them stand in files of parts already.
    written: usize,
}

impl Report {
    /// A figure and what it is against: the ratio counts.
    pub(crate) fn ratio(&mut self, name: &str, unit: &str, (value, against): (f64, f64), bar: Bar) {
        let ratio = value / against;
        self.push(Figure {
            name: name.to_owned(),
            value,
            unit: unit.to_owned(),
            against: Some(against),
            ratio: Some(ratio),
            bar: Some(bar.text()),
            pass: Some(bar.holds(ratio)),
        });
    }

    /// A count that must hold on any machine.
    pub(crate) fn count(&mut self, name: &str, value: f64, bar: Bar) {
        let (unit, bar, pass) = (String::new(), Some(bar.text()), Some(bar.holds(value)));
        self.push(Figure { name: name.to_owned(), value, unit, against: None, ratio: None, bar, pass });
    }

    /// An absolute figure: a goal on a quiet machine, which gates nothing.
    pub(crate) fn goal(&mut self, name: &str, unit: &str, value: f64, bar: Bar) {
        let bar = Some(format!("goal {}", bar.text()));
        self.push(Figure { name: name.to_owned(), value, unit: unit.to_owned(), against: None, ratio: None, bar, pass: None });
    }

    /// A figure beside the same of the bare pair, of which nothing is asked.
    pub(crate) fn beside(&mut self, name: &str, unit: &str, (value, against): (f64, f64)) {
        let (against, ratio) = (Some(against), Some(value / against));
        self.push(Figure { name: name.to_owned(), value, unit: unit.to_owned(), against, ratio, bar: None, pass: None });
    }

    /// A figure that is only shown.
    pub(crate) fn show(&mut self, name: &str, unit: &str, value: f64) {
        self.push(Figure { name: name.to_owned(), value, unit: unit.to_owned(), against: None, ratio: None, bar: None, pass: None });
    }

    fn push(&mut self, figure: Figure) {
        let number = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.2}"));
        let verdict = match figure.pass {
            Some(true) => "pass",
            Some(false) => "FAIL",
            None => "",
        };
        println!(
            "{:<64} {:>12.2} {:<8} {:>12} {:>7} {:<14} {verdict}",
            figure.name,
            figure.value,
            figure.unit,
            number(figure.against),
            number(figure.ratio),
            figure.bar.as_deref().unwrap_or_default(),
        );
        self.figures.push(figure);
    }

    /// Whether no bar was missed.
    pub(crate) fn is_passed(&self) -> bool {
        self.figures.iter().all(|figure| figure.pass != Some(false))
    }

    /// Writes the file of a part: the figures since the last one.
    pub(crate) fn close(&mut self, part: &str, plan: Plan, took_s: f64, machine: &Machine) -> anyhow::Result<()> {
        let figures = self.figures.get(self.written..).unwrap_or_default();
        let quick = if plan.is_quick { " --quick" } else { "" };
        let command = format!("make bench ARGS=\"--part {part} --rounds {}{quick}\"", plan.rounds);
        let chapter = Chapter { part, command, rounds: plan.rounds, quick: plan.is_quick, took_s, machine, figures };
        std::fs::create_dir_all(FOLDER)?;
        std::fs::write(Path::new(FOLDER).join(format!("{part}.json")), serde_json::to_vec_pretty(&chapter)?)?;
        self.written = self.figures.len();
        Ok(())
    }

    /// Writes `target/bench/latest.json`: all figures of this run.
    pub(crate) fn write(&self) -> anyhow::Result<()> {
        std::fs::create_dir_all(FOLDER)?;
        std::fs::write(Path::new(FOLDER).join("latest.json"), serde_json::to_vec_pretty(&self.figures)?)?;
        let missed = self.figures.iter().filter(|figure| figure.pass == Some(false)).count();
        println!("{} figures, {missed} bars missed; see {FOLDER}/latest.json", self.figures.len());
        Ok(())
    }
}

/// The middle of some values.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The value below which a share of the values lies.
pub(crate) fn percentile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "an index")]
    let index = ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
    sorted.get(index).copied().unwrap_or(f64::NAN)
}
