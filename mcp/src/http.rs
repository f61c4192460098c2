//! The requests of a connection over streamable HTTP.
//!
//! This stands in for the client that comes with rmcp, for what that one does not do: every
//! request passes the egress guard, redirects are followed only where they stay on the same origin and
//! keep the request as it is, answers are bounded before they are read, and nothing that a server
//! says reaches an error unbounded. What the answers mean is rmcp's business.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::BoxStream;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION, WWW_AUTHENTICATE};
use reqwest::{Method, Response, StatusCode};
use rmcp::model::{ClientJsonRpcMessage, JsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::streamable_http_client::{
    AuthRequiredError, InsufficientScopeError, SseError, StreamableHttpClient, StreamableHttpError, StreamableHttpPostResponse,
};
use sse_stream::Sse;
use url::Url;

use crate::limit::{ERROR_BODY_BYTES_MAX, ERROR_TEXT_BYTES_MAX, MESSAGE_BYTES_MAX, REDIRECTS_MAX, STREAM_MAX};
use crate::mask::Mask;
use crate::text;
use egress::Egress;
use egress::policy::Refusal;

pub(crate) mod body;
mod sse;

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const LAST_EVENT: HeaderName = HeaderName::from_static("last-event-id");
const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";
const EITHER: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");
/// What stands for a challenge that a server left out.
const BARE_CHALLENGE: &str = "Bearer";

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// It may not go out.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// No connection came about: nothing was sent.
    #[error("no connection")]
    Connect(#[source] reqwest::Error),
    /// The connection broke.
    #[error("the connection broke")]
    Broken(#[source] reqwest::Error),
    /// A redirect that is not followed.
    #[error("status {status} redirects to {target}: give the server's own address")]
    Redirected { status: u16, target: String },
    /// A status that says no.
    #[error("status {status}{}", said(.text))]
    Status { status: u16, text: String },
    /// An answer that makes no sense.
    #[error("the answer is no message of the protocol: {0}")]
    Malformed(&'static str),
    /// An answer over the bound.
    #[error("the answer is over {MESSAGE_BYTES_MAX} bytes")]
    TooLarge,
    /// What is to be sent does not fit into a request.
    #[error("the request cannot be written")]
    Request,
}

impl Error {
    /// A failure of the client, without the URL, which may carry a secret.
    pub(crate) fn broken(source: reqwest::Error) -> Self {
        let source = source.without_url();
        match Refusal::within(&source) {
            Some(refusal) => Self::Refused(refusal.clone()),
            None if source.is_connect() => Self::Connect(source),
            None => Self::Broken(source),
        }
    }
}

fn said(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

type Failure = StreamableHttpError<Error>;

/// The client of one connection.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    egress: Egress,
    mask: Mask,
}

/// A request, ready to be sent again where a redirect leads.
struct Request {
    method: Method,
    headers: HeaderMap,
    body: Option<Vec<u8>>,
}

impl Client {
    pub(crate) fn new(egress: Egress, mask: Mask) -> Self {
        Self { egress, mask }
    }

    fn request(&self, method: Method, token: Option<String>, custom: HashMap<HeaderName, HeaderValue>) -> Result<Request, Error> {
        let mut headers: HeaderMap = custom.into_iter().collect();
        headers.insert(ACCEPT, EITHER);
        if let Some(token) = token {
            self.mask.add(&token);
            let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| Error::Request)?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        Ok(Request { method, headers, body: None })
    }

    /// Sends, and follows redirects that change nothing but the path.
    async fn send(&self, uri: &str, request: Request) -> Result<Response, Error> {
        let mut url = Url::parse(uri).map_err(|_| Error::Request)?;
        for _ in 0..=REDIRECTS_MAX {
            let call = self.egress.client(&url)?.request(request.method.clone(), url.clone()).headers(request.headers.clone());
            let call = request.body.iter().fold(call, |call, body| call.body(body.clone()));
            // A stream is bounded by whoever waits for it, not by the client's own patience.
            let response = call.timeout(STREAM_MAX).send().await.map_err(Error::broken)?;
            let status = response.status();
            if !status.is_redirection() || status == StatusCode::NOT_MODIFIED {
                return Ok(response);
            }
            let target = response.headers().get(LOCATION).and_then(|to| url.join(to.to_str().ok()?).ok());
            let keeps = matches!(status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
            match target {
                Some(next) if keeps && next.origin() == url.origin() => url = next,
                target => return Err(Error::redirected(status, target.as_ref())),
            }
        }
        Err(Error::Status { status: StatusCode::LOOP_DETECTED.as_u16(), text: format!("more than {REDIRECTS_MAX} redirects") })
    }

    /// What an answer with a status of failure comes to, where that is not a message.
    async fn refused(&self, message: &ClientJsonRpcMessage, response: Response) -> Result<StreamableHttpPostResponse, Failure> {
        let status = response.status().as_u16();
        let session = session_of(&response);
        let is_json = has_type(&response, JSON);
        let bytes = if is_json { body::whole(response, ERROR_BODY_BYTES_MAX).await.unwrap_or_default() } else { Vec::new() };
        let Ok(JsonRpcMessage::Error(told)) = serde_json::from_slice::<ServerJsonRpcMessage>(&bytes) else {
            return Err(StreamableHttpError::Client(Error::Status { status, text: String::new() }));
        };
        // A failure that names the request is its answer; one that names none would never reach who waits.
        let is_answer = matches!(message, JsonRpcMessage::Request(request) if told.id.as_ref() == Some(&request.id));
        if is_answer && !matches!(status, 401 | 403) {
            return Ok(StreamableHttpPostResponse::Json(JsonRpcMessage::Error(told), session));
        }
        let text = text::line(&self.mask.apply(&told.error.message), ERROR_TEXT_BYTES_MAX);
        Err(StreamableHttpError::Client(Error::Status { status, text }))
    }
}

impl Error {
    fn redirected(status: StatusCode, target: Option<&Url>) -> Self {
        let target = target.map_or_else(|| "nowhere".to_owned(), crate::server::origin);
        Self::Redirected { status: status.as_u16(), target }
    }
}

impl StreamableHttpClient for Client {
    type Error = Error;

    async fn post_message(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session: Option<Arc<str>>,
        token: Option<String>,
        custom: HashMap<HeaderName, HeaderValue>,
    ) -> Result<StreamableHttpPostResponse, Failure> {
        let has_session = session.is_some();
        let has_token = token.is_some() || custom.contains_key(&AUTHORIZATION);
        let mut request = self.request(Method::POST, token, custom).map_err(Failure::Client)?;
        request.headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
        set(&mut request.headers, SESSION, session.as_deref()).map_err(Failure::Client)?;
        request.body = Some(serde_json::to_vec(&message)?);
        let response = self.send(&uri, request).await.map_err(Failure::Client)?;
        let status = response.status();
        challenge(&response, has_token)?;
        if status == StatusCode::NOT_FOUND && has_session {
            return Err(StreamableHttpError::SessionExpired);
        }
        if !status.is_success() {
            return self.refused(&message, response).await;
        }
        let awaits_answer = matches!(message, JsonRpcMessage::Request(_));
        if matches!(status, StatusCode::ACCEPTED | StatusCode::NO_CONTENT) || !awaits_answer {
            return Ok(StreamableHttpPostResponse::Accepted);
        }
        let session = session_of(&response);
        if has_type(&response, EVENTS) {
            return Ok(StreamableHttpPostResponse::Sse(sse::events(response.bytes_stream()), session));
        }
        if !has_type(&response, JSON) {
            return Err(Failure::Client(Error::Malformed("its type is neither JSON nor a stream of events")));
        }
        let bytes = body::whole(response, MESSAGE_BYTES_MAX).await.map_err(Failure::Client)?;
        let message = serde_json::from_slice(&bytes).map_err(|_| Failure::Client(Error::Malformed("it is not JSON-RPC")))?;
        Ok(StreamableHttpPostResponse::Json(message, session))
    }

    async fn delete_session(
        &self,
        uri: Arc<str>,
        session: Arc<str>,
        token: Option<String>,
        custom: HashMap<HeaderName, HeaderValue>,
    ) -> Result<(), Failure> {
        let mut request = self.request(Method::DELETE, token, custom).map_err(Failure::Client)?;
        set(&mut request.headers, SESSION, Some(&session)).map_err(Failure::Client)?;
        // Whether the server minds is its own business: the session is not used any more.
        self.send(&uri, request).await.map(drop).map_err(Failure::Client)
    }

    async fn get_stream(
        &self,
        uri: Arc<str>,
        session: Option<Arc<str>>,
        last_event: Option<String>,
        token: Option<String>,
        custom: HashMap<HeaderName, HeaderValue>,
    ) -> Result<BoxStream<'static, Result<Sse, SseError>>, Failure> {
        let has_token = token.is_some() || custom.contains_key(&AUTHORIZATION);
        let mut request = self.request(Method::GET, token, custom).map_err(Failure::Client)?;
        set(&mut request.headers, SESSION, session.as_deref()).map_err(Failure::Client)?;
        set(&mut request.headers, LAST_EVENT, last_event.as_deref()).map_err(Failure::Client)?;
        let response = self.send(&uri, request).await.map_err(Failure::Client)?;
        challenge(&response, has_token)?;
        let status = response.status();
        // A server without such a stream says 405; some say 404, or 400.
        if status.is_client_error() && last_event.is_none() {
            return Err(StreamableHttpError::ServerDoesNotSupportSse);
        }
        if !status.is_success() {
            return Err(Failure::Client(Error::Status { status: status.as_u16(), text: String::new() }));
        }
        if !has_type(&response, EVENTS) {
            return Err(StreamableHttpError::ServerDoesNotSupportSse);
        }
        Ok(sse::events(response.bytes_stream()))
    }
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: Option<&str>) -> Result<(), Error> {
    if let Some(value) = value {
        headers.insert(name, HeaderValue::try_from(value).map_err(|_| Error::Request)?);
    }
    Ok(())
}

/// Whether the server demands an authorization, or a further one.
fn challenge(response: &Response, has_token: bool) -> Result<(), Failure> {
    let told = response.headers().get(WWW_AUTHENTICATE).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    match (response.status(), told) {
        (StatusCode::UNAUTHORIZED, told) => {
            let told = told.unwrap_or_else(|| BARE_CHALLENGE.to_owned());
            Err(StreamableHttpError::AuthRequired(AuthRequiredError::new(told)))
        }
        (StatusCode::FORBIDDEN, Some(told)) if has_token => {
            Err(StreamableHttpError::InsufficientScope(InsufficientScopeError::new(told, None)))
        }
        _ => Ok(()),
    }
}

fn session_of(response: &Response) -> Option<String> {
    Some(response.headers().get(SESSION)?.to_str().ok()?.to_owned())
}

/// Whether the media type, its parameters aside, is this one.
fn has_type(response: &Response, media_type: &str) -> bool {
    let told = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    told.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(media_type)
}

/// How long rmcp is to wait before it opens a stream again.
#[derive(Debug)]
pub(crate) struct Reopening;

impl rmcp::transport::common::client_side_sse::SseRetryPolicy for Reopening {
    fn retry(&self, times: usize) -> Option<Duration> {
        use crate::limit::{REOPEN_MAX, REOPENS_MAX};
        let factor = 2_u32.saturating_pow(u32::try_from(times).unwrap_or(u32::MAX));
        (times < REOPENS_MAX).then(|| Duration::from_secs(1).saturating_mul(factor).min(REOPEN_MAX))
    }
}
