//! The action `nats`: a message to other services, or a question to them.
//!
//! It goes only where the operator lets it, and never into Cuepoint's own streams, but for events of
//! triggers that the operator names. The idempotency key travels as the message id, so that a
//! stream which deduplicates stores a repeat once.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use action::filled::Filled;
use async_trait::async_trait;
use bytes::Bytes;
use proto::limit::{ENVELOPE_BYTES_MAX, REQUEST_TIMEOUT, RESULT_BYTES_MAX};
use proto::subject;
use serde::Deserialize;
use serde_json::{Value, json};
use skillset::invocation::Invocation;
use skillset::nats::{Message, check_subject};

/// Subjects that messages may go to; `*` and `>` stand as in NATS.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Pattern(String);

impl Pattern {
    /// Whether a subject is one of these.
    pub fn admits(&self, subject: &str) -> bool {
        let (mut wanted, mut found) = (self.0.split('.'), subject.split('.'));
        loop {
            match (wanted.next(), found.next()) {
                (Some(">"), Some(_)) | (None, None) => return true,
                (Some("*"), Some(_)) => {}
                (Some(wanted), Some(found)) if wanted == found => {}
                _ => return false,
            }
        }
    }
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let first = text.split('.').next().unwrap_or_default();
        // Events are the one thing that others may publish.
        if (subject::OWN.contains(&first) && first != "event") || first.starts_with('$') || first == "*" || first == ">" {
            return Err(format!("{text:?} reaches into Cuepoint's own subjects: {first} may not stand first"));
        }
        let is_token =
            |token: &str| !token.is_empty() && !token.contains(char::is_whitespace) && (token.len() == 1 || !token.contains(['*', '>']));
        let is_end = |index: usize| index + 1 == text.split('.').count();
        let is_well = text.split('.').enumerate().all(|(index, token)| is_token(token) && (token != ">" || is_end(index)));
        if is_well && text.len() <= 256 {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!("{text:?} is no subject, such as jobs.orders or jobs.>"))
        }
    }
}

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A message that is ready to go.
#[derive(Debug, Clone, PartialEq)]
pub struct Letter {
    /// Where it goes.
    pub subject: String,
    /// Its headers.
    pub headers: Vec<(String, String)>,
    /// What is in it.
    pub body: Bytes,
}

/// Carries messages.
#[async_trait]
pub trait Courier: Send + Sync {
    /// Sends a message; whether a stream stored it, where one did.
    async fn send(&self, letter: Letter) -> Result<Option<u64>, String>;
    /// Sends a message and waits for a reply.
    async fn ask(&self, letter: Letter, timeout: Duration) -> Result<Bytes, String>;
}

/// Sends what an invocation says.
pub(super) async fn run(
    courier: &dyn Courier,
    allowed: &[Pattern],
    invocation: &Invocation,
    filled: &Filled<'_>,
    idempotency_key: &str,
) -> Result<Value, String> {
    let message = Message::read(invocation).map_err(|error| error.to_string())?;
    let text = |error: action::Error| error.to_string();
    let subject = filled.words(&message.subject, "subject").map_err(text)?;
    check_subject(&subject).map_err(|reason| format!("subject {reason}"))?;
    if !allowed.iter().any(|pattern| pattern.admits(&subject)) {
        return Err(format!("messages to {subject} are not allowed here: nats.allow does not list it"));
    }
    let body = match message.payload.as_ref().map(|tree| filled.value(tree, "payload")).transpose().map_err(text)? {
        None => Bytes::new(),
        Some(Value::String(words)) => words.into(),
        Some(value) => value.to_string().into(),
    };
    if body.len() > ENVELOPE_BYTES_MAX {
        return Err(format!("the payload has {} bytes, at most {ENVELOPE_BYTES_MAX} are sent", body.len()));
    }
    let mut headers =
        vec![("Nats-Msg-Id".to_owned(), idempotency_key.to_owned()), ("Idempotency-Key".to_owned(), idempotency_key.to_owned())];
    for (name, words) in &message.headers {
        if name.to_ascii_lowercase().starts_with("nats-") {
            return Err(format!("the header {name} is the broker's own"));
        }
        headers.push((name.clone(), filled.words(words, &format!("header {name}")).map_err(text)?));
    }
    let letter = Letter { subject, headers, body };
    if !message.is_request {
        let stored = courier.send(letter).await?;
        return Ok(json!({ "sent": true, "stored": stored }));
    }
    let reply = courier.ask(letter, message.timeout.unwrap_or(REQUEST_TIMEOUT)).await?;
    if reply.len() > RESULT_BYTES_MAX / 2 {
        return Err(format!("the reply has {} bytes, at most {} are taken", reply.len(), RESULT_BYTES_MAX / 2));
    }
    Ok(serde_json::from_slice(&reply).unwrap_or_else(|_| String::from_utf8_lossy(&reply).into()))
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn a_pattern_admits_what_nats_would_deliver() {
        for (pattern, subject, admits) in [
            ("jobs.>", "jobs.a.b", true),
            ("jobs.>", "jobs", false),
            ("jobs.*.done", "jobs.a.done", true),
            ("jobs.*.done", "jobs.a.b.done", false),
            ("jobs.a", "jobs.a", true),
            ("jobs.a", "jobs.a.b", false),
            ("event.orders.>", "event.orders.s", true),
        ] {
            assert_eq!(pattern.parse::<Pattern>().unwrap().admits(subject), admits, "{pattern} {subject}");
        }
    }

    #[test]
    fn no_pattern_reaches_into_our_own_subjects() {
        for pattern in [
            "log.>",
            "answer.t.s",
            "out.>",
            "sent.t.s.d",
            "audit.>",
            "$JS.API.>",
            "_INBOX.x",
            ">",
            "*.x",
            "",
            "a..b",
            "a.>.b",
            "a b",
            "jobs.a*",
        ] {
            pattern.parse::<Pattern>().unwrap_err();
        }
    }
}
