//! The examples of publishers, run as a user runs them: by nats-py, by the client of npm, by async-nats.

use std::path::{Path, PathBuf};
use std::time::Duration;

use proto::id::Receipt;
use serde_json::Value;

use super::command_line::{self, CommandLine};

/// Where the examples are.
const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/publishers");
/// How long one run may take; it bounds itself far below.
const RUN_DEADLINE: Duration = Duration::from_secs(90);

/// A publisher.
#[derive(Debug, Clone)]
pub struct Publisher {
    /// What it is written in.
    pub language: &'static str,
    command: CommandLine,
}

/// What a run said.
#[derive(Debug, Clone)]
pub struct Said {
    /// Whether it succeeded.
    pub is_success: bool,
    /// Its lines.
    pub lines: Vec<String>,
    /// Its complaints.
    pub errors: String,
}

/// The three of them; `rust` is the program of the third.
pub fn all(rust: &str) -> [Publisher; 3] {
    let example = |path: &str| Path::new(EXAMPLES).join(path).display().to_string();
    let python = CommandLine { program: command_line::installed("peers/python/bin/python"), arguments: Vec::new() };
    let node = CommandLine { program: command_line::installed("bin/node"), arguments: vec![find_packages()] };
    [
        Publisher { language: "python", command: python.with([example("python/publisher.py")]) },
        Publisher { language: "javascript", command: node.with([example("javascript/publisher.mjs")]) },
        Publisher { language: "rust", command: CommandLine { program: PathBuf::from(rust), arguments: Vec::new() } },
    ]
}

/// Makes Node look for packages where `make peers` puts them, as if the example lay beside them.
fn find_packages() -> String {
    let script = "import { registerHooks } from 'node:module'; import { pathToFileURL } from 'node:url'; \
        const parentURL = pathToFileURL(PACKAGES).href; \
        registerHooks({ resolve: (name, context, next) => \
        next(name, context.parentURL?.includes('/examples/') && !/^(node:|[.])/.test(name) ? { ...context, parentURL } : context) });";
    let directory = format!("{}/package.json", CommandLine::packages());
    format!("--import=data:text/javascript,{}", script.replace("PACKAGES", &Value::from(directory).to_string()))
}

impl Publisher {
    /// Runs it.
    pub async fn run(&self, arguments: &[&str]) -> Said {
        let mut command = self.command.clone().with(arguments.iter().copied()).command();
        let output = tokio::time::timeout(RUN_DEADLINE, command.kill_on_drop(true).output()).await;
        let output = output.unwrap_or_else(|_| panic!("{} still runs: {arguments:?}", self.language)).expect("a publisher can be run");
        Said {
            is_success: output.status.success(),
            lines: String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect(),
            errors: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Said {
    /// Its lines, each a JSON object.
    pub fn objects(&self) -> Vec<Value> {
        self.lines.iter().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {self:?}"))).collect()
    }

    /// The receipt of a publisher that succeeded, and whether the broker knew the event.
    pub fn receipt(&self) -> (Receipt, bool) {
        let objects = self.objects();
        let [Value::Object(said)] = objects.as_slice() else { panic!("no receipt: {self:?}") };
        let receipt = said.get("receipt").and_then(Value::as_str).and_then(|text| text.parse().ok());
        let is_duplicate = said.get("duplicate").and_then(Value::as_bool);
        assert!(self.is_success, "{self:?}");
        receipt.zip(is_duplicate).unwrap_or_else(|| panic!("no receipt: {self:?}"))
    }
}
