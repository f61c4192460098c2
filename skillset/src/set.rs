//! A skillset: the abilities that a bot has.

use std::fmt::{self, Display, Formatter};

use serde::{Deserialize, Serialize};

use crate::ability::{self, Ability, State};
use crate::function::{self, Function, Justification};
use crate::limit::{DESCRIPTION_BYTES_MAX, FUNCTIONS_MAX, LABEL_BYTES_MAX};

/// A skillset as it stands in a file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Definition {
    /// Its id, where one is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What it is called.
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Its abilities.
    #[serde(default)]
    pub abilities: Vec<ability::Definition>,
}

/// A named set of abilities.
#[derive(Debug, Clone, Default)]
pub struct Skillset {
    /// Its id, where one is kept.
    pub id: Option<String>,
    /// What it is called.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Its abilities.
    pub abilities: Vec<Ability>,
}

/// All that is wrong with a definition, each with its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Errors(pub Vec<(String, ability::Error)>);

impl Skillset {
    /// Reads a definition; all that is wrong is told.
    pub fn parse(definition: Definition) -> Result<Self, Errors> {
        let mut errors: Vec<_> = check(&definition).into_iter().map(|error| (String::new(), error)).collect();
        let mut abilities = Vec::with_capacity(definition.abilities.len());
        for (index, ability) in definition.abilities.into_iter().enumerate().take(FUNCTIONS_MAX) {
            let path = format!("abilities[{index}] ({})", ability.name);
            match Ability::parse(ability) {
                Ok(ability) => abilities.push(ability),
                Err(found) => errors.extend(found.into_iter().map(|error| (path.clone(), error))),
            }
        }
        if !errors.is_empty() {
            return Err(Errors(errors));
        }
        Ok(Self { id: definition.id, name: definition.name, description: definition.description, abilities })
    }

    /// What a model is offered.
    pub fn functions(&self) -> Vec<Function> {
        function::functions(&self.abilities, Justification::None)
    }

    /// What a model is offered that is asked why it calls.
    pub fn functions_with_justification(&self) -> Vec<Function> {
        function::functions(&self.abilities, Justification::Asked)
    }

    /// What a model is offered of one ability, or would be if it were enabled.
    pub fn function(&self, ability: usize) -> Option<Function> {
        let mut abilities = self.abilities.clone();
        abilities.get_mut(ability)?.state = State::Enabled;
        function::functions(&abilities, Justification::None).into_iter().find(|offered| offered.ability == ability)
    }

    /// The ability behind a function's name.
    pub fn ability(&self, function: &str) -> Option<&Ability> {
        let found = self.functions().into_iter().find(|offered| offered.name == function)?;
        self.abilities.get(found.ability)
    }
}

impl Display for Errors {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (index, (path, error)) in self.0.iter().enumerate() {
            let gap = if index > 0 { "\n\n" } else { "" };
            let colon = if path.is_empty() { "" } else { ": " };
            write!(f, "{gap}{path}{colon}{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Errors {}

fn check(definition: &Definition) -> Vec<ability::Error> {
    let mut errors = Vec::new();
    let mut refuse = |field, reason| errors.push(ability::Error::Field { field, reason });
    if definition.name.trim().is_empty() || definition.name.len() > LABEL_BYTES_MAX {
        refuse("name", format!("has {} bytes, must have 1 to {LABEL_BYTES_MAX}", definition.name.len()));
    }
    if definition.description.len() > DESCRIPTION_BYTES_MAX {
        refuse("description", format!("has {} bytes, at most {DESCRIPTION_BYTES_MAX} are taken", definition.description.len()));
    }
    if definition.abilities.len() > FUNCTIONS_MAX {
        refuse("abilities", format!("has {} entries, at most {FUNCTIONS_MAX} are taken", definition.abilities.len()));
    }
    errors
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Definition, Skillset};

    fn parse(definition: Value) -> Result<Skillset, String> {
        let definition: Definition = serde_json::from_value(definition).map_err(|error| error.to_string())?;
        Skillset::parse(definition).map_err(|errors| errors.to_string())
    }

    #[test]
    fn a_call_finds_its_ability_and_fills_it_in() {
        let skillset = parse(json!({
            "id": "sk1", "name": "S", "description": "d",
            "abilities": [
                { "name": "Say", "instruction": "```echo\nfirst\n```" },
                { "name": "Say", "instruction": "```echo\n$[what!]\n```" },
            ],
        }));
        let skillset = skillset.unwrap();
        let ability = skillset.ability("say_2").or_else(|| skillset.ability("Say_2")).unwrap();
        assert_eq!(ability.fill(&json!({ "what": "x" })).unwrap().body, crate::invocation::Body::Text("x".into()));
        assert_eq!(skillset.function(1).map(|function| function.name), Some("Say_2".to_owned()));
        let violation = ability.fill(&json!({ "wat": "x" })).unwrap_err().to_string();
        assert!(violation.starts_with("the arguments do not fit:\n- \"wat\": is no argument of this function\n- what: is missing\nthe arguments must match this JSON schema: {"), "{violation}");
        assert!(skillset.ability("shout").is_none());
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let errors = parse(json!({
            "name": "",
            "abilities": [{ "name": "a", "instruction": "```echo\n```" }, { "name": "b", "instruction": "```ecko\n```" }, { "name": "", "instruction": "```echo\n$[x\n```" }],
        }))
        .unwrap_err();
        for expected in [
            "name has 0 bytes",
            "abilities[1] (b): instruction:\nline 1, column 4",
            "abilities[2] (): name must not be empty",
            "abilities[2] (): instruction:\nline 2",
        ] {
            assert!(errors.contains(expected), "{errors}");
        }
        let many: Vec<_> = (0..101).map(|_| json!({ "name": "a", "instruction": "```echo\n```" })).collect();
        assert_eq!(parse(json!({ "name": "s", "abilities": many })).unwrap_err(), "abilities has 101 entries, at most 100 are taken");
        assert!(
            parse(json!({ "name": "s", "ability": [] }))
                .unwrap_err()
                .starts_with("unknown field `ability`, expected one of `id`, `name`, `description`, `abilities`")
        );
    }
}
