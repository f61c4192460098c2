//! What one turn has beside its bot's own, in ChatBotKit's shape.
//!
//! ```json
//! { "backstory": "...", "skillsets": [{ "name": "...", "abilities": [...] }],
//!   "execute": { "skillsetId": "...", "abilityId": "...", "input": "...", "contactId": "..." } }
//! ```
//! `execute` is this system's own: a turn without a bot, for the one call that it names.

use serde::Deserialize;
use skillset::set::Definition;

use super::DefinitionError;

/// What stands between the texts of a bot and those of a turn.
const BETWEEN: &str = "\n\n";
/// The name of a skillset that a bot has only by its turn.
const NAMELESS: &str = "extensions";

/// What one turn has beside its bot's own; what is not read here means nothing to a bot.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Extension {
    /// What stands behind the bot's backstory.
    pub(crate) backstory: Option<String>,
    /// What it may do besides.
    pub(crate) skillsets: Option<Vec<Definition>>,
    /// The one call that is made.
    pub(crate) execute: Option<Execute>,
}

/// One call of an ability, made without a bot.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Execute {
    /// The skillset.
    pub(crate) skillset_id: String,
    /// The ability in it, by its id or name.
    pub(crate) ability_id: String,
    /// Its arguments: a JSON or YAML mapping, or the words for its only parameter.
    #[serde(default)]
    pub(crate) input: Option<String>,
    /// For whom it is made.
    #[serde(default)]
    pub(crate) contact_id: Option<String>,
}

impl Extension {
    /// Reads what an event asks for; an empty text asks for nothing.
    pub(crate) fn parse(text: &str) -> Result<Self, DefinitionError> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let invalid = |error: serde_json::Error| DefinitionError::Invalid { path: "extensions".to_owned(), reason: error.to_string() };
        serde_json::from_str(text).map_err(invalid)
    }

    /// Whether a bot is what it is without it.
    pub(crate) fn is_empty(&self) -> bool {
        self.backstory.is_none() && self.skillsets.is_none() && self.execute.is_none()
    }

    /// The backstory of the turn.
    pub(super) fn backstory(&self, own: &str) -> String {
        let parts = [own, self.backstory.as_deref().unwrap_or_default()];
        parts.into_iter().filter(|part| !part.trim().is_empty()).collect::<Vec<_>>().join(BETWEEN)
    }

    /// The abilities of the turn; none where neither the bot nor the turn has any.
    pub(super) fn skillset(&self, own: Option<Definition>) -> Option<Definition> {
        let added = self.skillsets.iter().flatten();
        let mut added = added.filter(|set| !set.abilities.is_empty()).peekable();
        if added.peek().is_none() {
            return own;
        }
        let nothing = || Definition { name: NAMELESS.to_owned(), ..Definition::default() };
        let mut whole = own.unwrap_or_else(nothing);
        for set in added {
            if !set.description.trim().is_empty() {
                let both = [whole.description.as_str(), set.description.as_str()].join("\n");
                both.trim().clone_into(&mut whole.description);
            }
            whole.abilities.extend(set.abilities.iter().cloned());
        }
        Some(whole)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use skillset::set::Definition;

    use super::Extension;

    #[test]
    fn what_a_turn_has_stands_behind_what_its_bot_has() {
        let ability = |name: &str| json!({ "name": name, "instruction": "```echo\nhi\n```" });
        let text = json!({
            "backstory": "Be brief.", "features": [{ "name": "x" }],
            "skillsets": [{ "name": "s", "description": "more", "abilities": [ability("b")] }, { "name": "t", "abilities": [] }],
        });
        let extension = Extension::parse(&text.to_string()).unwrap();
        assert_eq!(extension.backstory("You are Ada."), "You are Ada.\n\nBe brief.");
        assert_eq!(extension.backstory(" "), "Be brief.");
        let own: Definition = serde_json::from_value(json!({ "name": "own", "description": "d", "abilities": [ability("a")] })).unwrap();
        let whole = extension.skillset(Some(own)).unwrap();
        assert_eq!((whole.description.as_str(), whole.abilities.len(), whole.name.as_str()), ("d\nmore", 2, "own"));
        assert_eq!(extension.skillset(None).unwrap().abilities.len(), 1);
        assert!(Extension::parse("").unwrap().skillset(None).is_none());
        assert!(Extension::parse("[1]").is_err() && Extension::parse(r#"{"execute":{}}"#).is_err());
    }
}
