//! The requests of an authorization: each passes the egress guard, is bounded, and follows no redirect.
//!
//! Discovery follows redirects on the same origin by itself, one errand for each.

use std::sync::{Mutex, PoisonError};

use rmcp::transport::{OAuthHttpClient, OAuthHttpClientError, OAuthHttpClientFuture, OAuthHttpRequest};
use serde_json::Value;
use url::Url;

use crate::http::body;
use crate::limit::{ERRAND_BYTES_MAX, ERRAND_TIMEOUT};
use crate::server::origin;
use egress::Egress;

/// Longest error code of OAuth that is told, in bytes.
const CODE_BYTES_MAX: usize = 64;

/// Goes to authorization servers for one server.
#[derive(Debug)]
pub(super) struct Errands {
    egress: Egress,
    /// A server behind TLS is not authorized by one that is not.
    needs_tls: bool,
    last: Mutex<Option<String>>,
}

/// Why an errand brought nothing.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Failed(String);

impl Errands {
    pub(super) fn new(egress: Egress, server: &Url) -> Self {
        Self { egress, needs_tls: server.scheme() == "https", last: Mutex::new(None) }
    }

    /// How the last errand failed, if it did.
    pub(super) fn last_failure(&self) -> String {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone().unwrap_or_default()
    }

    fn remember(&self, failure: Option<String>) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = failure;
    }

    async fn run(&self, request: http::Request<Vec<u8>>) -> Result<http::Response<Vec<u8>>, String> {
        let request = reqwest::Request::try_from(request).map_err(|_| "the address makes no sense".to_owned())?;
        let url = request.url().clone();
        let place = origin(&url);
        if self.needs_tls && url.scheme() != "https" {
            return Err(format!("{place} is not https, and the server is"));
        }
        let client = self.egress.client(&url).map_err(|refusal| refusal.to_string())?;
        let answer = async {
            let response = client.execute(request).await.map_err(|error| crate::failure::cause(&error.without_url()))?;
            let (status, headers) = (response.status(), response.headers().clone());
            let bytes = body::whole(response, ERRAND_BYTES_MAX).await.map_err(|error| error.to_string())?;
            Ok::<_, String>((status, headers, bytes))
        };
        let answer = tokio::time::timeout(ERRAND_TIMEOUT, answer).await;
        let (status, headers, bytes) = match answer {
            Err(_) => return Err(format!("{place} does not answer within {ERRAND_TIMEOUT:?}")),
            Ok(Err(reason)) => return Err(format!("{place}: {reason}")),
            Ok(Ok(answer)) => answer,
        };
        self.remember((!status.is_success()).then(|| format!("{place} answers with status {}{}", status.as_u16(), code(&bytes))));
        let mut response = http::Response::new(bytes);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }
}

/// The error code, which is one of a few words; the description is whatever the server likes.
fn code(bytes: &[u8]) -> String {
    let told: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let code = told.get("error").and_then(Value::as_str).unwrap_or_default();
    let is_code = !code.is_empty() && code.len() <= CODE_BYTES_MAX && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if is_code { format!(" ({code})") } else { String::new() }
}

impl OAuthHttpClient for Errands {
    fn execute(&self, request: OAuthHttpRequest) -> OAuthHttpClientFuture<'_> {
        Box::pin(async move {
            self.run(request.request).await.map_err(|reason| {
                self.remember(Some(reason.clone()));
                Box::new(Failed(reason)) as OAuthHttpClientError
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::code;

    #[test]
    fn only_a_code_is_told_of_what_a_server_says() {
        assert_eq!(code(br#"{"error":"invalid_grant","error_description":"secret"}"#), " (invalid_grant)");
        for body in [&br#"{"error":"Your secret is hunter2"}"#[..], b"{}", b"<html>", br#"{"error":1}"#] {
            assert_eq!(code(body), "");
        }
    }
}
