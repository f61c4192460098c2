//! A worker or a gateway, here or in a process of its own.

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use futures_util::future::BoxFuture;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

/// How long a process may take until it says its name.
const NAME_DEADLINE: Duration = Duration::from_secs(20);
/// How long a clean stop may take.
const STOP_DEADLINE: Duration = Duration::from_secs(30);

enum Life {
    Here { shutdown: CancellationToken, ended: BoxFuture<'static, Result<(), String>> },
    Child(Child),
    Ended,
}

/// A worker or a gateway. Dropping it ends it.
pub struct Node {
    /// The worker's id, or the gateway's address.
    pub name: String,
    life: Life,
    pub(crate) was_killed: bool,
    /// Whether it may have renewed a lease that it then had to let run out.
    pub(crate) was_frozen: bool,
}

impl Node {
    /// A node of this process.
    pub(crate) fn here(name: String, shutdown: CancellationToken, ended: BoxFuture<'static, Result<(), String>>) -> Self {
        Self { name, life: Life::Here { shutdown, ended }, was_killed: false, was_frozen: false }
    }

    /// Starts a process, and waits until it says its name.
    pub(crate) async fn child(program: &Path, arguments: &[String]) -> Self {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0).kill_on_drop(true);
        let mut child = command.spawn().expect("the node's program can be run");
        let mut lines = BufReader::new(child.stdout.take().expect("the output is piped")).lines();
        let name = tokio::time::timeout(NAME_DEADLINE, lines.next_line()).await.expect("the node says its name in time");
        let name = name.ok().flatten().unwrap_or_else(|| panic!("the node {arguments:?} ended before it said its name"));
        Self { name, life: Life::Child(child), was_killed: false, was_frozen: false }
    }

    fn signal(&self, signal: Signal) {
        let Life::Child(child) = &self.life else { panic!("{} is no process that runs", self.name) };
        let pid = child.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?)).expect("the process has not been waited for");
        kill_process(pid, signal).expect("a signal can be sent to a child");
    }

    /// How much memory the process has, in bytes.
    pub fn memory_bytes(&self) -> u64 {
        let Life::Child(child) = &self.life else { panic!("{} is no process that runs", self.name) };
        let pid = child.id().expect("the process has not been waited for");
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a process tells its status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the memory stands in it");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
    }

    /// Stops the process in its tracks (SIGSTOP).
    pub fn freeze(&mut self) {
        self.was_frozen = true;
        self.signal(Signal::STOP);
    }

    /// Lets it go on (SIGCONT).
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Asks it to end (SIGTERM).
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Has it read its files again (SIGHUP).
    pub fn hang_up(&self) {
        self.signal(Signal::HUP);
    }

    /// Kills the process (SIGKILL) and waits until it is gone.
    pub async fn kill(&mut self) {
        let Life::Child(child) = &mut self.life else { panic!("{} is no process that runs", self.name) };
        child.kill().await.expect("a child can be killed");
        self.life = Life::Ended;
        self.was_killed = true;
    }

    /// Says that it could not give everything back, so that what it had in Redis may have to run out.
    pub fn expect_leftovers(&mut self) {
        self.was_killed = true;
    }

    /// Waits until the process ends.
    pub async fn exited(&mut self) -> ExitStatus {
        let Life::Child(child) = &mut self.life else { panic!("{} is no process that runs", self.name) };
        let status = tokio::time::timeout(STOP_DEADLINE, child.wait()).await.expect("the process ends in time");
        self.life = Life::Ended;
        status.expect("a child can be waited for")
    }

    /// Whether it has ended by itself, without having been asked to; it is not waited for.
    pub fn has_died(&mut self) -> bool {
        let Life::Child(child) = &mut self.life else { return false };
        let is_gone = child.try_wait().is_ok_and(|status| status.is_some());
        if is_gone {
            self.life = Life::Ended;
            self.was_killed = true;
        }
        is_gone
    }

    /// Whether it runs, as far as is known.
    pub fn is_running(&self) -> bool {
        !matches!(self.life, Life::Ended)
    }

    /// Stops it cleanly; fails the test where it does not end well.
    pub async fn stop(&mut self) {
        match std::mem::replace(&mut self.life, Life::Ended) {
            Life::Ended => {}
            Life::Here { shutdown, ended } => {
                shutdown.cancel();
                let ended = tokio::time::timeout(STOP_DEADLINE, ended).await;
                ended.unwrap_or_else(|_| panic!("{} does not stop", self.name)).unwrap_or_else(|error| panic!("{}: {error}", self.name));
            }
            child @ Life::Child(_) => {
                self.life = child;
                self.terminate();
                self.thaw();
                let status = self.exited().await;
                assert!(status.success(), "{} ended with {status}", self.name);
            }
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Life::Here { shutdown, .. } = &self.life {
            shutdown.cancel();
        }
    }
}
