//! The processes that are replaced.

use std::fmt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use cuepoint::server::free_port;
use rustix::process::{Pid, Signal, kill_process};
use tests::eventually::eventually;
use tests::system::System;
use tokio::process::{Child, Command};

/// How many gateways there are.
const GATEWAYS: usize = 2;
/// How many workers there are.
const WORKERS: usize = 3;
/// How long a gateway goes on after it was told to end: the load balancer takes half a second to notice.
const DRAIN_DELAY: &str = "2s";
/// How long a clean end may take.
const END_WITHIN: Duration = Duration::from_secs(30);
/// How long a process may take until it is ready.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// How long the load balancer may take to notice that one is ready.
const NOTICE: Duration = Duration::from_secs(1);

/// What is replaced in one step.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// A gateway.
    Gateway(usize),
    /// A worker.
    Worker(usize),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gateway(number) => write!(f, "gateway {number}"),
            Self::Worker(number) => write!(f, "worker {number}"),
        }
    }
}

/// All gateways and workers. Dropping it kills them.
pub(crate) struct Fleet {
    servers: Vec<String>,
    files: [(&'static str, String); 2],
    gateways: Vec<(u16, Child)>,
    workers: Vec<Child>,
}

impl Fleet {
    /// Starts all of them from one directory.
    pub(crate) async fn start(directory: &Path, system: &System) -> anyhow::Result<Self> {
        let file = |name: &str| system.scratch.path().join(name).display().to_string();
        let files = [("--deployment-key-file", file("key")), ("--api-token-file", file("token"))];
        let mut fleet = Self { servers: system.servers_told("worker"), files, gateways: Vec::new(), workers: Vec::new() };
        for _ in 0..GATEWAYS {
            let port = free_port()?;
            let child = fleet.gateway(directory, port)?;
            fleet.gateways.push((port, child));
            ready(port).await;
        }
        for _ in 0..WORKERS {
            let child = fleet.worker(directory)?;
            fleet.workers.push(child);
        }
        Ok(fleet)
    }

    /// Where the gateways serve.
    pub(crate) fn ports(&self) -> Vec<u16> {
        self.gateways.iter().map(|(port, _)| *port).collect()
    }

    /// Every one of them once, of both kinds in turn.
    pub(crate) fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        for number in 0..self.workers.len().max(self.gateways.len()) {
            steps.extend((number < self.workers.len()).then_some(Step::Worker(number)));
            steps.extend((number < self.gateways.len()).then_some(Step::Gateway(number)));
        }
        steps
    }

    /// Replaces one by the build in a directory; a worker's successor works before it ends.
    pub(crate) async fn replace(&mut self, step: Step, directory: &Path) -> anyhow::Result<()> {
        match step {
            Step::Gateway(number) => {
                let (port, child) = self.gateways.get_mut(number).context("such a gateway")?;
                let port = *port;
                ended(child).await?;
                let child = self.gateway(directory, port)?;
                if let Some(slot) = self.gateways.get_mut(number) {
                    *slot = (port, child);
                }
                ready(port).await;
                // Only then may the other one go.
                tokio::time::sleep(NOTICE).await;
            }
            Step::Worker(number) => {
                let next = self.worker(directory)?;
                let before = std::mem::replace(self.workers.get_mut(number).context("such a worker")?, next);
                let mut before = before;
                ended(&mut before).await?;
            }
        }
        Ok(())
    }

    /// Ends all of them in order.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        for child in self.gateways.iter_mut().map(|(_, child)| child).chain(&mut self.workers) {
            ended(child).await?;
        }
        Ok(())
    }

    fn gateway(&self, directory: &Path, port: u16) -> anyhow::Result<Child> {
        let mut flags = vec!["--http".to_owned(), format!("127.0.0.1:{port}"), "--drain-delay".to_owned(), DRAIN_DELAY.to_owned()];
        flags.extend(self.files.iter().flat_map(|(flag, file)| [(*flag).to_owned(), file.clone()]));
        self.spawn(&directory.join("gateway"), &flags)
    }

    fn worker(&self, directory: &Path) -> anyhow::Result<Child> {
        let key = self.files.first().map(|(flag, file)| [(*flag).to_owned(), file.clone()]).unwrap_or_default();
        self.spawn(&directory.join("worker"), &key)
    }

    fn spawn(&self, program: &Path, flags: &[String]) -> anyhow::Result<Child> {
        let mut command = Command::new(program);
        command.args(&self.servers).args(flags).stdin(Stdio::null()).stdout(Stdio::null()).process_group(0).kill_on_drop(true);
        command.env("CUEPOINT_LOG", "warn").spawn().with_context(|| format!("{} cannot be started", program.display()))
    }
}

/// Tells a process to end, and waits until it has, in order.
async fn ended(child: &mut Child) -> anyhow::Result<()> {
    let pid = child.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?)).context("a process that runs")?;
    kill_process(pid, Signal::TERM)?;
    let status = tokio::time::timeout(END_WITHIN, child.wait()).await.context("a process does not end")??;
    ensure!(status.success(), "a process ended with {status}");
    Ok(())
}

async fn ready(port: u16) {
    let url = format!("http://127.0.0.1:{port}/readyz");
    let is_ready = async || reqwest::get(&url).await.ok().filter(|answer| answer.status() == 200);
    eventually("a gateway is ready", READY_WITHIN, is_ready).await;
}
