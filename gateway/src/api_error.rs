//! The one shape of a refusal.
//!
//! `{message, code, error, field?, limit?, doc, traceId?}`: `code` is the name that ChatBotKit's
//! clients look at, `error` our stable code, `doc` its page. What went wrong inside stays in
//! `cause`, which is logged and never answered.

use std::borrow::Cow;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use proto::code::Code;
use proto::event::FieldError;
use proto::limit::RETRY_AFTER_S;
use serde::Serialize;

use crate::call;
use crate::rate::{Standing, policy};

/// The header in which ChatBotKit's clients look for why they may not.
const FAILURE: HeaderName = HeaderName::from_static("x-failure-code");

/// A refusal on its way to the caller.
#[derive(Debug)]
pub(crate) struct ApiError {
    /// The situation.
    pub(crate) code: Code,
    /// What the caller reads.
    pub(crate) message: Cow<'static, str>,
    /// The field or parameter at fault.
    pub(crate) field: Option<Cow<'static, str>>,
    /// The bound that was passed.
    pub(crate) limit: Option<usize>,
    /// The trace that the call would have started.
    pub(crate) trace_id: Option<String>,
    /// Where the limits stand that apply to the call.
    pub(crate) standings: Vec<Standing>,
    /// What happened inside, for the log.
    pub(crate) cause: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shape<'a> {
    message: &'a str,
    code: &'static str,
    error: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<usize>,
    doc: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'a str>,
}

impl ApiError {
    /// A refusal with its words.
    pub(crate) fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), field: None, limit: None, trace_id: None, standings: Vec::new(), cause: None }
    }

    /// A parameter or header that cannot be used.
    pub(crate) fn parameter(field: &'static str, rule: &'static str) -> Self {
        FieldError { field, rule }.into()
    }

    /// A field of the body that cannot be used; the message says what is taken.
    pub(crate) fn field(field: impl Into<Cow<'static, str>>, rule: impl std::fmt::Display) -> Self {
        let field = field.into();
        let message = format!("{field} {rule}");
        Self { field: Some(field), ..Self::new(Code::FieldInvalid, message) }
    }

    /// A body over a limit.
    pub(crate) fn too_large(what: &'static str, limit: usize) -> Self {
        Self { limit: Some(limit), ..Self::new(Code::BodyTooLarge, format!("{what} is over {limit} bytes")) }
    }

    /// The broker or the configuration cannot be reached.
    pub(crate) fn unavailable(message: &'static str, cause: &impl ToString) -> Self {
        Self { cause: Some(cause.to_string()), ..Self::new(Code::Unavailable, message) }
    }
}

impl From<FieldError> for ApiError {
    fn from(error: FieldError) -> Self {
        let code = match error.field {
            "text" => Code::TextInvalid,
            "session" => Code::SessionInvalid,
            field if field.starts_with("contact") => Code::ContactInvalid,
            "Idempotency-Key" | "webhook-id" => Code::KeyInvalid,
            _ => Code::ParameterInvalid,
        };
        Self { field: Some(error.field.into()), ..Self::new(code, error.to_string()) }
    }
}

impl From<call::Fault> for ApiError {
    fn from(fault: call::Fault) -> Self {
        match fault {
            call::Fault::Field(error) => error.into(),
            malformed @ call::Fault::Malformed(_) => Self::new(Code::BodyMalformed, malformed.to_string()),
        }
    }
}

impl ApiError {
    fn shape(&self) -> Shape<'_> {
        Shape {
            message: &self.message,
            code: self.code.class(),
            error: self.code.as_str(),
            field: self.field.as_deref(),
            limit: self.limit,
            doc: format!("docs/errors/{}.md", self.code.as_str()),
            trace_id: self.trace_id.as_deref(),
        }
    }

    /// The refusal as one result among many.
    pub(crate) fn told(&self) -> serde_json::Value {
        serde_json::to_value(self.shape()).unwrap_or_default()
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(serde_json::to_vec(&self.shape()).unwrap_or_default()));
        *response.status_mut() = StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let status = response.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let is_later = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
        if is_later || matches!(self.code, Code::SessionBusy | Code::TimerRunOff) {
            headers.insert(RETRY_AFTER, HeaderValue::from(RETRY_AFTER_S));
        }
        policy::tell(headers, &self.standings);
        if status == StatusCode::FORBIDDEN {
            headers.insert(FAILURE, HeaderValue::from_static(self.code.as_str()));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;
    use proto::code::Code;
    use proto::event::FieldError;

    use super::ApiError;

    async fn check(error: ApiError, expected: &str) {
        let response = error.into_response();
        let status = response.status().as_u16();
        let retry = response.headers().contains_key("retry-after");
        assert_eq!(retry, matches!(status, 409 | 429 | 503), "{status}");
        let body = axum::body::to_bytes(response.into_body(), 4096).await.unwrap();
        assert_eq!(format!("{status} {}", std::str::from_utf8(&body).unwrap()), expected);
    }

    #[tokio::test]
    async fn every_refusal_has_one_shape() {
        check(
            ApiError::too_large("the body", 10),
            r#"413 {"message":"the body is over 10 bytes","code":"BAD_REQUEST","error":"CUE0102","limit":10,"doc":"docs/errors/CUE0102.md"}"#,
        )
        .await;
        check(
            FieldError { field: "contact.email", rule: "is wrong" }.into(),
            r#"400 {"message":"contact.email is wrong","code":"BAD_REQUEST","error":"CUE0104","field":"contact.email","doc":"docs/errors/CUE0104.md"}"#,
        )
        .await;
        check(
            ApiError { trace_id: Some("t".into()), ..ApiError::unavailable("gone", &"inside") },
            r#"503 {"message":"gone","code":"SERVICE_UNAVAILABLE","error":"CUE0504","doc":"docs/errors/CUE0504.md","traceId":"t"}"#,
        )
        .await;
        check(
            ApiError::new(Code::SessionBusy, "busy"),
            r#"409 {"message":"busy","code":"CONFLICT","error":"CUE0403","doc":"docs/errors/CUE0403.md"}"#,
        )
        .await;
    }

    #[test]
    fn each_field_has_its_code() {
        for (field, code) in [
            ("text", Code::TextInvalid),
            ("session", Code::SessionInvalid),
            ("contact", Code::ContactInvalid),
            ("contact.phone", Code::ContactInvalid),
            ("webhook-id", Code::KeyInvalid),
            ("wait", Code::ParameterInvalid),
        ] {
            assert_eq!(ApiError::parameter(field, "is wrong").code, code, "{field}");
        }
    }
}
