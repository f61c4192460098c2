//! What the tracing hears: who was asked and what it took, and nothing of what was said.

use std::io;
use std::sync::{Arc, Mutex};

use model::answer::Error;
use serde_json::json;
use tracing::Instrument as _;
use tracing::instrument::WithSubscriber as _;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::ask::{KEY, ask, model, once, prompt};
use crate::fake::{Answer, Fake};
use crate::fixture::{ANTHROPIC, COMPLETIONS, data};

/// Keeps what is written.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// All that is traced while a model is asked.
async fn traced(kind: &str, path: &str, reply: Answer) -> (Result<model::answer::Answer, Error>, String) {
    let fake = Fake::start().await;
    fake.answers([reply]);
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(FmtSpan::CLOSE)
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    let model = model(kind, &fake.url(path), once());
    let asked = async {
        // Only what belongs to a story is told.
        let story = tracing::info_span!("story");
        ask(&model, &prompt()).instrument(story).await
    };
    let (answer, _) = asked.with_subscriber(subscriber).await;
    let written = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    (answer, written)
}

#[tokio::test]
async fn a_span_says_who_was_asked_and_what_it_took() {
    let (answer, traced) = traced("openai", "/v1", Answer::stream(COMPLETIONS)).await;
    answer.unwrap();
    for expected in [
        "otel.name=\"chat m\"",
        "otel.kind=\"client\"",
        "gen_ai.operation.name=\"chat\"",
        "gen_ai.provider.name=\"openai\"",
        "gen_ai.request.model=\"m\"",
        "server.address=\"127.0.0.1\"",
        "gen_ai.response.time_to_first_chunk=",
        "gen_ai.response.finish_reasons=\"tool_calls\"",
        "gen_ai.usage.input_tokens=50",
        "gen_ai.usage.cache_read.input_tokens=30",
        "gen_ai.usage.output_tokens=20",
        "gen_ai.usage.reasoning.output_tokens=5",
    ] {
        assert!(traced.contains(expected), "{expected} in {traced}");
    }
}

#[tokio::test]
async fn nothing_that_was_said_is_traced() {
    let nonsense = "event: nonsense\ndata: {\"type\":\"nonsense\",\"text\":\"sée\"}\n\n";
    let broken = data(&json!({"choices": [{"delta": {"content": "sée"}}]})) + "data: {\"sée\n\n";
    for (kind, path, reply) in [
        ("openai", "/v1", Answer::stream(COMPLETIONS)),
        ("openai", "/v1", Answer::stream(broken)),
        ("openai", "/v1", Answer::error(400, "{\"error\":{\"message\":\"sée\"}}")),
        ("anthropic", "", Answer::stream(format!("{nonsense}{ANTHROPIC}"))),
    ] {
        let (_, traced) = traced(kind, path, reply).await;
        assert!(traced.contains("gen_ai.operation.name"), "{traced}");
        for said in ["sée", "Let me", "Rome", "weather", "Be brief", KEY] {
            assert!(!traced.contains(said), "{kind}: {said} in {traced}");
        }
    }
}
