//! A receiver of webhooks that checks signatures by the official `standardwebhooks` of npm.
//!
//! It notes a call before it answers, so a caller that is killed while it waits has been seen.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::command_line::CommandLine;
use super::process::Process;
use crate::call;
use crate::eventually::eventually;

/// What it is.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/peer/webhook.mjs");
/// A key of Standard Webhooks.
pub const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// One call.
#[derive(Debug, Clone, Deserialize)]
pub struct Told {
    /// Its path.
    pub path: String,
    /// Its webhook id.
    pub id: String,
    /// What it was answered, or would have been.
    pub status: u16,
    /// What the official library says against its signature.
    pub fault: Option<String>,
    /// Its body.
    pub body: Value,
}

/// A running receiver.
#[derive(Debug)]
pub struct Receiver {
    port: u16,
    _process: Process,
}

impl Receiver {
    /// Starts one that takes what is signed by [`KEY`], and answers 204.
    pub async fn start() -> Self {
        let (process, port) = Process::serve("webhook receiver", "listening", |port, _| {
            CommandLine::script(SCRIPT).with([CommandLine::packages(), KEY.to_owned(), port.to_string()]).command()
        })
        .await;
        Self { port, _process: process }
    }

    /// The address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    async fn tell(&self, answers: &Value) {
        let told = call::client().post(self.url("_answers")).body(answers.to_string()).send().await;
        assert!(told.expect("the receiver can be told").status().is_success());
    }

    /// Answers the next calls with these: `status`, and `headers` if any.
    pub async fn next(&self, answers: &[Value]) {
        self.tell(&json!({ "next": answers })).await;
    }

    /// Answers all further calls with a status.
    pub async fn always(&self, status: u16) {
        self.tell(&json!({ "fallback": { "status": status } })).await;
    }

    /// Answers no further call until [`Self::always`] is told.
    pub async fn hold(&self) {
        self.tell(&json!({ "fallback": { "status": 204, "hold": true } })).await;
    }

    /// All calls so far; every one must be signed as it should.
    pub async fn seen(&self) -> Vec<Told> {
        let answer = call::client().get(self.url("_seen")).send().await.expect("the receiver answers");
        let seen: Vec<Told> = answer.json().await.expect("what was seen");
        for told in &seen {
            assert_eq!(told.fault, None, "{told:?}");
        }
        seen
    }

    /// Waits until what was seen fits.
    pub async fn until(&self, what: &str, within: Duration, fits: impl Fn(&[Told]) -> bool) -> Vec<Told> {
        eventually(what, within, async || Some(self.seen().await).filter(|seen| fits(seen))).await
    }
}
