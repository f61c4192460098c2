//! Abilities as functions that a model may call.
//!
//! Guarantees: names are a letter and then letters, digits and `_`, at most 64 characters, each
//! once; the same skillset always gives the same names, so a turn that is resumed knows its calls.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::ability::{Ability, State};
use crate::argument::JUSTIFICATION;
use crate::limit::{FUNCTION_NAME_CHARS_MAX, FUNCTIONS_MAX};

/// The most characters of a description that says too little by itself.
const DESCRIPTION_CHARS_FEW: usize = 10;
/// What stands before such a description.
const DESCRIPTION_LEAD: &str = "Performs an action based on action input. ";
/// What stands before a name that would begin with a digit.
const NAME_LEAD: &str = "f_";

/// A function that a model may call.
#[derive(Debug, Clone, PartialEq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Its arguments, as JSON Schema.
    pub parameters: Value,
    /// The ability behind it, by its position in the skillset.
    pub ability: usize,
}

/// Whether a model is asked why it calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Justification {
    /// It is not.
    #[default]
    None,
    /// Each function has an argument `justification`, unless the ability has one of its own.
    Asked,
}

/// The functions of abilities, in their order; abilities that are disabled or have no name in it are left out.
pub(crate) fn functions(abilities: &[Ability], justification: Justification) -> Vec<Function> {
    let offered = abilities.iter().enumerate().filter(|(_, ability)| ability.state == State::Enabled);
    let named = offered.filter_map(|(index, ability)| Some((index, ability, name(&ability.name)?)));
    let mut taken = BTreeSet::new();
    let function = |(index, ability, name): (usize, &Ability, String)| {
        let name = unique(name, &taken);
        taken.insert(name.clone());
        let description = description(&ability.description);
        Function { name, description, parameters: parameters(ability, justification), ability: index }
    };
    named.take(FUNCTIONS_MAX).map(function).collect()
}

/// The name of the function of an ability; none where nothing is left of it.
fn name(label: &str) -> Option<String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_name = label.starts_with(|c: char| c.is_ascii_alphabetic()) && label.chars().all(is_word);
    let name = if is_name {
        label.to_owned()
    } else {
        let words = label.split(|c: char| !is_word(c) || c == '_').filter(|word| !word.is_empty());
        words.collect::<Vec<_>>().join("_").to_ascii_lowercase()
    };
    let lead = if name.starts_with(|c: char| c.is_ascii_digit()) { NAME_LEAD } else { "" };
    let name: String = lead.chars().chain(name.chars()).take(FUNCTION_NAME_CHARS_MAX).collect();
    Some(name).filter(|name| !name.is_empty())
}

/// The name, with a number where it is taken.
fn unique(name: String, taken: &BTreeSet<String>) -> String {
    if !taken.contains(&name) {
        return name;
    }
    let numbered = |number: usize| {
        let suffix = format!("_{number}");
        let room = FUNCTION_NAME_CHARS_MAX.saturating_sub(suffix.len());
        name.chars().take(room).collect::<String>() + &suffix
    };
    (2..=taken.len() + 2).map(numbered).find(|name| !taken.contains(name)).unwrap_or_default()
}

fn description(words: &str) -> String {
    let says_enough = words.chars().count() > DESCRIPTION_CHARS_FEW;
    if says_enough { words.to_owned() } else { format!("{DESCRIPTION_LEAD}{words}").trim_end().to_owned() }
}

fn parameters(ability: &Ability, justification: Justification) -> Value {
    let mut schema = ability.instruction.schema();
    let is_own = ability.instruction.fields().iter().any(|field| field.name == JUSTIFICATION);
    if justification == Justification::Asked && !is_own {
        if let Some(Value::Object(properties)) = schema.get_mut("properties") {
            properties.insert(JUSTIFICATION.to_owned(), json!({ "type": "string", "title": "Justification for the action" }));
        }
        if let Some(Value::Array(required)) = schema.get_mut("required") {
            required.push(JUSTIFICATION.into());
        }
    }
    schema
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Justification, description, functions, name};
    use crate::ability::{Ability, Definition, State};

    fn ability(name: &str) -> Ability {
        Ability::parse(Definition {
            name: name.to_owned(),
            instruction: "```echo\n$[a!] $[_b] $[c local]\n```".to_owned(),
            ..Definition::default()
        })
        .unwrap()
    }

    #[test]
    fn names_follow_the_rules_of_chatbotkit_and_begin_with_a_letter() {
        for (label, expected) in [
            ("fetchWeather", Some("fetchWeather")),
            ("Fetch Weather", Some("fetch_weather")),
            ("Find  (by-id)!", Some("find_by_id")),
            ("a__b-c", Some("a_b_c")),
            ("Wetter für Köln", Some("wetter_f_r_k_ln")),
            ("_private", Some("private")),
            ("2FA check", Some("f_2fa_check")),
            ("keep_", Some("keep_")),
            ("天気", None),
            ("---", None),
            ("", None),
        ] {
            assert_eq!(name(label).as_deref(), expected, "{label}");
        }
        assert_eq!(name(&"a".repeat(100)).map(|name| name.len()), Some(64));
        assert_eq!(name(&"a b".repeat(100)).map(|name| name.len()), Some(64));
    }

    #[test]
    fn names_that_are_taken_get_numbers_and_stay_short() {
        let long = "a".repeat(70);
        let labels = ["Do it", "do it", "do_it_2", "天気", "do-it", &long, &long];
        let names: Vec<_> =
            functions(&labels.map(ability), Justification::None).into_iter().map(|function| (function.name, function.ability)).collect();
        let long = ("a".repeat(64), format!("{}_2", "a".repeat(62)));
        let expected = [("do_it", 0), ("do_it_2", 1), ("do_it_2_2", 2), ("do_it_3", 4), (long.0.as_str(), 5), (long.1.as_str(), 6)];
        assert_eq!(names.iter().map(|(name, index)| (name.as_str(), *index)).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn short_descriptions_get_a_lead() {
        for (words, expected) in [
            ("Tells the weather", "Tells the weather"),
            ("1234567890", "Performs an action based on action input. 1234567890"),
            ("", "Performs an action based on action input."),
        ] {
            assert_eq!(description(words), expected);
        }
    }

    #[test]
    fn parameters_show_what_the_model_gives_and_nothing_else() {
        let function = |justification| functions(&[ability("a")], justification).remove(0).parameters;
        let plain = json!({ "type": "object", "title": "Action request", "properties": { "a": { "type": "string" } }, "required": ["a"], "additionalProperties": false });
        assert_eq!(function(Justification::None), plain);
        let asked = function(Justification::Asked);
        assert_eq!(asked["required"], json!(["a", "justification"]));
        assert_eq!(asked["properties"]["justification"]["type"], "string");
    }

    #[test]
    fn at_most_a_hundred_are_offered_and_none_that_is_disabled() {
        let mut abilities: Vec<_> = (0..120).map(|number| ability(&format!("a{number}"))).collect();
        abilities[0].state = State::Disabled;
        let functions = functions(&abilities, Justification::None);
        assert_eq!((functions.len(), functions[0].ability), (100, 1));
    }
}
