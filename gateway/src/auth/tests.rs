//! What callers may do, as far as no server has to be asked.

use axum::http::HeaderMap;
use backbone::catalogue::Snapshot;
use proto::id::TriggerId;
use proto::resource::Scope::{Admin, Operate, Publish, Read};
use proto::resource::{Resource, SecretDigest, Trigger};

use super::{Caller, Holder, is_known_elsewhere};

fn headers(value: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if !value.is_empty() {
        headers.insert("authorization", value.parse().unwrap());
    }
    headers
}

fn id(text: &str) -> TriggerId {
    text.parse().unwrap()
}

#[test]
fn a_wider_scope_includes_what_it_is_said_to() {
    for (has, may) in [
        (Admin, [true, true, true, true]),
        (Operate, [false, true, true, false]),
        (Read, [false, false, true, false]),
        (Publish, [false, false, false, true]),
    ] {
        let caller = Caller::Token(Holder { scopes: vec![has], ..Holder::default() });
        assert_eq!([Admin, Operate, Read, Publish].map(|scope| caller.has(scope)), may, "{has:?}");
    }
    assert!(!Caller::Nobody.has(Read) && !Caller::Trigger(id("t")).has(Read));
}

#[test]
fn a_caller_sees_what_it_is_limited_to() {
    let token = |triggers: &[&str]| Caller::Token(Holder { triggers: triggers.iter().map(|text| id(text)).collect(), ..Holder::default() });
    for (caller, sees, is_limited) in [
        (token(&[]), [true, true], false),
        (token(&["a"]), [true, false], true),
        (token(&["a", "b"]), [true, true], true),
        (Caller::Trigger(id("b")), [false, true], true),
        (Caller::Nobody, [false, false], true),
    ] {
        assert_eq!(([caller.sees(&id("a")), caller.sees(&id("b"))], caller.is_limited()), (sees, is_limited), "{caller:?}");
    }
}

#[test]
fn a_list_is_narrowed_to_what_its_caller_is_limited_to() {
    let token = |triggers: &[&str]| Caller::Token(Holder { triggers: triggers.iter().map(|text| id(text)).collect(), ..Holder::default() });
    for (caller, asked, expected) in [
        (token(&[]), vec![], Some(vec![])),
        (token(&[]), vec!["a"], Some(vec!["a"])),
        (token(&["a", "b"]), vec![], Some(vec!["a", "b"])),
        (token(&["a", "b"]), vec!["b", "c"], Some(vec!["b"])),
        (token(&["a"]), vec!["b"], None),
        (Caller::Trigger(id("a")), vec![], Some(vec!["a"])),
        (Caller::Nobody, vec![], None),
    ] {
        let narrowed = caller.narrowed(asked.iter().map(ToString::to_string).collect());
        assert_eq!(narrowed, expected.map(|ids| ids.iter().map(ToString::to_string).collect()), "{caller:?} {asked:?}");
    }
}

#[test]
fn only_the_exact_scheme_makes_a_secret_known() {
    let mut snapshot = Snapshot::default();
    let trigger =
        Trigger { secret: Some(SecretDigest::of("right")), previous: Some((SecretDigest::of("former"), 1)), ..Trigger::new(id("t"), None) };
    snapshot.insert(1, Resource::Trigger(trigger));
    for (value, expected) in [
        ("Bearer right", true),
        ("Bearer former", true),
        ("Bearer wrong", false),
        ("bearer right", false),
        ("Bearer  right", false),
        ("Bearer ", false),
        ("right", false),
        ("", false),
    ] {
        assert_eq!(is_known_elsewhere(&snapshot, &headers(value.trim_end())), expected, "{value}");
    }
}
