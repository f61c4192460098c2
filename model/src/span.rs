//! What a call tells: who was asked, how, and what it took; what was said only where that is wanted.

use std::time::Duration;

use serde_json::{Value, json};
use telemetry::convention as name;
use telemetry::instrument::ModelCall;
use telemetry::span::{TARGET, fail, is_told, note_content};
use tokio::time::Instant;
use tracing::Span;
use tracing::field::Empty;

use crate::answer::{Answer, Stop};
use crate::failure::Failure;
use crate::prompt::{Message, Prompt};
use crate::target::Target;

/// Opens the span of a call, where it belongs to a story.
pub(crate) fn open(target: &Target, prompt: &Prompt) -> Span {
    if !is_told() {
        return Span::none();
    }
    let parameters = &target.parameters;
    let span = tracing::info_span!(
        target: TARGET,
        "chat",
        otel.name = format!("{} {}", name::CHAT, target.model),
        otel.kind = "client",
        otel.status_code = Empty,
        { name::GEN_AI_OPERATION } = name::CHAT,
        { name::GEN_AI_PROVIDER } = provider(target),
        { name::GEN_AI_REQUEST_MODEL } = target.model,
        { name::GEN_AI_REQUEST_STREAM } = true,
        { name::GEN_AI_REQUEST_MAX_TOKENS } = parameters.max_tokens,
        { name::GEN_AI_REQUEST_TEMPERATURE } = parameters.temperature,
        { name::GEN_AI_REQUEST_TOP_P } = parameters.top_p,
        { name::GEN_AI_REQUEST_SEED } = parameters.seed,
        { name::SERVER_ADDRESS } = target.known.endpoint.host_str(),
        { name::SERVER_PORT } = target.known.endpoint.port_or_known_default(),
        { name::GEN_AI_RESPONSE_FIRST_CHUNK } = Empty,
        { name::GEN_AI_RESPONSE_FINISH } = Empty,
        { name::GEN_AI_INPUT_TOKENS } = Empty,
        { name::GEN_AI_CACHED_TOKENS } = Empty,
        { name::GEN_AI_OUTPUT_TOKENS } = Empty,
        { name::GEN_AI_REASONING_TOKENS } = Empty,
        { name::GEN_AI_INPUT_MESSAGES } = Empty,
        { name::GEN_AI_OUTPUT_MESSAGES } = Empty,
        { name::ERROR_TYPE } = Empty,
    );
    if target.known.telemetry.stories.has_content() {
        note_content(&span, name::GEN_AI_INPUT_MESSAGES, &asked(prompt).to_string());
    }
    span
}

/// Notes when the first piece came, where nothing was heard before.
pub(crate) fn first(target: &Target, begun: Instant, text: &str, reasoning: &str) {
    if text.is_empty() && reasoning.is_empty() {
        let took = begun.elapsed();
        Span::current().record(name::GEN_AI_RESPONSE_FIRST_CHUNK, took.as_secs_f64());
        target.known.telemetry.instruments.first_chunk(took, call(target, None));
    }
}

/// Notes how the call ended.
pub(crate) fn close(span: &Span, target: &Target, answered: &Result<Answer, Failure>) {
    match answered {
        _ if span.is_none() => {}
        Ok(answer) => {
            span.record(name::GEN_AI_RESPONSE_FINISH, finish(answer.stop));
            span.record(name::GEN_AI_INPUT_TOKENS, answer.usage.input);
            span.record(name::GEN_AI_CACHED_TOKENS, answer.usage.cached);
            span.record(name::GEN_AI_OUTPUT_TOKENS, answer.usage.output);
            span.record(name::GEN_AI_REASONING_TOKENS, answer.usage.reasoning);
            if target.known.telemetry.stories.has_content() {
                note_content(span, name::GEN_AI_OUTPUT_MESSAGES, &answered_with(answer).to_string());
            }
        }
        Err(failure) => fail(span, class(failure)),
    }
}

/// Measures a call that has ended.
pub(crate) fn measure(target: &Target, took: Duration, answered: &Result<Answer, Failure>) {
    let instruments = &target.known.telemetry.instruments;
    instruments.model(took, call(target, answered.as_ref().err().map(class)));
    if let Ok(answer) = answered {
        instruments.tokens((answer.usage.input, answer.usage.output), call(target, None));
    }
}

fn call<'a>(target: &'a Target, error: Option<&'a str>) -> ModelCall<'a> {
    ModelCall { provider: provider(target), model: &target.model, error }
}

fn provider(target: &Target) -> &str {
    let provider = &target.known.provider;
    provider.kind.known_as().unwrap_or(&provider.id)
}

fn class(failure: &Failure) -> &'static str {
    match failure {
        Failure::Passing { .. } => "unavailable",
        Failure::Barred(_) => "barred",
        Failure::Refused(_) => "refused",
    }
}

fn finish(stop: Stop) -> &'static str {
    match stop {
        Stop::End => "stop",
        Stop::Calls => "tool_calls",
        Stop::Length => "length",
        Stop::Filtered => "content_filter",
    }
}

/// What was asked, in the form of the conventions.
fn asked(prompt: &Prompt) -> Value {
    let text = |text: &str| json!({ "type": "text", "content": text });
    let message = |message: &Message| match message {
        Message::User(words) => json!({ "role": "user", "parts": [text(words)] }),
        Message::Assistant(said) => {
            let calls =
                said.calls.iter().map(|call| json!({ "type": "tool_call", "id": call.id, "name": call.name, "arguments": call.arguments }));
            json!({ "role": "assistant", "parts": std::iter::once(text(&said.text)).chain(calls).collect::<Vec<_>>() })
        }
        Message::Outcome { id, content, .. } => {
            json!({ "role": "tool", "parts": [{ "type": "tool_call_response", "id": id, "response": content }] })
        }
    };
    prompt.messages.iter().map(message).collect()
}

/// What was answered, in the form of the conventions.
fn answered_with(answer: &Answer) -> Value {
    let calls =
        answer.calls.iter().map(|call| json!({ "type": "tool_call", "id": call.id, "name": call.name, "arguments": call.arguments }));
    let parts: Vec<Value> = std::iter::once(json!({ "type": "text", "content": answer.text })).chain(calls).collect();
    json!([{ "role": "assistant", "parts": parts, "finish_reason": finish(answer.stop) }])
}
