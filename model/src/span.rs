//! What a call tells the tracing: who was asked, how, and what it took; never what was said.
//!
//! The names are those of the `GenAI` conventions of OpenTelemetry 1.41.

use tokio::time::Instant;
use tracing::Span;
use tracing::field::Empty;

use crate::answer::{Answer, Stop};
use crate::failure::Failure;
use crate::target::Target;

/// Opens the span of a call.
pub(crate) fn open(target: &Target) -> Span {
    let provider = &target.known.provider;
    let parameters = &target.parameters;
    tracing::info_span!(
        "chat",
        otel.name = format!("chat {}", target.model),
        otel.kind = "client",
        gen_ai.operation.name = "chat",
        gen_ai.provider.name = provider.kind.known_as().unwrap_or(&provider.id),
        gen_ai.request.model = target.model,
        gen_ai.request.stream = true,
        gen_ai.request.max_tokens = parameters.max_tokens,
        gen_ai.request.temperature = parameters.temperature,
        gen_ai.request.top_p = parameters.top_p,
        gen_ai.request.seed = parameters.seed,
        server.address = target.known.endpoint.host_str(),
        server.port = target.known.endpoint.port_or_known_default(),
        gen_ai.response.time_to_first_chunk = Empty,
        gen_ai.response.finish_reasons = Empty,
        gen_ai.usage.input_tokens = Empty,
        gen_ai.usage.cache_read.input_tokens = Empty,
        gen_ai.usage.output_tokens = Empty,
        gen_ai.usage.reasoning.output_tokens = Empty,
        error.r#type = Empty,
    )
}

/// Notes when the first piece came, where nothing was heard before.
pub(crate) fn first(begun: Instant, text: &str, reasoning: &str) {
    if text.is_empty() && reasoning.is_empty() {
        Span::current().record("gen_ai.response.time_to_first_chunk", begun.elapsed().as_secs_f64());
    }
}

/// Notes how the call ended.
pub(crate) fn close(span: &Span, answered: &Result<Answer, Failure>) {
    match answered {
        Ok(answer) => {
            let stop = match answer.stop {
                Stop::End => "stop",
                Stop::Calls => "tool_calls",
                Stop::Length => "length",
                Stop::Filtered => "content_filter",
            };
            span.record("gen_ai.response.finish_reasons", stop);
            span.record("gen_ai.usage.input_tokens", answer.usage.input);
            span.record("gen_ai.usage.cache_read.input_tokens", answer.usage.cached);
            span.record("gen_ai.usage.output_tokens", answer.usage.output);
            span.record("gen_ai.usage.reasoning.output_tokens", answer.usage.reasoning);
        }
        Err(failure) => {
            let class = match failure {
                Failure::Passing { .. } => "unavailable",
                Failure::Barred(_) => "barred",
                Failure::Refused(_) => "refused",
            };
            span.record("error.type", class);
        }
    }
}
