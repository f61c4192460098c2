//! Skillsets.

use std::sync::Arc;

use backbone::catalogue::{Revised, Snapshot};
use proto::code::Code;
use proto::resource::{Common, Resource, Skillset};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::call::Call;
use super::given::Given;
use super::kind::{self, Empty, Kind};
use super::notes::{self, Head};
use super::operation::Operation;
use super::shared::{self, CHANGES, Id, OPERATES, READS};
use super::trigger::put_word;
use crate::api_error::ApiError;

const TAG: &str = "Skillsets";
/// Longest description, in characters: a quarter of the bytes that a definition takes.
pub(super) const DESCRIPTION_CHARS_MAX: usize = ::skillset::limit::DESCRIPTION_BYTES_MAX / 4;

/// The operations of the group.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::post("createSkillset", "/skillset/create", OPERATES, kind::create::<Skillsets>)
            .says(TAG, "Make a skillset")
            .takes::<Body>(json!({ "name": "Shop", "description": "What the shop can do." }))
            .gives::<Id>(json!({ "id": "k01k7" }))
            .refuses(&CHANGES),
        shared::listed(Operation::get("listSkillsets", "/skillset/list", READS, kind::list::<Skillsets>))
            .says(TAG, "List skillsets")
            .lists::<Told>(example()),
        Operation::get("fetchSkillset", "/skillset/{id}/fetch", READS, kind::fetch::<Skillsets>)
            .says(TAG, "Fetch a skillset")
            .gives::<Told>(example())
            .refuses(&[Code::ResourceUnknown]),
        shared::fenced(Operation::post("updateSkillset", "/skillset/{id}/update", OPERATES, kind::update::<Skillsets>))
            .says(TAG, "Change a skillset")
            .more("What is left out stays as it is; null clears.")
            .takes::<Body>(json!({ "state": "disabled" }))
            .gives::<Id>(json!({ "id": "k01k7" }))
            .refuses(&CHANGES),
        shared::fenced(Operation::post("deleteSkillset", "/skillset/{id}/delete", OPERATES, kind::delete::<Skillsets>))
            .says(TAG, "Take a skillset away")
            .more("Turns of bots that name it fail with CUE0608 from then on.")
            .takes::<Empty>(json!({}))
            .gives::<Id>(json!({ "id": "k01k7" }))
            .refuses(&[Code::ResourceUnknown, Code::RevisionLost, Code::KeptByFile]),
    ]
}

/// The kind.
#[derive(Debug)]
pub(super) struct Skillsets;

/// What a body says about a skillset.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(rename = "SkillsetChange")]
pub(crate) struct Body {
    /// A second name: 1 to 128 of a-z 0-9 _ -.
    #[schemars(regex(pattern = "^[a-z0-9_-]{1,128}$"))]
    alias: Given<String>,
    /// The display name.
    #[schemars(length(max = 256))]
    name: Given<String>,
    /// What the abilities have in common, for the bot.
    #[schemars(length(max = 1024))]
    description: Given<String>,
    /// Notes; `{"$update": {..}}` adds to those that are there.
    meta: Given<Map<String, Value>>,
    /// Whether bots are offered it.
    state: Given<Word>,
    /// Only kept.
    blueprint_id: Given<Value>,
    /// Only kept.
    visibility: Given<Value>,
}

/// Whether something is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "Offered")]
pub(super) enum Word {
    /// It is.
    Enabled,
    /// It is not.
    Disabled,
}

/// A skillset.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Skillset")]
struct Told {
    #[serde(flatten)]
    common: shared::Common,
    /// The display name.
    name: String,
    /// What the abilities have in common, for the bot.
    description: String,
    /// Whether bots are offered it.
    state: Word,
}

impl Kind for Skillsets {
    type Item = Skillset;
    type Body = Body;

    const GROUP: &'static str = "skillset";
    const LETTER: char = 'k';
    const ACTIONS: [&'static str; 3] = ["skillset.create", "skillset.update", "skillset.delete"];

    fn unknown() -> ApiError {
        ApiError::new(Code::ResourceUnknown, "Skillset not found")
    }

    fn all(snapshot: &Snapshot) -> Vec<Arc<Revised<Skillset>>> {
        snapshot.skillsets.values().cloned().collect()
    }

    fn get(snapshot: &Snapshot, id: &str) -> Option<Arc<Revised<Skillset>>> {
        snapshot.skillsets.get(&id.parse().ok()?).cloned()
    }

    fn new(id: &str) -> Option<Skillset> {
        Some(Skillset::new(id.parse().ok()?, ""))
    }

    fn wrap(item: Skillset) -> Resource {
        Resource::Skillset(item)
    }

    fn unwrap(resource: Resource) -> Option<Skillset> {
        if let Resource::Skillset(skillset) = resource { Some(skillset) } else { None }
    }

    fn common(item: &Skillset) -> &Common {
        &item.common
    }

    fn common_mut(item: &mut Skillset) -> &mut Common {
        &mut item.common
    }

    fn id(item: &Skillset) -> &str {
        item.id.as_str()
    }

    async fn apply(_call: &Call, mut skillset: Skillset, body: Body, _is_new: bool) -> Result<Skillset, ApiError> {
        let head = Head { alias: body.alias, meta: body.meta, name: body.name, description: body.description };
        head.put(&mut skillset.common, &mut skillset.name, &mut skillset.description)?;
        // Shorter than others, for a model reads it.
        notes::check_text("description", &skillset.description, DESCRIPTION_CHARS_MAX)?;
        notes::keep(&mut skillset.common, [("blueprintId", body.blueprint_id), ("visibility", body.visibility)])?;
        put_word(&mut skillset.disabled, body.state, false, |word| word == Word::Disabled);
        let abilities = definition(&skillset).abilities;
        put_abilities(&mut skillset, abilities)?;
        Ok(skillset)
    }

    fn tell(_call: &Call, skillset: &Revised<Skillset>, _now_ms: i64) -> Value {
        let told = Told {
            common: shared::Common::of(&skillset.common, skillset.id.as_str(), skillset.revision),
            name: skillset.name.clone(),
            description: skillset.description.clone(),
            state: if skillset.disabled { Word::Disabled } else { Word::Enabled },
        };
        serde_json::to_value(told).unwrap_or_default()
    }
}

/// What a skillset's definition says; nothing where it has none yet.
pub(super) fn definition(skillset: &Skillset) -> ::skillset::set::Definition {
    serde_json::from_str(&skillset.definition).unwrap_or_default()
}

/// Puts abilities into a skillset, whose definition repeats what it is called and for.
pub(super) fn put_abilities(skillset: &mut Skillset, abilities: Vec<::skillset::ability::Definition>) -> Result<(), ApiError> {
    let id = skillset.id.to_string();
    let is_short = skillset.name.len() <= ::skillset::limit::LABEL_BYTES_MAX && !skillset.name.trim().is_empty();
    let name = if is_short { skillset.name.clone() } else { id.clone() };
    let definition = ::skillset::set::Definition { id: Some(id), name, description: skillset.description.clone(), abilities };
    skillset.definition = serde_json::to_string(&definition).unwrap_or_default();
    notes::check_size("the skillset with all its abilities", skillset.definition.len(), proto::limit::DEFINITION_BYTES_MAX)
}

fn example() -> Value {
    json!({
        "id": "k01k7", "alias": "shop", "name": "Shop", "description": "What the shop can do.", "meta": {}, "state": "enabled",
        "createdAt": 1_790_000_000_000_i64, "updatedAt": 1_790_000_000_000_i64, "managedBy": "api", "revision": 40
    })
}
