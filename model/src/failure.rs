//! Why one call of one model gave no answer, and what follows from that.
//!
//! | what came | it is |
//! | --- | --- |
//! | 408, 409, 429, 5xx, a time-out, a broken stream, an error within a stream | passing: the same call may succeed later |
//! | 401, 402, 403, 404, a redirect, a spent quota, a refused address | barred: another model may answer |
//! | any other 4xx | refused: the question itself is wrong, so nobody else is asked |

use std::error::Error as _;
use std::time::Duration;

use egress::policy::Refusal;
use genai::webc::StreamTimeout;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use secrecy::SecretString;
use serde_json::Value;

use crate::scrub::scrub;

/// Codes of a spent quota, which come with a 429 and do not pass.
const SPENT: [&str; 3] = ["insufficient_quota", "billing_hard_limit_reached", "credit_balance_too_low"];
/// What errors within a stream say of a question that is wrong.
const WRONG: [&str; 4] = ["invalid_request_error", "request_too_large", "context_length_exceeded", "INVALID_ARGUMENT"];
/// What errors within a stream say of a caller that is not let in.
const NOT_LET_IN: [&str; 6] =
    ["authentication_error", "permission_error", "not_found_error", "billing_error", "PERMISSION_DENIED", "UNAUTHENTICATED"];

/// Why a call gave no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The same call may succeed later.
    Passing {
        /// What happened.
        reason: String,
        /// How long the provider wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// This model does not answer, another one may.
    Barred(String),
    /// The question itself is refused.
    Refused(String),
}

impl Failure {
    /// A failure that passes by itself.
    pub(crate) fn passing(reason: impl Into<String>) -> Self {
        Self::Passing { reason: reason.into(), retry_after: None }
    }

    /// What happened.
    pub(crate) fn reason(&self) -> &str {
        match self {
            Self::Passing { reason, .. } | Self::Barred(reason) | Self::Refused(reason) => reason,
        }
    }

    /// Reads an error of a call that was built but came to nothing.
    pub(crate) fn of(error: genai::Error, key: Option<&SecretString>) -> Self {
        match error {
            genai::Error::HttpError { status, body, headers, .. } => Self::of_status(status, &headers, &body, key),
            genai::Error::WebStream { error, .. } => match error.downcast::<genai::Error>() {
                Ok(error) => Self::of(*error, key),
                Err(error) => Self::of_connection(error, key),
            },
            genai::Error::ChatResponse { body, .. } => Self::of_event(&body, key),
            genai::Error::StreamParse { serde_error, .. } => {
                Self::passing(format!("a part of the answer is no JSON (at column {})", serde_error.column()))
            }
            error => Self::passing(format!("a part of the answer makes no sense: {}", scrub(&error.to_string(), key))),
        }
    }

    fn of_status(status: StatusCode, headers: &HeaderMap, body: &str, key: Option<&SecretString>) -> Self {
        let body: Value = serde_json::from_str(body).unwrap_or_else(|_| Value::from(body));
        let said = Said::read(&body);
        let reason = scrub(&format!("{status}: {}", said.text()), key);
        let is_spent = said.is_one_of(&SPENT);
        match status.as_u16() {
            429 if is_spent => Self::Barred(reason),
            408 | 409 | 429 | 500..=599 => Self::Passing { reason, retry_after: wait(headers, &body) },
            300..=399 => Self::Barred(format!("{status}: redirects are not followed, name the address that it leads to")),
            401..=404 => Self::Barred(reason),
            // Google answers a wrong key with a 400.
            400 if body.to_string().contains("API_KEY_INVALID") => Self::Barred(reason),
            _ => Self::Refused(reason),
        }
    }

    fn of_event(body: &Value, key: Option<&SecretString>) -> Self {
        let said = Said::read(body);
        let reason = scrub(&format!("the answer broke off with an error: {}", said.text()), key);
        if said.is_one_of(&WRONG) {
            Self::Refused(reason)
        } else if said.is_one_of(&NOT_LET_IN) || said.is_one_of(&SPENT) {
            Self::Barred(reason)
        } else {
            Self::Passing { reason, retry_after: asked_for(body) }
        }
    }

    fn of_connection(error: genai::BoxError, key: Option<&SecretString>) -> Self {
        match error.downcast_ref::<StreamTimeout>() {
            Some(StreamTimeout::Headers) => return Self::passing("no answer began in time"),
            Some(StreamTimeout::Read) => return Self::passing("the answer stood still for too long"),
            None => {}
        }
        if let Some(refusal) = Refusal::within(error.as_ref()) {
            return Self::Barred(refusal.to_string());
        }
        let reason = match error.downcast::<reqwest::Error>() {
            Ok(error) => {
                let error = error.without_url();
                let what = if error.is_connect() { "no connection" } else { "the connection broke" };
                // The cause that says something is the last one.
                let mut cause: Option<&dyn std::error::Error> = error.source();
                while let Some(deeper) = cause.and_then(std::error::Error::source) {
                    cause = Some(deeper);
                }
                cause.map_or_else(|| format!("{what}: {error}"), |cause| format!("{what}: {cause}"))
            }
            Err(error) => format!("the answer is no text: {error}"),
        };
        Self::passing(scrub(&reason, key))
    }
}

/// What the body of an error says.
struct Said<'a> {
    message: &'a str,
    codes: [Option<&'a str>; 4],
}

impl<'a> Said<'a> {
    fn read(body: &'a Value) -> Self {
        let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str);
        let message =
            text("/error/message").or_else(|| text("/message")).or_else(|| text("/error")).or_else(|| body.as_str()).unwrap_or_default();
        let message = if message.trim().is_empty() { "no reason is given" } else { message };
        let code = |inner: &str, outer: &str| text(inner).or_else(|| text(outer));
        let codes = [
            code("/error/code", "/code"),
            text("/error/type"),
            code("/error/status", "/status"),
            text("/type").filter(|kind| *kind != "error"),
        ];
        Self { message, codes }
    }

    fn is_one_of(&self, codes: &[&str]) -> bool {
        self.codes.iter().flatten().any(|code| codes.contains(code))
    }

    fn text(&self) -> String {
        match self.codes.iter().flatten().next() {
            Some(code) => format!("{code}: {}", self.message),
            None => self.message.to_owned(),
        }
    }
}

/// How long a provider wants to be left alone: in milliseconds, in seconds, until a date of its own
/// clock, or as Google says it in the body.
fn wait(headers: &HeaderMap, body: &Value) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let seconds = |text: &str, scale: f64| Duration::try_from_secs_f64(text.parse::<f64>().ok()? * scale).ok();
    let until = |text: &str| {
        let then = httpdate::parse_http_date(text).ok()?;
        // The response says what time it is where the date comes from; the clock of this machine may be another.
        let now = httpdate::parse_http_date(headers.get("date")?.to_str().ok()?).ok()?;
        Some(then.duration_since(now).unwrap_or_default())
    };
    text("retry-after-ms")
        .and_then(|text| seconds(text, 0.001))
        .or_else(|| text("retry-after").and_then(|text| seconds(text, 1.0).or_else(|| until(text))))
        .or_else(|| asked_for(body))
}

/// The `retryDelay` of a `google.rpc.RetryInfo`, such as `"34s"`.
fn asked_for(body: &Value) -> Option<Duration> {
    let details = body.pointer("/error/details")?.as_array()?;
    let delay = details.iter().find_map(|detail| detail.get("retryDelay")?.as_str())?;
    Duration::try_from_secs_f64(delay.strip_suffix('s')?.parse().ok()?).ok()
}

#[cfg(test)]
mod tests;
