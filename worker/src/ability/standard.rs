//! The built-in abilities, by name.

use action::arguments;
use async_trait::async_trait;
use egress::Egress;
use proto::wire::{Call, Doubt};
use serde_json::Value;

use super::{Abilities, Facts, echo};

/// The built-in abilities.
#[derive(Debug)]
pub struct Standard {
    egress: Egress,
}

impl Standard {
    /// Sets the abilities up; `egress` says where `fetch` may go.
    pub fn new(egress: Egress) -> Self {
        Self { egress }
    }
}

#[async_trait]
impl Abilities for Standard {
    fn doubt(&self, ability: &str, arguments: &Value) -> Doubt {
        match ability {
            "echo" => Doubt::Retry,
            "fetch" => arguments::doubt(arguments),
            _ => Doubt::Fail,
        }
    }

    async fn run(&self, call: &Call, idempotency_key: &str, _facts: &Facts) -> Result<String, String> {
        let arguments = serde_json::from_str(&call.arguments).map_err(|error| format!("the arguments are no JSON: {error}"))?;
        match call.ability.as_str() {
            "echo" => Ok(echo::run(&arguments)),
            "fetch" => arguments::fetch(&self.egress, arguments, idempotency_key).await.map_err(|error| error.to_string()),
            other => Err(format!("no ability is called {other:?}: echo and fetch are there")),
        }
    }
}

#[cfg(test)]
mod tests {
    use egress::Egress;
    use egress::policy::Policy;
    use proto::wire::{Call, Doubt};
    use serde_json::json;

    use super::Standard;
    use crate::ability::Abilities as _;
    use crate::ability::Facts;

    async fn run(ability: &str, arguments: &str) -> Result<String, String> {
        let call = Call { ability: ability.to_owned(), arguments: arguments.to_owned(), ..Call::default() };
        Standard::new(Egress::new(Policy::default()).unwrap()).run(&call, "key", &Facts::default()).await
    }

    #[tokio::test]
    async fn abilities_are_found_by_name() {
        assert_eq!(run("echo", r#"{ "a": 1 }"#).await, Ok(r#"{"a":1}"#.into()));
        assert!(run("echo", "{").await.unwrap_err().contains("no JSON"));
        assert!(run("fetch", r#"{"url":"http://127.0.0.1/"}"#).await.unwrap_err().contains("loopback"));
        assert_eq!(run("email", "{}").await, Err("no ability is called \"email\": echo and fetch are there".into()));
    }

    #[test]
    fn what_may_be_done_twice_is_retried() {
        let standard = Standard::new(Egress::new(Policy::default()).unwrap());
        for (ability, arguments, expected) in [
            ("echo", json!({}), Doubt::Retry),
            ("fetch", json!({ "url": "http://h/" }), Doubt::Retry),
            ("fetch", json!({ "method": "get" }), Doubt::Retry),
            ("fetch", json!({ "method": "HEAD" }), Doubt::Retry),
            ("fetch", json!({ "method": "POST" }), Doubt::Fail),
            ("fetch", json!({ "method": "PUT" }), Doubt::Fail),
            ("fetch", json!({ "method": 1 }), Doubt::Fail),
            ("fetch", json!(null), Doubt::Retry),
            ("other", json!({}), Doubt::Fail),
        ] {
            assert_eq!(standard.doubt(ability, &arguments), expected, "{ability} {arguments}");
        }
    }
}
