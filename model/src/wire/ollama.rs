//! The native chat of Ollama: a JSON object a line, an error among them.

use serde_json::Value;

use super::{Extra, object};

/// The lines so far.
#[derive(Debug, Default)]
pub(super) struct Frames {
    error: Option<String>,
}

impl Frames {
    pub(super) fn take(&mut self, data: &str) -> Result<(), String> {
        if data.trim().is_empty() {
            return Ok(());
        }
        let line = object(data)?;
        if let Some(error) = line.get("error") {
            self.error = Some(error.as_str().map_or_else(|| error.to_string(), str::to_owned));
        }
        match line.pointer("/message/content") {
            None | Some(Value::Null | Value::String(_)) => Ok(()),
            Some(_) => Err("its content is no text".to_owned()),
        }
    }

    pub(super) fn extra(&mut self) -> Extra {
        Extra { error: self.error.take(), ..Extra::default() }
    }
}
