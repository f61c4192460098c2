//! The secrets that documents name, fetched from where they are.

use proto::resource::{Resource, SecretDigest};
use secrecy::{ExposeSecret as _, SecretString};

use crate::config::document::Document;
use crate::config::fault::{Fault, Faults};
use crate::config::source::SecretSource;
use crate::config::trigger::Trigger;
use crate::data::{self, Data};

/// Longest secret, in bytes.
const SECRET_BYTES_MAX: usize = 64 * 1024;

/// Why a secret is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What a document names is not there.
    #[error(transparent)]
    Faults(#[from] Faults),
    /// The data directory cannot be used.
    #[error(transparent)]
    Data(#[from] data::Error),
}

/// Where a sealed value stands in a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Slot {
    /// A trigger's secret.
    Secret,
    /// The key of its signature.
    Signature,
    /// The key of one of its webhooks.
    Result(String),
    /// A secret's value.
    Value,
}

/// A resource as it should be, with what is still to be sealed in it.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The resource.
    pub resource: Resource,
    /// What is to be sealed, and where.
    pub values: Vec<(Slot, SecretString)>,
}

impl From<Resource> for Wanted {
    fn from(resource: Resource) -> Self {
        Self { resource, values: Vec::new() }
    }
}

/// The resources of documents with their secrets, each behind those that it may name.
pub fn resolve<'a>(documents: impl IntoIterator<Item = &'a Document> + Clone, data: &Data) -> Result<Vec<Wanted>, Error> {
    let mut all = Vec::new();
    let mut wrong = Vec::new();
    for document in documents.clone() {
        let mut faults = Vec::new();
        for kept in &document.secrets {
            let mut wanted = Wanted::from(Resource::Secret(kept.resource.clone()));
            if let Some(source) = &kept.value {
                keep(&mut wanted.values, Slot::Value, fetch(source, false), &mut faults);
            }
            all.push(wanted);
        }
        for trigger in &document.triggers {
            let wanted = with(trigger, of(trigger, data)?, &mut faults);
            all.push(wanted);
        }
        if !faults.is_empty() {
            wrong.push(Faults::new(&document.file, faults));
        }
    }
    if let Some(faults) = Faults::together(wrong) {
        return Err(faults.into());
    }
    for document in documents {
        all.extend(document.skillsets.iter().cloned().map(|one| Resource::Skillset(one).into()));
        all.extend(document.bots.iter().cloned().map(|one| Resource::Bot(one).into()));
    }
    all.sort_by_key(|wanted| match wanted.resource {
        Resource::Secret(_) | Resource::Token(_) => 0,
        Resource::Skillset(_) => 1,
        Resource::Bot(_) => 2,
        Resource::Trigger(_) => 3,
    });
    Ok(all)
}

fn keep(values: &mut Vec<(Slot, SecretString)>, slot: Slot, found: Result<SecretString, Fault>, faults: &mut Vec<Fault>) {
    match found {
        Ok(secret) => values.push((slot, secret)),
        Err(fault) => faults.push(fault),
    }
}

/// The secret of a trigger, or why what the document names is no secret.
pub(crate) fn of(trigger: &Trigger, data: &Data) -> Result<Result<SecretString, Fault>, data::Error> {
    match &trigger.secret {
        SecretSource::Made => data.trigger_secret(&trigger.resource.id).map(Ok),
        source => Ok(fetch(source, true)),
    }
}

/// What stands where a document says; `is_sent` where it goes into a header as it is.
fn fetch(source: &SecretSource, is_sent: bool) -> Result<SecretString, Fault> {
    let (at, path, found) = match source {
        SecretSource::Env { at, path, name } => (at, path, variable(name)),
        SecretSource::File { at, path, file } => {
            (at, path, data::read_secret(file).map_err(|error| format!("cannot read {}: {error}", file.display())))
        }
        // Only a trigger's secret is made, and not here.
        SecretSource::Made => return Ok(SecretString::default()),
    };
    let found = found.and_then(|secret| {
        let text = secret.expose_secret();
        if text.len() > SECRET_BYTES_MAX {
            return Err(format!("the secret has {} bytes, at most {SECRET_BYTES_MAX} are taken", text.len()));
        }
        let is_usable = !is_sent || text.bytes().all(|byte| byte.is_ascii_graphic());
        if is_usable { Ok(secret) } else { Err("the secret must be visible ASCII characters: it is sent in a header".to_owned()) }
    });
    found.map_err(|reason| Fault { at: *at, path: path.clone(), reason })
}

#[expect(clippy::disallowed_methods, reason = "a document names the variable")]
fn variable(name: &str) -> Result<SecretString, String> {
    match std::env::var(name) {
        Ok(text) if !text.is_empty() => Ok(text.into()),
        _ => Err(format!("the environment variable {name} is not set")),
    }
}

fn with(trigger: &Trigger, secret: Result<SecretString, Fault>, faults: &mut Vec<Fault>) -> Wanted {
    let mut values = Vec::new();
    keep(&mut values, Slot::Secret, secret, faults);
    if let Some(source) = &trigger.signature_key {
        keep(&mut values, Slot::Signature, fetch(source, false), faults);
    }
    for (destination, source) in &trigger.result_keys {
        let key = fetch(source, false).and_then(|key| match outbox::destination::read_key(key.expose_secret()) {
            Ok(_) => Ok(key),
            Err(rule) => Err(fault_of(source, rule)),
        });
        keep(&mut values, Slot::Result(destination.clone()), key, faults);
    }
    let digest = values.iter().find(|(slot, _)| *slot == Slot::Secret).map(|(_, secret)| SecretDigest::of(secret.expose_secret()));
    let resource = proto::resource::Trigger { secret: digest, ..trigger.resource.clone() };
    Wanted { resource: Resource::Trigger(resource), values }
}

fn fault_of(source: &SecretSource, reason: &str) -> Fault {
    use crate::config::fault::Place;

    let (at, path) = match source {
        SecretSource::Env { at, path, .. } | SecretSource::File { at, path, .. } => (*at, path.clone()),
        SecretSource::Made => (Place::START, String::new()),
    };
    Fault { at, path, reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Error, resolve};
    use crate::config::document::Document;
    use crate::data::Data;

    #[test]
    fn a_secret_that_is_not_there_is_a_fault_with_its_line() {
        let text = "triggers:\n  - { id: t, bot: b, secret: { env: CUEPOINT_NOT_SET } }\n  - { id: u, bot: b, secret: { file: nowhere } }\n\
                    bots:\n  - { id: b, kind: rules, rules: [{ reply: hi }] }\n";
        let document = Document::parse("f.yaml", text, Path::new("/base")).unwrap();
        let Err(Error::Faults(faults)) = resolve([&document], &Data::at("/nowhere")) else { panic!("no faults") };
        let faults = faults.to_string();
        assert!(faults.contains("f.yaml:2:30: triggers[0].secret: the environment variable CUEPOINT_NOT_SET is not set"), "{faults}");
        assert!(faults.contains("f.yaml:3:30: triggers[1].secret: cannot read /base/nowhere"), "{faults}");
    }
}
