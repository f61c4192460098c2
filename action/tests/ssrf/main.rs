//! Ways to talk an outgoing call into the network that the worker stands in.
//!
//! A canary on the loopback addresses counts who connects. With a policy that allows everything,
//! most of these ways lead to it: that shows that they would work. With the policy that holds by
//! default none does. Nothing here leaves the machine: where a way would, it is tried with the
//! guard on only.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

mod canary;
mod fetch;
mod mail;
mod names;
mod search;
mod table;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use action::secret::NoSecrets;
use action::{Actions, Context, Outcome, Settings};
use egress::Egress;
use egress::policy::Policy;
use serde_json::Value;
use skillset::invocation::{Action, Body, Invocation, Part, Text};

use self::names::Names;

/// Whether the guard is on: then only the server that stands for a public one may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Guard {
    On,
    Off,
}

/// The address of a server that stands for a public one.
const OUTSIDE: &str = "127.0.0.9";

impl Guard {
    /// Connections under this policy, and how names were looked up.
    fn egress(self) -> (Egress, Arc<Names>) {
        let allowed: &[&str] = match self {
            Self::On => &[OUTSIDE],
            Self::Off => &["0.0.0.0/0", "::/0"],
        };
        let policy = Policy { allow: allowed.iter().map(|text| text.parse().unwrap()).collect() };
        let names = Arc::new(Names::default());
        (Egress::over(policy, Arc::clone(&names) as Arc<_>).unwrap(), names)
    }
}

fn settings(egress: Egress) -> Settings {
    Settings { egress, smtp: None, search: None, timeout_min: Duration::from_millis(1) }
}

/// Runs an action whose body is a text.
async fn run(settings: Settings, action: Action, parameters: BTreeMap<String, Value>, text: &str) -> Result<Value, String> {
    let body = Body::Text(Text(vec![Part::Literal(text.to_owned())]));
    let (invocation, facts) = (Invocation { action, parameters, body }, BTreeMap::new());
    let context = Context { idempotency_key: "key", secrets: &NoSecrets, facts: &facts, allow: &[] };
    match Actions::new(settings).run(&invocation, context).await {
        Ok(Outcome::Result(value)) => Ok(value),
        Ok(Outcome::Abort { reason }) => panic!("aborted: {reason}"),
        Err(error) => Err(error.to_string()),
    }
}
