//! The laws, tried with whole values: these reach what bytes rarely come to.

#![expect(clippy::unwrap_used, reason = "test code")]

#[path = "shape/value.rs"]
mod value;

use law::envelope::{answer_is_kept, event_is_kept, record_is_kept};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proto::event::Event;
use proto::id::{ConversationId, Receipt, SessionKey};
use proto::{session, wire};

/// All of an event that its digest is about.
fn said(event: &Event) -> Event {
    let direct = event.direct.clone().map(|direct| wire::Direct { seal: bytes::Bytes::new(), ..direct });
    Event { direct, content_type: None, expires_at_ms: None, timer: None, ..event.clone() }
}

/// Pieces of requests, good and bad.
const CALLS: [&str; 38] = [
    "POST ",
    "GET ",
    "HEAD ",
    "/v1/integration/trigger/open/event",
    "/api/v1/integration/trigger/orders/event",
    "/batch",
    "?session=",
    "&delay=5s",
    "&at=",
    "&contact.email=a%40b",
    "&contact_phone=+44 20",
    "%ff",
    "%00",
    "&wait=0",
    "\n",
    "\n\n",
    "content-type: application/json\n",
    "content-type: text/plain\n",
    "authorization: Bearer mine\n",
    "authorization: Bearer sk-admin\n",
    "idempotency-key: k\n",
    "idempotency-key: \n",
    "sign: github\n",
    "cuepoint-delay: 1h\n",
    "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\n",
    "{",
    "}",
    "\"text\":",
    "\"session\":",
    "\"contact\":{",
    "\"events\":[",
    "]",
    ",",
    "\"\"",
    "\"\\u0000\"",
    "null",
    "1e999",
    "\"ä\"",
];

/// Pieces of definitions of rules, good and bad.
const RULES: [&str; 26] = [
    "{{ text }}",
    "{{ payload.n }}",
    "{{ payload.list }}",
    "{{ results['0'] }}",
    "{{ errors['0'] }}",
    "{{ captures.id }}",
    "{{ history }}",
    "{{ contact.name }}",
    "{% if turn %}",
    "{% endif %}",
    "{{ text * 3 }}",
    "{{ text | length }}",
    "{{ [text] * 2 }}",
    "{{ {'a': payload} }}",
    "{{ range(9) }}",
    "{{ 1 / 0 }}",
    "{{ -turn }}",
    "{{ payload.list | map(attribute='a') | list }}",
    "{{ text | urlencode }}",
    "{#",
    "#}",
    "{{",
    "}}",
    "x",
    "ä",
    "{{ payload.list[5] }}",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_event_is_kept(event in value::event()) {
        event_is_kept(&event);
    }

    #[test]
    fn events_have_one_digest_where_they_say_the_same(one in value::event(), other in value::event(), both in value::event()) {
        prop_assert_eq!(one.digest() == other.digest(), said(&one) == said(&other));
        // Of two events that differ in one thing the digests differ, unless it is about something else.
        for other in [
            Event { text: one.text.clone(), ..both.clone() },
            Event { session: one.session.clone(), ..both.clone() },
            Event { contact: one.contact.clone(), ..both.clone() },
            Event { conversation: one.conversation.clone(), ..both.clone() },
            Event { direct: one.direct.clone(), ..both.clone() },
            Event { payload: one.payload.clone(), ..both.clone() },
            Event { timer: one.timer.clone(), expires_at_ms: one.expires_at_ms, content_type: one.content_type, ..both.clone() },
        ] {
            prop_assert_eq!(both.digest() == other.digest(), said(&both) == said(&other));
        }
    }

    #[test]
    fn any_record_is_kept(record in value::record()) {
        record_is_kept(&record);
    }

    #[test]
    fn any_answer_is_kept(answer in value::answer()) {
        answer_is_kept(&answer);
    }

    #[test]
    fn any_bytes_after_a_message_are_not_part_of_it(event in value::event(), cut in any::<prop::sample::Index>()) {
        let encoded = event.encode();
        let cut = cut.index(encoded.len() + 1);
        let part = encoded.slice(..cut);
        // A message that was cut short is refused, or is a smaller one that is kept likewise; never the whole.
        if let Ok(part) = Event::decode(&law::envelope::trigger(), Some(proto::header::PROTOBUF), &part) {
            event_is_kept(&part);
        }
    }

    #[test]
    fn sessions_of_different_words_have_different_tokens(one in value::words(), other in value::words()) {
        prop_assert_eq!(session::token(&one) == session::token(&other), one == other);
        let trigger = law::envelope::trigger();
        prop_assert_eq!(session::token_of_key(&trigger, &one) == session::token_of_key(&trigger, &other), one == other);
        prop_assert_ne!(session::token(&one), session::token_of_key(&trigger, &one));
        let (key, text) = (SessionKey { trigger, token: session::token(&one) }, one);
        prop_assert_eq!(key.to_string().parse::<SessionKey>().unwrap(), key);
        law::name::holds(text.as_bytes());
    }

    #[test]
    fn any_name_is_kept(key in value::session(), event in value::place()) {
        let (receipt, conversation) = (Receipt { session: key.clone(), event }, ConversationId { session: key.clone(), event });
        let again: Receipt = receipt.to_string().parse().unwrap();
        prop_assert_eq!(&again, &receipt);
        for text in [
            receipt.to_string(), conversation.to_string(), key.to_string(), format!("event.{key}"), format!("answer.{key}"), format!("log.{key}"),
            format!("due.{key}.x"), format!("out.{key}.d"), format!("tmr.{key}.later-1"), format!("timer.{}._schedule.schedule", key.trigger),
            format!("event.{key}.x"), format!("event.{key}."), format!("event.{key}*"), format!("event.{key} "), format!("event.{key}\n"),
        ] {
            law::name::holds(text.as_bytes());
        }
    }

    #[test]
    fn any_call_is_answered(pieces in vec(select(&CALLS[..]), 0..24), direct in any::<bool>()) {
        let start = if direct { "POST /v1/integration/trigger/open/event" } else { "" };
        law::intake::holds(format!("{start}{}", pieces.concat()).as_bytes());
    }

    #[test]
    fn any_rules_come_to_an_end(reply in vec(select(&RULES[..]), 0..8), with in vec(select(&RULES[..]), 0..4), text in value::words(), result in value::words()) {
        let call = serde_json::json!({ "ability": "echo", "with": { "a": with.concat(), "b": [with] }, "onError": "continue" });
        let rule = serde_json::json!({ "when": { "text": "(?<id>.*)" }, "do": [call, call], "reply": reply.concat() });
        let definition = serde_json::json!({ "rules": [rule], "otherwise": reply.concat() });
        let payload = "{\"n\":3,\"list\":[{\"a\":1},{\"a\":\"y\"}]}";
        law::rules::holds(format!("{definition}\0{}\0{payload}\0{}\0!no", text.replace('\0', ""), result.replace('\0', "")).as_bytes());
    }

    #[test]
    fn any_time_is_found(fields in vec(select(vec!["*", "0", "5", "*/7", "1-5", "L", "29", "31", "2", "MON", "1#2", "5L", "15W", "+1", "1,3"]), 5), at in any::<i64>(), zone in select(vec!["", "Europe/Berlin", "Pacific/Apia", "Australia/Lord_Howe", "America/New_York"])) {
        law::time::holds(format!("{at}\0{}\0{zone}", fields.join(" ")).as_bytes());
        let near = at.rem_euclid(4_000_000_000_000);
        law::time::holds(format!("{near}\0{}\0{zone}", fields.join(" ")).as_bytes());
    }
}
