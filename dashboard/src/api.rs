//! The management API, asked in this process.

use axum::Router;
use axum::body::Body;
use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, IF_MATCH};
use axum::http::{HeaderValue, Method, Request, StatusCode};
use axum::response::Response;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tower::ServiceExt as _;

/// Where the API lies.
const PREFIX: &str = "/v1";
/// Largest answer that a page is made of, in bytes.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// The management API.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    router: Router,
}

/// Why the API did not do what it was asked for.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Failure {
    /// The HTTP status.
    pub(crate) status: StatusCode,
    /// What went wrong, for people.
    pub(crate) message: String,
    /// The stable code, such as `CUE0101`.
    pub(crate) error: String,
    /// The field at fault.
    pub(crate) field: Option<String>,
}

/// A call of the API.
#[derive(Debug, Clone)]
pub(crate) struct Ask<'a> {
    pub(crate) method: Method,
    /// The path behind the prefix, with its query.
    pub(crate) path: &'a str,
    /// The body, where there is one.
    pub(crate) body: Option<&'a Value>,
    /// The revision that a change is made behind.
    pub(crate) revision: Option<&'a str>,
    /// The content types that are taken.
    pub(crate) accept: &'static str,
}

impl Failure {
    /// A failure of our own.
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), error: String::new(), field: None }
    }

    /// A field of a form that cannot be used.
    pub(crate) fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..Self::new(StatusCode::BAD_REQUEST, message) }
    }

    /// Whether whoever asks is not known any more.
    pub(crate) fn is_stranger(&self) -> bool {
        self.status == StatusCode::UNAUTHORIZED
    }
}

impl<'a> Ask<'a> {
    /// Asks for something.
    pub(crate) fn get(path: &'a str) -> Self {
        Self { method: Method::GET, path, body: None, revision: None, accept: "application/json" }
    }

    /// Has something done.
    pub(crate) fn post(path: &'a str, body: &'a Value) -> Self {
        Self { method: Method::POST, body: Some(body), ..Self::get(path) }
    }
}

impl Api {
    /// The API of a router.
    pub(crate) fn new(router: Router) -> Self {
        Self { router }
    }

    /// The answer as it comes.
    pub(crate) async fn send(&self, token: &SecretString, ask: Ask<'_>) -> Result<Response, Failure> {
        let broken = |_| Failure::new(StatusCode::BAD_REQUEST, "this cannot be asked for");
        let bearer = HeaderValue::try_from(format!("Bearer {}", token.expose_secret()));
        let mut bearer = bearer.map_err(|_| Failure::new(StatusCode::UNAUTHORIZED, "a token is printable ASCII"))?;
        bearer.set_sensitive(true);
        let mut request = Request::builder().method(ask.method).uri(format!("{PREFIX}{}", ask.path)).header(AUTHORIZATION, bearer);
        request = request.header(ACCEPT, ask.accept);
        if let Some(revision) = ask.revision {
            request = request.header(IF_MATCH, revision);
        }
        let request = match ask.body {
            Some(body) => request.header(CONTENT_TYPE, "application/json").body(Body::from(body.to_string())),
            None => request.body(Body::empty()),
        };
        let response = self.router.clone().oneshot(request.map_err(broken)?).await;
        let response = response.unwrap_or_else(|never| match never {});
        if response.status().is_success() { Ok(response) } else { Err(failure(response).await) }
    }

    /// The answer, read.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, token: &SecretString, ask: Ask<'_>) -> Result<T, Failure> {
        let path = ask.path.to_owned();
        let bytes = read(self.send(token, ask).await?).await?;
        serde_json::from_slice(&bytes).map_err(|error| {
            tracing::error!(%error, path, "an answer of the API is not what its page expects");
            Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "the answer cannot be shown: see the gateway's log")
        })
    }
}

async fn read(response: Response) -> Result<bytes::Bytes, Failure> {
    let read = axum::body::to_bytes(response.into_body(), ANSWER_BYTES_MAX).await;
    read.map_err(|_| Failure::new(StatusCode::BAD_GATEWAY, "the answer is too large to be shown"))
}

async fn failure(response: Response) -> Failure {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Told {
        message: String,
        error: String,
        field: Option<String>,
    }

    let status = response.status();
    let told = read(response).await.ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let Told { message, error, field } = told.unwrap_or_default();
    let message = if message.is_empty() { status.to_string() } else { message };
    Failure { status, message, error, field }
}
