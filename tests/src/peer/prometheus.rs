//! Prometheus, of Debian: it scrapes what is to be scraped, and reads our rules.

use std::path::Path;

use serde_json::Value;
use tokio::process::Command;

use super::process::Process;
use crate::call;

/// Where Debian's package has it.
const PROGRAM: &str = "/usr/bin/prometheus";

/// A running Prometheus.
#[derive(Debug)]
pub struct Prometheus {
    base: String,
    http: reqwest::Client,
    _process: Process,
}

impl Prometheus {
    /// Starts one with a configuration; files that it names are found beside `beside`.
    pub async fn start(configuration: &str, beside: &Path) -> Self {
        let file = beside.join("prometheus.of-a-test.yml");
        std::fs::write(&file, configuration).expect("a configuration can be written");
        let (process, port) = Process::serve("prometheus", "Server is ready to receive web requests", |port, directory| {
            let mut command = Command::new(PROGRAM);
            command
                .arg(format!("--config.file={}", file.display()))
                .arg(format!("--storage.tsdb.path={}", directory.join("tsdb").display()));
            command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
            command
        })
        .await;
        Self { base: format!("http://127.0.0.1:{port}"), http: call::client(), _process: process }
    }

    /// The data of an answer of its API; none where it does not answer with success.
    pub async fn ask(&self, path: &str, parameters: &[(&str, &str)]) -> Option<Value> {
        let url = reqwest::Url::parse_with_params(&format!("{}/api/v1/{path}", self.base), parameters).expect("an address");
        let answer = self.http.get(url).send().await.ok()?;
        let mut body: Value = answer.json().await.ok()?;
        let is_answered = body.get("status")? == "success";
        is_answered.then(|| body.get_mut("data").map(Value::take))?
    }

    /// How many series an expression has now.
    pub async fn series(&self, expression: &str) -> Option<usize> {
        Some(self.ask("query", &[("query", expression)]).await?.get("result")?.as_array()?.len())
    }
}
