//! A bot as a file would say it.

use std::sync::Arc;

use axum::response::Response;
use maud::html;
use serde_json::{Map, Value, json};

use super::{Bot, fetch, side};
use crate::api::Failure;
use crate::part::code;
use crate::visit::Visit;

pub(super) async fn show(visit: Arc<Visit>) -> Result<Response, Failure> {
    let bot = fetch(&visit).await?;
    let text = serde_json::to_string_pretty(&file(&bot)).unwrap_or_default();
    let body = html! {
        section.card {
            h2 { "As a file" }
            (code::block("The bot as a file", &text))
            p.hint { "JSON is YAML too: keep it as a file, and " code { "cuepoint apply" } " takes it into another deployment. What it names, such as its skillset, is not in it; " code { "cuepoint export" } " writes a whole deployment." }
        }
    };
    Ok(side(&visit, &bot, &body).answer(&visit))
}

/// The file, without what is so anyway.
fn file(bot: &Bot) -> Value {
    let mut said: Map<String, Value> = Map::from_iter([("id".to_owned(), bot.id.clone().into())]);
    let alias = bot.alias.clone().unwrap_or_default();
    let state = if bot.state == "active" { String::new() } else { bot.state.clone() };
    let texts = [("name", &bot.name), ("alias", &alias), ("description", &bot.description), ("kind", &bot.kind), ("state", &state)];
    said.extend(texts.into_iter().filter(|(_, text)| !text.is_empty()).map(|(name, text)| (name.to_owned(), text.clone().into())));
    if !bot.meta.is_empty() {
        said.insert("meta".to_owned(), bot.meta.clone().into());
    }
    said.extend(bot.definition.clone());
    json!({ "bots": [said] })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::file;

    #[test]
    fn a_file_says_what_is_not_so_anyway() {
        let bot = serde_json::from_value(json!({
            "id": "b1", "name": "Clerk", "description": "", "alias": null, "meta": {}, "kind": "agent", "model": "m/x", "backstory": null,
            "definition": { "model": "m/x", "temperature": 0.2 }, "skillsetId": null, "state": "active", "managedBy": "api",
            "createdAt": 1, "updatedAt": 2, "revision": 3
        }));
        let expected = json!({ "bots": [{ "id": "b1", "name": "Clerk", "kind": "agent", "model": "m/x", "temperature": 0.2 }] });
        assert_eq!(file(&bot.unwrap()), expected);
    }
}
