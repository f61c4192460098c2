//! The secrets that a document names, fetched from where they are.

use proto::resource::{Resource, SecretDigest};
use secrecy::{ExposeSecret as _, SecretString};

use crate::config::document::{Document, SecretSource, Trigger};
use crate::config::fault::{Fault, Faults};
use crate::data::{self, Data};

/// Why a secret is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What the document names is not there.
    #[error(transparent)]
    Faults(#[from] Faults),
    /// The data directory cannot be used.
    #[error(transparent)]
    Data(#[from] data::Error),
}

/// A document's triggers with their secrets, and its bots, as the broker's configuration holds them.
pub(crate) fn resolve(document: &Document, data: &Data) -> Result<Vec<Resource>, Error> {
    let mut faults = Vec::new();
    let mut resources: Vec<_> = document.skillsets.iter().cloned().map(Resource::Skillset).collect();
    resources.extend(document.bots.iter().cloned().map(Resource::Bot));
    for trigger in &document.triggers {
        match of(trigger, data)? {
            Ok(secret) => resources.push(Resource::Trigger(with(trigger, &secret))),
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() { Ok(resources) } else { Err(Faults::new(&document.file, faults).into()) }
}

/// The secret of a trigger, or why what the document names is no secret.
pub(crate) fn of(trigger: &Trigger, data: &Data) -> Result<Result<SecretString, Fault>, data::Error> {
    let (at, path, found) = match &trigger.secret {
        SecretSource::Made => return data.trigger_secret(&trigger.id).map(Ok),
        SecretSource::Env { at, path, name } => (at, path, variable(name)),
        SecretSource::File { at, path, file } => {
            (at, path, data::read_secret(file).map_err(|error| format!("cannot read {}: {error}", file.display())))
        }
    };
    let found = found.and_then(|secret| {
        let is_usable = secret.expose_secret().bytes().all(|byte| byte.is_ascii_graphic());
        if is_usable { Ok(secret) } else { Err("the secret must be visible ASCII characters: it is sent in a header".to_owned()) }
    });
    Ok(found.map_err(|reason| Fault { at: *at, path: path.clone(), reason }))
}

#[expect(clippy::disallowed_methods, reason = "a document names the variable")]
fn variable(name: &str) -> Result<SecretString, String> {
    match std::env::var(name) {
        Ok(text) if !text.is_empty() => Ok(text.into()),
        _ => Err(format!("the environment variable {name} is not set")),
    }
}

fn with(trigger: &Trigger, secret: &SecretString) -> proto::resource::Trigger {
    proto::resource::Trigger {
        name: trigger.name.clone(),
        description: trigger.description.clone(),
        text: trigger.text.clone(),
        open: trigger.open,
        secret: Some(SecretDigest::of(secret.expose_secret())),
        session_duration: trigger.session_duration,
        busy: trigger.busy,
        quiet: trigger.quiet,
        limits: trigger.limits,
        ..proto::resource::Trigger::new(trigger.id.clone(), Some(trigger.bot.clone()))
    }
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
        let Err(Error::Faults(faults)) = resolve(&document, &Data::at("/nowhere")) else { panic!("no faults") };
        let faults = faults.to_string();
        assert!(faults.contains("f.yaml:2:30: triggers[0].secret: the environment variable CUEPOINT_NOT_SET is not set"), "{faults}");
        assert!(faults.contains("f.yaml:3:30: triggers[1].secret: cannot read /base/nowhere"), "{faults}");
    }
}
