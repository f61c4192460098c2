//! Bots in a file.

use proto::id::BotId;
use proto::resource;
use worker::bot::DefinitionError;

use super::fault::Fault;
use super::fields::{Fields, Placed};
use super::notes;
use super::tree::{Node, Place};

/// A bot, as far as it could be read.
pub(super) struct PlacedBot {
    pub(super) id: Option<Placed<BotId>>,
    pub(super) bot: Option<resource::Bot>,
    /// Where it stands, for what is wrong across the file.
    pub(super) at: Option<(Place, String)>,
}

/// Reads one bot.
pub(super) fn read(node: &Node, path: &str, faults: &mut Vec<Fault>) -> Option<PlacedBot> {
    let mut fields = Fields::of(node, path.to_owned(), faults)?;
    let id = fields.parse::<BotId>("id", faults);
    let name = fields.text("name", faults);
    let description = fields.text("description", faults);
    let kind = fields.parse::<String>("kind", faults);
    let common = notes::take(&mut fields, faults);
    let state = notes::word(&mut fields, "state", &notes::STATES, resource::State::Active, faults).unwrap_or(resource::State::Active);
    let definition = fields.into_json().to_string();
    let (Some(known), Some(kind)) = (&id, kind) else { return Some(PlacedBot { id, bot: None, at: None }) };
    let bot = resource::Bot { name, description, common, state, ..resource::Bot::new(known.value.clone(), kind.value, definition) };
    match worker::bot::check(&bot) {
        Ok(()) => {}
        Err(error @ DefinitionError::Kind(_)) => faults.push(Fault { at: kind.at, path: kind.path, reason: error.to_string() }),
        Err(DefinitionError::Invalid { path: inner, reason }) => {
            let dot = if inner.is_empty() || inner.starts_with('[') { "" } else { "." };
            faults.push(Fault { at: node.place_of(&inner), path: format!("{path}{dot}{inner}"), reason });
        }
    }
    Some(PlacedBot { id, bot: Some(bot), at: Some((node.at, path.to_owned())) })
}
