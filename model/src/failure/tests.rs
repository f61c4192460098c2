use std::time::Duration;

use proptest::prelude::*;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::{Failure, wait};

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
}

fn of(status: u16, body: &str) -> Failure {
    let key = SecretString::from("sk-secret");
    Failure::of_status(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body, Some(&key))
}

#[test]
fn a_status_says_whether_to_ask_again_elsewhere_or_not_at_all() {
    for status in 300..600 {
        let failure = of(status, "{}");
        let expected = match status {
            408 | 409 | 429 | 500.. => matches!(failure, Failure::Passing { .. }),
            300..=399 | 401..=404 => matches!(failure, Failure::Barred(_)),
            _ => matches!(failure, Failure::Refused(_)),
        };
        assert!(expected, "{status}: {failure:?}");
    }
    assert!(matches!(of(429, r#"{"error":{"code":"insufficient_quota"}}"#), Failure::Barred(_)));
    assert!(matches!(of(400, r#"{"error":{"details":[{"reason":"API_KEY_INVALID"}]}}"#), Failure::Barred(_)));
}

#[test]
fn a_reason_is_what_the_provider_says_without_the_key() {
    for (body, expected) in [
        (
            r#"{"error":{"message":"No such key sk-secret","type":"auth","code":"invalid_api_key"}}"#,
            "401 Unauthorized: invalid_api_key: No such key ***",
        ),
        (r#"{"type":"error","error":{"type":"authentication_error","message":"bad"}}"#, "401 Unauthorized: authentication_error: bad"),
        (r#"{"error":{"code":401,"message":"bad","status":"UNAUTHENTICATED"}}"#, "401 Unauthorized: UNAUTHENTICATED: bad"),
        (r#"{"error":"model 'x' not found"}"#, "401 Unauthorized: model 'x' not found"),
        (r#"{"message":"bad","type":"t","code":"c"}"#, "401 Unauthorized: c: bad"),
        ("<html>\n<b>no</b></html>", "401 Unauthorized: <html> <b>no</b></html>"),
        ("", "401 Unauthorized: no reason is given"),
        ("[1]", "401 Unauthorized: no reason is given"),
    ] {
        assert_eq!(of(401, body).reason(), expected);
    }
}

#[test]
fn a_wait_is_read_in_every_form() {
    let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
    let google =
        json!({"error": {"details": [{"@type": "x"}, {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}]}});
    for (pairs, body, expected) in [
        (vec![("retry-after", "2")], Value::Null, Some(2_000)),
        (vec![("retry-after", "0.25")], Value::Null, Some(250)),
        (vec![("retry-after", "2"), ("retry-after-ms", "1500")], Value::Null, Some(1_500)),
        (vec![date, ("retry-after", "Sun, 06 Nov 1994 08:49:40 GMT")], Value::Null, Some(3_000)),
        (vec![date, ("retry-after", "Sunday, 06-Nov-94 08:49:40 GMT")], Value::Null, Some(3_000)),
        (vec![date, ("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT")], Value::Null, Some(0)),
        (vec![("retry-after", "Sun, 06 Nov 1994 08:49:40 GMT")], Value::Null, None),
        (vec![("retry-after", "soon")], Value::Null, None),
        (vec![("retry-after", "-1")], Value::Null, None),
        (vec![("retry-after", "NaN")], Value::Null, None),
        (vec![], google, Some(34_500)),
        (vec![], Value::Null, None),
    ] {
        assert_eq!(wait(&headers(&pairs), &body), expected.map(Duration::from_millis), "{pairs:?}");
    }
}

#[test]
fn an_error_within_a_stream_is_sorted_by_its_name() {
    for (body, expected) in [
        (json!({"message": "busy", "type": "server_error"}), "passing"),
        (json!({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}), "passing"),
        (json!({"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}}), "passing"),
        (json!({"type": "error", "error": {"type": "authentication_error", "message": "bad"}}), "barred"),
        (json!({"message": "too long", "type": "invalid_request_error"}), "refused"),
        (Value::Null, "passing"),
    ] {
        let failure = Failure::of_event(&body, None);
        let kind = match failure {
            Failure::Passing { .. } => "passing",
            Failure::Barred(_) => "barred",
            Failure::Refused(_) => "refused",
        };
        assert_eq!(kind, expected, "{body}");
    }
}

proptest! {
    #[test]
    fn no_body_and_no_header_panics(status in 100_u16..1000, body in "\\PC{0,60}", header in "[ -~]{0,30}") {
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", HeaderValue::from_str(&header).unwrap());
        headers.insert("date", HeaderValue::from_str(&header).unwrap());
        drop(Failure::of_status(StatusCode::from_u16(status).unwrap(), &headers, &body, None));
    }
}
