//! Programs that nobody here wrote, for models to talk to.
//!
//! `make peers` puts them under `.tools/`; without them these tests fail and say so.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use tokio::process::{Child, Command};
use tokio::time::Instant;

mod aimock;
mod llmock;

/// Where `make` puts programs.
const TOOLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../.tools");
/// How long a program may take until it listens: Node and Python load slowly on a busy machine.
const READY_WITHIN: Duration = Duration::from_secs(40);
/// The pause between two looks at whether it listens.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How often a port is tried: another process may take one between the look and the bind.
const PORTS_MAX: usize = 4;
/// How long a program may take to answer a question about itself; llmock waits for streams to end.
const CONTROL_WITHIN: Duration = Duration::from_secs(30);

/// A mock of model providers that runs. Dropping it kills it.
struct Peer {
    base: String,
    /// The path of its own questions and answers.
    control: &'static str,
    http: reqwest::Client,
    _child: Child,
}

/// A program that `make` has put there.
fn installed(path: &str) -> PathBuf {
    let path = Path::new(TOOLS).join(path);
    assert!(path.is_file(), "{} is missing: `make peers` puts it there", path.display());
    path
}

impl Peer {
    /// Starts a program on a free port, and waits until it answers there.
    async fn start(control: &'static str, ready: &str, command: impl Fn(u16) -> Command) -> Self {
        let http = reqwest::Client::builder().no_proxy().timeout(CONTROL_WITHIN).build().unwrap();
        for _ in 0..PORTS_MAX {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let mut child =
                command(port).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap();
            let base = format!("http://127.0.0.1:{port}");
            let deadline = Instant::now() + READY_WITHIN;
            while child.try_wait().unwrap().is_none() {
                if http.get(format!("{base}{control}{ready}")).send().await.is_ok_and(|response| response.status().is_success()) {
                    return Self { base, control, http, _child: child };
                }
                assert!(Instant::now() < deadline, "the program does not listen within {READY_WITHIN:?}");
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
        panic!("the program ended at once, {PORTS_MAX} times");
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Asks the program about itself, or tells it what to do.
    async fn control(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let mut request = self.http.request(method, self.url(&format!("{}{path}", self.control)));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let status = response.status();
        let answer = response.json().await.unwrap();
        assert!(status.is_success(), "{path}: {answer}");
        answer
    }
}
