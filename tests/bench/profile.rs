//! Where a process spends its time, by `perf record`.
//!
//! Release builds carry their symbols, so nothing has to be built for it. What is inlined counts as
//! its caller's, and the time of a system call as the kernel's, not as that of who made it.

pub(crate) mod area;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;

use anyhow::Context as _;
use tokio::process::{Child, Command};

/// How often a second perf looks; no multiple of anything that ticks.
const LOOKS_PER_SECOND: &str = "997";

/// A recording under way.
pub(crate) struct Recording {
    child: Child,
    file: String,
}

/// One symbol and its share of all samples.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) share: f64,
    pub(crate) library: String,
    pub(crate) symbol: String,
}

/// Whether there is a perf to look with.
pub(crate) fn is_possible() -> bool {
    std::process::Command::new("perf")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

impl Recording {
    /// Begins to look at the threads of a process, until it ends.
    pub(crate) fn start(pid: u32, folder: &Path) -> anyhow::Result<Self> {
        let file = folder.join(format!("perf-{pid}.data")).display().to_string();
        let mut command = Command::new("perf");
        command.args(["record", "--quiet", "--freq", LOOKS_PER_SECOND, "--output", &file, "--pid", &pid.to_string()]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        Ok(Self { child: command.spawn().context("perf cannot be run: install linux-perf")?, file })
    }

    /// What it saw; the process has ended.
    pub(crate) async fn samples(mut self) -> anyhow::Result<Vec<Sample>> {
        self.child.wait().await?;
        let mut command = Command::new("perf");
        command.args(["report", "--input", &self.file, "--stdio", "--no-children", "--sort", "dso,sym"]);
        command.args(["--fields", "overhead,dso,sym", "--field-separator", "|"]);
        let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await?;
        anyhow::ensure!(output.status.success(), "perf report: {}", String::from_utf8_lossy(&output.stderr));
        let samples: Vec<Sample> = String::from_utf8_lossy(&output.stdout).lines().filter_map(sample).collect();
        anyhow::ensure!(!samples.is_empty(), "perf saw nothing: is it allowed to look (kernel.perf_event_paranoid)?");
        Ok(samples)
    }
}

/// Reads one line of `perf report`.
fn sample(line: &str) -> Option<Sample> {
    let mut fields = line.splitn(3, '|').map(str::trim);
    let share = fields.next()?.strip_suffix('%')?.parse().ok()?;
    let library = fields.next()?.to_owned();
    let symbol = fields.next()?;
    let symbol = symbol.strip_prefix("[.] ").or_else(|| symbol.strip_prefix("[k] ")).unwrap_or(symbol).to_owned();
    Some(Sample { share, library, symbol })
}

/// The share of each area in percent, largest first.
pub(crate) fn areas(samples: &[Sample]) -> Vec<(String, f64)> {
    let mut shares: BTreeMap<String, f64> = BTreeMap::new();
    for sample in samples {
        *shares.entry(area::of(&sample.library, &sample.symbol)).or_default() += sample.share;
    }
    let mut shares: Vec<(String, f64)> = shares.into_iter().collect();
    shares.sort_by(|one, other| other.1.total_cmp(&one.1));
    shares
}
