//! Every case that a fuzz target kept, tried without a sanitizer: a law that was broken once stays whole.

#![expect(clippy::unwrap_used, reason = "test code")]

use std::path::Path;

/// Tries all that a target kept; a target that kept nothing is a mistake.
fn check(target: &str) {
    let (_, law) = law::ALL.iter().find(|(name, _)| *name == target).unwrap();
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let (mut cases, mut broken) = (0, Vec::new());
    for entry in std::fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        let data = std::fs::read(&path).unwrap();
        if std::panic::catch_unwind(|| law(&data)).is_err() {
            broken.push(path);
        }
        cases += 1;
    }
    assert!(broken.is_empty(), "a law is broken by {broken:?}");
    assert!(cases > 0, "{} holds nothing", directory.display());
}

#[test]
fn every_law_has_its_target_and_its_cases() {
    let manifest = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/Cargo.toml")).unwrap();
    for (name, law) in law::ALL {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} has no target");
        for data in [b"".as_slice(), b"\0", b"\xff", b"\0\0\0\0", b"{}", b"\n\n"] {
            law(data);
        }
    }
    assert_eq!(manifest.matches("[[bin]]").count(), law::ALL.len());
}

#[test]
fn envelopes_that_were_kept_hold() {
    check("envelope");
}

#[test]
fn names_that_were_kept_hold() {
    check("name");
}

#[test]
fn times_that_were_kept_hold() {
    check("time");
}

#[test]
fn instructions_that_were_kept_hold() {
    check("parse");
    check("fill");
}

#[test]
fn rules_that_were_kept_hold() {
    check("rules");
}

#[test]
fn calls_that_were_kept_hold() {
    check("intake");
}
