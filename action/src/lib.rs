//! What an ability does to the world.
//!
//! An invocation comes filled in but for its references (`skillset`), and only after its intent is
//! committed. Everything that goes out goes through [`egress`]; everything that comes back, errors
//! included, is scrubbed of the secrets that the call used.
//!
//! In reading order:
//! - [`Actions`]: runs an invocation;
//! - [`secret`]: secrets, and where they come from;
//! - `fill`, `fields`, `scrub`: references put in, blocks taken apart, secrets taken out;
//! - `call`, `fetch`: HTTP;
//! - [`search`] and [`email`]: over what the deployment has set up;
//! - [`filled`]: references put in for actions that are done elsewhere;
//! - [`arguments`]: the `fetch` of rules, which has arguments instead of an instruction.

use std::collections::BTreeMap;
use std::time::Duration;

use egress::Egress;
use egress::policy::Allow;
use proto::limit::FETCH_TIMEOUT;
use proto::wire::Doubt;
use serde_json::{Map, Value, json};
use skillset::invocation::{Action, Body, Invocation};

use self::email::Smtp;
use self::fetch::Fetch;
use self::fill::Fill;
use self::scrub::Scrub;
use self::search::Search;
use self::secret::Secrets;

pub mod secret;
mod fill;
mod fields;
mod scrub;
mod call;
mod fetch;
pub mod search;
pub mod email;
pub mod filled;
pub mod arguments;

/// Shortest time-out that an instruction can ask for.
pub const TIMEOUT_MIN: Duration = FETCH_TIMEOUT;
/// Longest reason of an `abort`, in characters.
const REASON_CHARS_MAX: usize = 1000;

/// Why an invocation has no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The instruction, or what was filled in, makes no call; nothing was sent.
    #[error("{0}")]
    Invalid(String),
    /// The call was begun and has no result; whether it had an effect is for its kind to say.
    #[error("{0}")]
    Failed(String),
    /// This deployment is not set up for the action; nothing was sent.
    #[error("{0}")]
    NotSetUp(&'static str),
    /// The action is done elsewhere: by what holds the connections or the turn.
    #[error("{0:?} is not done by this crate")]
    Elsewhere(Action),
}

/// What an invocation came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Its result.
    Result(Value),
    /// The turn shall end.
    Abort {
        /// Why, in the words of the instruction; may be empty.
        reason: String,
    },
}

/// What a deployment is set up with.
#[derive(Debug)]
pub struct Settings {
    /// Where calls may go.
    pub egress: Egress,
    /// Who takes mail, if anybody.
    pub smtp: Option<Smtp>,
    /// Where searches go, if anywhere.
    pub search: Option<Search>,
    /// Shortest time-out that an instruction can ask for; [`TIMEOUT_MIN`] but in tests.
    pub timeout_min: Duration,
}

/// What one invocation runs with.
pub struct Context<'a> {
    /// The same at every attempt of the same call, so that a receiver can tell a repeat.
    pub idempotency_key: &'a str,
    /// The secrets of the ability.
    pub secrets: &'a dyn Secrets,
    /// What other references mean, such as `CONTACT_EMAIL`; a name that is missing is an error where it stands.
    pub facts: &'a BTreeMap<String, String>,
    /// What the ability may call beyond the deployment's own policy.
    pub allow: &'a [Allow],
}

/// Runs invocations.
#[derive(Debug)]
pub struct Actions {
    settings: Settings,
    fetch: Fetch,
}

impl Actions {
    /// Sets the actions up.
    pub fn new(settings: Settings) -> Self {
        let fetch = Fetch::new(settings.timeout_min);
        Self { settings, fetch }
    }

    /// Runs one invocation.
    pub async fn run(&self, invocation: &Invocation, context: Context<'_>) -> Result<Outcome, Error> {
        let fill = Fill::new(context.facts, context.secrets);
        let done = self.act(invocation, &fill, &context).await;
        let scrub = fill.scrub();
        done.map_err(|error| error.scrubbed(&scrub))
    }

    async fn act(&self, invocation: &Invocation, fill: &Fill<'_>, context: &Context<'_>) -> Result<Outcome, Error> {
        let key = context.idempotency_key;
        let egress = || self.settings.egress.with(context.allow).map_err(|error| Error::Failed(error.to_string()));
        match invocation.action {
            Action::Fetch => Box::pin(self.fetch.run(&egress()?, invocation, fill, key)).await.map(Outcome::Result),
            Action::Search => {
                let search = self.settings.search.as_ref().ok_or(Error::NotSetUp("no search engine is set up here"))?;
                Box::pin(search.run(&egress()?, invocation, fill, key)).await.map(Outcome::Result)
            }
            Action::Email => {
                let smtp = self.settings.smtp.as_ref().ok_or(Error::NotSetUp("no mail server is set up here"))?;
                Box::pin(smtp.run(&egress()?, invocation, fill, key)).await.map(Outcome::Result)
            }
            Action::Echo => echo(invocation, fill).map(Outcome::Result).map_err(Error::Invalid),
            Action::Abort => reason(invocation, fill).map(|reason| Outcome::Abort { reason }).map_err(Error::Invalid),
            action @ (Action::Mcp | Action::Nats | Action::Await) => Err(Error::Elsewhere(action)),
        }
    }
}

impl Error {
    fn scrubbed(self, scrub: &Scrub) -> Self {
        match self {
            Self::Invalid(text) => Self::Invalid(scrub.text(text)),
            Self::Failed(text) => Self::Failed(scrub.text(text)),
            Self::NotSetUp(_) | Self::Elsewhere(_) => self,
        }
    }
}

/// Whether an invocation may be done again when its outcome is unknown: what only reads may.
pub fn doubt(invocation: &Invocation) -> Doubt {
    match invocation.action {
        Action::Fetch => fetch::doubt(invocation),
        Action::Search | Action::Echo | Action::Abort => Doubt::Retry,
        Action::Email | Action::Mcp | Action::Nats | Action::Await => Doubt::Fail,
    }
}

/// The body as it came; without one, the parameters.
fn echo(invocation: &Invocation, fill: &Fill<'_>) -> Result<Value, String> {
    match &invocation.body {
        Body::Text(text) => {
            let text = fill.text(text, "the body")?;
            let is_bare = text.trim().is_empty() && !invocation.parameters.is_empty();
            Ok(if is_bare { invocation.parameters.clone().into_iter().collect::<Map<_, _>>().into() } else { text.into() })
        }
        Body::Tree(tree) => fill.value(tree, "the body"),
        Body::Http(http) => {
            let headers = http.headers.iter().map(|(name, text)| Ok((name.clone(), fill.text(text, &format!("header {name}"))?.into())));
            let headers: Map<String, Value> = headers.collect::<Result<_, String>>()?;
            let body = http.body.as_ref().map(|text| fill.text(text, "body")).transpose()?;
            let (method, url) = (fill.text(&http.method, "method")?, fill.text(&http.url, "url")?);
            Ok(json!({ "method": method, "url": url, "headers": headers, "body": body }))
        }
    }
}

fn reason(invocation: &Invocation, fill: &Fill<'_>) -> Result<String, String> {
    let reason = match echo(invocation, fill)? {
        Value::String(text) => text,
        Value::Object(entries) => match entries.get("reason").or_else(|| entries.get("message")) {
            Some(Value::String(text)) => text.clone(),
            _ => Value::Object(entries).to_string(),
        },
        Value::Null => String::new(),
        other => other.to_string(),
    };
    Ok(reason.trim().chars().take(REASON_CHARS_MAX).collect())
}

#[cfg(test)]
mod pretend;
#[cfg(test)]
mod tests;
