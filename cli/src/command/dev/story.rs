//! What `cuepoint dev` tells at its start: what happened, and what to do next.

use std::path::Path;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};

use super::{Error, Options, say};
use crate::client::{Client, Sending};
use crate::command::send;
use crate::config::document::Document;
use crate::config::trigger::Trigger;
use crate::data::{Data, Serving};
use crate::{reach, secret};

/// What the demo says; the built-in bot knows how to read it.
const DEMO_TEXT: &str = "Hello, please look after order 4711.";
/// The session of the demo.
const DEMO_SESSION: &str = "demo";
/// How long the demo waits for its reply.
const DEMO_WAIT: Duration = Duration::from_secs(30);

/// Sends the demo's event where that is wanted, and says where everything is.
pub(super) async fn tell(
    options: &Options,
    document: &Document,
    (serving, login): (&Serving, &SecretString),
    (data, is_first): (&Data, bool),
) -> Result<(), Error> {
    let first = document.triggers.first();
    let secret = match first {
        Some(trigger) => secret::of(trigger, data)?.ok(),
        None => None,
    };
    if let (true, Some(trigger)) = (options.demo, first) {
        demo(trigger, secret.clone(), serving).await?;
    }
    for line in lines(document, serving, data, first.zip(secret)) {
        say(line);
    }
    if let (true, Some(token)) = (is_first, data.known_api_token()) {
        say(format!(
            "The first token of the API, which may do everything; it is shown this once, and kept in {}:\n",
            data.path().join("api-token").display()
        ));
        say(format!("  {}\n", token.expose_secret()));
    }
    say("Look at it in a browser; this link logs in once:\n");
    say(format!("  http://{}/ui/login/{}\n", serving.http, login.expose_secret()));
    Ok(())
}

async fn demo(trigger: &Trigger, secret: Option<SecretString>, serving: &Serving) -> Result<(), Error> {
    let client = Client::new(&serving.http, secret)?;
    let body = serde_json::json!({ "text": DEMO_TEXT, "session": DEMO_SESSION }).to_string();
    say(format!("\nAn event went in over HTTP, to the trigger {}:\n\n  {body}\n", trigger.resource.id));
    let sending = Sending { body: body.into_bytes(), content_type: proto::header::JSON, session: None, key: None };
    let progress = client.send(&trigger.resource.id, sending, DEMO_WAIT).await?;
    say("and this came of it:\n");
    for line in send::lines(&progress) {
        say(format!("  {line}"));
    }
    Ok(())
}

fn lines(document: &Document, serving: &Serving, data: &Data, first: Option<(&Trigger, SecretString)>) -> Vec<String> {
    let mut lines = vec![
        String::new(),
        "Cuepoint is running.".into(),
        String::new(),
        format!("  API      http://{}", serving.http),
        format!("  NATS     {}", serving.nats),
        format!("  data     {}", data.path().display()),
    ];
    for trigger in &document.triggers {
        let bot = trigger.resource.bot.as_ref().map(proto::id::BotId::as_str).unwrap_or_default();
        lines.push(format!("  trigger  {} answered by the bot {bot}", trigger.resource.id));
    }
    if let Some((trigger, secret)) = first {
        lines.extend(invitation(trigger, secret.expose_secret(), serving, &program(data)));
    } else {
        lines.push(format!("\n{} has no trigger yet: add one, and start again.", document.file));
    }
    lines.push("\nCtrl-C stops everything; the next start finds its data again.\n".into());
    lines
}

fn invitation(trigger: &Trigger, secret: &str, serving: &Serving, (program, at): &(String, String)) -> Vec<String> {
    let (id, http) = (&trigger.resource.id, &serving.http);
    vec![
        format!("  secret   {secret}   of the trigger {id}"),
        "\nSend an event, and wait for the reply:\n".into(),
        format!("  curl -X POST 'http://{http}/v1/integration/trigger/{id}/event?wait=10' \\"),
        format!("    -H 'Authorization: Bearer {secret}' -H 'Content-Type: application/json' \\"),
        "    -d '{\"text\": \"Where is order 42?\", \"session\": \"ada\"}'".into(),
        "\nOr, in another terminal:\n".into(),
        format!("  {program} tail{at}"),
        format!("  {program} send {id} --text 'Where is order 42?' --session ada --wait 10s{at}"),
        format!("\nThen write triggers and bots of your own: copy examples/demo.yaml, and run {program} dev{at} --config FILE."),
    ]
}

/// This program as it can be typed here, and the flag that leads to this data directory.
fn program(data: &Data) -> (String, String) {
    let this = std::env::current_exe().unwrap_or_else(|_| "cuepoint".into());
    let here = std::env::current_dir().unwrap_or_default();
    let typed = this.strip_prefix(&here).map_or_else(|_| this.display().to_string(), |relative| format!("./{}", relative.display()));
    let is_default = data.path() == Path::new(reach::DATA);
    (typed, if is_default { String::new() } else { format!(" --data {}", data.path().display()) })
}
