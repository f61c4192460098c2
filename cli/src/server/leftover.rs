//! A server that outlived its starter.
//!
//! After `kill -9` nobody stops the children. Each start notes its process in the data directory,
//! and the next start stops it. A process id alone would not do, for ids are given out again: with
//! the boot and the start time it names one process for ever, so no other can be hit.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

/// How long a leftover may take to end before it is killed.
const STOP_DEADLINE: Duration = Duration::from_secs(5);
/// How often it is looked at meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Names one process for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    pid: u32,
    /// When it started, in clock ticks since the boot.
    started: u64,
    /// Which boot.
    boot: String,
}

impl Note {
    /// The process that has this id now; none where there is no such process or no /proc.
    fn of(pid: u32) -> Option<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        Some(Self { pid, started: start_time(&stat)?, boot: boot.trim().to_owned() })
    }

    fn is_running(&self) -> bool {
        Self::of(self.pid).as_ref() == Some(self)
    }
}

/// The start time in the text of /proc/PID/stat; none for a process that has ended and waits to be collected.
///
/// It is field 22. Field 2 is the program's name in parentheses, which may itself hold spaces and
/// parentheses, so counting begins after the last one.
fn start_time(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let is_dead = matches!(fields.next()?, "Z" | "X");
    let started = fields.nth(18)?.parse().ok()?;
    (!is_dead).then_some(started)
}

fn path(data: &Path) -> PathBuf {
    data.join("process.json")
}

/// Notes a process that has just been started.
pub(super) fn note(data: &Path, pid: u32) -> io::Result<()> {
    match Note::of(pid) {
        Some(note) => std::fs::write(path(data), serde_json::to_vec(&note)?),
        None => Ok(()),
    }
}

/// Removes the note of a process that was stopped; one that stays does no harm.
pub(super) fn forget(data: &Path) {
    drop(std::fs::remove_file(path(data)));
}

/// Stops the process that is noted, if it still runs.
pub(super) async fn stop(data: &Path) -> io::Result<()> {
    let Some(note) = std::fs::read(path(data)).ok().and_then(|bytes| serde_json::from_slice::<Note>(&bytes).ok()) else {
        return Ok(());
    };
    let Some(pid) = i32::try_from(note.pid).ok().and_then(Pid::from_raw).filter(|_| note.is_running()) else {
        return Ok(());
    };
    let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else { return Ok(()) };
    // The descriptor holds on to one process: looking again settles that it is the noted one.
    if !note.is_running() {
        return Ok(());
    }
    tracing::warn!(process.pid = note.pid, data = %data.display(), "stopping a server that an earlier run left behind");
    for signal in [Signal::TERM, Signal::CONT] {
        match pidfd_send_signal(&process, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(error) => return Err(error.into()),
        }
    }
    if tokio::time::timeout(STOP_DEADLINE, ended(&note)).await.is_err() {
        pidfd_send_signal(&process, Signal::KILL)?;
        tokio::time::timeout(STOP_DEADLINE, ended(&note)).await?;
    }
    Ok(())
}

async fn ended(note: &Note) {
    while note.is_running() {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::{Note, start_time};

    #[test]
    fn the_start_time_is_found_behind_any_program_name() {
        let fields = "S 1 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 9 0 8675309 1 2 3";
        assert_eq!(start_time(&format!("42 (nats-server) {fields}")), Some(8_675_309));
        assert_eq!(start_time(&format!("42 (a) b (c) {fields}")), Some(8_675_309));
        assert_eq!(start_time(&format!("42 (x) {}", fields.replacen('S', "Z", 1))), None);
        assert_eq!(start_time("42 (x) S 1"), None);
        assert_eq!(start_time(""), None);
    }

    #[test]
    fn a_process_is_known_by_more_than_its_id() {
        let own = Note::of(std::process::id()).unwrap();
        assert!(own.is_running());
        assert!(!Note { started: own.started + 1, ..own.clone() }.is_running());
        assert!(!Note { boot: "another".into(), ..own }.is_running());
    }
}
