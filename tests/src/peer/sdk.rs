//! The official ChatBotKit SDK, unmodified, driven by `tests/sdk/suite.mjs`.

use std::path::Path;
use std::process::Stdio;

use super::command_line::{self, CommandLine};

/// The script that drives it.
const SUITE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/sdk/suite.mjs");

/// Calls every method of the SDK's clients against a gateway; what it printed, and whether all of it passed.
pub async fn run(url: &str, token: &str) -> (String, bool) {
    let node = CommandLine { program: command_line::installed("bin/node"), arguments: vec![SUITE.to_owned()] };
    let package = command_line::installed("peers/node/node_modules/@chatbotkit/sdk/package.json");
    let directory = package.parent().unwrap_or_else(|| Path::new("/"));
    let mut command = node.command();
    command.env("CUEPOINT_URL", url).env("CUEPOINT_TOKEN", token).env("CUEPOINT_SDK", directory);
    let ran = command.stdin(Stdio::null()).kill_on_drop(true).output().await.expect("node can be run");
    let printed = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    (printed, ran.status.success())
}
