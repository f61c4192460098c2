//! Calls signed by the libraries of those who call: `standardwebhooks`, `stripe` and `@octokit/webhooks-methods`.
//!
//! Slack and ed25519 have no library of their own here: they are signed by what Node itself brings.

use std::collections::BTreeMap;

use serde_json::Value;
use tokio::process::Command;

use super::command_line::installed;

/// What signs.
const SCRIPT: &str = include_str!("signer.mjs");

/// The headers of one signed call.
pub type Headers = BTreeMap<String, String>;

/// Signs calls, each `{scheme, key, body, at, id}`.
pub async fn sign(calls: &[Value]) -> Vec<Headers> {
    let mut node = Command::new(installed("bin/node"));
    node.args(["--input-type=module", "--eval", SCRIPT, &Value::from(calls).to_string()]);
    let directory = installed("peers/node/package.json");
    let output = node.current_dir(directory.parent().expect("a directory")).output().await.expect("Node runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("the headers are JSON")
}
