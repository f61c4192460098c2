//! What is measured on: without it no absolute figure means anything.

use std::process::Command;

use serde::Serialize;

/// The machine, the versions, the day and the commit.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    processor: String,
    cores: usize,
    memory_gib: f64,
    kernel: String,
    nats: String,
    redis: String,
    commit: String,
    /// Whether files differ from the commit.
    is_changed: bool,
    date: String,
    /// How many threads wanted a core in the minute before: above 0.5 somebody else was at work.
    load_before: f64,
}

impl Machine {
    /// Looks around.
    pub(crate) fn look() -> Self {
        let line = |file: &str, name: &str| {
            let text = std::fs::read_to_string(file).unwrap_or_default();
            let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
            line.split_once(':').map_or_else(String::new, |(_, value)| value.trim().to_owned())
        };
        let kib = line("/proc/meminfo", "MemTotal").trim_end_matches(" kB").parse::<f64>().unwrap_or(0.0);
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        Self {
            processor: line("/proc/cpuinfo", "model name"),
            cores: std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
            memory_gib: (kib / 1024.0 / 1024.0).round(),
            kernel: said("uname", &["-sr"]),
            nats: said("nats-server", &["--version"]),
            redis: said("redis-server", &["--version"]).split(" sha=").next().unwrap_or_default().to_owned(),
            commit: said("git", &["rev-parse", "--short=10", "HEAD"]),
            is_changed: !said("git", &["status", "--porcelain", "--untracked-files=no"]).is_empty(),
            date: said("date", &["-u", "+%Y-%m-%d"]),
            load_before: load.split_whitespace().next().and_then(|text| text.parse().ok()).unwrap_or(0.0),
        }
    }
}

/// What a program says; nothing where it is not there.
fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map_or_else(|_| String::new(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
