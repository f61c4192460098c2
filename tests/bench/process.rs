//! Processes under measurement: started, read from `/proc`, ended.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::Context as _;
use tokio::process::{Child, Command};

/// Clock ticks a second in `/proc/<pid>/stat`; fixed at 100 on Linux.
const TICKS: f64 = 100.0;

/// A process of this benchmark; dropping it kills it.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    pid: u32,
}

/// A binary that lies beside this one.
fn sibling(name: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    anyhow::ensure!(path.exists(), "{} is missing: build the workspace with --release", path.display());
    Ok(path)
}

impl Process {
    /// Starts a binary of the workspace.
    pub(crate) fn start(name: &str, arguments: &[impl AsRef<OsStr>]) -> anyhow::Result<Self> {
        let mut command = Command::new(sibling(name)?);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
        command.env("CUEPOINT_LOG", "error");
        // What a process tells, it tells each second: a measurement is no longer than a few.
        command.envs([("OTEL_METRIC_EXPORT_INTERVAL", "1000"), ("OTEL_BSP_SCHEDULE_DELAY", "1000"), ("OTEL_BLRP_SCHEDULE_DELAY", "1000")]);
        let child = command.spawn().context("cannot start a process")?;
        let pid = child.id().context("a process has an id")?;
        Ok(Self { child, pid })
    }

    /// Its id.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Kills it (SIGKILL).
    pub(crate) async fn kill(mut self) -> anyhow::Result<()> {
        Ok(self.child.kill().await?)
    }
}

/// CPU seconds a process has used.
pub(crate) fn cpu_s(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / TICKS
}

/// Resident memory of a process in MiB.
pub(crate) fn memory_mib(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").trim().parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}
