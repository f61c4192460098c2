use clap::ValueEnum as _;
use proto::id::{EventSeq, SessionKey};

use super::{Effect, End, Ended, Evidence, Wrong, check};
use crate::book::{Deed, Door, Fate, Sent, Try};
use crate::forge::Forgery;

fn session(name: &str) -> SessionKey {
    SessionKey { trigger: "orders".parse().unwrap(), token: proto::session::token(name) }
}

fn at(seq: u64) -> EventSeq {
    EventSeq { epoch: "6ab0d2c0".parse().unwrap(), seq }
}

/// Eight events of two sessions, two of each deed, and all that comes of them.
fn good() -> Evidence {
    let deeds = [Deed::Plain, Deed::Once, Deed::Again, Deed::Torn];
    let mut evidence = Evidence::default();
    for number in 0..8 {
        let (deed, event) = (deeds[usize::try_from(number).unwrap() / 2], at(number + 1));
        let session = session(["a", "b"][usize::try_from(number).unwrap() % 2]);
        let tries = vec![Try { at_ms: 1, told: "accepted".into() }];
        let (door, fate) = (Door::Http, Fate::Accepted(event));
        evidence.sent.push(Sent { number, session: session.clone(), door, deed, tries, fate, repeat: Some(event) });
        let end = if deed == Deed::Torn { End::Failed { is_dead: true, code: "CUE0602".into() } } else { End::Completed { is_sure: true } };
        let status = if deed == Deed::Torn { "dead" } else { "completed" };
        evidence.ended.push(Ended { session, event, number: Some(number), seq: number * 2 + 1, received_ms: 1, at_ms: 2, end });
        evidence.statuses.insert(event, status.into());
        match deed {
            Deed::Once | Deed::Again => evidence.effects.push(Effect { deed: deed.word().into(), number, key: format!("k{number}") }),
            Deed::Torn => evidence.letters.push(event),
            Deed::Plain | Deed::Sour => {}
        }
    }
    evidence
}

fn wrongs(evidence: &Evidence) -> Vec<Wrong> {
    check(evidence).into_iter().map(|violation| violation.wrong).collect()
}

#[test]
fn nothing_is_wrong_with_what_is_as_it_must_be() {
    assert_eq!(check(&good()), []);
}

#[test]
fn every_forgery_is_seen_for_what_it_is() {
    for forgery in Forgery::value_variants() {
        let forged = forgery.done_to(good()).unwrap_or_else(|| panic!("{forgery:?} can be done"));
        let found = wrongs(&forged);
        assert!(found.contains(&forgery.wrong()), "{forgery:?} is seen as {found:?}");
    }
}

#[test]
fn an_effect_that_may_be_repeated_under_its_key_may() {
    let mut evidence = good();
    let again = evidence.effects.iter().find(|effect| effect.deed == "again").unwrap().clone();
    evidence.effects.push(again);
    assert_eq!(check(&evidence), []);
}

#[test]
fn an_effect_in_doubt_may_be_missing() {
    let mut evidence = good();
    evidence.effects.clear();
    for ended in evidence.ended.iter_mut().filter(|ended| ended.end == End::Completed { is_sure: true }) {
        ended.end = End::Completed { is_sure: false };
    }
    assert_eq!(check(&evidence), []);
}

#[test]
fn an_event_that_was_never_answered_may_be_there_once() {
    let mut evidence = good();
    let last = evidence.sent.last_mut().unwrap();
    (last.fate, last.repeat) = (Fate::Unknown, None);
    assert_eq!(check(&evidence), []);
    let mut twice = evidence.ended.last().unwrap().clone();
    twice.event = at(100);
    twice.end = End::Completed { is_sure: true };
    evidence.ended.push(twice);
    assert_eq!(wrongs(&evidence), [Wrong::Doubled]);
}

#[test]
fn an_end_of_what_cannot_succeed_is_no_success() {
    let mut evidence = good();
    let sour = evidence.ended.last_mut().unwrap();
    sour.end = End::Completed { is_sure: true };
    let event = sour.event;
    evidence.statuses.insert(event, "completed".into());
    evidence.letters.pop();
    assert_eq!(wrongs(&evidence), [Wrong::Ending]);
}
