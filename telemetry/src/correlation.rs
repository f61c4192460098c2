//! Log lines that say which trace they belong to.

use std::fmt;

use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::context;
use crate::logging::Format;

/// A format of lines, with the ids of the trace and the span at the end of each that has some.
pub(crate) struct Correlated<F> {
    pub(crate) inner: F,
    pub(crate) format: Format,
}

impl<S, N, F> FormatEvent<S, N> for Correlated<F>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let Some((trace, span)) = context::ids() else { return self.inner.format_event(context, writer, event) };
        let mut line = String::new();
        self.inner.format_event(context, Writer::new(&mut line), event)?;
        let line = line.trim_end_matches('\n');
        match self.format {
            Format::Text => writeln!(writer, "{line} trace_id={trace} span_id={span}"),
            Format::Json => {
                let line = line.strip_suffix('}').unwrap_or(line);
                writeln!(writer, r#"{line},"trace_id":"{trace}","span_id":"{span}"}}"#)
            }
        }
    }
}
