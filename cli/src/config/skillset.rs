//! Skillsets in a file.

use proto::id::SkillsetId;
use proto::resource;
use worker::bot::DefinitionError;

use super::fault::Fault;
use super::fields::{Fields, Placed};
use super::notes;
use super::tree::{Node, Place};

/// A skillset, as far as it could be read.
pub(super) struct PlacedSkillset {
    pub(super) id: Option<Placed<SkillsetId>>,
    pub(super) skillset: Option<resource::Skillset>,
    /// Where it stands, for what is wrong across files.
    pub(super) at: (Place, String),
}

/// Reads one skillset.
pub(super) fn read(node: &Node, path: &str, faults: &mut Vec<Fault>) -> Option<PlacedSkillset> {
    let mut fields = Fields::of(node, path.to_owned(), faults)?;
    let id = fields.parse::<SkillsetId>("id", faults);
    let name = fields.text("name", faults);
    let description = fields.text("description", faults);
    let disabled = fields.flag("disabled", false, faults);
    let common = notes::take(&mut fields, faults);
    let mut definition = fields.into_json();
    let Some(known) = &id else { return Some(PlacedSkillset { id, skillset: None, at: (node.at, path.to_owned()) }) };
    let label = if name.is_empty() { known.value.to_string() } else { name };
    if let Some(map) = definition.as_object_mut() {
        map.insert("name".into(), label.clone().into());
        map.insert("description".into(), description.clone().into());
    }
    let skillset = resource::Skillset {
        name: label,
        description,
        common,
        disabled,
        ..resource::Skillset::new(known.value.clone(), definition.to_string())
    };
    match worker::bot::read_skillset(&skillset) {
        Ok(_) => {}
        Err(DefinitionError::Kind(reason) | DefinitionError::Invalid { reason, .. }) => {
            // Abilities are named in the reason by their place and name.
            let place = reason.split_once(' ').map_or("", |(place, _)| place);
            faults.push(Fault { at: node.place_of(place), path: path.to_owned(), reason });
        }
    }
    Some(PlacedSkillset { id, skillset: Some(skillset), at: (node.at, path.to_owned()) })
}
