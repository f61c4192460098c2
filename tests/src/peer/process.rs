//! A program that runs, with what it prints.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use cuepoint::server::free_port;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};

use crate::eventually::eventually;
use crate::scratch::Scratch;

/// How long a program may take until it says that it listens: Node and Python load slowly on a busy machine.
const READY_WITHIN: Duration = Duration::from_secs(40);
/// How many free ports are tried: another process may take one between the look and the bind.
const PORTS_MAX: usize = 8;
/// How much of the output of a program is printed when the test fails, in bytes.
const OUTPUT_BYTES_MAX: usize = 64 * 1024;

/// A running program. Dropping it kills its process group.
#[derive(Debug)]
pub(super) struct Process {
    name: &'static str,
    child: Child,
    output: PathBuf,
    /// Its directory. The last field, so that it is removed after the rest.
    scratch: Scratch,
}

/// How far a start has come.
enum Started {
    Ready,
    Ended(ExitStatus),
}

impl Process {
    /// Starts a program.
    pub(super) fn start(name: &'static str, mut command: Command, scratch: Scratch) -> Self {
        let output = scratch.path().join("output");
        let printed = File::create(&output).expect("a file for the output can be made");
        command.stdin(Stdio::null()).stdout(printed.try_clone().expect("a file can be shared")).stderr(printed);
        let child = command.process_group(0).kill_on_drop(true).spawn().unwrap_or_else(|error| panic!("{name} cannot be run: {error}"));
        Self { name, child, output, scratch }
    }

    /// Starts a server on a free port, and waits until it says that it listens.
    ///
    /// `says` is what it prints after its bind has succeeded, so that nobody else's port is taken for its own.
    pub(super) async fn serve(name: &'static str, says: &str, command: impl Fn(u16, &Path) -> Command) -> (Self, u16) {
        for _ in 0..PORTS_MAX {
            let port = free_port().expect("there is a free port");
            let scratch = Scratch::new();
            let command = command(port, scratch.path());
            let mut process = Self::start(name, command, scratch);
            match process.started(says).await {
                Started::Ready => return (process, port),
                Started::Ended(_) if process.printed().to_lowercase().contains("in use") => {}
                Started::Ended(status) => panic!("{name} ended at once with {status}"),
            }
        }
        panic!("{name}: {PORTS_MAX} ports were free and then taken");
    }

    async fn started(&mut self, says: &str) -> Started {
        let what = format!("{} prints {says:?}", self.name);
        eventually(&what, READY_WITHIN, async || match self.child.try_wait().expect("a child can be looked at") {
            Some(status) => Some(Started::Ended(status)),
            None => self.printed().contains(says).then_some(Started::Ready),
        })
        .await
    }

    /// Waits until it ends by itself.
    pub(super) async fn ended(&mut self, within: Duration) -> ExitStatus {
        let ended = tokio::time::timeout(within, self.child.wait()).await;
        ended.unwrap_or_else(|_| panic!("{} still runs after {within:?}", self.name)).expect("a child can be waited for")
    }

    /// Whether it has ended by itself.
    pub(super) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child can be looked at").is_some()
    }

    /// All that it has printed.
    pub(super) fn printed(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.output).unwrap_or_default()).into_owned()
    }

    /// Its directory.
    pub(super) fn directory(&self) -> &Path {
        self.scratch.path()
    }
}

impl Drop for Process {
    #[expect(clippy::print_stderr, reason = "the test runner shows it with the failed test")]
    fn drop(&mut self) {
        // A child without an id has been waited for, and its number may be another's.
        let group = self.child.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        let killed = group.map_or(Ok(()), |group| kill_process_group(group, Signal::KILL));
        if let Err(error) = killed {
            eprintln!("{} cannot be killed: {error}", self.name);
        }
        if std::thread::panicking() {
            let printed = self.printed();
            let start = printed.ceil_char_boundary(printed.len().saturating_sub(OUTPUT_BYTES_MAX));
            eprintln!("--- what {} printed:\n{}\n---", self.name, printed.get(start..).unwrap_or_default());
        }
    }
}
