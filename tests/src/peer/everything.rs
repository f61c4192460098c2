//! An MCP server with one of everything, over HTTP or standard streams.
//!
//! It is `@modelcontextprotocol/server-everything`, by the TypeScript SDK. Over HTTP it keeps sessions,
//! and answers as streams of events.

use super::command_line::CommandLine;
use super::process::Process;

/// Its name among the npm programs.
const PROGRAM: &str = "mcp-server-everything";

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
        let (process, port) = Process::serve("server-everything", "listening on port", |port, _| {
            let mut command = CommandLine::npm(PROGRAM).with(["streamableHttp"]).command();
            command.env("PORT", port.to_string());
            command
        })
        .await;
        Self { port, process }
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
