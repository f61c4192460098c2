//! The secrets of a deployment, by the names that instructions use.
//!
//! `${SECRET_GITHUB_TOKEN}` means the secret `github-token`: names are compared in capitals, with
//! `_` for whatever is no letter or digit. An ability's `${SECRET_DEFAULT}` is the one it links.

use std::collections::BTreeMap;
use std::sync::Arc;

use action::secret::{Secret, Secrets};

/// What stands before the name of a secret in a reference.
const PREFIX: &str = "SECRET_";
/// The reference to the secret that an ability links.
const LINKED: &str = "SECRET_DEFAULT";

/// All secrets of a deployment.
#[derive(Debug, Clone, Default)]
pub struct Vault(Arc<BTreeMap<String, Secret>>);

impl Vault {
    /// Keeps secrets by their names.
    pub fn new(secrets: impl IntoIterator<Item = (String, Secret)>) -> Self {
        Self(Arc::new(secrets.into_iter().map(|(name, secret)| (normal(&name), secret)).collect()))
    }

    /// The secret of a name, however it is spelt.
    pub fn get(&self, name: &str) -> Option<&Secret> {
        self.0.get(&normal(name))
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
    fn get(&self, name: &str) -> Option<Secret> {
        let own = if name == LINKED { self.linked? } else { name.strip_prefix(PREFIX)? };
        self.vault.get(own).cloned()
    }
}

fn normal(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use action::secret::{Secret, Secrets as _};

    use super::Vault;

    #[test]
    fn a_secret_is_found_by_any_spelling_and_by_its_link() {
        let vault = Vault::new([("github-token".to_owned(), Secret::plain("hush".into()))]);
        let linked = vault.of_ability(Some("GitHub Token"));
        assert!(linked.get("SECRET_GITHUB_TOKEN").is_some() && linked.get("SECRET_DEFAULT").is_some());
        assert!(linked.get("SECRET_OTHER").is_none() && linked.get("GITHUB_TOKEN").is_none());
        assert!(vault.of_ability(None).get("SECRET_DEFAULT").is_none());
    }
}
