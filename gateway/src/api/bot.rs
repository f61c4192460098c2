//! Bots.

use std::sync::Arc;

use axum::response::Response;
use backbone::catalogue::{Revised, Snapshot};
use proto::code::Code;
use proto::resource::{Bot, Common, Resource};
use serde_json::{Value, json};

use super::call::Call;
use super::kind::{self, Empty, Kind};
use super::operation::Operation;
use super::shared::{self, CHANGES, Id, OPERATES, READS};
use crate::api_error::ApiError;

mod body;
mod definition;
mod told;

const TAG: &str = "Bots";

/// The operations of the group.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::post("createBot", "/bot/create", OPERATES, kind::create::<Bots>)
            .says(TAG, "Make a bot")
            .more("`model`, `backstory` and `skillsetId` are fields of the definition of a bot of kind `agent`; other kinds have only their definition.")
            .takes::<body::Body>(body::example())
            .gives::<Id>(json!({ "id": "b01k7" }))
            .refuses(&CHANGES)
            .refuses(&[Code::DefinitionInvalid]),
        shared::listed(Operation::get("listBots", "/bot/list", READS, kind::list::<Bots>)).says(TAG, "List bots").lists::<told::Told>(told::example()),
        Operation::get("fetchBot", "/bot/{id}/fetch", READS, kind::fetch::<Bots>)
            .says(TAG, "Fetch a bot")
            .gives::<told::Told>(told::example())
            .refuses(&[Code::ResourceUnknown]),
        shared::fenced(Operation::post("updateBot", "/bot/{id}/update", OPERATES, kind::update::<Bots>))
            .says(TAG, "Change a bot")
            .more("What is left out stays as it is; null clears. Open turns go on with the bot as it was.")
            .takes::<body::Body>(json!({ "backstory": "You are the clerk of a small shop. Be brief." }))
            .gives::<Id>(json!({ "id": "b01k7" }))
            .refuses(&CHANGES)
            .refuses(&[Code::DefinitionInvalid]),
        shared::fenced(Operation::post("deleteBot", "/bot/{id}/delete", OPERATES, kind::delete::<Bots>))
            .says(TAG, "Take a bot away")
            .more("Turns of triggers that name it fail with CUE0608 from then on.")
            .takes::<Empty>(json!({}))
            .gives::<Id>(json!({ "id": "b01k7" }))
            .refuses(&[Code::ResourceUnknown, Code::RevisionLost, Code::KeptByFile]),
        Operation::post("cloneBot", "/bot/{id}/clone", OPERATES, clone)
            .says(TAG, "Make a bot like another")
            .more("Without the other's alias.")
            .takes::<Empty>(json!({}))
            .gives::<Id>(json!({ "id": "b01k8" }))
            .refuses(&[Code::ResourceUnknown]),
    ]
}

/// The kind.
#[derive(Debug)]
pub(super) struct Bots;

impl Kind for Bots {
    type Item = Bot;
    type Body = body::Body;

    const GROUP: &'static str = "bot";
    const LETTER: char = 'b';
    const ACTIONS: [&'static str; 3] = ["bot.create", "bot.update", "bot.delete"];

    fn unknown() -> ApiError {
        ApiError::new(Code::ResourceUnknown, "Bot not found")
    }

    fn all(snapshot: &Snapshot) -> Vec<Arc<Revised<Bot>>> {
        snapshot.bots.values().cloned().collect()
    }

    fn get(snapshot: &Snapshot, id: &str) -> Option<Arc<Revised<Bot>>> {
        snapshot.bots.get(&id.parse().ok()?).cloned()
    }

    fn new(id: &str) -> Option<Bot> {
        Some(Bot::new(id.parse().ok()?, definition::AGENT, "{}"))
    }

    fn wrap(item: Bot) -> Resource {
        Resource::Bot(item)
    }

    fn unwrap(resource: Resource) -> Option<Bot> {
        if let Resource::Bot(bot) = resource { Some(bot) } else { None }
    }

    fn common(item: &Bot) -> &Common {
        &item.common
    }

    fn common_mut(item: &mut Bot) -> &mut Common {
        &mut item.common
    }

    fn id(item: &Bot) -> &str {
        item.id.as_str()
    }

    async fn apply(call: &Call, item: Bot, body: body::Body, _is_new: bool) -> Result<Bot, ApiError> {
        body.apply(call, item).await
    }

    fn tell(_call: &Call, item: &Revised<Bot>, _now_ms: i64) -> Value {
        told::tell(item)
    }
}

async fn clone(call: Call) -> Result<Response, ApiError> {
    let Empty {} = call.json()?;
    let original = kind::find::<Bots>(&call, call.place("id")).await?;
    kind::made::<Bots>(&call, async |fresh: Bot| {
        let mut common = original.common.clone();
        common.alias = None;
        let Common { managed_by, created_at_ms, updated_at_ms, .. } = fresh.common;
        Ok(Bot { id: fresh.id, common: Common { managed_by, created_at_ms, updated_at_ms, ..common }, ..original.resource.clone() })
    })
    .await
}
