//! One HTTP call.
//!
//! It goes only where the egress policy lets it, over every redirect; it takes a bounded time and
//! keeps a bounded part of the response. What the response means is for others to say.

use std::error::Error as _;

use egress::Egress;
use egress::policy::Refusal;
use proto::limit::FETCH_REDIRECTS_MAX;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName};
use reqwest::{Response, StatusCode};

use self::request::Request;

pub(crate) mod request;

/// How many characters of the body of an error response are told.
const SNIPPET_CHARS_MAX: usize = 200;
/// How many bytes hold [`SNIPPET_CHARS_MAX`] characters, whatever they are.
pub(crate) const SNIPPET_BYTES_MAX: usize = 4 * SNIPPET_CHARS_MAX;

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The policy refuses an address.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The response did not end in time.
    #[error("the response did not end within {0} ms")]
    Late(u128),
    /// A redirect leads where no call goes.
    #[error("redirected to {0}")]
    Location(&'static str),
    /// Redirects do not end.
    #[error("redirected more than {FETCH_REDIRECTS_MAX} times")]
    Redirects,
    /// The response is over the cap.
    #[error("the response is over {0} bytes")]
    Body(usize),
    /// No connection, or it broke.
    #[error("the call broke: {0}")]
    Broken(String),
}

/// How many bytes of a body are taken.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Of a success; a longer one is an error.
    pub(crate) success: usize,
    /// Of anything else; the rest is left.
    pub(crate) failure: usize,
}

/// What came back, over all redirects.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// Makes a call and reads its answer.
pub(crate) async fn call(egress: &Egress, request: Request, bounds: Bounds) -> Result<Answer, Error> {
    let timeout = request.timeout;
    let ended = tokio::time::timeout(timeout, async { read(follow(egress, request).await?, bounds).await });
    ended.await.map_err(|_| Error::Late(timeout.as_millis())).flatten()
}

async fn follow(egress: &Egress, mut request: Request) -> Result<Response, Error> {
    for _ in 0..=FETCH_REDIRECTS_MAX {
        let client = egress.client(&request.url)?;
        let mut call = client.request(request.method.clone(), request.url.clone()).headers(request.headers.clone());
        if let Some(body) = &request.body {
            call = call.body(body.clone());
        }
        let response = call.send().await?;
        match request.redirected(response.status(), response.headers())? {
            Some(next) => request = next,
            None => return Ok(response),
        }
    }
    Err(Error::Redirects)
}

async fn read(mut response: Response, bounds: Bounds) -> Result<Answer, Error> {
    let (status, headers) = (response.status(), response.headers().clone());
    let mut body = Vec::new();
    if status.is_success() {
        while let Some(chunk) = response.chunk().await? {
            if body.len() + chunk.len() > bounds.success {
                return Err(Error::Body(bounds.success));
            }
            body.extend_from_slice(&chunk);
        }
    } else {
        // What is there of it is told, also if it breaks.
        while let Ok(Some(chunk)) = response.chunk().await {
            body.extend(chunk.iter().take(bounds.failure - body.len()));
            if body.len() >= bounds.failure {
                break;
            }
        }
    }
    Ok(Answer { status, headers, body })
}

impl Answer {
    /// A header, if it came and is text.
    pub(crate) fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The content type without parameters, in lower case; empty if none came.
    pub(crate) fn essence(&self) -> String {
        let content_type = self.header(&CONTENT_TYPE).unwrap_or_default();
        content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// Whether the content type says JSON.
    pub(crate) fn is_json(&self) -> bool {
        let essence = self.essence();
        essence == "application/json" || essence.ends_with("+json")
    }

    /// How the body is packed, if it is: nothing here unpacks.
    pub(crate) fn packed(&self) -> Option<&str> {
        self.header(&CONTENT_ENCODING).map(str::trim).filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case("identity"))
    }

    /// What an answer that is no success says: its status, and the beginning of its body.
    pub(crate) fn failure(&self) -> String {
        let text: String = String::from_utf8_lossy(&self.body).trim().chars().take(SNIPPET_CHARS_MAX).collect();
        let status = self.status.as_u16();
        if text.is_empty() { format!("Status code: {status}") } else { format!("Status code: {status}: {text}") }
    }
}

impl From<reqwest::Error> for Error {
    /// The innermost reasons, without the URL: it may carry a secret.
    fn from(error: reqwest::Error) -> Self {
        let error = error.without_url();
        if let Some(refusal) = Refusal::within(&error) {
            return Self::Refused(refusal.clone());
        }
        let mut reasons = vec![error.to_string()];
        let mut source = error.source();
        while let Some(inner) = source {
            reasons.push(inner.to_string());
            source = inner.source();
        }
        Self::Broken(reasons.join(": "))
    }
}
