//! Whole values, as their doors let them in.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use proto::answer::{Answer, Kind};
use proto::event::{Contact, Event};
use proto::id::{ConversationId, Epoch, EventSeq, SessionKey};
use proto::record::{Conversation, Record, RecordId, Revisions, Step};
use proto::wire::{self, changed::What, outcome::End};

/// Words that readers stumble over: few, so that two of them are often the same; and some long ones.
pub(crate) fn words() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => select(vec!["", "a", "b", "ab", "\n", "{", "{\"a\":1}", "ä", "\u{0}", "a\u{0}b", "order 42", "null", "1e5", "\u{2028}", "*.>"]).prop_map(str::to_owned),
        2 => any::<String>(),
        1 => (select(vec!["x", "{", "\n", "ä"]), select(vec![8_usize, 9, 10, 12, 13, 32, 91, 122, 123, 124, 128, 300])).prop_map(|(of, times)| of.repeat(times)),
    ]
}

/// Words without control characters, as names of sessions and contacts are; never empty.
fn plain() -> impl Strategy<Value = Option<String>> {
    option::of(words().prop_map(|text| text.chars().filter(|c| !c.is_control()).take(60).collect::<String>())).prop_map(present)
}

fn present(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

fn said() -> impl Strategy<Value = Option<String>> {
    option::of(words()).prop_map(present)
}

/// Bytes.
fn payload() -> impl Strategy<Value = Bytes> {
    prop_oneof![words().prop_map(Bytes::from), vec(any::<u8>(), 0..40).prop_map(Bytes::from)]
}

/// A place among the events.
pub(crate) fn place() -> impl Strategy<Value = EventSeq> {
    let number = prop_oneof![1_u64..4, 1..=u64::MAX];
    (any::<u32>(), number).prop_map(|(second, seq)| EventSeq { epoch: Epoch::from_second(second), seq })
}

/// A session of some trigger.
pub(crate) fn session() -> impl Strategy<Value = SessionKey> {
    ("[A-Za-z0-9_-]{1,64}", "[A-Za-z0-9_-]{1,64}")
        .prop_map(|(trigger, token)| SessionKey { trigger: trigger.parse().unwrap(), token: token.parse().unwrap() })
}

fn contact() -> impl Strategy<Value = Contact> {
    let email = option::of(select(vec!["a@b", "ada@example.com"]).prop_map(str::to_owned));
    let phone = option::of(select(vec!["+44 20 7946 0000", "123"]).prop_map(str::to_owned));
    (plain(), email, phone).prop_map(|(name, email, phone)| Contact { name, email, phone })
}

fn settings() -> impl Strategy<Value = wire::Settings> {
    (words(), words(), words(), words()).prop_map(|(name, meta, bot, extra)| wire::Settings {
        name,
        meta,
        bot,
        extra,
        ..wire::Settings::default()
    })
}

fn note() -> impl Strategy<Value = wire::Note> {
    let kind = select(vec!["user", "bot", "context", "later", ""]);
    (kind, words(), words(), words(), any::<bool>()).prop_map(|(kind, text, name, meta, removed)| wire::Note {
        r#type: kind.to_owned(),
        text,
        name,
        meta,
        removed,
        ..wire::Note::default()
    })
}

fn direct() -> impl Strategy<Value = wire::Direct> {
    (option::of(settings()), vec(note(), 0..3), any::<bool>(), words(), payload()).prop_map(|(settings, notes, quiet, extensions, seal)| {
        wire::Direct { settings, notes, quiet, extensions, seal, ..wire::Direct::default() }
    })
}

/// An event, as its envelope can say it.
pub(crate) fn event() -> impl Strategy<Value = Event> {
    let conversation = option::weighted(0.2, (session(), place()).prop_map(|(session, event)| ConversationId { session, event }));
    let known = (said(), payload(), option::of(select(vec!["application/json", "?"])), plain(), contact());
    (known, conversation, option::weighted(0.3, direct()), option::of(1..i64::MAX), said()).prop_map(
        |((text, payload, content_type, session, contact), conversation, direct, expires_at_ms, timer)| Event {
            text,
            payload,
            content_type: content_type.map(str::to_owned),
            session,
            contact,
            conversation,
            direct,
            expires_at_ms,
            timer,
        },
    )
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        words().prop_map(|text| Kind::Said(wire::Said { text })),
        words().prop_map(|reason| Kind::Approved(wire::Approved { reason })),
        words().prop_map(|reason| Kind::Rejected(wire::Rejected { reason })),
        Just(Kind::Elapsed(wire::Elapsed {})),
        words().prop_map(|reason| Kind::Cancel(wire::Cancel { reason })),
        words().prop_map(|patch| Kind::Describe(wire::Describe { patch })),
        (any::<u64>(), any::<u32>(), words()).prop_map(|(seq, index, patch)| Kind::Edit(wire::Edit { seq, index, remove: false, patch })),
        Just(Kind::Erase(wire::Erase {})),
    ]
}

/// An answer.
pub(crate) fn answer() -> impl Strategy<Value = Answer> {
    (place(), "[0-9.]{0,6}", plain(), kind()).prop_map(|(event, call, by, kind)| Answer { event, call, by: by.unwrap_or_default(), kind })
}

fn input() -> impl Strategy<Value = Option<wire::Input>> {
    let input = (words(), payload(), words(), option::of(contact()), option::weighted(0.3, direct()));
    option::of(input.prop_map(|(text, payload, session, contact, direct)| wire::Input {
        text,
        payload,
        session,
        contact: contact.map(Into::into),
        direct,
        ..wire::Input::default()
    }))
}

fn usage() -> impl Strategy<Value = Vec<wire::Usage>> {
    let usage = (words(), any::<u64>(), any::<u64>(), any::<u32>());
    vec(usage.prop_map(|(model, input, output, calls)| wire::Usage { model, input, output, calls, ..wire::Usage::default() }), 0..3)
}

fn thought() -> impl Strategy<Value = Option<wire::Thought>> {
    option::of((words(), words()).prop_map(|(text, reasoning)| wire::Thought { text, reasoning, ..wire::Thought::default() }))
}

fn call() -> impl Strategy<Value = wire::Call> {
    (words(), words(), words(), 0..4_i32, 0..4_i32).prop_map(|(id, ability, arguments, doubt, wait)| wire::Call {
        id,
        ability,
        arguments,
        doubt,
        wait,
        ..wire::Call::default()
    })
}

fn outcome() -> impl Strategy<Value = wire::Outcome> {
    let end = prop_oneof![words().prop_map(End::Result), words().prop_map(End::Error), Just(End::Unknown(wire::Unknown {}))];
    (words(), any::<u64>(), option::of(end)).prop_map(|(call, duration_ms, end)| wire::Outcome { call, duration_ms, end })
}

fn changed() -> impl Strategy<Value = wire::Changed> {
    let edited = (any::<u64>(), vec(note(), 0..3), usage(), option::of(settings()))
        .prop_map(|(of, messages, usage, settings)| wire::Edited { of, messages, usage, settings, ..wire::Edited::default() });
    let what = prop_oneof![
        settings().prop_map(What::Described),
        edited.prop_map(What::Edited),
        any::<u64>().prop_map(|base| What::Erased(wire::Erased { base })),
        words().prop_map(What::Refused),
    ];
    (option::of(answer().prop_map(wire::Answer::from)), option::of(what)).prop_map(|(answer, what)| wire::Changed { answer, what })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        Just(Step::Started(wire::Started {})),
        Just(Step::Resumed(wire::Resumed {})),
        Just(Step::Checkpoint(wire::Checkpoint {})),
        (input(), any::<u32>(), vec(call(), 0..3), thought()).prop_map(|(input, step, calls, thought)| Step::Intents(wire::Intents {
            input,
            step,
            calls,
            thought
        })),
        (any::<u32>(), vec(outcome(), 0..3)).prop_map(|(step, outcomes)| Step::Outcomes(wire::Outcomes { step, outcomes })),
        (option::of(answer().prop_map(wire::Answer::from)), any::<bool>())
            .prop_map(|(answer, unwanted)| Step::Received(wire::Received { answer, unwanted })),
        (input(), vec(words(), 0..3)).prop_map(|(input, calls)| Step::Suspended(wire::Suspended { input, calls, until_ms: 7 })),
        (input(), words(), thought(), usage(), any::<bool>()).prop_map(|(input, reply, thought, usage, truncated)| {
            Step::Completed(wire::Completed { input, reply, thought, usage, truncated })
        }),
        (input(), words(), words(), any::<bool>(), usage()).prop_map(|(input, code, message, dead, usage)| Step::Failed(wire::Failed {
            input,
            code,
            message,
            dead,
            usage
        })),
        (input(), words(), words(), usage()).prop_map(|(input, reason, by, usage)| Step::Cancelled(wire::Cancelled {
            input,
            reason,
            by,
            usage
        })),
        vec(input(), 0..3).prop_map(|inputs| Step::Merged(wire::Merged { inputs: inputs.into_iter().flatten().collect() })),
        input().prop_map(|input| Step::Noted(wire::Noted { input })),
        changed().prop_map(Step::Changed),
    ]
}

/// A record of any kind.
pub(crate) fn record() -> impl Strategy<Value = Record> {
    let numbers = (any::<u64>(), any::<u64>(), any::<u32>(), any::<u64>(), any::<i64>());
    let revisions = (any::<u64>(), 0..2_u64, 0..2_u64).prop_map(|(trigger, bot, skillset)| Revisions { trigger, bot, skillset });
    let conversation = (place(), any::<i64>(), any::<u64>()).prop_map(|(opening, opened_at_ms, base)| Conversation {
        opening,
        opened_at_ms,
        base,
        turn: base,
        settings: base,
    });
    (any::<[u8; 16]>(), place(), numbers, conversation, (words(), words()), revisions, vec(any::<u64>(), 0..3), option::of(step()))
        .prop_map(
            |(
                id,
                event,
                (cursor, answers, attempt, base, received_at_ms),
                conversation,
                (worker, traceparent),
                revisions,
                cancels,
                step,
            )| Record {
                id: RecordId(id),
                event,
                cursor,
                answers,
                attempt,
                base,
                conversation,
                worker,
                traceparent,
                received_at_ms,
                revisions,
                cancels,
                edits: base,
                step,
            },
        )
}
