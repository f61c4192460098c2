//! Bytes that earlier releases wrote, which every later one must read.
//!
//! A release adds files and never changes one: what is in a stream somewhere was written by them.

#![expect(clippy::unwrap_used, reason = "test code")]

use bytes::Bytes;
use prost::Message as _;
use proto::event::{Contact, Event};
use proto::id::{Epoch, EventSeq};
use proto::record::{Conversation, Record, RecordId, Revisions, Step};
use proto::resource::Resource;
use proto::wire;

fn golden(name: &str) -> Bytes {
    let path = format!("{}/tests/golden/v1/{name}.hex", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect::<Vec<u8>>().into()
}

fn event() -> Event {
    let contact = Contact { name: Some("Ada".into()), email: Some("ada@example.com".into()), phone: Some("+44 20 7946 0000".into()) };
    Event {
        text: Some("Where is order 42?".into()),
        payload: Bytes::from_static(b"{\"order\":42}"),
        content_type: Some("application/json".into()),
        session: Some("order-42".into()),
        contact,
        ..Event::default()
    }
}

fn record(step: Step) -> Record {
    let event = EventSeq { epoch: Epoch::from_second(0x6a00_0001), seq: 42 };
    Record {
        id: RecordId(*b"0123456789abcdef"),
        event,
        cursor: 41,
        answers: 3,
        attempt: 2,
        base: 7,
        conversation: Conversation {
            opening: EventSeq { seq: 40, ..event },
            opened_at_ms: 1_790_000_000_000,
            base: 6,
            turn: 3,
            settings: 0,
        },
        worker: "w00000000000000ff".into(),
        traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into(),
        received_at_ms: 1_790_000_000_123,
        revisions: Revisions::default(),
        cancels: vec![],
        edits: 0,
        step: Some(step),
    }
}

fn steps() -> Vec<(&'static str, Step)> {
    let input = wire::Input { text: "hi".into(), session: "s".into(), digest: Bytes::from_static(&[9; 32]), ..wire::Input::default() };
    let call = |id: &str, doubt: wire::Doubt| wire::Call {
        id: id.into(),
        ability: "fetch".into(),
        arguments: "{\"url\":\"x\"}".into(),
        doubt: doubt.into(),
        ..wire::Call::default()
    };
    let outcome = |id: &str, end| wire::Outcome { call: id.into(), duration_ms: 12, end: Some(end) };
    vec![
        ("started", Step::Started(wire::Started {})),
        ("resumed", Step::Resumed(wire::Resumed {})),
        ("checkpoint", Step::Checkpoint(wire::Checkpoint {})),
        (
            "intents",
            Step::Intents(wire::Intents {
                input: Some(input.clone()),
                step: 1,
                calls: vec![call("1.0", wire::Doubt::Retry), call("1.1", wire::Doubt::Fail)],
                thought: None,
            }),
        ),
        (
            "outcomes",
            Step::Outcomes(wire::Outcomes {
                step: 1,
                outcomes: vec![
                    outcome("1.0", wire::outcome::End::Result("{}".into())),
                    outcome("1.1", wire::outcome::End::Error("refused".into())),
                    outcome("1.2", wire::outcome::End::Unknown(wire::Unknown {})),
                ],
            }),
        ),
        (
            "completed",
            Step::Completed(wire::Completed { input: Some(input.clone()), reply: "Hello.".into(), ..wire::Completed::default() }),
        ),
        (
            "failed",
            Step::Failed(wire::Failed {
                input: Some(input),
                code: "CUE0601".into(),
                message: "given up".into(),
                dead: true,
                usage: vec![],
            }),
        ),
        ("cancelled", Step::Cancelled(wire::Cancelled { input: None, reason: "asked".into(), ..wire::Cancelled::default() })),
    ]
}

#[test]
fn the_envelope_reads_as_it_was_written() {
    let trigger = "orders".parse().unwrap();
    assert_eq!(Event::decode(&trigger, None, &golden("event")).unwrap(), event());
    assert_eq!(wire::Event::decode(golden("event")).unwrap().digest.as_ref(), event().digest());
}

#[test]
fn every_step_reads_as_it_was_written() {
    for (name, step) in steps() {
        assert_eq!(Record::decode(golden(name)).unwrap(), record(step), "{name}");
    }
}

#[test]
fn a_dead_letter_reads_as_it_was_written() {
    let letter = wire::DeadLetter::decode(golden("letter")).unwrap();
    assert_eq!((letter.code.as_str(), letter.event, letter.body.as_ref()), ("CUE0602", 42, b"\xff\x00".as_slice()));
    assert_eq!(letter.headers.get("Content-Type").map(String::as_str), Some("text/xml"));
}

#[test]
fn resources_read_as_they_were_written() {
    let Ok(Some(Resource::Trigger(trigger))) = Resource::decode("trigger.orders", golden("trigger")) else { panic!("not a trigger") };
    assert_eq!((trigger.bot.as_ref().unwrap().as_str(), trigger.text.as_deref(), trigger.open), ("clerk", Some("Look at this."), false));
    assert_eq!(trigger.session_duration.as_secs(), 3600);
    assert!(trigger.secret.unwrap().matches("s3cret"));
    let Ok(Some(Resource::Bot(bot))) = Resource::decode("bot.clerk", golden("bot")) else { panic!("not a bot") };
    assert_eq!((bot.kind.as_str(), bot.definition.as_str()), ("rules", "{\"rules\":[]}"));
}
