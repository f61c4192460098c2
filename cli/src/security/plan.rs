//! What a directory was made for.

use std::collections::BTreeSet;
use std::path::Path;

use proto::id::TriggerId;
use proto::subject::OWN;
use serde::{Deserialize, Serialize};

use super::Error;
use super::file::Maker;

/// Where it is kept.
const FILE: &str = "plan.json";

/// What a directory was made for; nothing in it is secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Plan {
    /// The triggers with a direct publisher.
    pub publishers: BTreeSet<TriggerId>,
    /// What turns and destinations may publish outside.
    pub subjects: Vec<String>,
    /// Whether connections are by TLS, and clients show certificates.
    pub tls: bool,
    /// The names and addresses that the servers' certificate is for.
    pub hosts: BTreeSet<String>,
    /// Where the servers find the directory.
    pub at: String,
    /// Where nats-server stores.
    pub store: String,
}

impl Plan {
    /// The plan of a directory; an empty one where there is none yet.
    pub fn read(dir: &Path) -> Result<Self, Error> {
        let path = dir.join(FILE);
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|_| Error::Content { path, what: "is not what nats-config wrote" }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(Error::Io { what: "read", path, source }),
        }
    }

    /// Adds a subject that turns and destinations may publish.
    pub fn add_subject(&mut self, subject: &str) -> Result<(), Error> {
        let tokens: Vec<&str> = subject.split('.').collect();
        let is_token = |token: &str| !token.is_empty() && token.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        let (last, first) = tokens.split_last().unwrap_or((&"", &[]));
        let is_own = tokens.first().is_none_or(|first| OWN.contains(first) || first.starts_with('_'));
        if is_own || !first.iter().all(|token| is_token(token)) || !(is_token(last) || (*last == ">" && !first.is_empty())) {
            return Err(Error::Subject(subject.to_owned()));
        }
        if !self.subjects.iter().any(|known| known == subject) {
            self.subjects.push(subject.to_owned());
        }
        Ok(())
    }

    pub(super) fn write(&self, maker: &mut Maker) -> Result<(), Error> {
        let text = serde_json::to_string_pretty(self).map_err(|source| maker.failed("write", FILE, source.into()))?;
        maker.text(FILE, &format!("{text}\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::Plan;

    #[test]
    fn only_subjects_of_others_can_be_let_out() {
        for (subject, is_fine) in [
            ("shop.results", true),
            ("shop.>", true),
            ("shop", true),
            (">", false),
            ("log.>", false),
            ("event.x", false),
            ("$JS.API.>", false),
            ("_INBOX.x", false),
            ("a.*.b", false),
            ("a..b", false),
            ("a\"b", false),
            ("", false),
        ] {
            assert_eq!(Plan::default().add_subject(subject).is_ok(), is_fine, "{subject}");
        }
    }
}
