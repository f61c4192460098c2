//! A real Chromium, driven by the suites of `tests/browser`.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use super::command_line::{self, CommandLine};

/// Where the scripts are.
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/browser");
/// What its last line ends with when every step of the suite ran and passed.
const PASSED: &str = ": all steps passed";
/// How long all of a suite may take.
const RUN_DEADLINE: Duration = Duration::from_mins(2);

/// A script of `tests/browser`, with its arguments.
pub fn script(name: &str, arguments: &[&str]) -> Command {
    // Asked for here, so that what is missing is said in the words of the other peers.
    command_line::installed("peers/browser/stamp");
    CommandLine::script(&format!("{SCRIPTS}/{name}")).with(arguments.iter().copied()).command()
}

/// Runs a suite of `tests/browser/suite` against a gateway, and prints what it says as it goes; whether all of it passed.
#[expect(clippy::print_stdout, reason = "a test keeps what is printed, and shows it where it fails")]
pub async fn run(suite: &str, url: &str, token: &str) -> bool {
    let mut command = script("run.mjs", &[suite]);
    command.env("CUEPOINT_URL", url).env("CUEPOINT_TOKEN", token);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn().expect("node can be run");
    let mut lines = BufReader::new(child.stdout.take().expect("the output is piped")).lines();
    let all = async {
        let mut has_passed = false;
        while let Ok(Some(line)) = lines.next_line().await {
            println!("{line}");
            has_passed = line.ends_with(PASSED);
        }
        child.wait().await.is_ok_and(|status| status.success()) && has_passed
    };
    tokio::time::timeout(RUN_DEADLINE, all).await.expect("the suite ends in time")
}
