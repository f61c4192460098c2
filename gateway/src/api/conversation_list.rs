//! Lists of conversations.

use std::sync::Arc;

use axum::response::Response;
use index::entry::{Conversation, State};
use index::filter::{Conversations, meta_of};
use index::search;
use proto::id::ConversationId;
use proto::resource::Scope;
use proto::subject;
use schemars::json_schema;
use serde_json::{Map, Value, json};

use super::call::Call;
use super::indexed::{self, Searched, between, by, ids, metas, page, paged, refusal};
use super::list::{self, Item};
use super::operation::{Access, Answer, Form, Operation};
use super::page::Wanted;
use crate::api_error::ApiError;
use crate::door::Door;

const TAG: &str = "Conversations";
/// Longest words that are searched for, in bytes.
const WORDS_BYTES_MAX: usize = 256;
/// The columns of an export.
const COLUMNS: &[&str] =
    &["id", "name", "description", "botId", "contactId", "status", "turns", "messages", "meta", "createdAt", "updatedAt"];

/// The operations of the group.
pub(super) fn operations() -> Vec<Operation> {
    let listed = Operation::get("listConversations", "/conversation/list", READS, |call| told(call, false))
        .says(TAG, "List conversations")
        .more("With conditions beside one trigger, bot or contact a bounded number of entries is looked through, newest first; the header Cuepoint-Searched says how many. Words are looked for in names, descriptions, notes and in what was said of late.")
        .answers(Answer::List(form()));
    let exported = Operation::get("exportConversations", "/conversation/export", READS, |call| told(call, true))
        .says(TAG, "Export conversations")
        .more("As the list, and as a table with Accept: text/csv.")
        .answers(Answer::Export(form()));
    let of_contact = Operation::get("listContactConversations", "/contact/{id}/conversation/list", READS, of_contact)
        .says(TAG, "List the conversations of a contact")
        .answers(Answer::List(form()));
    vec![conditions(listed), conditions(exported), paged(of_contact).refuses(&indexed::REFUSALS)]
}

const READS: Access = Access::Scope(Scope::Read);

fn conditions(operation: Operation) -> Operation {
    let operation = by(paged(operation), "botId", "Of these bots, separated by commas.");
    let operation = by(operation, "contactId", "With these contacts, separated by commas.");
    let operation = by(operation, "triggerId", "Of these triggers, separated by commas.");
    let operation = by(operation, "triggerIntegrationId", "The same, as ChatBotKit names it.");
    let operation = by(operation, "taskId", "Of these tasks: Cuepoint has none, so nothing is listed.");
    let operation = by(operation, "search", "With these words.");
    let statuses: Vec<_> = State::ALL.map(State::name).to_vec();
    between(operation)
        .query("status", json!({ "type": "string", "enum": statuses }), "Whose last turn is so.")
        .query("meta", json!({ "type": "object", "additionalProperties": { "type": "string" } }), "With these notes: meta.<path>=<value>.")
        .refuses(&indexed::REFUSALS)
}

/// A conversation as lists show it.
pub(super) fn form() -> Form {
    let schema = |_: &mut _| {
        json_schema!({
            "type": "object",
            "properties": {
                "id": { "type": "string" },
                "name": { "type": "string" },
                "description": { "type": "string" },
                "meta": { "type": "object" },
                "botId": { "type": "string" },
                "contactId": { "type": "string" },
                "status": { "type": "string", "description": "Where its last turn is." },
                "turns": { "type": "integer" },
                "failures": { "type": "integer" },
                "messages": { "type": "integer" },
                "usage": { "type": "object" },
                "createdAt": { "type": "integer", "description": "Milliseconds since 1970." },
                "updatedAt": { "type": "integer", "description": "Milliseconds since 1970." }
            },
            "required": ["id", "meta", "createdAt", "updatedAt"]
        })
    };
    let example = json!({
        "id": "cnv.orders.k1f3.6a1b2c3d.42", "name": "Orders", "description": "", "botId": "support", "meta": { "app": "trigger", "trigger": { "integrationId": "orders" } },
        "status": "completed", "turns": 1, "failures": 0, "messages": 2, "usage": { "token": 310, "inputTokens": 300, "outputTokens": 10, "calls": 0, "costMicroUsd": 0 },
        "createdAt": 1_790_000_000_000_i64, "updatedAt": 1_790_000_000_000_i64
    });
    Form { schema, example }
}

async fn told(call: Call, is_export: bool) -> Result<Response, ApiError> {
    let words = call.asked("search")?.map(|words| words.trim().to_lowercase()).filter(|words| !words.is_empty());
    if words.as_ref().is_some_and(|words| words.len() > WORDS_BYTES_MAX) {
        return Err(ApiError { limit: Some(WORDS_BYTES_MAX), ..ApiError::parameter("search", "must be at most 256 bytes") });
    }
    let found = match &words {
        Some(words) => search::messages(&call.door.client, words)
            .await
            .map_err(|error| ApiError::unavailable("the log cannot be read right now", &error))?,
        None => search::Found::default(),
    };
    let state =
        call.asked("status")?.map(|name| State::parse(&name).ok_or_else(|| ApiError::parameter("status", "must be a status of a turn")));
    let triggers = call.caller.narrowed([ids(&call, "triggerId")?, ids(&call, "triggerIntegrationId")?].concat());
    let mut more = String::new();
    if words.is_some() {
        let since = found.since_ms.map(|since| format!("; since={since}")).unwrap_or_default();
        more = format!("; records={}{since}", found.records);
    }
    let is_empty = triggers.is_none() || !ids(&call, "taskId")?.is_empty();
    let filter = Conversations {
        triggers: triggers.unwrap_or_default(),
        bots: ids(&call, "botId")?,
        contacts: ids(&call, "contactId")?,
        states: state.transpose()?.into_iter().collect(),
        meta: metas(&Wanted::parse(call.uri.query())?),
        words,
        said_in: found.conversations,
        from_ms: indexed::time(&call, "from")?,
        to_ms: indexed::time(&call, "to")?,
    };
    answer(call, filter, is_empty, (is_export, more)).await
}

async fn of_contact(call: Call) -> Result<Response, ApiError> {
    let filter = Conversations { contacts: vec![call.place("id").to_owned()], ..Conversations::default() };
    answer(call, filter, false, (false, String::new())).await
}

async fn answer(call: Call, filter: Conversations, is_empty: bool, (is_export, more): (bool, String)) -> Result<Response, ApiError> {
    let (searched, filter, call) = (Searched::default(), Arc::new(filter), Arc::new(call));
    let (noted, given) = (searched.clone(), Arc::clone(&call));
    let fetch = move |wanted: Wanted| {
        let (noted, filter, call) = (noted.clone(), Arc::clone(&filter), Arc::clone(&given));
        async move { if is_empty { Ok(Vec::new()) } else { items(&call, &wanted, &filter, &noted).await } }
    };
    let response = if is_export { list::export(&call, COLUMNS, fetch).await? } else { list::answer(&call, fetch).await? };
    Ok(searched.told(response, "conversations", &more))
}

async fn items(call: &Call, wanted: &Wanted, filter: &Conversations, searched: &Searched) -> Result<Vec<Item>, ApiError> {
    let part = call.door.index.conversations(&page(wanted), filter).await.map_err(|error| refusal(&error))?;
    searched.note(&part);
    let visible = part.items.into_iter().filter_map(|(id, entry)| {
        let parsed: ConversationId = id.parse().ok()?;
        let trigger = &parsed.session.trigger;
        (trigger.as_str() == subject::DIRECT && !call.caller.is_limited() || call.caller.sees(trigger))
            .then(|| (id, shown(&call.door, &parsed, &entry)))
    });
    Ok(visible.collect())
}

/// A conversation as it is shown: what nobody named is named as its trigger is.
pub(super) fn shown(door: &Door, id: &ConversationId, entry: &Conversation) -> Value {
    let trigger = door.directory.catalogue.trigger(&id.session.trigger);
    let or = |text: &str, default: Option<String>| if text.is_empty() { default.unwrap_or_default() } else { text.to_owned() };
    let mut shown: Map<String, Value> = entry.extra.clone();
    let known = json!({
        "id": id.to_string(),
        "name": or(&entry.name, trigger.as_ref().map(|trigger| trigger.name.clone())),
        "description": or(&entry.description, trigger.as_ref().map(|trigger| trigger.description.clone())),
        "meta": meta_of(id, entry),
        "status": entry.state.name(),
        "turns": entry.turns,
        "failures": entry.failures,
        "messages": entry.messages,
        "usage": {
            "token": entry.tokens_in.saturating_add(entry.tokens_out),
            "inputTokens": entry.tokens_in,
            "outputTokens": entry.tokens_out,
            "calls": entry.calls,
            "costMicroUsd": entry.cost_micro_usd,
        },
        "createdAt": entry.created_at_ms,
        "updatedAt": entry.updated_at_ms,
    });
    shown.extend(known.as_object().cloned().unwrap_or_default());
    for (name, id) in [("botId", &entry.bot), ("contactId", &entry.contact)] {
        if !id.is_empty() {
            shown.insert(name.into(), id.clone().into());
        }
    }
    Value::Object(shown)
}
