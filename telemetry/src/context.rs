//! The trace context that goes over the wire.

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState};
use proto::trace::Traceparent;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// The context of a span as a header has it; none where the span is not told.
pub fn of(span: &Span) -> Option<Traceparent> {
    if span.is_none() {
        return None;
    }
    written(span.context().span().span_context())
}

/// The context of the span that is entered.
pub fn current() -> Option<Traceparent> {
    of(&Span::current())
}

/// The ids of the trace and the span that a log line belongs to.
pub(crate) fn ids() -> Option<(TraceId, SpanId)> {
    Context::map_current(|context| {
        let span = context.span();
        let context = span.span_context();
        context.is_valid().then(|| (context.trace_id(), context.span_id()))
    })
}

fn written(context: &SpanContext) -> Option<Traceparent> {
    if !context.is_valid() {
        return None;
    }
    Traceparent::parse(&format!("00-{}-{}-{:02x}", context.trace_id(), context.span_id(), context.trace_flags().to_u8()))
}

/// Somebody else's span.
pub(crate) fn remote(from: &Traceparent) -> SpanContext {
    let trace = TraceId::from_hex(from.trace_id()).unwrap_or(TraceId::INVALID);
    let span = SpanId::from_hex(from.span_id()).unwrap_or(SpanId::INVALID);
    let flags = if from.is_sampled() { TraceFlags::SAMPLED } else { TraceFlags::NOT_SAMPLED };
    SpanContext::new(trace, span, flags, true, TraceState::NONE)
}

#[cfg(test)]
mod tests {
    use proto::trace::Traceparent;

    use super::{remote, written};

    #[test]
    fn what_is_read_is_written_again() {
        for flags in ["00", "01"] {
            let from = Traceparent::parse(&format!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-{flags}")).unwrap();
            assert_eq!(written(&remote(&from)), Some(from));
        }
    }
}
