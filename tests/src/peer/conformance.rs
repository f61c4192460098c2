//! The test suite of the MCP specification.
//!
//! It is `@modelcontextprotocol/conformance`: it plays the server to a client, or the client to a server,
//! and checks what it sees. By itself it passes a client that never comes; a [`Verdict`] does not.

use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::command_line::CommandLine;
use super::process::Process;
use crate::scratch::Scratch;

/// How long one scenario may take, with the start of Node.
const SCENARIO_DEADLINE: Duration = Duration::from_secs(90);
/// How long a client may take, in milliseconds.
const CLIENT_MS_MAX: &str = "60000";
/// How many directories of results are looked through.
const RESULTS_MAX: usize = 16;

/// What became of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// As the specification says.
    Success,
    /// Against the specification.
    Failure,
    /// Against what it recommends.
    Warning,
    /// Did not apply.
    Skipped,
    /// Only a note.
    Info,
}

/// One check of a scenario.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// Its name.
    pub id: String,
    /// What must be so.
    pub description: String,
    /// What became of it.
    pub status: Status,
    /// Why it failed, where that is said.
    pub error_message: Option<String>,
    /// What was seen.
    #[serde(default)]
    pub details: Value,
}

/// What came of a scenario.
#[derive(Debug)]
pub struct Verdict {
    /// The scenario.
    pub scenario: String,
    /// How the suite ended; it fails where the client does.
    pub status: ExitStatus,
    /// What was checked.
    pub checks: Vec<Check>,
    /// All that the suite, and the client with it, printed.
    pub printed: String,
}

impl Verdict {
    /// Whether something was checked, and all of it is right.
    pub fn is_passed(&self) -> bool {
        let count = |status| self.checks.iter().filter(|check| check.status == status).count();
        self.status.success() && count(Status::Success) > 0 && count(Status::Failure) == 0
    }

    /// Fails the test where the scenario is not passed.
    pub fn assert_passed(&self) {
        assert!(self.is_passed(), "{} is not passed: {}, {:#?}\n{}", self.scenario, self.status, self.checks, self.printed);
    }
}

/// Plays the server of a scenario to a client, such as `initialize` or `tools_call`.
///
/// The shell runs the command, with the server's address as one more argument and the scenario's name in
/// `MCP_CONFORMANCE_SCENARIO`; what a client must know beyond that is in `MCP_CONFORMANCE_CONTEXT`.
pub async fn client(scenario: &str, command: &str) -> Verdict {
    run(scenario, &["client", "--command", command, "--timeout", CLIENT_MS_MAX]).await
}

/// Plays the client of a scenario to a server, such as `server-initialize` or `tools-list`.
pub async fn server(scenario: &str, url: &str) -> Verdict {
    run(scenario, &["server", "--url", url]).await
}

async fn run(scenario: &str, arguments: &[&str]) -> Verdict {
    let scratch = Scratch::new();
    let results = scratch.path().join("results").display().to_string();
    let line = CommandLine::npm("conformance").with(arguments.iter().copied());
    let line = line.with(["--scenario", scenario, "--output-dir", &results]);
    let mut process = Process::start("conformance", line.command(), scratch);
    let status = process.ended(SCENARIO_DEADLINE).await;
    let checks = checks(&process.directory().join("results"));
    Verdict { scenario: scenario.into(), status, checks, printed: process.printed() }
}

/// Reads the `checks.json` of each directory of results; there is one for each scenario that ran.
fn checks(results: &Path) -> Vec<Check> {
    let Ok(directories) = std::fs::read_dir(results) else { return Vec::new() };
    let files = directories.take(RESULTS_MAX).map(|directory| directory.expect("a directory of results").path().join("checks.json"));
    let read =
        |file| serde_json::from_slice::<Vec<Check>>(&std::fs::read(file).expect("the checks can be read")).expect("a list of checks");
    files.flat_map(read).collect()
}
