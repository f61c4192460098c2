//! Messages of Anthropic: named events, and blocks that open and close one after another.

use serde_json::Value;

use super::{Extra, object};

/// The events so far.
#[derive(Debug, Default)]
pub(super) struct Frames {
    open: Option<u64>,
    reasoning: Option<u64>,
}

impl Frames {
    pub(super) fn take(&mut self, event: Option<&str>, data: &str) -> Result<(), String> {
        let event = match (event, data) {
            // What keeps the connection open.
            (None | Some("ping"), "") => return Ok(()),
            (None, _) => return Err("an event has no name".to_owned()),
            (Some(_), "") => return Err("an event has no content".to_owned()),
            (Some(event), _) => event,
        };
        let value = object(data)?;
        let block = value.get("index").and_then(Value::as_u64);
        match event {
            "content_block_start" if self.open.is_some() => Err("a block begins before the one before it has ended".to_owned()),
            "content_block_start" => {
                self.open = Some(block.ok_or("a block has no place")?);
                Ok(())
            }
            "content_block_delta" if self.open.is_none() || block != self.open => Err("a part belongs to no block".to_owned()),
            "content_block_stop" if self.open.is_none() || block != self.open => Err("a block ends that has not begun".to_owned()),
            "content_block_stop" => {
                self.open = None;
                Ok(())
            }
            "message_delta" => {
                let reasoning = value.pointer("/usage/output_tokens_details/thinking_tokens").and_then(Value::as_u64);
                self.reasoning = reasoning.or(self.reasoning);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    pub(super) fn extra(&self) -> Extra {
        Extra { reasoning: self.reasoning, ..Extra::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::Frames;

    fn taken(events: &[(Option<&str>, &str)]) -> Result<(), String> {
        let mut frames = Frames::default();
        events.iter().try_for_each(|(event, data)| frames.take(*event, data))
    }

    #[test]
    fn blocks_follow_one_another() {
        let (start, delta, stop) = (Some("content_block_start"), Some("content_block_delta"), Some("content_block_stop"));
        let (zero, one) = (r#"{"index":0}"#, r#"{"index":1}"#);
        assert_eq!(taken(&[(start, zero), (delta, zero), (Some("ping"), ""), (stop, zero), (start, one), (stop, one)]), Ok(()));
        for events in [
            [(start, zero), (start, one)],
            [(start, zero), (delta, one)],
            [(start, zero), (stop, one)],
            [(None, ""), (delta, zero)],
            [(None, ""), (stop, zero)],
            [(None, ""), (start, "{}")],
            [(start, zero), (delta, "[")],
        ] {
            taken(&events).unwrap_err();
        }
    }

    #[test]
    fn an_event_that_was_torn_in_two_is_a_flaw() {
        assert_eq!(taken(&[(Some("message_stop"), "")]), Err("an event has no content".to_owned()));
        assert_eq!(taken(&[(None, r#"{"type":"message_stop"}"#)]), Err("an event has no name".to_owned()));
        assert_eq!(taken(&[(None, "")]), Ok(()));
    }
}
