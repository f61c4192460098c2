//! Workers and gateways, each a process of its own, with its log kept.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Mutex as Lock, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use cuepoint::server::free_port;
use rustix::process::{Pid, Signal, kill_process};
use tests::system::System;
use tokio::process::{Child, Command};
use tokio::sync::Mutex;

use crate::net::Net;

/// How many gateways there are.
pub(crate) const GATEWAYS: usize = 2;
/// How many workers there are; as processes they come first.
pub(crate) const WORKERS: usize = 3;
/// How long a gateway goes on after it was told to end.
const DRAIN_DELAY: &str = "1s";
/// How long an end that was asked for may take: the drain deadline, and what comes after it.
const END_WITHIN: Duration = Duration::from_secs(40);
/// How long a gateway may take until it is ready, whatever else is hurt.
const READY_WITHIN: Duration = Duration::from_mins(1);
/// The pause between two looks at it.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// One place in the fleet, in which one process follows another.
struct Slot {
    name: String,
    port: Option<u16>,
    program: PathBuf,
    flags: Vec<String>,
    log: PathBuf,
    level: String,
    child: Option<Child>,
}

/// All of them. Dropping it kills them.
pub(crate) struct Fleet {
    slots: Vec<Mutex<Slot>>,
    ports: Vec<u16>,
    oddities: Lock<Vec<String>>,
    crashes: Lock<Vec<String>>,
}

impl Fleet {
    /// Starts all of them; their logs go into a directory.
    pub(crate) async fn start(programs: &Path, system: &System, net: &Net, logs: (&Path, &str)) -> anyhow::Result<Self> {
        let file = |name: &str| system.scratch.path().join(name).display().to_string();
        let mut fleet = Self { slots: Vec::new(), ports: Vec::new(), oddities: Lock::default(), crashes: Lock::default() };
        for process in 0..WORKERS + GATEWAYS {
            let servers = ["--nats".to_owned(), net.nats_url(process), "--redis".to_owned(), net.redis_url(process)];
            let key = ["--deployment-key-file".to_owned(), file("key")];
            let is_worker = process < WORKERS;
            let port = if is_worker { None } else { Some(free_port()?) };
            let (kind, number, more) = match port {
                None => ("worker", process, vec!["--egress-allow".to_owned(), "127.0.0.1".to_owned()]),
                Some(port) => {
                    fleet.ports.push(port);
                    let flags = ["--http", &format!("127.0.0.1:{port}"), "--drain-delay", DRAIN_DELAY, "--api-token-file", &file("token")];
                    ("gateway", process - WORKERS, flags.map(str::to_owned).to_vec())
                }
            };
            let name = format!("{kind}-{number}");
            let log = logs.0.join(format!("{name}.log"));
            let flags = [&servers[..], &key[..], &more[..]].concat();
            let mut slot = Slot { name, port, program: programs.join(kind), flags, log, level: logs.1.to_owned(), child: None };
            slot.start()?;
            fleet.slots.push(Mutex::new(slot));
        }
        for process in WORKERS..WORKERS + GATEWAYS {
            fleet.ready(process).await?;
        }
        Ok(fleet)
    }

    /// Where the gateways serve.
    pub(crate) fn ports(&self) -> &[u16] {
        &self.ports
    }

    fn slot(&self, process: usize) -> anyhow::Result<&Mutex<Slot>> {
        self.slots.get(process).context("such a process")
    }

    /// Its name.
    pub(crate) async fn name(&self, process: usize) -> anyhow::Result<String> {
        Ok(self.slot(process)?.lock().await.name.clone())
    }

    /// Kills one (SIGKILL) and waits until it is gone.
    pub(crate) async fn kill(&self, process: usize) -> anyhow::Result<()> {
        let mut slot = self.slot(process)?.lock().await;
        let mut child = slot.child.take().context("a process that runs")?;
        Ok(child.kill().await?)
    }

    /// Starts one again.
    pub(crate) async fn revive(&self, process: usize) -> anyhow::Result<()> {
        self.slot(process)?.lock().await.start()
    }

    /// Stops one in its tracks (SIGSTOP), or lets it go on.
    pub(crate) async fn signal(&self, process: usize, signal: Signal) -> anyhow::Result<()> {
        self.slot(process)?.lock().await.signal(signal)
    }

    /// Asks one to end (SIGTERM) and waits until it has, and starts its successor. An end that is not clean is noted.
    pub(crate) async fn roll(&self, process: usize) -> anyhow::Result<()> {
        let mut slot = self.slot(process)?.lock().await;
        slot.signal(Signal::TERM)?;
        let child = slot.child.take().context("a process that runs")?;
        self.end(&slot.name, child).await?;
        slot.start()
    }

    async fn end(&self, name: &str, mut child: Child) -> anyhow::Result<()> {
        if let Ok(status) = tokio::time::timeout(END_WITHIN, child.wait()).await {
            let status = status?;
            if !status.success() {
                self.note(format!("{name} ended with {status} after SIGTERM"));
            }
            return Ok(());
        }
        self.note(format!("{name} did not end within {END_WITHIN:?} of SIGTERM"));
        Ok(child.kill().await?)
    }

    fn note(&self, oddity: String) {
        tracing::warn!("{oddity}");
        self.oddities.lock().unwrap_or_else(PoisonError::into_inner).push(oddity);
    }

    /// Ends that nobody asked for.
    pub(crate) fn crashes(&self) -> Vec<String> {
        self.crashes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends that were asked for and not clean: what a process could not give back is left to run out.
    pub(crate) fn oddities(&self) -> Vec<String> {
        self.oddities.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes whoever ended without having been asked to, and starts it again, as an orchestrator does.
    pub(crate) fn watch(&self) -> anyhow::Result<()> {
        for slot in &self.slots {
            // One that is being hurt is left to whoever hurts it.
            let Ok(mut slot) = slot.try_lock() else { continue };
            let Some(child) = &mut slot.child else { continue };
            if let Some(status) = child.try_wait()? {
                let crash = format!("{} ended by itself with {status}", slot.name);
                tracing::error!("{crash}");
                self.crashes.lock().unwrap_or_else(PoisonError::into_inner).push(crash);
                slot.start()?;
            }
        }
        Ok(())
    }

    /// Waits until a gateway takes events.
    pub(crate) async fn ready(&self, process: usize) -> anyhow::Result<()> {
        let port = self.slot(process)?.lock().await.port.context("a gateway")?;
        let url = format!("http://127.0.0.1:{port}/readyz");
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(2)).build()?;
        let ready = async {
            while !http.get(&url).send().await.is_ok_and(|answer| answer.status() == 200) {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        tokio::time::timeout(READY_WITHIN, ready)
            .await
            .with_context(|| format!("the gateway at {port} is not ready within {READY_WITHIN:?}"))
    }

    /// Ends all of them in order; an end that is not clean is noted.
    pub(crate) async fn stop(&self) -> anyhow::Result<()> {
        for slot in &self.slots {
            let mut slot = slot.lock().await;
            if slot.child.is_none() {
                continue;
            }
            slot.signal(Signal::TERM)?;
            if let Some(child) = slot.child.take() {
                self.end(&slot.name, child).await?;
            }
        }
        Ok(())
    }
}

impl Slot {
    fn start(&mut self) -> anyhow::Result<()> {
        let log = File::options().create(true).append(true).open(&self.log)?;
        let mut command = Command::new(&self.program);
        // A group of its own: Ctrl-C is for whoever hurts, who ends the others.
        command.args(&self.flags).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0).kill_on_drop(true);
        let child = command.env("CUEPOINT_LOG", &self.level).spawn();
        self.child = Some(child.with_context(|| format!("{} cannot be started", self.program.display()))?);
        Ok(())
    }

    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let pid = self.child.as_ref().and_then(Child::id).and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        Ok(kill_process(pid.with_context(|| format!("{} does not run", self.name))?, signal)?)
    }
}
