//! What the broker is asked: every publish and every read by subject is a request with an answer.
//!
//! [`publish`](crate::publish), [`direct`](crate::direct) and all that reads by them ask whatever
//! [answers requests](Requests): a connection, or something in memory that answers like one, so
//! that a simulation runs the code that reads the answers too.

use std::fmt;
use std::sync::Arc;

use async_nats::client::RequestErrorKind;
use async_nats::{Client, HeaderMap, Message, Request};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;

/// Takes requests to the broker.
pub trait Requests: Sync {
    /// Asks once. Whoever asks has a deadline: there may be no answer ever.
    fn request(
        &self,
        subject: String,
        headers: Option<HeaderMap>,
        body: Bytes,
    ) -> impl Future<Output = Result<Message, RequestErrorKind>> + Send;

    /// Asks once for many answers, of which the last one says that it is.
    fn request_many(&self, subject: String, body: Bytes) -> impl Future<Output = Result<BoxStream<'static, Message>, String>> + Send;
}

impl Requests for Client {
    async fn request(&self, subject: String, headers: Option<HeaderMap>, body: Bytes) -> Result<Message, RequestErrorKind> {
        // The client's own time-out begins only once the request is in its queue, which fills while it is disconnected.
        let mut request = Request::new().payload(body).timeout(None);
        if let Some(headers) = headers {
            request = request.headers(headers);
        }
        self.send_request(subject, request).await.map_err(|error| error.kind())
    }

    async fn request_many(&self, subject: String, body: Bytes) -> Result<BoxStream<'static, Message>, String> {
        let inbox = self.new_inbox();
        let answers = self.subscribe(inbox.clone()).await.map_err(|error| error.to_string())?;
        self.publish_with_reply(subject, inbox, body).await.map_err(|error| error.to_string())?;
        Ok(answers.boxed())
    }
}

/// Something in memory that answers like the broker.
#[async_trait]
pub trait Stage: fmt::Debug + Send + Sync {
    /// The answer to a request; no answer ever is a future that does not end.
    async fn answer(&self, subject: String, headers: Option<HeaderMap>, body: Bytes) -> Result<Message, RequestErrorKind>;

    /// The answers to a request for many.
    async fn answers(&self, subject: String, body: Bytes) -> Vec<Message>;
}

/// The broker of a service: a connection, or a stage of a simulation.
#[derive(Debug, Clone)]
pub enum Line {
    /// A connection.
    Nats(Client),
    /// A stage.
    Stage(Arc<dyn Stage>),
}

impl Line {
    /// Waits until all that was sent is on its way.
    pub async fn flush(&self) {
        if let Self::Nats(client) = self {
            drop(client.flush().await);
        }
    }

    /// How many bytes a message may have.
    pub fn payload_bytes_max(&self) -> usize {
        match self {
            Self::Nats(client) => Some(client.max_payload()).filter(|bytes| *bytes > 0).unwrap_or(usize::MAX),
            Self::Stage(_) => usize::MAX,
        }
    }
}

impl Requests for Line {
    async fn request(&self, subject: String, headers: Option<HeaderMap>, body: Bytes) -> Result<Message, RequestErrorKind> {
        match self {
            Self::Nats(client) => Requests::request(client, subject, headers, body).await,
            Self::Stage(stage) => stage.answer(subject, headers, body).await,
        }
    }

    async fn request_many(&self, subject: String, body: Bytes) -> Result<BoxStream<'static, Message>, String> {
        match self {
            Self::Nats(client) => client.request_many(subject, body).await,
            Self::Stage(stage) => Ok(futures_util::stream::iter(stage.answers(subject, body).await).boxed()),
        }
    }
}
