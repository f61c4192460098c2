//! Asks a model over the wire of a fake.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use egress::Egress;
use egress::policy::Policy;
use model::Model;
use model::answer::{Answer, Delta, Error};
use model::choice::Choice;
use model::jitter::Seeded;
use model::limit::Settings;
use model::prompt::{Function, Message, Prompt};
use model::provider::Provider;
use model::providers::Providers;
use serde_json::{Value, json};

/// A key that must show up nowhere but in a header.
pub(crate) const KEY: &str = "sk-test-0123456789";

/// Limits that do not keep a test waiting.
pub(crate) fn quick() -> Settings {
    Settings { back_off: Duration::from_millis(1), ..Settings::default() }
}

/// Limits with which a model is called once.
pub(crate) fn once() -> Settings {
    Settings { attempts_max: NonZeroU32::MIN, ..quick() }
}

/// Providers that may be on loopback.
pub(crate) fn providers(configured: &[Value], settings: Settings) -> Providers {
    let configured: Vec<Provider> = configured.iter().map(|provider| serde_json::from_value(provider.clone()).unwrap()).collect();
    let policy = Policy { allow: vec!["127.0.0.1".parse().unwrap()] };
    Providers::new(configured, &Egress::new(policy).unwrap(), Arc::new(Seeded::new(1))).unwrap().with_settings(settings)
}

/// A model `p/m` of one provider.
pub(crate) fn model(kind: &str, url: &str, settings: Settings) -> Arc<dyn Model> {
    chosen(&providers(&[json!({"id": "p", "kind": kind, "baseUrl": url, "key": KEY})], settings), "p/m")
}

pub(crate) fn chosen(providers: &Providers, model: &str) -> Arc<dyn Model> {
    providers.model(&Choice::parse::<&str>(model, &[]).unwrap()).unwrap()
}

/// A question with two functions to call.
pub(crate) fn prompt() -> Prompt {
    let parameters = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
    let function = |name: &str| Function { name: name.into(), description: format!("Tells the {name}."), parameters: parameters.clone() };
    Prompt {
        system: "Be brief.".into(),
        messages: vec![Message::User("How is the weather?".into())],
        functions: vec![function("weather"), function("time")],
        output: None,
    }
}

/// Asks, and keeps what was told.
pub(crate) async fn ask(model: &Arc<dyn Model>, prompt: &Prompt) -> (Result<Answer, Error>, Vec<Delta>) {
    let mut told = Vec::new();
    let answer = model.ask(prompt, &mut |delta| told.push(delta)).await;
    (answer, told)
}

/// The answer to the question.
pub(crate) async fn answer(model: &Arc<dyn Model>) -> Answer {
    ask(model, &prompt()).await.0.unwrap()
}

/// The error that the question comes to.
pub(crate) async fn error(model: &Arc<dyn Model>) -> Error {
    ask(model, &prompt()).await.0.unwrap_err()
}
