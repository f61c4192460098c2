use std::sync::{Arc, Mutex};
use std::time::Duration;

use action::secret::Secret;
use action::{Actions, Settings, TIMEOUT_MIN};
use async_trait::async_trait;
use bytes::Bytes;
use egress::Egress;
use egress::policy::Policy;
use mcp::pool::{Config, Pool};
use proto::wire::{Call, Doubt, Wait};
use serde_json::{Value, json};
use skillset::set::{Definition, Skillset};

use super::super::message::{Courier, Letter};
use super::super::{Abilities as _, Facts};
use super::{Toolbox, Workshop};
use crate::secret::Vault;

/// Keeps what it was given.
#[derive(Default)]
struct Kept(Mutex<Vec<Letter>>);

#[async_trait]
impl Courier for Kept {
    async fn send(&self, letter: Letter) -> Result<Option<u64>, String> {
        self.0.lock().unwrap().push(letter);
        Ok(Some(1))
    }

    async fn ask(&self, letter: Letter, _timeout: Duration) -> Result<Bytes, String> {
        self.0.lock().unwrap().push(letter);
        Ok(Bytes::from_static(b"{\"price\":7}"))
    }
}

#[expect(clippy::needless_pass_by_value, reason = "reads well with json!")]
fn toolbox(abilities: Value) -> (Toolbox, Arc<Kept>) {
    let definition: Definition = serde_json::from_value(json!({ "name": "shop", "abilities": abilities })).unwrap();
    let egress = Egress::new(Policy::default()).unwrap();
    let actions = Actions::new(Settings { egress: egress.clone(), smtp: None, search: None, timeout_min: TIMEOUT_MIN });
    let courier = Arc::new(Kept::default());
    let workshop = Workshop {
        actions: Arc::new(actions),
        pool: Pool::new(Config::default(), egress),
        courier: Arc::clone(&courier) as Arc<_>,
        subjects: vec!["jobs.>".parse().unwrap()],
        vault: Vault::new([("k".to_owned(), Secret::plain("hush".into()))]),
    };
    (Toolbox::new(Skillset::parse(definition).unwrap(), false, workshop).unwrap(), courier)
}

fn block(action: &str, body: &str) -> String {
    format!("```{action}\n{body}\n```")
}

async fn run(toolbox: &Toolbox, ability: &str, arguments: Value) -> Result<Value, String> {
    let call = Call { ability: ability.into(), arguments: arguments.to_string(), ..Call::default() };
    let result = toolbox.run(&call, "key", &Facts { trigger: "t".into(), ..Facts::default() }).await?;
    Ok(serde_json::from_str(&result).unwrap())
}

#[tokio::test]
async fn a_violation_goes_back_with_the_schema_and_a_call_that_fits_is_done() {
    let (toolbox, _) =
        toolbox(json!([{ "name": "Say it", "description": "Says something.", "instruction": block("echo", "$[words! |what]") }]));
    let error = run(&toolbox, "say_it", json!({})).await.unwrap_err();
    assert!(error.contains("words") && error.contains("JSON schema"), "{error}");
    assert_eq!(run(&toolbox, "say_it", json!({ "words": "hi" })).await, Ok(json!("hi")));
    let error = run(&toolbox, "shout", json!({})).await.unwrap_err();
    assert_eq!(error, "there is no function \"shout\": say_it are there");
    let offer = toolbox.offer(&Facts::default()).await;
    assert_eq!(offer.functions.iter().map(|function| function.name.as_str()).collect::<Vec<_>>(), ["say_it"]);
}

#[tokio::test]
async fn a_message_goes_where_it_may_and_carries_its_key() {
    let (toolbox, courier) = toolbox(json!([
        { "name": "job", "instruction": block("nats", "subject: jobs.$[kind!]\npayload: { id: $[id! num] }") },
        { "name": "price", "instruction": block("nats", "subject: jobs.price\nrequest: true") },
        { "name": "other", "instruction": block("nats", "subject: $[subject!]\npayload: x") },
    ]));
    assert_eq!(run(&toolbox, "job", json!({ "kind": "ship", "id": 7 })).await, Ok(json!({ "sent": true, "stored": 1 })));
    assert_eq!(run(&toolbox, "price", json!({})).await, Ok(json!({ "price": 7 })));
    for subject in ["log.t.s", "event.t.s", "jobs", "jobs.>", "jobs.a b"] {
        run(&toolbox, "other", json!({ "subject": subject })).await.unwrap_err();
    }
    let letters = courier.0.lock().unwrap();
    assert_eq!(letters.len(), 2);
    assert_eq!((letters[0].subject.as_str(), letters[0].body.as_ref()), ("jobs.ship", b"{\"id\":7}".as_slice()));
    assert!(letters[0].headers.contains(&("Nats-Msg-Id".into(), "key".into())));
}

#[tokio::test]
async fn who_waits_and_what_may_be_done_again_is_known_before_a_call_is_made() {
    let (toolbox, _) = toolbox(json!([
        { "name": "ask", "instruction": "```await/timeout=2h\nMay I send $[amount!]?\n```" },
        { "name": "pay", "approval": true, "instruction": block("fetch", "POST https://pay.example.com/$[id! euc]") },
        { "name": "look", "instruction": block("fetch", "https://shop.example.com/$[id! euc]") },
        { "name": "twice", "doubt": "retry", "instruction": block("fetch", "PUT https://shop.example.com/") },
    ]));
    let wait = toolbox.wait("ask", &json!({ "amount": "5" })).unwrap();
    assert_eq!((wait.kind, wait.question.as_str(), wait.timeout), (Wait::Answer, "May I send 5?", Duration::from_hours(2)));
    let wait = toolbox.wait("pay", &json!({ "id": "7" })).unwrap();
    assert_eq!((wait.kind, wait.question.as_str()), (Wait::Approval, r#"pay({"id":"7"})"#));
    assert_eq!(toolbox.wait("pay", &json!({})), None, "what does not fit is told to the model, not to a person");
    assert_eq!(toolbox.wait("look", &json!({ "id": "7" })), None);
    for (ability, arguments, expected) in [
        ("look", json!({ "id": "7" }), Doubt::Retry),
        ("pay", json!({ "id": "7" }), Doubt::Fail),
        ("pay", json!({}), Doubt::Retry),
        ("twice", json!({}), Doubt::Retry),
        ("nothing", json!({}), Doubt::Retry),
    ] {
        assert_eq!(toolbox.doubt(ability, &arguments), expected, "{ability} {arguments}");
    }
}

#[tokio::test]
async fn an_ability_of_other_triggers_or_contacts_is_neither_offered_nor_done() {
    let (toolbox, _) = toolbox(json!([
        { "name": "a", "limits": { "triggers": ["orders"] }, "instruction": block("echo", "a") },
        { "name": "b", "limits": { "contacts": ["ada@example.com"] }, "instruction": block("echo", "b") },
    ]));
    assert!(toolbox.offer(&Facts { trigger: "t".into(), ..Facts::default() }).await.functions.is_empty());
    assert_eq!(run(&toolbox, "a", json!({})).await.unwrap_err(), "there is no function \"a\": none are there");
    let ada =
        Facts { trigger: "orders".into(), named: [("CONTACT_EMAIL".to_owned(), "ada@example.com".to_owned())].into(), ..Facts::default() };
    assert_eq!(toolbox.offer(&ada).await.functions.len(), 2);
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_a_note_and_the_rest_is_offered() {
    let (toolbox, _) = toolbox(json!([
        { "name": "echo", "instruction": block("echo", "a") },
        { "name": "far", "instruction": block("mcp", "server: nowhere") },
    ]));
    let offer = toolbox.offer(&Facts::default()).await;
    assert_eq!((offer.functions.len(), offer.notes.len()), (1, 1));
    assert!(run(&toolbox, "far_tool", json!({})).await.unwrap_err().starts_with("there is no function"));
    assert!(run(&toolbox, "far", json!({})).await.unwrap_err().starts_with("there is no function"));
    // Its tools may be found by the time that the call is made, and not be harmless.
    assert_eq!(toolbox.doubt("far_tool", &json!({})), Doubt::Fail);
    assert_eq!(toolbox.doubt("echo", &json!({})), Doubt::Retry);
}

#[tokio::test]
async fn a_tool_that_is_called_while_its_server_is_away_needs_its_leave_all_the_same() {
    let far = |more: Value| {
        let mut ability = json!({ "name": "far", "instruction": block("mcp", "server: nowhere\nprefix: bank") });
        ability.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        toolbox(json!([{ "name": "echo", "instruction": block("echo", "a") }, ability])).0
    };
    let careful = far(json!({ "approval": true }));
    let wait = careful.wait("bank_pay", &json!({ "id": 7 })).unwrap();
    assert_eq!((wait.kind, wait.question.as_str()), (Wait::Approval, r#"bank_pay({"id":7})"#));
    assert_eq!(careful.doubt("bank_pay", &json!({})), Doubt::Fail, "the server may be back, and do it");
    // What may yet turn out to be a tool of some server is not done twice.
    for (name, expected) in [("echo", Doubt::Retry), ("far_pay", Doubt::Fail), ("nothing", Doubt::Fail)] {
        assert_eq!((careful.wait(name, &json!({})), careful.doubt(name, &json!({}))), (None, expected), "{name}");
    }
    let easy = far(json!({ "doubt": "retry" }));
    assert_eq!((easy.wait("bank_pay", &json!({})), easy.doubt("bank_pay", &json!({}))), (None, Doubt::Retry));
}
