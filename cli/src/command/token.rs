//! `cuepoint token`: tokens of the API, made, listed and revoked through it.

use std::time::Duration;

use clap::{Args, Subcommand};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::{Error, send};
use crate::client::Client;
use crate::reach::Api;
use crate::{clock, output};

/// How many tokens one page of the list has.
const PAGE: usize = 100;
/// How many pages are listed at most.
const PAGES_MAX: usize = 1_000;

/// What to do with tokens.
#[derive(Debug, Args)]
pub struct Options {
    #[command(subcommand)]
    action: Action,
    /// A token of scope admin; otherwise the one that `cuepoint dev` made.
    #[arg(long, env = "CUEPOINT_API_TOKEN", hide_env_values = true, value_parser = send::secret, global = true)]
    token: Option<SecretString>,
    /// The deployment.
    #[command(flatten)]
    api: Api,
}

/// The actions.
#[derive(Debug, Subcommand)]
enum Action {
    /// Makes a token and prints it, this once.
    Create {
        /// What it is called.
        #[arg(long, default_value = "")]
        name: String,
        /// What it may do: admin, operate, read or publish; may be given several times.
        #[arg(long = "scope", value_name = "SCOPE", required = true, value_parser = ["admin", "operate", "read", "publish"])]
        scopes: Vec<String>,
        /// A trigger that it is limited to, by id or @alias; may be given several times.
        #[arg(long = "trigger", value_name = "TRIGGER")]
        triggers: Vec<String>,
        /// How long it counts, such as 30d; without it for ever.
        #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
        expires_in: Option<Duration>,
    },
    /// Lists all tokens, the newest first; none itself, but its last four characters.
    List,
    /// Revokes a token.
    Revoke {
        /// Its id, as `list` names it.
        id: String,
    },
}

/// Does it.
pub async fn run(options: Options) -> Result<(), Error> {
    let token = options.token.or_else(|| options.api.at.data().known_api_token());
    let client = Client::new(&options.api.address(), token)?;
    match options.action {
        Action::Create { name, scopes, triggers, expires_in } => {
            let now_ms = u64::from(clock::second()).saturating_mul(1_000);
            let expires_at = expires_in.map(|duration| now_ms.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)));
            let body = json!({ "name": name, "scopes": scopes, "triggers": triggers, "expiresAt": expires_at });
            let made: Value = client.post("v1/token/create", &body).await?;
            output::line(format_args!("id     {}", text(&made, "id")))?;
            output::line(format_args!("token  {}", text(&made, "token")))?;
            output::complain("It is shown this once: keep it where nobody else reads it.");
        }
        Action::List => list(&client).await?,
        Action::Revoke { id } => {
            let revoked: Value = client.post(&format!("v1/token/{id}/revoke"), &json!({})).await?;
            output::line(format_args!("revoked {}", text(&revoked, "id")))?;
        }
    }
    Ok(())
}

async fn list(client: &Client) -> Result<(), Error> {
    let mut cursor = String::new();
    for _ in 0..PAGES_MAX {
        let page: Value = client.get("v1/token/list", &[("take", &PAGE.to_string()), ("cursor", &cursor)]).await?;
        for token in page.get("items").and_then(Value::as_array).into_iter().flatten() {
            output::line(line(token))?;
        }
        match page.get("cursor").and_then(Value::as_str) {
            Some(next) => next.clone_into(&mut cursor),
            None => break,
        }
    }
    Ok(())
}

/// A token in a line.
fn line(token: &Value) -> String {
    let words = |name: &str| {
        let words = token.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        words.collect::<Vec<_>>().join(",")
    };
    let time = |name: &str| {
        let at_ms = token.get(name).and_then(Value::as_i64);
        at_ms.and_then(|at_ms| jiff::Timestamp::from_millisecond(at_ms).ok()).map_or_else(|| "-".to_owned(), |at| at.to_string())
    };
    let triggers = Some(words("triggers")).filter(|words| !words.is_empty()).unwrap_or_else(|| "all".to_owned());
    let (id, hint, name) = (text(token, "id"), text(token, "hint"), text(token, "name"));
    format!("{id}  ..{hint}  {}  triggers {triggers}  expires {}  used {}  {name}", words("scopes"), time("expiresAt"), time("lastUsedAt"))
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::line;

    #[test]
    fn a_token_is_one_line() {
        let token = json!({ "id": "k1", "hint": "abcd", "name": "CI", "scopes": ["read", "publish"], "triggers": [], "expiresAt": 1_000, "lastUsedAt": null });
        assert_eq!(line(&token), "k1  ..abcd  read,publish  triggers all  expires 1970-01-01T00:00:01Z  used -  CI");
    }
}
