//! One attempt: a webhook by HTTP, or a message on a subject.

use std::time::{Duration, UNIX_EPOCH};

use async_nats::client::RequestErrorKind;
use async_nats::{Client, HeaderMap, Request};
use backbone::seal::{self, MasterKey, Purpose};
use egress::Egress;
use egress::policy::Refusal;
use proto::header;
use proto::resource::{Destination, Webhook};
use proto::wire::destination::To;
use secrecy::ExposeSecret as _;

use crate::decide::Outcome;
use crate::destination;
use crate::parcel::Parcel;
use crate::sign;

/// How long a destination may take to answer.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(15);
/// How long a stream may take to say that it stored a message; without a stream nobody says anything.
const STORED_WITHIN: Duration = Duration::from_secs(2);
/// What is answered by a destination that wants nothing more.
const GONE: u16 = 410;
/// What is answered by one that asks for a pause.
const PAUSED: [u16; 2] = [429, 503];

/// What attempts are made with.
#[derive(Debug, Clone)]
pub(crate) struct Post {
    pub(crate) client: Client,
    pub(crate) egress: Egress,
    pub(crate) key: Option<MasterKey>,
}

fn refused(error: impl Into<String>) -> Outcome {
    Outcome::Refused { status: None, retry_after: None, error: error.into() }
}

impl Post {
    /// Sends a parcel to a destination.
    pub(crate) async fn send(&self, parcel: &Parcel, destination: &Destination, now_ms: i64) -> Outcome {
        let sent = match &destination.to {
            Some(To::Webhook(webhook)) => self.post(parcel, webhook, now_ms).await,
            Some(To::Subject(subject)) => self.publish(parcel, subject, now_ms).await,
            None => Err("the destination is neither a webhook nor a subject".to_owned()),
        };
        sent.unwrap_or_else(refused)
    }

    async fn post(&self, parcel: &Parcel, webhook: &Webhook, now_ms: i64) -> Result<Outcome, String> {
        let url = destination::check_url(&webhook.url)?;
        let key = self.key(parcel, webhook)?;
        let client = self.egress.client(&url).map_err(|refusal| refusal.to_string())?;
        let (label, at_s) = (&parcel.label, now_ms.div_euclid(1_000));
        let request = client
            .post(url)
            .timeout(TIMEOUT)
            .header("content-type", header::JSON)
            .header("webhook-id", &label.webhook_id)
            .header("webhook-timestamp", at_s.to_string())
            .header("webhook-signature", sign::signature(&key, &label.webhook_id, at_s, &parcel.body))
            .body(parcel.body.clone());
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => return Err(why(error)),
        };
        let status = answer.status().as_u16();
        Ok(match status {
            200..300 => Outcome::Taken { status: Some(status) },
            GONE => Outcome::Gone { status },
            _ => {
                let said = answer.headers().get("retry-after").and_then(|value| value.to_str().ok());
                let retry_after = said.filter(|_| PAUSED.contains(&status)).and_then(|text| pause(text, now_ms));
                Outcome::Refused { status: Some(status), retry_after, error: format!("it answered {status}") }
            }
        })
    }

    fn key(&self, parcel: &Parcel, webhook: &Webhook) -> Result<Vec<u8>, String> {
        if webhook.key_sealed.is_empty() {
            return Err("the destination has no signing key".into());
        }
        let master = self.key.as_ref().ok_or("this worker has no master key: --master-key-file or --deployment-key-file")?;
        let lane = &parcel.id.lane;
        let purpose = Purpose::ResultKey(&lane.session.trigger, lane.destination.as_str());
        let key = seal::unseal(master, purpose, &webhook.key_sealed).map_err(|error| error.to_string())?;
        destination::read_key(key.expose_secret()).map_err(|rule| format!("the signing key {rule}"))
    }

    async fn publish(&self, parcel: &Parcel, subject: &str, now_ms: i64) -> Result<Outcome, String> {
        destination::check_subject(subject)?;
        let mut headers = HeaderMap::new();
        headers.insert(header::MESSAGE_ID, parcel.label.webhook_id.as_str());
        headers.insert(header::CONTENT_TYPE, header::JSON);
        headers.insert("webhook-id", parcel.label.webhook_id.as_str());
        headers.insert("webhook-timestamp", now_ms.div_euclid(1_000).to_string());
        let request = Request::new().headers(headers).payload(parcel.body.clone()).timeout(Some(STORED_WITHIN));
        match self.client.send_request(subject.to_owned(), request).await {
            // A stream says that it has it; anybody else who answers took it all the same.
            Ok(answer) => {
                let said: serde_json::Value = serde_json::from_slice(&answer.payload).unwrap_or_default();
                match said.pointer("/error/description").and_then(serde_json::Value::as_str) {
                    Some(reason) => Err(format!("the stream refused the message: {reason}")),
                    None => Ok(Outcome::Taken { status: None }),
                }
            }
            // Somebody listens, and need not answer.
            Err(error) if error.kind() == RequestErrorKind::TimedOut => Ok(Outcome::Taken { status: None }),
            Err(error) if error.kind() == RequestErrorKind::NoResponders => Err("nobody listens on that subject".into()),
            Err(error) => Err(format!("the message was not sent: {error}")),
        }
    }
}

/// Why a call got no answer, without the address: it may carry a token.
fn why(error: reqwest::Error) -> String {
    if let Some(refusal) = Refusal::within(&error) {
        return refusal.to_string();
    }
    if error.is_timeout() {
        return format!("no answer within {TIMEOUT:?}");
    }
    if error.is_connect() { "it cannot be connected to".into() } else { format!("no answer: {}", error.without_url()) }
}

/// How long `Retry-After` asks to wait: seconds, or a date.
fn pause(text: &str, now_ms: i64) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = httpdate::parse_http_date(text.trim()).ok()?.duration_since(UNIX_EPOCH).ok()?;
    let now = Duration::from_millis(u64::try_from(now_ms).ok()?);
    Some(at.saturating_sub(now))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::pause;

    #[test]
    fn a_pause_is_asked_for_in_seconds_or_by_a_date() {
        assert_eq!(pause("120", 0), Some(Duration::from_mins(2)));
        assert_eq!(pause("Thu, 01 Jan 1970 00:01:00 GMT", 30_000), Some(Duration::from_secs(30)));
        assert_eq!(pause("Thu, 01 Jan 1970 00:00:00 GMT", 30_000), Some(Duration::ZERO));
        assert_eq!(pause("soon", 0), None);
    }
}
