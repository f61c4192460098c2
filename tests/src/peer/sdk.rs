//! The official ChatBotKit SDK, unmodified, driven by `tests/sdk/suite.mjs`.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};

use super::command_line::{self, CommandLine};

/// The script that drives it.
const SUITE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/sdk/suite.mjs");
/// How long all of it may take.
const RUN_DEADLINE: Duration = Duration::from_mins(2);

/// Calls every method of the SDK's clients against a gateway, and prints what it says as it goes; whether all of it passed.
#[expect(clippy::print_stdout, reason = "a test keeps what is printed, and shows it where it fails")]
pub async fn run(url: &str, token: &str) -> bool {
    let node = CommandLine { program: command_line::installed("bin/node"), arguments: vec![SUITE.to_owned()] };
    let package = command_line::installed("peers/node/node_modules/@chatbotkit/sdk/package.json");
    let directory = package.parent().unwrap_or_else(|| Path::new("/"));
    let mut command = node.command();
    command.env("CUEPOINT_URL", url).env("CUEPOINT_TOKEN", token).env("CUEPOINT_SDK", directory);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn().expect("node can be run");
    let mut lines = BufReader::new(child.stdout.take().expect("the output is piped")).lines();
    let all = async {
        while let Ok(Some(line)) = lines.next_line().await {
            println!("{line}");
        }
        child.wait().await.is_ok_and(|status| status.success())
    };
    tokio::time::timeout(RUN_DEADLINE, all).await.expect("the suite ends in time")
}
