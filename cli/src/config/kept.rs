//! Secrets in a file that the deployment keeps.
//!
//! An entry of `secrets` with an `id` is a resource: its value is fetched when the file is applied,
//! and lies sealed in the broker. One without is lent by the worker that reads the file.

use std::path::Path;

use bytes::Bytes;
use proto::id::SecretId;
use proto::resource;

use super::fault::Fault;
use super::fields::{Fields, Placed};
use super::notes;
use super::source::{self, SecretSource};
use super::tree::Node;

/// Who has a value of a secret, by the names in files.
const KINDS: [(&str, &str); 2] = [("shared", "shared"), ("personal", "personal")];
/// How a value is presented, by the names in files.
const TYPES: [(&str, &str); 7] = [
    ("plain", "plain"),
    ("basic", "basic"),
    ("bearer", "bearer"),
    ("jwt", "jwt"),
    ("oauth", "oauth"),
    ("template", "template"),
    ("reference", "reference"),
];

/// A secret that the deployment keeps; its value is still to be fetched.
#[derive(Debug, Clone)]
pub struct Kept {
    /// All but its value.
    pub resource: resource::Secret,
    /// Where its value comes from; none where it has none.
    pub value: Option<SecretSource>,
}

/// A secret, as far as it could be read.
pub(super) struct PlacedSecret {
    pub(super) id: Option<Placed<SecretId>>,
    pub(super) secret: Option<Kept>,
}

/// Reads one secret.
pub(super) fn read(node: &Node, path: String, base: &Path, faults: &mut Vec<Fault>) -> Option<PlacedSecret> {
    let mut fields = Fields::of(node, path, faults)?;
    let id = fields.parse::<SecretId>("id", faults);
    let (name, description) = (fields.text("name", faults), fields.text("description", faults));
    let kind = notes::word(&mut fields, "kind", &KINDS, "shared", faults);
    let form = notes::word(&mut fields, "type", &TYPES, "plain", faults);
    let common = notes::take(&mut fields, faults);
    let config = fields.take("config").map(|node| node.to_json().to_string()).unwrap_or_default();
    let path = fields.path_of("value");
    let value = fields.take("value").map_or(Some(None), |node| source::read(node, path, base, faults).map(Some));
    fields.finish(faults);
    let whole = || {
        let id = id.as_ref()?.value.clone();
        let name = if name.is_empty() { id.to_string() } else { name };
        let (kind, form) = (kind?.to_owned(), form?.to_owned());
        let resource = resource::Secret { id, common, name, description, kind, form, sealed: Bytes::new(), config };
        Some(Kept { resource, value: value? })
    };
    let secret = whole();
    Some(PlacedSecret { id, secret })
}
