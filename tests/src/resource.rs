//! Triggers and bots in a line.

use std::time::Duration;

use backbone::seal::{self, MasterKey, Purpose};
use proto::idempotency::DeploymentKey;
use proto::resource::{
    ApiToken, Bot, Busy, CatchUp, Common, Destination, Limits, Rate, Resource, Scope, SecretDigest, Signature, Skillset, State, Trigger,
    Webhook,
};
use proto::wire::destination::To;
use serde_json::Value;

use crate::peer::webhook::KEY;
use crate::system::DEPLOYMENT_KEY;

/// The secret of a trigger that was given no other.
pub const SECRET: &str = "s3cret";

/// A trigger that is being described.
#[derive(Debug, Clone)]
pub struct Draft(Trigger);

/// A trigger with the bot `echo` and the secret [`SECRET`].
pub fn trigger(id: &str) -> Draft {
    Draft(Trigger {
        name: id.to_owned(),
        secret: Some(SecretDigest::of(SECRET)),
        ..Trigger::new(id.parse().expect("a trigger id"), Some("echo".parse().expect("a bot id")))
    })
}

impl Draft {
    /// Another bot answers.
    #[must_use]
    pub fn bot(self, id: &str) -> Self {
        Self(Trigger { bot: Some(id.parse().expect("a bot id")), ..self.0 })
    }

    /// Another secret.
    #[must_use]
    pub fn secret(self, secret: &str) -> Self {
        Self(Trigger { secret: Some(SecretDigest::of(secret)), ..self.0 })
    }

    /// Events are taken without the secret.
    #[must_use]
    pub fn open(self) -> Self {
        Self(Trigger { open: true, ..self.0 })
    }

    /// A text that replaces the caller's.
    #[must_use]
    pub fn text(self, text: &str) -> Self {
        Self(Trigger { text: Some(text.to_owned()), ..self.0 })
    }

    /// What becomes of an event that arrives while its session is busy.
    #[must_use]
    pub fn busy(self, busy: Busy) -> Self {
        Self(Trigger { busy, ..self.0 })
    }

    /// How long it must be quiet before collected events become a turn.
    #[must_use]
    pub fn quiet(self, quiet: Duration) -> Self {
        Self(Trigger { quiet, ..self.0 })
    }

    /// What its turns may take.
    #[must_use]
    pub fn limits(self, limits: Limits) -> Self {
        Self(Trigger { limits, ..self.0 })
    }

    /// When it fires by itself.
    #[must_use]
    pub fn schedule(self, schedule: &str) -> Self {
        Self(Trigger { schedule: Some(schedule.to_owned()), ..self.0 })
    }

    /// What becomes of times that passed while nothing ran.
    #[must_use]
    pub fn catch_up(self, catch_up: CatchUp) -> Self {
        Self(Trigger { catch_up, ..self.0 })
    }

    /// Whether it takes and works off events.
    #[must_use]
    pub fn state(self, state: State) -> Self {
        Self(Trigger { state, ..self.0 })
    }

    /// When it was last changed, in milliseconds since 1970.
    #[must_use]
    pub fn changed_at(self, updated_at_ms: i64) -> Self {
        Self(Trigger { common: Common { updated_at_ms, ..self.0.common }, ..self.0 })
    }

    /// Where the ends of its turns are told.
    #[must_use]
    pub fn results(self, results: impl IntoIterator<Item = Destination>) -> Self {
        Self(Trigger { results: results.into_iter().collect(), ..self.0 })
    }

    /// Calls may be signed.
    #[must_use]
    pub fn signature(self, signature: Signature) -> Self {
        Self(Trigger { signature: Some(signature), ..self.0 })
    }

    /// How many events it takes in a time.
    #[must_use]
    pub fn rate(self, count: u32, per: Duration) -> Self {
        let per_ms = u64::try_from(per.as_millis()).expect("a time");
        Self(Trigger { rate: Some(Rate { count, per_ms }), ..self.0 })
    }

    /// The secret before the last rotation, and until when it counts.
    #[must_use]
    pub fn previous(self, secret: &str, until_ms: i64) -> Self {
        Self(Trigger { previous: Some((SecretDigest::of(secret), until_ms)), ..self.0 })
    }

    /// How long a conversation lasts.
    #[must_use]
    pub fn lasting(self, session_duration: Duration) -> Self {
        Self(Trigger { session_duration, ..self.0 })
    }
}

/// A token of the API: its id, the token itself, and what it may do.
pub fn token(id: &str, text: &str, scopes: &[Scope]) -> ApiToken {
    ApiToken {
        id: id.parse().expect("a token id"),
        common: Common::of("api"),
        name: id.to_owned(),
        digest: SecretDigest::of(text),
        scopes: scopes.to_vec(),
        triggers: Vec::new(),
        expires_at_ms: None,
        hint: String::new(),
        rate: None,
    }
}

impl From<Draft> for Resource {
    fn from(draft: Draft) -> Self {
        Self::Trigger(draft.0)
    }
}

/// A webhook of a trigger, its key sealed as a gateway would seal it.
pub fn webhook(trigger: &str, id: &str, url: &str) -> Destination {
    let master = MasterKey::derive(&DeploymentKey::parse(DEPLOYMENT_KEY.as_bytes()).expect("a deployment key")).expect("a master key");
    let trigger = trigger.parse().expect("a trigger id");
    let key_sealed = seal::seal(&master, Purpose::ResultKey(&trigger, id), KEY).expect("a key can be sealed");
    Destination { id: id.to_owned(), to: Some(To::Webhook(Webhook { url: url.to_owned(), key_sealed })), ..Destination::default() }
}

/// A subject that ends of turns are told on.
pub fn results_on(id: &str, subject: &str) -> Destination {
    Destination { id: id.to_owned(), to: Some(To::Subject(subject.to_owned())), ..Destination::default() }
}

fn bot(id: &str, kind: &str, definition: &Value) -> Resource {
    let id = id.parse().expect("a bot id");
    Resource::Bot(Bot::new(id, kind, definition.to_string()))
}

/// A bot that follows rules.
#[expect(clippy::needless_pass_by_value, reason = "reads well with json!")]
pub fn rules(id: &str, definition: Value) -> Resource {
    bot(id, "rules", &definition)
}

/// A bot that asks a model.
#[expect(clippy::needless_pass_by_value, reason = "reads well with json!")]
pub fn agent(id: &str, definition: Value) -> Resource {
    bot(id, "agent", &definition)
}

/// A skillset with these abilities.
#[expect(clippy::needless_pass_by_value, reason = "reads well with json!")]
pub fn skillset(id: &str, abilities: Value) -> Resource {
    let definition = serde_json::json!({ "name": id, "abilities": abilities }).to_string();
    Resource::Skillset(Skillset { name: id.to_owned(), ..Skillset::new(id.parse().expect("a skillset id"), definition) })
}

/// A bot that follows a script.
#[expect(clippy::needless_pass_by_value, reason = "reads well with json!")]
pub fn scripted(id: &str, definition: Value) -> Resource {
    bot(id, "scripted", &definition)
}
