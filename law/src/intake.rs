//! Calls over HTTP: whatever comes, a whole gateway answers in its shape, and what it takes is sound.
//!
//! A case is a request as it stands on the wire: `METHOD target`, headers, an empty line, a body. The
//! gateway knows some triggers and tokens; its broker confirms everything ([`broker`]). The request
//! is made twice:
//! - no answer has a status of 500, and every refusal is the one JSON object with its code;
//! - a receipt means that one message was published, on the subject of the session that it names, and
//!   that a worker can read it;
//! - a repeat under the same idempotency key has the same receipt and publishes nothing.
//!
//! A header `sign: SCHEME` stands for the right signature over the body.
//!
//! In reading order:
//! - [`stand`]: the gateway;
//! - [`broker`]: what it publishes to;
//! - [`sign`]: what senders of webhooks do.

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use bytes::Bytes;
use proto::event::Event;
use proto::id::{Receipt, TimerReceipt};
use proto::{answer, header, subject};
use serde_json::Value;

use crate::envelope::event_is_kept;
use broker::Published;
use stand::{Answer, with_stand};

pub mod stand;
pub mod broker;
pub mod sign;

/// The header that stands for a signature.
const SIGN: &str = "sign";

/// A request as it stands on the wire, less the carriage returns.
pub fn holds(data: &[u8]) {
    let Some(call) = Call::read(data) else { return };
    with_stand(|stand| {
        let first = stand.ask(call.request());
        let Some(first) = first else { return };
        let published = stand.published();
        check(&call, &first, &published);
        let Some(again) = stand.ask(call.request()) else { return };
        let anew = stand.published();
        check_again(&call, (&first, &again), &anew);
    });
}

/// A call that can be made.
#[derive(Debug)]
struct Call {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
}

impl Call {
    /// Reads a case; none where no server would take it for a request.
    fn read(data: &[u8]) -> Option<Self> {
        let (line, mut rest) = line_of(data);
        let (method, target) = line.split_at_checked(line.iter().position(|byte| *byte == b' ')?)?;
        let method = Method::from_bytes(method).ok()?;
        let uri = Uri::try_from(target.get(1..)?).ok()?;
        let mut headers = HeaderMap::new();
        while let (head, behind) = line_of(rest)
            && !head.is_empty()
        {
            let (name, value) = head.split_at_checked(head.iter().position(|byte| *byte == b':')?)?;
            let value = HeaderValue::from_bytes(value.get(1..)?.trim_ascii()).ok()?;
            headers.append(HeaderName::from_bytes(name).ok()?, value);
            rest = behind;
        }
        let body = Bytes::copy_from_slice(line_of(rest).1);
        if let Some(scheme) = headers.remove(SIGN) {
            sign::sign(scheme.to_str().ok()?, &mut headers, &body)?;
        }
        Some(Self { method, uri, headers, body })
    }

    fn request(&self) -> Request<Body> {
        let mut request = Request::new(Body::from(self.body.clone()));
        request.method_mut().clone_from(&self.method);
        request.uri_mut().clone_from(&self.uri);
        request.headers_mut().clone_from(&self.headers);
        request
    }
}

/// A line, and what comes behind it.
fn line_of(data: &[u8]) -> (&[u8], &[u8]) {
    let at = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (line, rest) = data.split_at_checked(at).unwrap_or((data, &[]));
    (line, rest.get(1..).unwrap_or_default())
}

/// That an answer has its shape, and that what was published is what it says.
fn check(call: &Call, answer: &Answer, published: &[Published]) {
    let status = answer.status;
    assert!((200..600).contains(&status) && status != 500, "{call:?} has the answer {answer:?}");
    if status >= 400 {
        assert!(published.is_empty(), "{call:?} was refused, and published {published:?}");
        refusal(call, answer);
    }
    published.iter().for_each(readable);
    let Some(receipt) = receipt(call, answer) else { return };
    let taken: Vec<&str> = published.iter().map(|message| message.subject.as_str()).collect();
    assert_eq!(taken, [receipt], "{call:?} has the answer {answer:?}");
}

/// That a repeat is known as one.
fn check_again(call: &Call, (first, again): (&Answer, &Answer), published: &[Published]) {
    assert!(again.status < 600 && again.status != 500, "{call:?} has the answer {again:?}");
    if again.status >= 400 {
        refusal(call, again);
    }
    let is_keyed = call.headers.contains_key("idempotency-key") && !call.headers.contains_key("webhook-signature");
    if is_keyed && receipt(call, first).is_some() && receipt(call, again).is_some() {
        assert!(published.is_empty(), "{call:?} was published twice");
        assert_eq!(json(again).get("id"), json(first).get("id"));
        assert!(again.headers.contains_key("idempotent-replay"), "{call:?} has the answer {again:?}");
    }
}

/// The one shape of a refusal; whether the process is ready is told by its checks.
fn refusal(call: &Call, answer: &Answer) {
    if call.method == Method::HEAD {
        return;
    }
    let content_type = answer.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    assert_eq!(content_type, Some("application/json"), "{call:?} has the answer {answer:?}");
    let told = json(answer);
    if call.uri.path().ends_with("/readyz") && told.get("checks").is_some_and(Value::is_object) {
        return;
    }
    let word = |name: &str| told.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let code = word("error").filter(|code| code.len() == 7 && code.starts_with("CUE"));
    let code = code.unwrap_or_else(|| panic!("{call:?} has the answer {answer:?}"));
    assert!(word("message").is_some() && word("code").is_some(), "{call:?} has the answer {answer:?}");
    assert_eq!(word("doc"), Some(format!("docs/errors/{code}.md").as_str()));
}

fn json(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_default()
}

/// The subject that a call's receipt says something was published on, where it is a call of one event.
fn receipt(call: &Call, answer: &Answer) -> Option<String> {
    let path = call.uri.path();
    let path = path.strip_prefix("/api").unwrap_or(path);
    let rest = path
        .strip_prefix("/v1/integration/trigger/")?
        .strip_suffix("/event")
        .or_else(|| path.strip_prefix("/v1/integration/trigger/")?.strip_suffix("/invoke"))?;
    if answer.status != 200 || rest.contains('/') || matches!(call.method, Method::HEAD | Method::OPTIONS) {
        return None;
    }
    let told = json(answer);
    if told.get("challenge").is_some() {
        return None;
    }
    let id = told.get("id").and_then(Value::as_str).unwrap_or_else(|| panic!("{call:?} has no receipt in {answer:?}"));
    let event = id.parse::<Receipt>().map(|receipt| subject::event(&receipt.session));
    let timer = || id.parse::<TimerReceipt>().map(|receipt| subject::timer(&receipt.session, receipt.timer.as_str()));
    Some(event.or_else(|_| timer()).unwrap_or_else(|error| panic!("{id} is no receipt: {error}")))
}

/// That whoever takes a message from the broker can read it.
fn readable(message: &Published) {
    let content_type = message.headers.get(header::CONTENT_TYPE).map(async_nats::HeaderValue::as_str);
    if let Some(session) = subject::session_of_event(&message.subject) {
        let event = Event::decode(&session.trigger, content_type, &message.body);
        event_is_kept(&event.unwrap_or_else(|error| panic!("{message:?} cannot be read: {error}")));
    } else if let Some(session) = subject::session_of_answer(&message.subject) {
        let answer = answer::Answer::decode(&session, &message.body);
        answer.unwrap_or_else(|error| panic!("{message:?} cannot be read: {error}"));
    } else {
        assert!(message.subject.starts_with("timer."), "{message:?} has no place");
        let event = Event::decode(&crate::envelope::trigger(), Some(header::PROTOBUF), &message.body);
        event_is_kept(&event.unwrap_or_else(|error| panic!("{message:?} cannot be read: {error}")));
    }
}

#[cfg(test)]
mod tests {
    use super::stand::with_stand;
    use super::{Call, holds, json, receipt};

    /// A law over calls that are all refused would say little: these are what its cases are made of.
    fn check(case: &str, expected: &str) {
        with_stand(|stand| {
            let call = Call::read(case.as_bytes()).unwrap();
            let answer = stand.ask(call.request()).unwrap();
            let code = json(&answer).get("error").and_then(|code| code.as_str().map(str::to_owned)).unwrap_or_default();
            let published: Vec<String> = stand.published().into_iter().map(|message| message.subject).collect();
            let is_told = receipt(&call, &answer).is_some_and(|subject| published == [subject]);
            let kind = published.first().map_or("nothing", |subject| subject.split('.').next().unwrap_or_default());
            assert_eq!(format!("{} {code}{kind} {is_told}", answer.status), expected, "{case}");
        });
    }

    #[test]
    fn calls_reach_what_they_are_for() {
        let to = |trigger: &str, head: &str, body: &str| format!("POST /v1/integration/trigger/{trigger}/event{head}\n\n{body}");
        for (case, expected) in [
            (to("open", "?session=s", "hi"), "200 event true"),
            (to("open", "\ncontent-type: application/json", r#"{"text":"hi","contact":{"email":"a@b"}}"#), "200 event true"),
            (to("open", "\ncontent-type: application/json", "{"), "400 CUE0101nothing false"),
            (to("open", "?delay=1h\nidempotency-key: k", "hi"), "200 timer true"),
            (to("open", "\nidempotency-key: k", "hi"), "200 event true"),
            (to("reject", "?session=s", "hi"), "200 event true"),
            (to("draining", "", "hi"), "409 CUE0417nothing false"),
            (to("orders", "", "hi"), "401 CUE0201nothing false"),
            (to("orders", "\nauthorization: Bearer mine", "hi"), "200 event true"),
            (to("orders", "\nauthorization: Bearer sk-limited", "hi"), "200 event true"),
            (to("open", "\nsign: github", "hi"), "200 event true"),
            (to("nobody", "", "hi"), "404 CUE0302nothing false"),
            ("BREW /v1/integration/trigger/open/event\n\n".to_owned(), "200 event true"),
            ("GET /livez\n\n".to_owned(), "200 nothing false"),
        ] {
            check(&case, expected);
            holds(case.as_bytes());
        }
        for scheme in ["github", "stripe", "slack", "standard"] {
            check(&to(scheme, &format!("\nsign: {scheme}"), &format!("{{\"{scheme}\":1}}")), "200 event true");
        }
    }
}
