//! `streamGenerateContent` of Google.

use serde_json::Value;

use super::{Extra, member, object};

/// The chunks so far.
#[derive(Debug, Default)]
pub(super) struct Frames {
    is_blocked: bool,
}

impl Frames {
    pub(super) fn take(&mut self, data: &str) -> Result<(), String> {
        if data.is_empty() {
            return Ok(());
        }
        let chunk = object(data)?;
        self.is_blocked |= chunk.pointer("/promptFeedback/blockReason").is_some_and(|reason| !reason.is_null());
        match member(&chunk, "candidates") {
            None => Ok(()),
            Some(Value::Array(candidates)) => {
                let parts = candidates.first().and_then(|candidate| candidate.pointer("/content/parts"));
                match parts {
                    None | Some(Value::Array(_) | Value::Null) => Ok(()),
                    Some(_) => Err("its parts are no list".to_owned()),
                }
            }
            Some(_) => Err("its candidates are no list".to_owned()),
        }
    }

    pub(super) fn extra(&self) -> Extra {
        Extra { is_blocked: self.is_blocked, ..Extra::default() }
    }
}
