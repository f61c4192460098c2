//! A program as a server: its pipes, and its end.
//!
//! It runs in a process group of its own, with no more environment than the operator lists. When
//! the connection ends, its input is closed; if it does not end within the grace it is asked to
//! (SIGTERM), and then the whole group is killed. When all this is dropped first, the group is
//! killed at once. Its standard error is read, so that it never blocks, and counted; what it says
//! there may be anything, so none of it is kept.

use std::process::Stdio;

use rmcp::RoleClient;
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use rmcp::transport::async_rw::AsyncRwTransport;
use rustix::process::{Pid, Signal, kill_process_group};
use secrecy::ExposeSecret as _;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::limit::{MESSAGE_BYTES_MAX, STDERR_CHUNK_BYTES, STOP_GRACE};
use crate::program::Program;

/// The pipes to a running program, and the program.
pub(crate) struct Pipes {
    lines: AsyncRwTransport<RoleClient, ChildStdout, ChildStdin>,
    running: Running,
}

/// A process group that ends with this value.
struct Running {
    child: Child,
    group: Option<Pid>,
}

impl Pipes {
    /// Starts a program.
    pub(crate) fn start(program: &Program, path: &str, tasks: &TaskTracker) -> std::io::Result<Self> {
        let mut command = Command::new(&program.command);
        command.args(&program.arguments).env_clear().env("PATH", path);
        command.envs(program.environment.iter().map(|(name, value)| (name, value.expose_secret())));
        command.current_dir(program.directory.as_deref().unwrap_or_else(|| std::path::Path::new("/")));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0).kill_on_drop(true);
        let mut child = command.spawn()?;
        let missing = || std::io::Error::other("a pipe is missing");
        let (output, input) = (child.stdout.take().ok_or_else(missing)?, child.stdin.take().ok_or_else(missing)?);
        if let Some(errors) = child.stderr.take() {
            // Ends with the program, or with the last that holds its standard error open.
            tasks.spawn(count(errors));
        }
        let group = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let lines = AsyncRwTransport::new_client(output, input).with_max_line_length(MESSAGE_BYTES_MAX);
        Ok(Self { lines, running: Running { child, group } })
    }
}

async fn count(mut errors: impl AsyncRead + Unpin) {
    let mut chunk = vec![0; STDERR_CHUNK_BYTES];
    let mut bytes = 0_u64;
    while let Ok(read @ 1..) = errors.read(&mut chunk).await {
        bytes = bytes.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
    }
    if bytes > 0 {
        tracing::debug!(stderr_bytes = bytes, "a program that served tools wrote to its standard error");
    }
}

impl Running {
    async fn stop(&mut self) {
        if timeout(STOP_GRACE, self.child.wait()).await.is_err() {
            self.signal(Signal::TERM);
            drop(timeout(STOP_GRACE, self.child.wait()).await);
        }
        self.kill();
    }

    /// Kills what is left of the group; the leader's id stays taken as long as one of it lives.
    fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.group = None;
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            // None of the group is left.
            kill_process_group(group, signal).unwrap_or_default();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Transport<RoleClient> for Pipes {
    type Error = std::io::Error;

    fn send(&mut self, message: TxJsonRpcMessage<RoleClient>) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        self.lines.send(message)
    }

    fn receive(&mut self) -> impl Future<Output = Option<RxJsonRpcMessage<RoleClient>>> + Send {
        self.lines.receive()
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        let closed = self.lines.close().await;
        self.running.stop().await;
        closed
    }
}
