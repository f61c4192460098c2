use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::{access, document};
use crate::api::operation::Answer;
use crate::api::table;

/// Set to write what is tested: `CUEPOINT_UPDATE=1 cargo nextest run -p gateway document`.
const UPDATE: Option<&str> = option_env!("CUEPOINT_UPDATE");

/// Compares a file with what it must hold, or writes it.
fn locked(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
    if UPDATE.is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == text, "docs/{name} is another: look at the difference after CUEPOINT_UPDATE=1 cargo nextest run -p gateway document");
}

#[test]
fn the_document_is_the_one_that_was_looked_at() {
    let mut text = serde_json::to_string_pretty(&document(&table())).unwrap();
    text.push('\n');
    locked("openapi.json", &text);
}

#[test]
fn every_operation_says_who_may_call_it_and_what_it_does() {
    for operation in table() {
        let id = operation.id;
        assert!(!operation.tag.is_empty() && !operation.summary.is_empty(), "{id}");
        assert!(!operation.summary.ends_with('.') && !access(operation.access).is_empty(), "{id}");
        assert!(super::TAGS.iter().any(|(tag, about)| *tag == operation.tag && !about.is_empty()), "{id}: {}", operation.tag);
        let places = operation.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        for place in places {
            assert!(super::PLACES.iter().any(|(known, _)| *known == place), "{id}: {place}");
        }
        if let Answer::Other(kind) = &operation.answer {
            assert_ne!(*kind, "application/json", "{id} does not say what it answers");
        }
    }
}

/// Every reference of the document leads somewhere.
#[test]
fn every_reference_is_there() {
    fn references<'a>(value: &'a Value, into: &mut BTreeSet<&'a str>) {
        match value {
            Value::Object(object) => {
                into.extend(object.get("$ref").and_then(Value::as_str));
                object.values().for_each(|value| references(value, into));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, into)),
            _ => {}
        }
    }
    let document = document(&table());
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    assert!(found.len() > 5);
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}
