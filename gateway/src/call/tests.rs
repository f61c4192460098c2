//! Tables of calls and what they become.

use bytes::Bytes;
use proptest::prelude::*;
use proto::event::{Contact, Event};

use super::{Call, Fault};

const JSON: Option<&str> = Some("application/json");
const FORM: Option<&str> = Some("application/x-www-form-urlencoded");

fn read(query: &str, content_type: Option<&str>, body: &str) -> Result<Event, Fault> {
    Call {
        query: Some(query).filter(|query| !query.is_empty()),
        content_type,
        body: Bytes::copy_from_slice(body.as_bytes()),
        default_text: None,
    }
    .read()
}

/// What a row expects, as `text|session|name|email|phone`.
fn check(query: &str, content_type: Option<&str>, body: &str, expected: &str) {
    let event = read(query, content_type, body).unwrap_or_else(|fault| panic!("{query:?} {content_type:?} {body:?}: {fault}"));
    let contact = event.contact;
    let parts = [event.text, event.session, contact.name, contact.email, contact.phone];
    let found = parts.map(Option::unwrap_or_default).join("|");
    assert_eq!(found, expected, "{query:?} {content_type:?} {body:?}");
    assert_eq!(event.payload, body, "the payload is the body");
}

fn check_fault(query: &str, content_type: Option<&str>, body: &str, expected: &str) {
    let fault = read(query, content_type, body).unwrap_err();
    let named = match &fault {
        Fault::Malformed(_) => "malformed",
        Fault::Field(error) => error.field,
    };
    assert_eq!(named, expected, "{query:?} {content_type:?} {body:?}: {fault}");
}

#[test]
fn the_older_form_is_read_from_a_json_object() {
    let full = r#"{"text":"hi","session":"s","contact":{"name":"Ada","email":"a@x.org","phone":"+44 20"}}"#;
    check("", JSON, full, "hi|s|Ada|a@x.org|+44 20");
    check("", Some("application/json; charset=utf-8"), full, "hi|s|Ada|a@x.org|+44 20");
    check("", Some("APPLICATION/JSON"), full, "hi|s|Ada|a@x.org|+44 20");
    check("", Some("application/cloudevents+json"), full, "hi|s|Ada|a@x.org|+44 20");
    check("", FORM, full, "hi|s|Ada|a@x.org|+44 20");
    check("", None, full, "hi|s|Ada|a@x.org|+44 20");
    check("", JSON, r#" {"text":"a\u0020b","other":[{"text":"no"}]} "#, "a b||||");
    check("", JSON, r#"{"text":null,"session":"","contact":null}"#, "||||");
    check("", JSON, r#"{"contact":{"email":null,"nick":"x"}}"#, "||||");
    check("", JSON, r#"{"text":"a","text":"b"}"#, "b||||");
}

#[test]
fn another_body_is_opaque() {
    check("", Some("text/plain"), r#"{"text":"hi"}"#, "||||");
    check("", Some("text/plain"), r#"{"text":5}"#, "||||");
    check("", FORM, "text=hi&session=s", "||||");
    check("", FORM, r#"{"text":"#, "||||");
    check("", None, "hello", "||||");
    check("", None, r#"["text"]"#, "||||");
    check("", JSON, r#"["text"]"#, "||||");
    check("", JSON, "17", "||||");
    check("", JSON, "", "||||");
    check("", None, "", "||||");
}

#[test]
fn the_query_wins_field_by_field() {
    let body = r#"{"text":"hi","session":"body","contact":{"name":"Body","email":"body@x.org"}}"#;
    check("session=query", JSON, body, "hi|query|Body|body@x.org|");
    check("contact.name=Query", JSON, body, "hi|body|Query|body@x.org|");
    check("contact_email=q%40x.org&contact.name=Q+R", JSON, body, "hi|body|Q R|q@x.org|");
    check("session=", JSON, body, "hi|body|Body|body@x.org|");
    check("text=query", JSON, body, "hi|body|Body|body@x.org|");
}

#[test]
fn a_dot_wins_over_an_underscore_and_the_first_over_the_next() {
    check("contact_name=u&contact.name=d", None, "", "||d||");
    check("contact.name=&contact_name=u", None, "", "||u||");
    check("session=a&session=b", None, "", "|a|||");
    check("contact%2Ephone=%2B44+20", None, "", "||||+44 20");
    check("contact.phone=+4420", None, "", "||||+4420");
}

#[test]
fn a_fault_names_its_field() {
    check_fault("", JSON, "{", "malformed");
    check_fault("", JSON, "{}{}", "malformed");
    check_fault("", JSON, "hello", "malformed");
    check_fault("", JSON, r#"{"text":5}"#, "text");
    check_fault("", JSON, r#"{"text":"\ud800"}"#, "text");
    check_fault("", FORM, r#"{"text":{}}"#, "text");
    check_fault("", JSON, r#"{"session":{}}"#, "session");
    check_fault("", JSON, r#"{"session":"\u0000"}"#, "session");
    check_fault("", JSON, r#"{"contact":"x"}"#, "contact");
    check_fault("", JSON, r#"{"contact":[]}"#, "contact");
    check_fault("", JSON, r#"{"contact":{"email":5}}"#, "contact.email");
    check_fault("", JSON, r#"{"contact":{"email":"nobody"}}"#, "contact.email");
    check_fault("contact.email=nobody", None, "", "contact.email");
    check_fault("contact_phone=x", None, "", "contact.phone");
    check_fault("session=%ff", None, "", "session");
    check_fault("", Some(&"x".repeat(300)), "", "Content-Type");
}

#[test]
fn what_the_query_gives_is_not_looked_at_in_the_body() {
    check("session=s", JSON, r#"{"session":{}}"#, "|s|||");
    check("contact.email=a%40x.org", JSON, r#"{"contact":{"email":5}}"#, "|||a@x.org|");
}

#[test]
fn the_default_text_replaces_the_callers_and_the_payload_stays() {
    for body in [r#"{"text":"caller"}"#, r#"{"text":5}"#, "opaque", ""] {
        let call = Call { query: None, content_type: None, body: Bytes::from_static(body.as_bytes()), default_text: Some("default") };
        let event = call.read().unwrap();
        assert_eq!((event.text.as_deref(), event.payload.as_ref()), (Some("default"), body.as_bytes()));
    }
}

#[test]
fn json_that_is_not_utf8_is_malformed_and_other_bytes_are_kept() {
    let call = |content_type| Call { query: None, content_type, body: Bytes::from_static(b"{\"a\":\"\xff\"}"), default_text: None }.read();
    assert!(matches!(call(JSON), Err(Fault::Malformed(_))));
    assert_eq!(call(FORM).unwrap().payload.as_ref(), b"{\"a\":\"\xff\"}");
    assert_eq!(call(FORM).unwrap().contact, Contact::default());
}

fn content_type() -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        Just(None),
        Just(Some("application/json".to_owned())),
        Just(Some("application/x-www-form-urlencoded".to_owned())),
        ".{0,20}".prop_map(Some),
    ]
}

proptest! {
    #[test]
    fn no_call_panics_and_what_is_read_survives_the_envelope(
        query in proptest::option::of("((session|contact[._](name|email|phone)|x)=[ -~ä%]{0,12}&?){0,4}"),
        content_type in content_type(),
        body in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..200),
            r#"\{("(text|session|contact|x)":("[a-z]{0,3}"|5|null|\{\}|\{"email":"a@b"\}),?){0,3}\}?"#.prop_map(String::into_bytes),
        ],
    ) {
        let body = Bytes::from(body);
        let call = Call { query: query.as_deref(), content_type: content_type.as_deref(), body: body.clone(), default_text: None };
        if let Ok(event) = call.read() {
            prop_assert_eq!(&event.payload, &body);
            let trigger = "t".parse().unwrap();
            prop_assert_eq!(Event::decode(&trigger, None, &event.encode()).unwrap(), event);
        }
    }
}
