//! The spans of a story.
//!
//! A story begins with a [`request`] or the [`process`]ing of an event, where
//! [`Stories::begins`](crate::story::Stories::begins) says so; every other span is one of a story or
//! none at all, so that what is not told costs a look. A turn is a story of its own, linked to the
//! one that its event comes from: one trace over a queue and every attempt would have no end. Where a
//! receiver shows no links, the session holds them together.
//!
//! The names of spans are short and bounded; what tells two of them apart stands in attributes.

use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt as _;
use proto::id::SessionKey;
use proto::trace::Traceparent;
use tracing::Span;
use tracing::field::Empty;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::context::remote;
use crate::convention as name;

/// The target of spans that are exported; log filters do not reach them.
pub const TARGET: &str = "cuepoint::story";

/// Longest text of what was said that a span keeps, in bytes.
const CONTENT_BYTES_MAX: usize = 16 * 1024;

/// Whether the span that is entered belongs to a story.
pub fn is_told() -> bool {
    !Span::current().is_none()
}

/// A call over HTTP; `route` is its template.
pub fn request(method: &str, route: &str, from: Option<&Traceparent>) -> Span {
    let span = tracing::info_span!(
        target: TARGET,
        parent: None,
        "request",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        otel.status_code = Empty,
        { name::HTTP_METHOD } = method,
        { name::HTTP_ROUTE } = route,
        { name::HTTP_STATUS } = Empty,
        { name::ERROR_TYPE } = Empty,
    );
    if let Some(from) = from {
        // It fails where no receiver is set up, and then nothing is told.
        drop(span.set_parent(Context::new().with_remote_span_context(remote(from))));
    }
    span
}

/// The publish of an event into its session's inbox.
pub fn publish(session: &SessionKey, bytes: usize) -> Span {
    if !is_told() {
        return Span::none();
    }
    tracing::info_span!(
        target: TARGET,
        "publish",
        otel.name = "publish event.{trigger}.{session}",
        otel.kind = "producer",
        otel.status_code = Empty,
        { name::MESSAGING_SYSTEM } = name::NATS,
        { name::MESSAGING_OPERATION } = "publish",
        { name::MESSAGING_OPERATION_TYPE } = "send",
        { name::MESSAGING_TEMPLATE } = "event.{trigger}.{session}",
        { name::MESSAGING_CONVERSATION } = %session.token,
        { name::SESSION } = %session,
        { name::MESSAGING_SIZE } = bytes,
        { name::TRIGGER } = %session.trigger,
        { name::STREAM_SEQUENCE } = Empty,
        { name::ERROR_TYPE } = Empty,
    )
}

/// The turn of an event, from its delivery to its end: the root of a trace, linked to where the event comes from.
pub fn process(session: &SessionKey, receipt: &str, from: Option<&Traceparent>) -> Span {
    let span = tracing::info_span!(
        target: TARGET,
        parent: None,
        "process",
        otel.name = "process event.{trigger}.{session}",
        otel.kind = "consumer",
        otel.status_code = Empty,
        { name::MESSAGING_SYSTEM } = name::NATS,
        { name::MESSAGING_OPERATION } = "process",
        { name::MESSAGING_OPERATION_TYPE } = "process",
        { name::MESSAGING_TEMPLATE } = "event.{trigger}.{session}",
        { name::MESSAGING_GROUP } = proto::subject::WORKERS,
        { name::MESSAGING_CONVERSATION } = %session.token,
        { name::SESSION } = %session,
        { name::TRIGGER } = %session.trigger,
        { name::RECEIPT } = receipt,
        { name::ATTEMPT } = Empty,
        { name::OUTCOME } = Empty,
        { name::ERROR_TYPE } = Empty,
    );
    if let Some(from) = from {
        span.add_link(remote(from));
    }
    span
}

/// What a bot does about an event.
pub fn agent(bot: &str, session: &SessionKey, conversation: &str) -> Span {
    if !is_told() {
        return Span::none();
    }
    tracing::info_span!(
        target: TARGET,
        "agent",
        otel.name = format!("{} {bot}", name::INVOKE_AGENT),
        otel.kind = "internal",
        { name::GEN_AI_OPERATION } = name::INVOKE_AGENT,
        { name::GEN_AI_AGENT_NAME } = bot,
        { name::GEN_AI_CONVERSATION } = conversation,
        { name::SESSION } = %session,
    )
}

/// One call of an ability.
pub fn tool(ability: &str, call: &str) -> Span {
    if !is_told() {
        return Span::none();
    }
    tracing::info_span!(
        target: TARGET,
        "tool",
        otel.name = format!("{} {ability}", name::EXECUTE_TOOL),
        otel.kind = "internal",
        otel.status_code = Empty,
        { name::GEN_AI_OPERATION } = name::EXECUTE_TOOL,
        { name::GEN_AI_TOOL_NAME } = ability,
        { name::GEN_AI_TOOL_CALL } = call,
        { name::GEN_AI_TOOL_TYPE } = "function",
        { name::GEN_AI_TOOL_ARGUMENTS } = Empty,
        { name::GEN_AI_TOOL_RESULT } = Empty,
        { name::ERROR_TYPE } = Empty,
    )
}

/// One append to the conversation log.
pub fn append(kind: &str, bytes: usize) -> Span {
    if !is_told() {
        return Span::none();
    }
    tracing::info_span!(
        target: TARGET,
        "append",
        otel.name = "publish log.{trigger}.{session}",
        otel.kind = "producer",
        otel.status_code = Empty,
        { name::MESSAGING_SYSTEM } = name::NATS,
        { name::MESSAGING_OPERATION } = "publish",
        { name::MESSAGING_OPERATION_TYPE } = "send",
        { name::MESSAGING_TEMPLATE } = "log.{trigger}.{session}",
        { name::MESSAGING_SIZE } = bytes,
        { name::RECORD } = kind,
        { name::STREAM_SEQUENCE } = Empty,
        { name::ERROR_TYPE } = Empty,
    )
}

/// One acknowledgement of a committed event.
pub fn settle() -> Span {
    if !is_told() {
        return Span::none();
    }
    tracing::info_span!(
        target: TARGET,
        "settle",
        otel.name = "ack event.{trigger}.{session}",
        otel.kind = "client",
        { name::MESSAGING_SYSTEM } = name::NATS,
        { name::MESSAGING_OPERATION } = "ack",
        { name::MESSAGING_OPERATION_TYPE } = "settle",
        { name::MESSAGING_TEMPLATE } = "event.{trigger}.{session}",
    )
}

/// Notes that what a span tells of failed; `class` is one of a few.
pub fn fail(span: &Span, class: &str) {
    if span.is_none() {
        return;
    }
    span.record(name::ERROR_TYPE, class);
    span.record("otel.status_code", "ERROR");
}

/// Notes what was said, as much of it as is kept.
pub fn note_content(span: &Span, attribute: &'static str, text: &str) {
    let mut end = text.len().min(CONTENT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    span.record(attribute, text.get(..end).unwrap_or_default());
}
