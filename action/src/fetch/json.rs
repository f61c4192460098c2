//! Parts of JSON, by JSONPath (RFC 9535) or JMESPath.
//!
//! Both languages can multiply what they read: `$..[*,*]`, or `[@,@]|[]` again and again. An
//! expression may come from a model and a document from anywhere, so expressions are measured
//! before they run: how many times the document they can make of it is bounded, and what they find
//! is written out into a bounded buffer.

use std::io;

use proto::limit::RESULT_BYTES_MAX;
use serde::Serialize;
use serde_json::Value;

use self::measure::Size;
use super::too_large;

mod measure;

/// The nodes that a JSONPath finds, as a list.
pub(super) fn path(expression: &str, document: &str) -> Result<Value, String> {
    measure::form(expression).map_err(|reason| format!("jsonpath {reason}"))?;
    let path = serde_json_path::JsonPath::parse(expression).map_err(|error| format!("jsonpath: {error}"))?;
    let document: Value = serde_json::from_str(document).map_err(|error| format!("jsonpath: the response is not JSON: {error}"))?;
    measure::path(expression, Size::of(&document)).map_err(|reason| format!("jsonpath {reason}"))?;
    bounded(&path.query(&document).all())
}

/// What a JMESPath makes of a document.
pub(super) fn jmes(expression: &str, document: &str) -> Result<Value, String> {
    measure::form(expression).map_err(|reason| format!("jmespath {reason}"))?;
    let compiled = jmespath::compile(expression).map_err(|error| format!("jmespath: {}", error.reason))?;
    let bytes = document.len();
    let document: Value = serde_json::from_str(document).map_err(|error| format!("jmespath: the response is not JSON: {error}"))?;
    measure::jmes(compiled.as_ast(), Size::of(&document), bytes).map_err(|reason| format!("jmespath {reason}"))?;
    let found = compiled.search(document).map_err(|error| format!("jmespath: {}", error.reason))?;
    if found.is_expref() { Err("jmespath: the outcome is no JSON".to_owned()) } else { bounded(&*found) }
}

/// How many bytes a value has as JSON.
pub(super) fn length(value: &Value) -> usize {
    let mut counter = Bounded { written: None, bytes: 0, max: usize::MAX };
    // A counter refuses nothing.
    drop(serde_json::to_writer(&mut counter, value));
    counter.bytes
}

/// A value written out and read again, unless it is over the cap: parts that stand in many places are written as often.
fn bounded(found: &impl Serialize) -> Result<Value, String> {
    let mut buffer = Bounded { written: Some(Vec::new()), bytes: 0, max: RESULT_BYTES_MAX };
    match serde_json::to_writer(&mut buffer, found) {
        Ok(()) => serde_json::from_slice(&buffer.written.unwrap_or_default()).map_err(|error| error.to_string()),
        Err(error) if error.is_io() => Err(too_large(buffer.bytes)),
        Err(error) => Err(error.to_string()),
    }
}

/// Counts what is written, and keeps it if it shall.
struct Bounded {
    written: Option<Vec<u8>>,
    bytes: usize,
    max: usize,
}

impl io::Write for Bounded {
    fn write(&mut self, chunk: &[u8]) -> io::Result<usize> {
        self.bytes = self.bytes.saturating_add(chunk.len());
        if self.bytes > self.max {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        if let Some(written) = &mut self.written {
            written.extend_from_slice(chunk);
        }
        Ok(chunk.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
