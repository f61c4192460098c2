//! Messages to other services over NATS.

use std::time::Duration;

use async_nats::client::RequestErrorKind;
use async_nats::{Client, HeaderMap, HeaderName, HeaderValue, Request};
use async_trait::async_trait;
use bytes::Bytes;

use crate::ability::message::{Courier, Letter};

/// How long a stream may take to say that it stored a message; without a stream nobody says anything.
const STORED_WITHIN: Duration = Duration::from_secs(2);

/// Messages over one connection.
#[derive(Debug, Clone)]
pub struct NatsCourier {
    client: Client,
}

impl NatsCourier {
    /// Uses a connection.
    pub fn new(client: Client) -> Self {
        Self { client }
    }
}

fn headers(letter: &Letter) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in &letter.headers {
        let name: HeaderName = name.parse().map_err(|_| format!("{name:?} is no name of a header"))?;
        let value: HeaderValue = value.parse().map_err(|_| format!("header {name}: may have no line ends"))?;
        headers.insert(name, value);
    }
    Ok(headers)
}

#[async_trait]
impl Courier for NatsCourier {
    async fn send(&self, letter: Letter) -> Result<Option<u64>, String> {
        let request = Request::new().headers(headers(&letter)?).payload(letter.body).timeout(Some(STORED_WITHIN));
        match self.client.send_request(letter.subject, request).await {
            // A stream says where; anybody else who answers took it all the same.
            Ok(answer) => {
                let stored: serde_json::Value = serde_json::from_slice(&answer.payload).unwrap_or_default();
                match stored.pointer("/error/description").and_then(serde_json::Value::as_str) {
                    Some(reason) => Err(format!("the stream refused the message: {reason}")),
                    None => Ok(stored.get("seq").and_then(serde_json::Value::as_u64)),
                }
            }
            Err(error) if error.kind() == RequestErrorKind::NoResponders => Err("nobody listens on that subject".to_owned()),
            // Somebody listens, and need not answer.
            Err(error) if error.kind() == RequestErrorKind::TimedOut => Ok(None),
            Err(error) => Err(format!("the message was not sent: {error}")),
        }
    }

    async fn ask(&self, letter: Letter, timeout: Duration) -> Result<Bytes, String> {
        let request = Request::new().headers(headers(&letter)?).payload(letter.body).timeout(Some(timeout));
        match self.client.send_request(letter.subject, request).await {
            Ok(answer) => Ok(answer.payload),
            Err(error) if error.kind() == RequestErrorKind::NoResponders => Err("nobody listens on that subject".to_owned()),
            Err(error) if error.kind() == RequestErrorKind::TimedOut => Err(format!("no reply within {timeout:?}")),
            Err(error) => Err(format!("the message was not sent: {error}")),
        }
    }
}
