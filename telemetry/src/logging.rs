//! The format of log lines: readable on a terminal, JSON for machines.
//!
//! What is logged can be changed while the process runs, over the [`Handle`] that [`start`] gives.
//! The filter is that of the lines alone: it neither begins nor ends a story.

use std::fmt::{self, Debug, Write as _};
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use clap::ValueEnum;
use tracing::field::Field;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::{JsonFields, Writer, debug_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};

use crate::correlation::Correlated;

/// Longest filter that is taken, in bytes.
const FILTER_BYTES_MAX: usize = 4 * 1024;
/// What the client library says of every broken connection is said by us already.
const QUIET: &str = "async_nats=error";

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
    /// File with that filter, which goes before the flag and is read again on SIGHUP.
    #[arg(id = "filter_file", long = "log-filter-file", env = "CUEPOINT_LOG_FILTER_FILE", value_name = "FILE")]
    pub filter_file: Option<PathBuf>,
}

impl Logging {
    /// Checks the filter.
    pub fn validate(&self) -> Result<(), String> {
        parse(&self.wanted()?).map(drop).map_err(|error| format!("--log {error}"))
    }

    /// The filter, from wherever it stands.
    pub fn wanted(&self) -> Result<String, String> {
        let Some(path) = &self.filter_file else { return Ok(self.filter.clone()) };
        let text =
            std::fs::read_to_string(path).map_err(|error| format!("--log-filter-file {} cannot be read: {error}", path.display()))?;
        parse(text.trim()).map_err(|error| format!("--log-filter-file {}: {error}", path.display()))?;
        Ok(text.trim().to_owned())
    }
}

/// Changes what a running process logs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Handle {
    layer: reload::Handle<EnvFilter, Registry>,
    filter: Arc<Mutex<String>>,
}

impl Handle {
    /// Logs by another filter from now on; one that cannot be used changes nothing.
    pub fn set_filter(&self, filter: &str) -> Result<(), String> {
        let filter = filter.trim();
        let parsed = parse(filter)?;
        let mut current = self.filter.lock().unwrap_or_else(PoisonError::into_inner);
        self.layer.reload(parsed).map_err(|error| format!("the filter cannot be changed: {error}"))?;
        filter.clone_into(&mut current);
        Ok(())
    }

    /// What is logged by now.
    pub fn filter(&self) -> String {
        self.filter.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the filter's file again, where there is one, and logs what came of it.
    pub fn reread(&self, logging: &Logging) {
        if logging.filter_file.is_none() {
            return;
        }
        let before = self.filter();
        match logging.wanted().and_then(|wanted| self.set_filter(&wanted).map(|()| wanted)) {
            Ok(wanted) if wanted == before => {}
            Ok(wanted) => tracing::info!(log.before = before, log.now = wanted, "what is logged was changed"),
            Err(fault) => tracing::error!(fault, "the log filter stays as it was"),
        }
    }
}

fn parse(filter: &str) -> Result<EnvFilter, String> {
    if filter.len() > FILTER_BYTES_MAX {
        return Err(format!("the filter has {} bytes, at most {FILTER_BYTES_MAX} are taken", filter.len()));
    }
    let parsed = EnvFilter::try_new(filter).map_err(|error| format!("{filter:?} is not a filter: {error}"))?;
    let quiet = QUIET.parse().map_err(|error| format!("{QUIET}: {error}"))?;
    Ok(parsed.add_directive(quiet))
}

/// A part of what hears of everything that happens.
pub(crate) type BoxedLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// Starts logging to standard error. A second call in one process changes nothing, and its handle moves nothing.
pub fn start(logging: &Logging) -> Result<Handle, String> {
    start_with(logging, Vec::new())
}

/// The same, with others that hear of what happens.
pub(crate) fn start_with(logging: &Logging, mut others: Vec<BoxedLayer>) -> Result<Handle, String> {
    let wanted = logging.wanted()?;
    let (filter, layer) = reload::Layer::new(parse(&wanted).map_err(|error| format!("--log {error}"))?);
    // rmcp repeats what servers say and what they are sent, tokens among it: nothing of that is logged, whatever the filter.
    let is_line = filter_fn(|metadata| metadata.is_event() && !metadata.target().starts_with("rmcp"));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    let lines: BoxedLayer = match logging.format {
        Format::Text => {
            let format = Correlated { inner: tracing_subscriber::fmt::format(), format: Format::Text };
            lines.fmt_fields(fields()).event_format(format).with_filter(is_line).with_filter(filter).boxed()
        }
        Format::Json => {
            let json = tracing_subscriber::fmt::format().json().flatten_event(true).with_current_span(false).with_span_list(false);
            let format = Correlated { inner: json, format: Format::Json };
            lines.fmt_fields(JsonFields::new()).event_format(format).with_filter(is_line).with_filter(filter).boxed()
        }
    };
    others.push(lines);
    drop(tracing_subscriber::registry().with(others).try_init());
    Ok(Handle { layer, filter: Arc::new(Mutex::new(wanted)) })
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

    use std::path::PathBuf;

    use tracing::level_filters::LevelFilter;
    use tracing_subscriber::layer::SubscriberExt as _;
    use tracing_subscriber::reload;

    use super::{Format, Handle, Logging, fields, parse};

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
    fn a_filter_is_changed_while_it_is_used_and_one_that_is_none_changes_nothing() {
        let (layer, handle) = reload::Layer::new(parse("info").unwrap());
        let handle = Handle { layer: handle, filter: Arc::new(Mutex::new("info".into())) };
        let kept = Kept::default();
        let writer = kept.clone();
        let lines = tracing_subscriber::fmt::layer().with_writer(move || writer.clone()).with_ansi(false);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer).with(lines), || {
            tracing::debug!("unheard");
            handle.set_filter(" debug ").unwrap();
            tracing::debug!("heard");
            assert!(handle.set_filter("=,=").unwrap_err().contains("is not a filter"));
            assert!(handle.set_filter(&"a".repeat(5_000)).unwrap_err().contains("at most 4096"));
            tracing::debug!("still heard");
        });
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        assert_eq!((handle.filter().as_str(), text.matches("heard").count(), text.contains("unheard")), ("debug", 2, false), "{text}");
        assert!(parse("debug").unwrap().to_string().contains("async_nats=error"));
        assert_eq!(parse("debug").unwrap().max_level_hint(), Some(LevelFilter::DEBUG));
    }

    #[test]
    fn a_filters_file_goes_before_the_flag_and_is_named_where_it_is_at_fault() {
        let file = |path: &str| Logging { format: Format::Text, filter: "info".into(), filter_file: Some(PathBuf::from(path)) };
        assert!(file("/nowhere/filter").wanted().unwrap_err().starts_with("--log-filter-file /nowhere/filter cannot be read"));
        assert!(file(env!("CARGO_MANIFEST_PATH")).wanted().unwrap_err().contains("is not a filter"));
        assert_eq!(Logging { filter_file: None, ..file("") }.wanted().unwrap(), "info");
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
