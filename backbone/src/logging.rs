//! The format of log lines: readable on a terminal, JSON for machines.

use std::fmt::{self, Debug, Write as _};
use std::io::IsTerminal as _;

use clap::ValueEnum;
use tracing::field::Field;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A line for a person.
    Text,
    /// One JSON object a line.
    Json,
}

/// What is logged, and how.
#[derive(Debug, Clone, clap::Args)]
pub struct Logging {
    /// Format of log lines.
    #[arg(long = "log-format", env = "CUEPOINT_LOG_FORMAT", value_enum, default_value = "text")]
    pub format: Format,
    /// What is logged, as a tracing filter such as `info,worker=debug`.
    #[arg(long = "log", env = "CUEPOINT_LOG", value_name = "FILTER", default_value = "info")]
    pub filter: String,
}

/// Starts logging to standard error; a second call in one process changes nothing.
pub fn start(logging: &Logging) -> Result<(), String> {
    let filter = EnvFilter::try_new(&logging.filter).map_err(|error| format!("--log {:?} is not a filter: {error}", logging.filter))?;
    let quiet = |text: &str| text.parse().map_err(|error| format!("{text}: {error}"));
    let filter = filter.add_directive(quiet("async_nats=error")?);
    // rmcp repeats what servers say and what they are sent, tokens among it: nothing of that is logged, whatever the filter.
    let is_ours = filter_fn(|metadata| !metadata.target().starts_with("rmcp"));
    let registry = tracing_subscriber::registry().with(filter).with(is_ours);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    let started = match logging.format {
        Format::Text => registry.with(layer.fmt_fields(fields())).try_init(),
        Format::Json => registry.with(layer.json().flatten_event(true)).try_init(),
    };
    drop(started);
    Ok(())
}

/// Fields as text, each event on one line.
///
/// What others say stands in errors: a line break in it would begin a line that looks like ours.
fn fields() -> impl for<'writer> FormatFields<'writer> {
    let field = |writer: &mut Writer<'_>, field: &Field, value: &dyn Debug| {
        let mut line = OneLine(writer);
        if field.name() == "message" { write!(line, "{value:?}") } else { write!(line, "{}={value:?}", field.name()) }
    };
    debug_fn(field).delimited(" ")
}

/// Writes control characters, and what reorders a line, as their escapes.
struct OneLine<'a, 'writer>(&'a mut Writer<'writer>);

impl fmt::Write for OneLine<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for char in text.chars() {
            let is_steering = char.is_control() || matches!(char, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            if is_steering { write!(self.0, "{}", char.escape_default())? } else { self.0.write_char(char)? }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::fields;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn nothing_that_is_logged_begins_a_line_or_steers_a_terminal() {
        let (kept, evil) = (Kept::default(), "no\n2026-01-01 INFO all is well\r\u{1b}[2K\u{202e}");
        let writer = kept.clone();
        let layer = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).fmt_fields(fields());
        tracing::subscriber::with_default(layer.finish(), || {
            tracing::warn!(error = %evil, reason = evil, count = 7, "it failed: {evil}");
        });
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        let escaped = r"no\n2026-01-01 INFO all is well\r\u{1b}[2K\u{202e}";
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.contains(&format!("it failed: {escaped} error={escaped} reason=\"no")) && text.contains(" count=7"), "{text}");
        assert!(!text.trim_end().contains(|char: char| char.is_control() || char == '\u{202e}'), "{text}");
    }
}
