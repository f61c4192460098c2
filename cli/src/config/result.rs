//! Where a trigger's results go in a file, and how its signed calls are checked.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use outbox::destination;
use proto::id::DestinationId;
use proto::resource::{self, SignatureScheme};
use proto::wire::destination::To;

use super::fault::Fault;
use super::fields::{self, Fields};
use super::notes;
use super::source::{self, SecretSource};
use super::tree::Node;
use super::trigger::duration;

/// The schemes of signed calls, by the names that they have in files.
pub(super) const SCHEMES: [(&str, SignatureScheme); 5] = [
    ("standard", SignatureScheme::Standard),
    ("standard-ed25519", SignatureScheme::StandardEd25519),
    ("github", SignatureScheme::Github),
    ("stripe", SignatureScheme::Stripe),
    ("slack", SignatureScheme::Slack),
];
/// How far a call's time may be from the gateway's at most.
const TOLERANCE_MAX: Duration = Duration::from_hours(1);

/// Destinations, and where the keys of their webhooks come from.
type Results = (Vec<resource::Destination>, Vec<(String, SecretSource)>);

/// Takes `results`.
pub(super) fn take(fields: &mut Fields<'_>, base: &Path, faults: &mut Vec<Fault>) -> Option<Results> {
    let before = faults.len();
    let at = fields.at();
    let path = fields.path_of("results");
    let nodes = fields.list("results", faults);
    let places: Vec<_> = nodes.iter().map(|(node, path)| (node.at, path.clone())).collect();
    let (mut found, mut keys) = (Vec::new(), Vec::new());
    for (node, path) in nodes {
        let Some((destination, key)) = one(node, path, base, faults) else { continue };
        keys.extend(key.map(|key| (destination.id.clone(), key)));
        found.push(destination);
    }
    if faults.len() > before {
        return None;
    }
    if let Err(fault) = destination::check(&found) {
        let place = fault.index.and_then(|index| places.get(index).cloned());
        let (at, path) = place.unwrap_or((at, path));
        faults.push(Fault { at, path: format!("{path}{}", fault.field), reason: fault.reason });
        return None;
    }
    Some((found, keys))
}

fn one(node: &Node, path: String, base: &Path, faults: &mut Vec<Fault>) -> Option<(resource::Destination, Option<SecretSource>)> {
    let mut fields = Fields::of(node, path.clone(), faults)?;
    let id = fields.parse::<DestinationId>("id", faults);
    let webhook_path = fields.path_of("webhook");
    let webhook = fields.take("webhook").map(|node| webhook(node, webhook_path, base, faults));
    let subject = Some(fields.text("subject", faults)).filter(|subject| !subject.is_empty());
    let disabled = fields.flag("disabled", false, faults);
    let statuses = fields.list("statuses", faults);
    let statuses: Vec<_> = statuses.into_iter().filter_map(|(node, path)| fields::text(node, path, faults).map(str::to_owned)).collect();
    fields.finish(faults);
    let (to, key) = match (webhook, subject) {
        (Some(webhook), None) => webhook.map(|(to, key)| (To::Webhook(to), Some(key)))?,
        (None, Some(subject)) => (To::Subject(subject), None),
        _ => {
            faults.push(Fault { at: node.at, path, reason: "must have one of webhook and subject".into() });
            return None;
        }
    };
    Some((resource::Destination { id: id?.value.to_string(), to: Some(to), statuses, disabled }, key))
}

fn webhook(node: &Node, path: String, base: &Path, faults: &mut Vec<Fault>) -> Option<(resource::Webhook, SecretSource)> {
    let mut fields = Fields::of(node, path, faults)?;
    let url = fields.parse::<String>("url", faults);
    let path = fields.path_of("key");
    let key = fields.require("key", faults).and_then(|node| source::read(node, path, base, faults));
    fields.finish(faults);
    Some((resource::Webhook { url: url?.value, key_sealed: Bytes::new() }, key?))
}

/// Reads `signature`, and where its shared key comes from.
pub(super) fn signature(
    node: &Node,
    path: String,
    base: &Path,
    faults: &mut Vec<Fault>,
) -> Option<(resource::Signature, Option<SecretSource>)> {
    let mut fields = Fields::of(node, path.clone(), faults)?;
    let scheme = notes::word(&mut fields, "scheme", &SCHEMES, SignatureScheme::Unspecified, faults);
    let public_key = fields.text("publicKey", faults);
    let key_path = fields.path_of("key");
    let key = fields.take("key").map_or(Some(None), |node| source::read(node, key_path, base, faults).map(Some));
    let tolerance_path = fields.path_of("tolerance");
    let tolerance = fields.take("tolerance").map_or(Some(Duration::ZERO), |node| duration(node, tolerance_path, TOLERANCE_MAX, faults));
    fields.finish(faults);
    let (scheme, key, tolerance) = (scheme?, key?, tolerance?);
    if scheme == SignatureScheme::Unspecified {
        faults.push(Fault { at: node.at, path: format!("{path}.scheme"), reason: "is missing".into() });
        return None;
    }
    let is_public = scheme == SignatureScheme::StandardEd25519;
    if is_public == public_key.is_empty() || is_public == key.is_some() {
        let reason = if is_public { "needs publicKey, and no key" } else { "needs key, and no publicKey" };
        faults.push(Fault { at: node.at, path, reason: reason.into() });
        return None;
    }
    let tolerance_ms = u64::try_from(tolerance.as_millis()).ok()?;
    Some((resource::Signature { scheme: scheme.into(), key_sealed: Bytes::new(), public_key, tolerance_ms }, key))
}
