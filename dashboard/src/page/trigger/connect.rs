//! How events get to a trigger: its URL, its secret, and calls to paste.

use std::sync::Arc;

use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::json;

use super::{Trigger, address, call, fetch, side};
use crate::api::Failure;
use crate::part::{code, deed};
use crate::path;
use crate::visit::{self, Visit};

/// Where the secret stands in what is pasted, while it is not shown.
const HIDDEN: &str = "$CUEPOINT_SECRET";

pub(super) async fn show(visit: Arc<Visit>) -> Result<Response, Failure> {
    let trigger = fetch(&visit).await?;
    Ok(side(&visit, &trigger, &panel(&visit, &trigger)).answer(&visit))
}

/// Shows the secret, which is put on record.
pub(super) async fn reveal(visit: Arc<Visit>) -> Result<Response, Failure> {
    let trigger: Trigger = visit.get(&call(visit.place("id"), "fetch")).await?;
    Ok(side(&visit, &trigger, &panel(&visit, &trigger)).answer(&visit))
}

/// Gives the trigger a new secret.
pub(super) async fn rotate(visit: Arc<Visit>) -> Result<Response, Failure> {
    #[derive(Deserialize)]
    struct Rotated {
        id: String,
    }
    let rotated: Rotated = visit.post(&call(visit.place("id"), "rotate"), &json!({})).await?;
    Ok(visit::back(&format!("{}/connect", address(&rotated.id)), &[("note", "rotated")]))
}

fn panel(visit: &Visit, trigger: &Trigger) -> Markup {
    let url = format!("{}/v1/integration/trigger/{}/event", visit.public_url(), path::part(&trigger.id));
    let secret = trigger.secret.as_deref();
    html! {
        div.columns {
            div.stack {
                section.card {
                    h2 { "Endpoint" }
                    (code::block("Endpoint URL", &url))
                    p.hint { "POST anything: JSON with " code { "text" } ", " code { "session" } " and " code { "contact" } ", or any other body. The answer is a receipt; the turn goes on in the background. Add " code { "?wait=30" } " to wait for its end." }
                }
                section.card {
                    h2 { "Call it" }
                    div.stack { @for (name, text) in snippets(trigger, &url, secret.unwrap_or(HIDDEN)) {
                        details open[name == "curl"] { summary { (name) } (code::block(name, &text)) }
                    } }
                }
            }
            aside.stack {
                section.card { h2 { "Secret" } (secret_of(visit, trigger)) }
                @if trigger.signature.is_some() {
                    section.card { h2 { "Signed calls" } p { "Calls with a right signature are let in without the secret." } p { a href={ (address(&trigger.id)) "/configure" } { "How they are checked" } } }
                }
            }
        }
    }
}

fn secret_of(visit: &Visit, trigger: &Trigger) -> Markup {
    let home = address(&trigger.id);
    html! {
        @if !trigger.authenticate { p { "Not asked for: this trigger takes calls without it." } br; }
        @if let Some(secret) = &trigger.secret { (code::block("Secret", secret)) p.hint { "It was put on record that you saw it." } }
        @else if visit.operates() { (deed::button(visit, &format!("{home}/secret"), "Reveal", &[])) p.hint { "It is put on record who sees it. Secrets of triggers from files are not shown." } }
        @else { p.muted { "Shown to tokens of scope operate." } }
        @if visit.operates() && trigger.managed_by.is_api() {
            br;
            (deed::confirmed(visit, &format!("{home}/rotate"), "Rotate", "The trigger gets a new secret. The one before works for another day, so that callers can change over.", &[]))
        }
    }
}

fn snippets(trigger: &Trigger, url: &str, secret: &str) -> Vec<(&'static str, String)> {
    let id = &trigger.id;
    let (header, js, py) = if trigger.authenticate {
        (
            format!(" \\\n  -H \"Authorization: Bearer {secret}\""),
            format!(", authorization: `Bearer {}`", if secret == HIDDEN { "${process.env.CUEPOINT_SECRET}" } else { secret }),
            format!(
                "\n    headers={{\"Authorization\": {}}},",
                if secret == HIDDEN { "f\"Bearer {os.environ['CUEPOINT_SECRET']}\"".to_owned() } else { format!("\"Bearer {secret}\"") }
            ),
        )
    } else {
        Default::default()
    };
    vec![
        (
            "curl",
            format!(
                "curl '{url}?wait=30'{header} \\\n  -H 'Content-Type: application/json' \\\n  -d '{{\"text\": \"Hello\", \"session\": \"ada\"}}'"
            ),
        ),
        (
            "JavaScript",
            format!(
                "const response = await fetch(\"{url}\", {{\n  method: \"POST\",\n  headers: {{ \"content-type\": \"application/json\"{js} }},\n  body: JSON.stringify({{ text: \"Hello\", session: \"ada\" }}),\n}});\nconsole.log(await response.json());"
            ),
        ),
        (
            "Python",
            format!(
                "import os\nimport requests\n\nresponse = requests.post(\n    \"{url}\",{py}\n    json={{\"text\": \"Hello\", \"session\": \"ada\"}},\n    timeout=10,\n)\nprint(response.json())"
            ),
        ),
        ("NATS", format!("nats pub event.{id}.ada '{{\"text\": \"Hello\"}}'")),
    ]
}
