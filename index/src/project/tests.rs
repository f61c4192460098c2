//! Golden records, and what must hold for any.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proto::id::{Epoch, EventSeq, SessionKey};
use proto::record::{Conversation as Place, Record, RecordId, Revisions, Step};
use proto::wire::outcome::End;
use proto::wire::{self, changed::What};

use super::{Facts, Known, Projected, Seen, names, project};
use crate::change::Change;
use crate::entry::{Approval, Conversation, Event, Item, State, Turn};
use crate::key;
use crate::pulse::Span;

/// An index in memory, after the words of [`Change`].
#[derive(Debug, Clone, Default, PartialEq)]
struct Memory {
    hashes: BTreeMap<String, BTreeMap<String, Vec<u8>>>,
    sets: BTreeMap<String, BTreeMap<String, i64>>,
    counts: BTreeMap<(String, String), u64>,
    days: BTreeSet<i64>,
    slots: BTreeMap<String, (i64, BTreeMap<String, u64>)>,
}

impl Memory {
    fn apply(&mut self, change: &Change) {
        match change {
            Change::Put { hash, field, value } => {
                self.hashes.entry(hash.clone()).or_default().insert(field.clone(), value.clone());
            }
            Change::Drop { hash, field } => self.drop(hash, field),
            Change::Rank { set, score, member } => {
                self.sets.entry(set.clone()).or_default().insert(member.clone(), *score);
            }
            Change::Unrank { set, member } => self.unrank(set, member),
            Change::Count { hash, field, by } => *self.counts.entry((hash.clone(), field.clone())).or_default() += by,
            Change::Tally { slot, round, unless, counts } => {
                if unless.as_ref().is_none_or(|receipt| self.entry::<Event>(key::EVENTS, receipt).is_none()) {
                    self.tally(slot, *round, counts);
                }
            }
            Change::Retire { list, member } => {
                let score = self.sets.get(&key::all(list)).and_then(|set| set.get(member)).copied();
                if let Some(score) = score {
                    self.sets.entry(key::gone(list)).or_default().insert(member.clone(), score);
                }
                self.unrank(&key::all(list), member);
                self.drop(list, member);
            }
            Change::Forget { conversation } => {
                let items = self.sets.remove(&key::of_conversation(conversation)).unwrap_or_default();
                for id in items.keys() {
                    self.forget(id);
                }
            }
            Change::Day { day } => {
                self.days.insert(*day);
            }
            Change::Trim => {}
        }
    }

    fn tally(&mut self, slot: &str, round: i64, counts: &[(String, u64)]) {
        let kept = self.slots.entry(slot.to_owned()).or_insert_with(|| (round, BTreeMap::new()));
        if kept.0 < round {
            *kept = (round, BTreeMap::new());
        }
        if kept.0 == round {
            for (field, by) in counts {
                *kept.1.entry(field.clone()).or_default() += by;
            }
        }
    }

    /// What a slot has, where it is of that round.
    fn figures(&self, span: Span, at_ms: i64) -> BTreeMap<&str, u64> {
        let round = span.round(at_ms);
        let kept = self.slots.get(&key::pulse(span, round)).filter(|(kept, _)| *kept == round);
        kept.into_iter().flat_map(|(_, counts)| counts).map(|(field, by)| (field.as_str(), *by)).collect()
    }

    fn drop(&mut self, hash: &str, field: &str) {
        if let Some(fields) = self.hashes.get_mut(hash) {
            fields.remove(field);
        }
        self.hashes.retain(|_, fields| !fields.is_empty());
    }

    fn unrank(&mut self, set: &str, member: &str) {
        if let Some(members) = self.sets.get_mut(set) {
            members.remove(member);
        }
        self.sets.retain(|_, members| !members.is_empty());
    }

    fn forget(&mut self, id: &str) {
        let Some(item) = self.entry::<Item>(key::ITEMS, id) else { return };
        self.drop(key::ITEMS, id);
        self.unrank(&key::all(key::ITEMS), id);
        self.unrank(&key::of_trigger(key::ITEMS, &item.trigger), id);
        if item.is_end {
            self.drop(key::EVENTS, &item.receipt);
            self.unrank(&key::of_trigger(key::EVENTS, &item.trigger), &item.receipt);
            for state in State::ALL {
                self.unrank(&key::of_status(state.name(), &item.trigger), &item.receipt);
            }
        }
    }

    fn entry<T: serde::de::DeserializeOwned>(&self, hash: &str, field: &str) -> Option<T> {
        Some(serde_json::from_slice(self.hashes.get(hash)?.get(field)?).unwrap())
    }

    fn members(&self, set: &str) -> Vec<&str> {
        self.sets.get(set).into_iter().flat_map(BTreeMap::keys).map(String::as_str).collect()
    }

    fn count(&self, field: &str) -> u64 {
        self.counts.iter().filter(|((_, known), _)| known == field).map(|(_, by)| by).sum()
    }

    fn run(&mut self, batch: &[Seen]) -> Projected {
        self.build(batch, 0)
    }

    /// Runs a batch of an index whose build began when the log ended there.
    fn build(&mut self, batch: &[Seen], goal: u64) -> Projected {
        let mut known = Known { goal, ..Known::default() };
        for seen in batch {
            let names = names(seen);
            if let Some(entry) = self.entry::<Conversation>(key::CONVERSATIONS, &names.conversation) {
                known.conversations.insert(names.conversation, entry);
            }
            if let Some(receipt) = names.edited
                && self.entry::<Event>(key::EVENTS, &receipt).is_some_and(|event| event.state.is_final())
            {
                known.ended.insert(receipt);
            }
            if let Some(turn) = self.entry::<Turn>(key::TURNS, &names.receipt) {
                known.turns.insert(names.receipt, turn);
            }
        }
        let projected = project(known, batch);
        projected.changes.iter().for_each(|change| self.apply(change));
        projected
    }
}

fn event(seq: u64) -> EventSeq {
    EventSeq { epoch: Epoch::from_second(1), seq }
}

fn seen(seq: u64, session: &str, (opening, about): (u64, u64), step: Step) -> Seen {
    let session: SessionKey = session.parse().unwrap();
    let record = Record {
        id: RecordId([0; 16]),
        event: event(about),
        cursor: about,
        answers: 0,
        attempt: 1,
        base: 0,
        conversation: Place {
            opening: event(opening),
            opened_at_ms: 1_000 + i64::try_from(opening).unwrap(),
            base: 0,
            turn: 1,
            settings: 0,
        },
        worker: "w".into(),
        traceparent: String::new(),
        received_at_ms: 1_000 + i64::try_from(about).unwrap(),
        revisions: Revisions::default(),
        cancels: vec![],
        edits: 0,
        step: Some(step),
    };
    // An open record is of an event that is not committed.
    let cursor = if record.is_terminal() || matches!(record.step, Some(Step::Changed(_))) { about } else { about - 1 };
    let facts = Facts { bot: Some("b".parse().unwrap()), skillset: Some("k".parse().unwrap()) };
    Seen { seq, at_ms: 5_000 + i64::try_from(seq).unwrap(), session, record: Record { cursor, ..record }, facts }
}

fn input(email: &str) -> wire::Input {
    let contact = wire::Contact { name: "Ada".into(), email: email.into(), phone: String::new() };
    wire::Input { text: "hello".into(), contact: Some(contact), ..wire::Input::default() }
}

fn usage() -> Vec<wire::Usage> {
    vec![wire::Usage { model: "x/y".into(), input: 10, output: 4, cost_micro_usd: 7, calls: 2, ..wire::Usage::default() }]
}

fn completed(email: &str) -> Step {
    Step::Completed(wire::Completed { input: Some(input(email)), reply: "hi".into(), usage: usage(), ..wire::Completed::default() })
}

fn intents() -> Step {
    let asked = wire::Call {
        id: "1.0".into(),
        ability: "refund".into(),
        arguments: r#"{"order":42}"#.into(),
        question: "Refund?".into(),
        wait: wire::Wait::Approval.into(),
        wait_until_ms: 99,
        ..wire::Call::default()
    };
    let plain = wire::Call { id: "1.1".into(), ability: "look_up".into(), ..wire::Call::default() };
    Step::Intents(wire::Intents { input: Some(input("ada@example.com")), step: 1, calls: vec![asked, plain], thought: None })
}

fn outcome(call: &str, end: End) -> Step {
    Step::Outcomes(wire::Outcomes { step: 1, outcomes: vec![wire::Outcome { call: call.into(), duration_ms: 12, end: Some(end) }] })
}

fn changed(opening: u64, what: What) -> Step {
    let answer = wire::Answer { epoch: Epoch::from_second(1).to_string(), event: opening, ..wire::Answer::default() };
    Step::Changed(wire::Changed { answer: Some(answer), what: Some(what) })
}

const CONVERSATION: &str = "cnv.t.s.00000001.1";

#[test]
fn a_turn_makes_a_conversation_an_event_and_an_entry_of_the_event_log() {
    let mut index = Memory::default();
    let projected = index.run(&[seen(1, "t.s", (1, 1), completed("ada@example.com"))]);
    let entry: Conversation = index.entry(key::CONVERSATIONS, CONVERSATION).unwrap();
    assert_eq!((entry.created_at_ms, entry.updated_at_ms, entry.turns, entry.messages), (1_001, 5_001, 1, 2));
    assert_eq!((entry.tokens_in, entry.tokens_out, entry.cost_micro_usd), (10, 4, 7));
    let [newcomer] = projected.contacts.as_slice() else { panic!("one newcomer: {projected:?}") };
    assert_eq!((entry.contact.as_str(), entry.bot.as_str()), (newcomer.id.as_str(), "b"));
    for set in ["c:all", "c:t:t", "c:b:b", &format!("c:p:{}", newcomer.id)] {
        assert_eq!(index.members(set), [CONVERSATION], "{set}");
    }
    let event: Event = index.entry(key::EVENTS, "evt.t.s.00000001.1").unwrap();
    assert_eq!((event.state, event.received_at_ms, event.updated_at_ms), (State::Completed, 1_001, 5_001));
    let item: Item = index.entry(key::ITEMS, "l000000000001000").unwrap();
    assert_eq!(
        (item.kind.as_str(), item.receipt.as_str(), item.skillset.as_str()),
        ("integration.trigger.interact", "evt.t.s.00000001.1", "k")
    );
    assert_eq!(item.meta["duration"], 4_000);
    for (field, by) in [("*|c", 1), ("*|i", 10), ("t.t|o", 4), ("b.b|e", 7), ("m.x/y|k", 2), ("*|m", 2), ("*|k", 1), ("*|f", 0)] {
        assert_eq!(index.count(field), by, "{field}");
    }
}

#[test]
fn a_call_that_waits_is_listed_until_it_has_its_answer() {
    let mut index = Memory::default();
    index.run(&[seen(1, "t.s", (1, 1), intents())]);
    let id = "evt.t.s.00000001.1.1.0";
    let approval: Approval = index.entry(key::APPROVALS, id).unwrap();
    assert_eq!((approval.ability.as_str(), approval.waits.question.as_str(), approval.waits.until_ms), ("refund", "Refund?", 99));
    assert_eq!(index.members("a:all"), [id]);
    index.run(&[seen(2, "t.s", (1, 1), Step::Suspended(wire::Suspended::default()))]);
    assert_eq!(index.members("e:s:waiting:t"), ["evt.t.s.00000001.1"]);
    assert!(index.members("e:s:running:t").is_empty());
    let answer = wire::Answer { call: "1.0".into(), ..wire::Answer::default() };
    index.run(&[seen(3, "t.s", (1, 1), Step::Received(wire::Received { answer: Some(answer), unwanted: false }))]);
    assert!(index.members("a:all").is_empty());
    index.run(&[seen(4, "t.s", (1, 1), outcome("1.0", End::Error("no such order".into())))]);
    let item: Item = index.entry(key::ITEMS, "l000000000004000").unwrap();
    assert_eq!((item.kind.as_str(), item.meta["error"].as_str()), ("action.refund", Some("no such order")));
    index.run(&[seen(5, "t.s", (1, 1), completed("ada@example.com"))]);
    assert!(!index.hashes.contains_key(key::TURNS), "what has ended is not open: {index:?}");
    assert!(index.members("e:s:waiting:t").is_empty());
}

#[test]
fn what_is_said_of_a_conversation_counts_from_then_on() {
    let mut index = Memory::default();
    index.run(&[seen(1, "t.s", (1, 1), completed("ada@example.com"))]);
    let settings =
        wire::Settings { name: "Order 42".into(), meta: r#"{"a":{"b":1}}"#.into(), bot: "other".into(), ..wire::Settings::default() };
    index.run(&[seen(2, "t.s", (1, 1), changed(1, What::Described(settings)))]);
    let entry: Conversation = index.entry(key::CONVERSATIONS, CONVERSATION).unwrap();
    assert_eq!((entry.name.as_str(), entry.bot.as_str(), entry.last, entry.turns), ("Order 42", "other", 2, 1));
    assert_eq!((index.members("c:b:b"), index.members("c:b:other")), (vec![], vec![CONVERSATION]));
}

#[test]
fn a_turn_whose_record_was_replaced_counts_once_before_and_after_a_rebuild() {
    let edited = wire::Edited { of: 1, event: 1, at_ms: 5_001, usage: usage(), status: "completed".into(), ..wire::Edited::default() };
    let change = || seen(2, "t.s", (1, 1), changed(1, What::Edited(edited.clone())));
    let mut live = Memory::default();
    live.run(&[seen(1, "t.s", (1, 1), completed("ada@example.com"))]);
    live.run(&[change()]);
    let mut rebuilt = Memory::default();
    rebuilt.build(&[change()], 2);
    // Replaced once more: its record is gone, and the change before it may still be there.
    rebuilt.build(&[Seen { seq: 3, ..change() }], 3);
    for index in [&live, &rebuilt] {
        assert_eq!((index.count("*|k"), index.count("*|i"), index.count("*|c")), (1, 10, 1), "{index:?}");
        assert_eq!((index.members("c:all"), index.members("e:t:t")), (vec![CONVERSATION], vec!["evt.t.s.00000001.1"]));
    }
}

#[test]
fn nothing_is_left_of_what_is_erased_but_its_place_and_the_sums() {
    let mut index = Memory::default();
    index.run(&[seen(1, "t.s", (1, 1), intents()), seen(2, "t.s", (1, 1), completed("ada@example.com"))]);
    index.run(&[seen(3, "t.s", (2, 2), completed(""))]);
    index.run(&[seen(4, "t.s", (2, 2), changed(1, What::Erased(wire::Erased::default())))]);
    let left = format!("{:?} {:?}", index.hashes, index.sets.iter().filter(|(set, _)| *set != "c:gone").collect::<Vec<_>>());
    assert!(!left.contains(CONVERSATION) && !left.contains("evt.t.s.00000001.1\""), "{left}");
    assert_eq!(index.members("c:gone"), [CONVERSATION]);
    assert_eq!(index.members("c:all"), ["cnv.t.s.00000001.2"]);
    assert_eq!(index.count("*|k"), 2);
}

/// A day in milliseconds.
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// A record of an event that was accepted then, stored so much later.
fn at(seen: Seen, received_at_ms: i64, after_ms: i64) -> Seen {
    Seen { at_ms: received_at_ms + after_ms, record: Record { received_at_ms, ..seen.record }, ..seen }
}

#[test]
fn an_event_counts_when_it_was_accepted_and_its_turn_when_it_ended() {
    let mut index = Memory::default();
    // Accepted in the last second of a minute, ended in the next one.
    let (accepted, minute) = (DAY_MS + 59_000, DAY_MS);
    index.run(&[at(seen(1, "t.s", (1, 1), intents()), accepted, 500)]);
    assert_eq!(index.figures(Span::Hour, minute), [("e", 1)].into());
    index.run(&[at(seen(2, "t.s", (1, 1), completed("ada@example.com")), accepted, 2_000)]);
    assert_eq!(index.figures(Span::Hour, minute), [("e", 1)].into());
    // Two seconds lie in the bucket of 1.94 to 2.91 s.
    let ended = [("c", 1), ("t", 14), ("25", 1)];
    assert_eq!(index.figures(Span::Hour, minute + 60_000), ended.into());
    for span in [Span::Day, Span::Week] {
        assert_eq!(index.figures(span, accepted), ended.into_iter().chain([("e", 1)]).collect(), "{span:?}");
    }
}

#[test]
fn each_end_counts_as_what_it_was() {
    let mut index = Memory::default();
    let failed = |dead| Step::Failed(wire::Failed { dead, usage: usage(), ..wire::Failed::default() });
    let steps = [
        failed(false),
        failed(true),
        Step::Cancelled(wire::Cancelled::default()),
        Step::Merged(wire::Merged::default()),
        Step::Noted(wire::Noted { input: Some(input("")) }),
    ];
    let records = steps.into_iter().zip(1..).map(|(step, seq)| at(seen(seq, "t.s", (seq, seq), step), DAY_MS, 0));
    index.run(&records.collect::<Vec<_>>());
    // What took less than a millisecond stands for half of one; what was noted is no turn.
    let expected = [("e", 4), ("f", 2), ("d", 1), ("x", 1), ("c", 1), ("t", 28), ("4", 4)];
    assert_eq!(index.figures(Span::Hour, DAY_MS), expected.into());
}

#[test]
fn open_events_are_known_over_all_triggers() {
    let mut index = Memory::default();
    index.run(&[seen(1, "t.s", (1, 1), intents()), seen(2, "other.s", (1, 1), intents())]);
    index.run(&[seen(3, "other.s", (1, 1), Step::Suspended(wire::Suspended::default()))]);
    assert_eq!(index.members("e:open:running"), ["evt.t.s.00000001.1"]);
    assert_eq!(index.members("e:open:waiting"), ["evt.other.s.00000001.1"]);
    index.run(&[seen(4, "t.s", (1, 1), completed("")), seen(5, "other.s", (1, 1), completed(""))]);
    assert!(index.members("e:open:running").is_empty() && index.members("e:open:waiting").is_empty(), "{index:?}");
}

#[test]
fn counts_of_a_round_that_the_ring_has_passed_are_left_out() {
    let mut index = Memory::default();
    let ended = |seq, at_ms| at(seen(seq, "t.s", (seq, seq), completed("")), at_ms, 0);
    index.run(&[ended(1, 9 * DAY_MS), ended(2, DAY_MS), ended(3, 9 * DAY_MS)]);
    let (week, hour) = (index.figures(Span::Week, 9 * DAY_MS), index.figures(Span::Hour, 9 * DAY_MS));
    assert_eq!((week["c"], hour["c"], index.figures(Span::Week, DAY_MS).len()), (2, 2, 0), "{index:?}");
}

#[test]
fn a_turn_whose_record_was_replaced_has_no_latency_after_a_rebuild() {
    let edited = wire::Edited { of: 1, event: 1, at_ms: DAY_MS, usage: usage(), status: "completed".into(), ..wire::Edited::default() };
    let mut rebuilt = Memory::default();
    rebuilt.build(&[seen(2, "t.s", (1, 1), changed(1, What::Edited(edited)))], 2);
    assert_eq!(rebuilt.figures(Span::Hour, DAY_MS), [("e", 1), ("c", 1), ("t", 14)].into());
}

#[test]
fn a_direct_call_is_no_event_of_a_trigger() {
    let mut index = Memory::default();
    index.run(&[seen(1, "_api.s", (1, 1), completed(""))]);
    let item: Item = index.entry(key::ITEMS, "l000000000001000").unwrap();
    assert_eq!(item.kind, "conversation.complete");
    assert!(index.members("c:t:_api").is_empty());
}

fn any_step(opening: u64) -> impl Strategy<Value = Step> {
    prop_oneof![
        Just(intents()),
        Just(outcome("1.0", End::Result("{}".into()))),
        Just(outcome("1.1", End::Unknown(wire::Unknown {}))),
        Just(Step::Suspended(wire::Suspended::default())),
        Just(completed("ada@example.com")),
        Just(completed("bob@example.com")),
        Just(Step::Failed(wire::Failed { dead: true, usage: usage(), ..wire::Failed::default() })),
        Just(changed(opening, What::Erased(wire::Erased::default()))),
        Just(changed(opening, What::Described(wire::Settings { bot: "z".into(), contact: "c1".into(), ..wire::Settings::default() }))),
    ]
}

fn any_log() -> impl Strategy<Value = Vec<Seen>> {
    let one = (0..3_u8, 1..4_u64, 0..3_u64, 0..70_i64).prop_flat_map(|(session, opening, more, minute)| {
        any_step(opening).prop_map(move |step| (format!("t.s{session}"), (opening, opening + more), step, minute))
    });
    proptest::collection::vec(one, 1..40).prop_map(|steps| {
        let numbered = steps.into_iter().zip(1..);
        numbered.map(|((session, about, step, minute), seq)| at(seen(seq, &session, about, step), minute * 60_000, 7)).collect()
    })
}

proptest! {
    #[test]
    fn any_cut_into_batches_makes_the_same_index(log in any_log(), cuts in proptest::collection::btree_set(0_usize..40, 0..8)) {
        let mut whole = Memory::default();
        whole.run(&log);
        let mut pieces = Memory::default();
        let mut from = 0;
        for to in cuts.into_iter().filter(|cut| *cut < log.len()).chain([log.len()]) {
            pieces.run(&log[from..to]);
            from = to;
        }
        prop_assert_eq!(whole, pieces);
    }
}
