//! The secrets of a deployment, by the names that instructions use.
//!
//! `${SECRET_GITHUB_TOKEN}` means the secret `github-token`: names are compared in capitals, with
//! `_` for whatever is no letter or digit. An ability's `${SECRET_DEFAULT}` is the one it links, by
//! name or id. Secrets of a settings file precede those that the API made, which lie sealed in the
//! configuration and are opened for each call.

use std::collections::BTreeMap;
use std::sync::Arc;

use action::secret::{Secret, Secrets};
use backbone::catalogue::Catalogue;
use backbone::seal::{self, MasterKey, Purpose};
use proto::resource;

/// What stands before the name of a secret in a reference.
const PREFIX: &str = "SECRET_";
/// The reference to the secret that an ability links.
const LINKED: &str = "SECRET_DEFAULT";

/// All secrets of a deployment.
#[derive(Debug, Clone, Default)]
pub struct Vault {
    own: Arc<BTreeMap<String, Secret>>,
    made: Option<Made>,
}

/// The secrets that the API made.
#[derive(Debug, Clone)]
struct Made {
    catalogue: Catalogue,
    /// What opens them, where this process has it.
    key: Option<MasterKey>,
}

impl Vault {
    /// Keeps secrets by their names.
    pub fn new(secrets: impl IntoIterator<Item = (String, Secret)>) -> Self {
        let own = secrets.into_iter().map(|(name, secret)| (normal(&name), secret)).collect();
        Self { own: Arc::new(own), made: None }
    }

    /// The same, with those of the configuration behind them.
    #[must_use]
    pub fn over(self, catalogue: Catalogue, key: Option<MasterKey>) -> Self {
        Self { made: Some(Made { catalogue, key }), ..self }
    }

    /// The secret of a name or id, however the name is spelt; an error where it cannot be read.
    pub fn get(&self, name: &str) -> Result<Option<Secret>, String> {
        if let Some(secret) = self.own.get(&normal(name)) {
            return Ok(Some(secret.clone()));
        }
        let Some(Made { catalogue, key }) = &self.made else { return Ok(None) };
        let snapshot = catalogue.snapshot();
        let found = find(snapshot.secrets.values().map(|secret| &secret.resource), name);
        found.map(|secret| open(secret, key.as_ref())).transpose()
    }

    /// What one ability may use: all by name, and the one it links as the default.
    pub fn of_ability<'a>(&'a self, linked: Option<&'a str>) -> Linked<'a> {
        Linked { vault: self, linked }
    }
}

/// The secrets of one ability.
#[derive(Debug, Clone, Copy)]
pub struct Linked<'a> {
    vault: &'a Vault,
    linked: Option<&'a str>,
}

impl Secrets for Linked<'_> {
    fn get(&self, name: &str) -> Result<Option<Secret>, String> {
        let own = if name == LINKED { self.linked } else { name.strip_prefix(PREFIX) };
        own.map_or(Ok(None), |own| self.vault.get(own))
    }
}

/// The secret of an id, else of an alias or a name; where several have that name, the first by id.
fn find<'a>(secrets: impl Iterator<Item = &'a resource::Secret> + Clone, name: &str) -> Option<&'a resource::Secret> {
    let bare = name.strip_prefix('@').unwrap_or(name);
    let wanted = normal(bare);
    let by_id = secrets.clone().find(|secret| secret.id.as_str() == name);
    let is_named = |secret: &&resource::Secret| {
        normal(&secret.name) == wanted || normal(secret.id.as_str()) == wanted || secret.common.alias.as_deref() == Some(bare)
    };
    by_id.or_else(|| secrets.filter(is_named).min_by(|one, other| one.id.cmp(&other.id)))
}

/// Opens a sealed secret; it says which one cannot be opened, and why.
fn open(secret: &resource::Secret, key: Option<&MasterKey>) -> Result<Secret, String> {
    let fault = |reason: &dyn std::fmt::Display| format!("the secret {} cannot be used: {reason}", secret.id);
    if secret.sealed.is_empty() {
        return Err(fault(&"it has no value"));
    }
    let key = key.ok_or_else(|| fault(&"this worker has no --master-key-file"))?;
    let value = seal::unseal(key, Purpose::SecretValue(&secret.id), &secret.sealed).map_err(|error| fault(&error))?;
    match secret.form.as_str() {
        "plain" | "" => Ok(Secret::plain(value)),
        "bearer" => Ok(Secret::bearer(value)),
        "basic" => Ok(Secret::basic(value)),
        other => Err(fault(&format!("secrets of type {other} are not presented: plain, basic and bearer are"))),
    }
}

fn normal(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use action::secret::{Secret, Secrets as _};
    use backbone::seal::{MasterKey, Purpose, seal};
    use proto::resource::{self, Common};

    use super::{Vault, find, open};

    #[test]
    fn a_secret_is_found_by_any_spelling_and_by_its_link() {
        let vault = Vault::new([("github-token".to_owned(), Secret::plain("hush".into()))]);
        let linked = vault.of_ability(Some("GitHub Token"));
        let is_there = |name: &str| linked.get(name).unwrap().is_some();
        assert!(is_there("SECRET_GITHUB_TOKEN") && is_there("SECRET_DEFAULT"));
        assert!(!is_there("SECRET_OTHER") && !is_there("GITHUB_TOKEN"));
        assert!(vault.of_ability(None).get("SECRET_DEFAULT").unwrap().is_none());
    }

    fn made(id: &str, name: &str, form: &str, sealed: &[u8]) -> resource::Secret {
        resource::Secret {
            id: id.parse().unwrap(),
            common: Common { alias: Some(format!("alias-{id}")), ..Common::of("api") },
            name: name.into(),
            description: String::new(),
            kind: "shared".into(),
            form: form.into(),
            sealed: bytes::Bytes::copy_from_slice(sealed),
            config: String::new(),
        }
    }

    #[test]
    fn a_made_secret_is_found_by_id_alias_and_name() {
        let secrets = [made("s2", "My Key", "plain", b""), made("s1", "my-key", "plain", b""), made("MY_KEY", "other", "plain", b"")];
        for (name, expected) in
            [("s2", Some("s2")), ("MY_KEY", Some("MY_KEY")), ("my key", Some("MY_KEY")), ("@alias-s2", Some("s2")), ("none", None)]
        {
            assert_eq!(find(secrets.iter(), name).map(|secret| secret.id.as_str()), expected, "{name}");
        }
        assert_eq!(find(secrets[..2].iter(), "MY_KEY").unwrap().id.as_str(), "s1");
    }

    #[test]
    fn what_cannot_be_opened_says_so_and_shows_nothing() {
        let key = MasterKey::parse("0001020304050607080910111213141516171819202122232425262728293031").unwrap();
        let sealed = seal(&key, Purpose::SecretValue(&"s1".parse().unwrap()), "hush").unwrap();
        assert!(open(&made("s1", "n", "bearer", &sealed), Some(&key)).is_ok());
        for (secret, key, expected) in [
            (made("s1", "n", "plain", b""), Some(&key), "it has no value"),
            (made("s1", "n", "plain", &sealed), None, "--master-key-file"),
            (made("s2", "n", "plain", &sealed), Some(&key), "changed, or belongs elsewhere"),
            (made("s1", "n", "oauth", &sealed), Some(&key), "type oauth"),
        ] {
            let error = open(&secret, key).err().unwrap();
            assert!(error.contains(expected) && !error.contains("hush"), "{error}");
        }
    }
}
