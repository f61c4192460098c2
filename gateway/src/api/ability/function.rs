//! What a model is offered of abilities.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};
use skillset::ability::{Ability, Definition};
use skillset::invocation::Action;
use skillset::set::Skillset;

/// A function that a model may call.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "AbilityFunction")]
pub(super) struct Function {
    /// Its name.
    name: String,
    /// What it is for.
    description: String,
    /// Its arguments, as JSON Schema.
    parameters: Map<String, Value>,
}

/// What an instruction does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "AbilityAction")]
pub(super) enum ActionWord {
    /// One HTTP call.
    Fetch,
    /// A search over the web.
    Search,
    /// A mail.
    Email,
    /// Gives its input back.
    Echo,
    /// Ends the turn.
    Abort,
    /// The tools of another program.
    Mcp,
    /// A message to other services.
    Nats,
    /// Asks somebody outside, and waits.
    Await,
}

/// What comes of one ability.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "AbilityOffer")]
pub(super) struct Offer {
    /// What its instruction does; null where that cannot be read.
    pub(super) action: Option<ActionWord>,
    /// What a model is offered of it once it is enabled; null where nothing is left of its name, and where a
    /// server's tools stand for it.
    pub(super) function: Option<Function>,
}

impl From<Action> for ActionWord {
    fn from(action: Action) -> Self {
        match action {
            Action::Fetch => Self::Fetch,
            Action::Search => Self::Search,
            Action::Email => Self::Email,
            Action::Echo => Self::Echo,
            Action::Abort => Self::Abort,
            Action::Mcp => Self::Mcp,
            Action::Nats => Self::Nats,
            Action::Await => Self::Await,
        }
    }
}

impl From<skillset::function::Function> for Function {
    fn from(function: skillset::function::Function) -> Self {
        let parameters = if let Value::Object(parameters) = function.parameters { parameters } else { Map::new() };
        Self { name: function.name, description: function.description, parameters }
    }
}

/// What comes of each ability of a skillset, in their order.
pub(super) fn of_all(definitions: &[Definition]) -> Vec<Offer> {
    let mut offers = vec![Offer::default(); definitions.len()];
    // What a file keeps was checked by another build perhaps; what cannot be read is no ability of a turn.
    let parsed = definitions.iter().enumerate().filter_map(|(place, one)| Some((place, Ability::parse(one.clone()).ok()?)));
    let (places, abilities): (Vec<usize>, Vec<Ability>) = parsed.unzip();
    let set = Skillset { abilities, ..Skillset::default() };
    let mut offered: Vec<Option<skillset::function::Function>> = vec![None; set.abilities.len()];
    for function in set.functions() {
        if let Some(slot) = offered.get_mut(function.ability) {
            *slot = Some(function);
        }
    }
    for (index, ((place, ability), function)) in places.into_iter().zip(&set.abilities).zip(offered).enumerate() {
        let action = ability.instruction.action();
        let function = function.or_else(|| set.function(index)).filter(|_| action != Action::Mcp);
        if let Some(offer) = offers.get_mut(place) {
            *offer = Offer { action: Some(action.into()), function: function.map(Function::from) };
        }
    }
    offers
}

/// A function as it might be told.
pub(super) fn example() -> Value {
    json!({
        "name": "look_up_order", "description": "Looks an order up by its number.",
        "parameters": {
            "type": "object", "title": "Action request", "properties": { "id": { "type": "string", "description": "the order number" } },
            "required": ["id"], "additionalProperties": false
        }
    })
}

#[cfg(test)]
mod tests {
    use skillset::ability::{Definition, State};

    use super::{ActionWord, of_all};

    #[test]
    fn every_ability_has_its_own_function_and_a_server_none() {
        let ability =
            |name: &str, instruction: &str| Definition { name: name.into(), instruction: instruction.into(), ..Definition::default() };
        let disabled = Definition { state: State::Disabled, ..ability("Say", "```echo\n$[a!]\n```") };
        let abilities = [
            ability("Say", "```echo\n$[text!]\n```"),
            ability("broken", "say it"),
            disabled,
            ability("Tools", "```mcp\nurl: https://mcp.example.com/\n```"),
        ];
        let offers = of_all(&abilities);
        let names: Vec<_> = offers.iter().map(|offer| offer.function.as_ref().map(|function| function.name.as_str())).collect();
        assert_eq!(names, [Some("Say"), None, Some("Say_2"), None]);
        let actions: Vec<_> = offers.iter().map(|offer| offer.action).collect();
        assert_eq!(actions, [Some(ActionWord::Echo), None, Some(ActionWord::Echo), Some(ActionWord::Mcp)]);
    }
}
