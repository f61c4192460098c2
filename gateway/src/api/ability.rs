//! Abilities: what stands in the definition of a skillset.

use axum::response::Response;
use backbone::catalogue::Revised;
use proto::code::Code;
use proto::resource::Skillset;
use serde_json::{Value, json};
use skillset::ability::Definition;

use super::call::{Call, give};
use super::kind::{self, Empty};
use super::operation::{Answer, Form, Operation};
use super::shared::{self, CHANGES, Id, OPERATES, READS};
use super::skillset::{Skillsets, definition, put_abilities};
use super::{id, list, page};
use crate::api_error::ApiError;

mod body;
mod check;
mod execute;
mod function;
mod told;

use told::Told;

const TAG: &str = "Abilities";
/// What an export has a column for.
const COLUMNS: [&str; 8] = ["id", "name", "description", "instruction", "secretId", "state", "createdAt", "updatedAt"];

/// The operations of the group.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::post("createAbility", "/skillset/{id}/ability/create", OPERATES, create)
            .says(TAG, "Make an ability")
            .more("A fault in the instruction is told with its line and column.")
            .body(Form { schema: body::whole, example: body::example() })
            .gives::<Id>(json!({ "id": "a01k7" }))
            .refuses(&CHANGES)
            .refuses(&[Code::InstructionInvalid]),
        shared::listed(Operation::get("listAbilities", "/skillset/{id}/ability/list", READS, listed))
            .says(TAG, "List the abilities of a skillset")
            .lists::<Told>(told::example())
            .refuses(&[Code::ResourceUnknown]),
        shared::listed(Operation::get("exportAbilities", "/skillset/{id}/ability/export", READS, exported))
            .says(TAG, "Export the abilities of a skillset")
            .answers(Answer::Export(Form::of::<Told>(told::example())))
            .refuses(&[Code::ResourceUnknown]),
        Operation::get("fetchAbility", "/skillset/{id}/ability/{ability}/fetch", READS, fetch)
            .says(TAG, "Fetch an ability")
            .gives::<Told>(told::example())
            .refuses(&[Code::ResourceUnknown]),
        shared::fenced(Operation::post("updateAbility", "/skillset/{id}/ability/{ability}/update", OPERATES, update))
            .says(TAG, "Change an ability")
            .more("What is left out stays as it is; null clears. The revision is the skillset's.")
            .takes::<body::Body>(json!({ "description": "Looks an order up by its number." }))
            .gives::<Id>(json!({ "id": "a01k7" }))
            .refuses(&CHANGES)
            .refuses(&[Code::InstructionInvalid]),
        shared::fenced(Operation::post("deleteAbility", "/skillset/{id}/ability/{ability}/delete", OPERATES, delete))
            .says(TAG, "Take an ability away")
            .takes::<Empty>(json!({}))
            .gives::<Id>(json!({ "id": "a01k7" }))
            .refuses(&[Code::ResourceUnknown, Code::RevisionLost, Code::KeptByFile]),
        check::operation(),
        execute::operation(),
    ]
}

fn unknown() -> ApiError {
    ApiError::new(Code::ResourceUnknown, "Ability not found")
}

/// The id of an ability; one that a file keeps has the name for it, with its place where that is another's too.
fn id_of(abilities: &[Definition], index: usize) -> String {
    let Some(ability) = abilities.get(index) else { return String::new() };
    if let Some(id) = &ability.id {
        return id.clone();
    }
    let plain: String =
        ability.name.chars().map(|char| if char.is_ascii_alphanumeric() { char.to_ascii_lowercase() } else { '-' }).take(48).collect();
    let is_known = |other: &Definition| other.id.is_none() && other.name.eq_ignore_ascii_case(&ability.name);
    let is_plain = ability.name.is_ascii() && !abilities.iter().take(index).any(is_known);
    if is_plain { plain } else { format!("{plain}-{index}") }
}

/// Where an ability stands, by its id or, behind `@`, its alias.
fn find(abilities: &[Definition], name: &str) -> Result<usize, ApiError> {
    let mut places = 0..abilities.len();
    let found = match name.strip_prefix('@') {
        Some(alias) => abilities.iter().position(|ability| ability.alias.as_deref() == Some(alias)),
        None => places.find(|index| id_of(abilities, *index) == name),
    };
    found.ok_or_else(unknown)
}

async fn create(call: Call) -> Result<Response, ApiError> {
    let body: body::Body = call.json()?;
    let now_ms = kind::now_ms(&call.door).await?;
    let id = id::mint('a', now_ms);
    let fresh = Definition { id: Some(id.clone()), created_at: Some(now_ms), updated_at: Some(now_ms), ..Definition::default() };
    kind::edited::<Skillsets>(&call, |mut skillset: Skillset| {
        let mut abilities = definition(&skillset).abilities;
        abilities.push(body.clone().apply(fresh.clone())?);
        body::check_alias(&abilities, abilities.len() - 1)?;
        body::check_count(abilities.len())?;
        put_abilities(&mut skillset, abilities)?;
        Ok(skillset)
    })
    .await?;
    give(&json!({ "id": id }))
}

async fn update(call: Call) -> Result<Response, ApiError> {
    let body: body::Body = call.json()?;
    let now_ms = kind::now_ms(&call.door).await?;
    let found = kind::find::<Skillsets>(&call, call.place("id")).await?;
    let abilities = definition(&found).abilities;
    let id = id_of(&abilities, find(&abilities, call.place("ability"))?);
    kind::edited::<Skillsets>(&call, |mut skillset: Skillset| {
        let mut abilities = definition(&skillset).abilities;
        let index = find(&abilities, &id)?;
        let before = abilities.get(index).cloned().ok_or_else(unknown)?;
        let after = body.clone().apply(Definition { id: Some(id.clone()), updated_at: Some(now_ms), ..before })?;
        if let Some(slot) = abilities.get_mut(index) {
            *slot = after;
        }
        body::check_alias(&abilities, index)?;
        put_abilities(&mut skillset, abilities)?;
        Ok(skillset)
    })
    .await?;
    give(&json!({ "id": id }))
}

async fn delete(call: Call) -> Result<Response, ApiError> {
    let Empty {} = call.json()?;
    let found = kind::find::<Skillsets>(&call, call.place("id")).await?;
    let abilities = definition(&found).abilities;
    let id = id_of(&abilities, find(&abilities, call.place("ability"))?);
    kind::edited::<Skillsets>(&call, |mut skillset: Skillset| {
        let mut abilities = definition(&skillset).abilities;
        abilities.remove(find(&abilities, &id)?);
        put_abilities(&mut skillset, abilities)?;
        Ok(skillset)
    })
    .await?;
    give(&json!({ "id": id }))
}

async fn fetch(call: Call) -> Result<Response, ApiError> {
    let skillset = kind::find::<Skillsets>(&call, call.place("id")).await?;
    let abilities = definition(&skillset).abilities;
    let index = find(&abilities, call.place("ability"))?;
    let functions = function::of_all(&abilities);
    give(&told::tell(&skillset, (&abilities, &functions), index))
}

async fn listed(call: Call) -> Result<Response, ApiError> {
    let skillset = kind::find::<Skillsets>(&call, call.place("id")).await?;
    list::answer(&call, move |wanted| {
        let page = one_page(&skillset, &wanted);
        async move { Ok(page) }
    })
    .await
}

async fn exported(call: Call) -> Result<Response, ApiError> {
    let skillset = kind::find::<Skillsets>(&call, call.place("id")).await?;
    list::export(&call, &COLUMNS, move |wanted| {
        let page = one_page(&skillset, &wanted);
        async move { Ok(page) }
    })
    .await
}

fn one_page(skillset: &Revised<Skillset>, wanted: &page::Wanted) -> Vec<list::Item> {
    let abilities = definition(skillset).abilities;
    let functions = function::of_all(&abilities);
    let told: Vec<(i64, String, Value)> = (0..abilities.len())
        .map(|index| {
            let at = abilities.get(index).and_then(|ability| ability.created_at).unwrap_or_default();
            (at, id_of(&abilities, index), told::tell(skillset, (&abilities, &functions), index))
        })
        .collect();
    let admitted = told.iter().filter(|(_, _, told)| told.get("meta").and_then(Value::as_object).is_some_and(|meta| wanted.admits(meta)));
    let page = page::pick(admitted, wanted, |(at, id, _)| (*at, id.as_str()));
    page.into_iter().map(|(_, id, told)| (id.clone(), told.clone())).collect()
}

#[cfg(test)]
mod tests {
    use skillset::ability::Definition;

    use super::{find, id_of};

    #[test]
    fn every_ability_has_an_id_of_its_own() {
        let ability = |name: &str, id: Option<&str>| Definition { name: name.into(), id: id.map(str::to_owned), ..Definition::default() };
        let abilities = [ability("Look up", None), ability("look up", None), ability("x", Some("a1")), ability("größer", None)];
        let ids: Vec<_> = (0..abilities.len()).map(|index| id_of(&abilities, index)).collect();
        assert_eq!(ids, ["look-up", "look-up-1", "a1", "gr--er-3"]);
        for (index, id) in ids.iter().enumerate() {
            assert_eq!(find(&abilities, id).ok(), Some(index));
        }
        assert!(find(&abilities, "nobody").is_err() && find(&abilities, "@none").is_err());
    }
}
