//! An MCP server with one of everything, over HTTP or standard streams.
//!
//! It is `@modelcontextprotocol/server-everything`, by the TypeScript SDK. Over HTTP it keeps sessions,
//! and answers as streams of events.

use std::time::Duration;

use super::command_line::CommandLine;
use super::process::Process;
use crate::call;
use crate::eventually::eventually;

/// Its name among the npm programs.
const PROGRAM: &str = "mcp-server-everything";
/// What it prints when it is asked for something without a session.
const REQUESTED: &str = "Received MCP GET request";
/// How long it may take to answer or to end.
const READY_WITHIN: Duration = Duration::from_secs(10);
/// How often it is started: another process may take a port between the look and the bind.
const STARTS_MAX: usize = 8;

/// What starts one that talks over its standard streams.
pub fn stdio() -> CommandLine {
    CommandLine::npm(PROGRAM).with(["stdio"])
}

/// A running server over HTTP.
#[derive(Debug)]
pub struct Everything {
    port: u16,
    process: Process,
}

impl Everything {
    /// Starts one.
    pub async fn start() -> Self {
        for _ in 0..STARTS_MAX {
            let (mut process, port) = Process::serve("server-everything", "listening on port", |port, _| {
                let mut command = CommandLine::npm(PROGRAM).with(["streamableHttp"]).command();
                command.env("PORT", port.to_string());
                command
            })
            .await;
            if Self::is_served(&mut process, port).await {
                return Self { port, process };
            }
        }
        panic!("server-everything: {STARTS_MAX} ports were free and then taken");
    }

    /// Whether a request reaches this server: it says that it listens where the port is another's, too, and then ends.
    async fn is_served(process: &mut Process, port: u16) -> bool {
        drop(call::client().get(format!("http://127.0.0.1:{port}/mcp")).send().await);
        let tell = async || if process.has_ended() { Some(false) } else { process.printed().contains(REQUESTED).then_some(true) };
        eventually("server-everything serves or ends", READY_WITHIN, tell).await
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address of its endpoint.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/mcp", self.port)
    }

    /// All that it has printed: a line for each request, and for each session that begins or is ended.
    pub fn printed(&self) -> String {
        self.process.printed()
    }
}
