//! One child process: its signals, and its end.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Command;

/// A log that is larger is begun anew at the next start.
const LOG_BYTES_MAX: u64 = 4 << 20;
/// How much of a log is read for the reason of an early end.
const SAID_BYTES_MAX: u64 = 64 * 1024;

/// A process that was started here. Dropping it kills the process.
#[derive(Debug)]
pub(super) struct Child {
    process: tokio::process::Child,
    /// Where in its log file its own words begin.
    log_start: u64,
}

impl Child {
    /// Starts a program whose output goes to a file.
    ///
    /// It gets a process group of its own: Ctrl-C in a terminal goes to the whole foreground group,
    /// and the servers must outlive those who still write to them.
    pub(super) fn spawn(program: &Path, arguments: &[String], environment: &[(String, String)], log: &Path) -> io::Result<Self> {
        let begin_anew = std::fs::metadata(log).is_ok_and(|file| file.len() > LOG_BYTES_MAX);
        if begin_anew {
            std::fs::remove_file(log)?;
        }
        let log = File::options().create(true).append(true).open(log)?;
        let log_start = log.metadata()?.len();
        let process = Command::new(program)
            .args(arguments)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        Ok(Self { process, log_start })
    }

    /// The process; none once its end was noticed.
    pub(super) fn pid(&self) -> Option<u32> {
        self.process.id()
    }

    /// Sends a signal. The id cannot be another's: it is not freed before its end was noticed here.
    pub(super) fn signal(&self, signal: Signal) -> io::Result<()> {
        let pid = self.pid().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?)).ok_or(io::ErrorKind::NotFound)?;
        Ok(kill_process(pid, signal)?)
    }

    /// Kills the process and waits until it is gone.
    pub(super) async fn kill(&mut self) -> io::Result<()> {
        self.process.kill().await
    }

    /// Asks the process to end, kills it if it does not in time, and waits until it is gone.
    pub(super) async fn stop(&mut self, deadline: Duration) -> io::Result<()> {
        if self.process.try_wait()?.is_some() {
            return Ok(());
        }
        self.signal(Signal::TERM)?;
        self.signal(Signal::CONT)?; // a frozen process takes no other signal
        match tokio::time::timeout(deadline, self.process.wait()).await {
            Ok(ended) => ended.map(drop),
            Err(_) => self.kill().await,
        }
    }

    /// Waits until the process ends.
    pub(super) async fn exited(&mut self) -> io::Result<ExitStatus> {
        self.process.wait().await
    }

    /// What it has logged, the first of it where that is much.
    pub(super) fn said(&self, log: &Path) -> io::Result<String> {
        let mut file = File::open(log)?;
        file.seek(SeekFrom::Start(self.log_start))?;
        let mut bytes = Vec::new();
        file.take(SAID_BYTES_MAX).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}
