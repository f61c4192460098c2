//! Secrets, and how they stand in a header.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretString};

/// The names of references that mean a secret begin like this.
pub const PREFIX: &str = "SECRET_";

/// Where the secrets of an ability come from.
pub trait Secrets: Send + Sync {
    /// The secret that a reference such as `SECRET_DEFAULT` means; an error where there is one that cannot be read.
    fn get(&self, name: &str) -> Result<Option<Secret>, String>;
}

/// No secrets at all.
#[derive(Debug, Clone, Copy)]
pub struct NoSecrets;

impl Secrets for NoSecrets {
    fn get(&self, _name: &str) -> Result<Option<Secret>, String> {
        Ok(None)
    }
}

/// A secret, and what kind it is; it is never shown.
#[derive(Clone)]
pub struct Secret {
    kind: Kind,
    value: SecretString,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    Basic,
    Bearer,
}

impl Secret {
    /// Stands in a header as it is.
    pub fn plain(value: SecretString) -> Self {
        Self { kind: Kind::Plain, value }
    }

    /// `user:password`; stands in a header as `Basic` and its base64 (RFC 7617).
    pub fn basic(user_and_password: SecretString) -> Self {
        Self { kind: Kind::Basic, value: user_and_password }
    }

    /// A token; stands in a header after `Bearer` (RFC 6750).
    pub fn bearer(token: SecretString) -> Self {
        Self { kind: Kind::Bearer, value: token }
    }

    /// Writes the secret to the end of a header's value; a scheme that stands there already is not doubled.
    pub(crate) fn append_to(&self, header: &mut Zeroizing<String>) {
        let value = self.value.expose_secret();
        let scheme = match self.kind {
            Kind::Plain => "",
            Kind::Basic => "Basic ",
            Kind::Bearer => "Bearer ",
        };
        let stands = header.get(header.len().saturating_sub(scheme.len())..).is_some_and(|end| end.eq_ignore_ascii_case(scheme));
        if !stands {
            header.push_str(scheme);
        }
        match self.kind {
            Kind::Basic => header.push_str(&Zeroizing::new(STANDARD.encode(value))),
            Kind::Plain | Kind::Bearer => header.push_str(value),
        }
    }

    /// What must not be shown: the value, and of `user:password` the password also alone.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &str> {
        let value = self.value.expose_secret();
        let password = (self.kind == Kind::Basic).then(|| value.split_once(':')).flatten().map(|(_, password)| password);
        std::iter::once(value).chain(password)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use secrecy::zeroize::Zeroizing;

    use super::Secret;

    fn check(secret: &Secret, before: &str, expected: &str) {
        let mut header = Zeroizing::new(before.to_owned());
        secret.append_to(&mut header);
        assert_eq!(*header, expected);
        assert!(!format!("{secret:?}").contains("hush"));
    }

    #[test]
    fn a_secret_stands_in_a_header_as_its_kind_says() {
        check(&Secret::plain("hush".into()), "", "hush");
        check(&Secret::plain("hush".into()), "Key é ", "Key é hush");
        check(&Secret::bearer("hush".into()), "", "Bearer hush");
        check(&Secret::bearer("hush".into()), "bearer ", "bearer hush");
        check(&Secret::bearer("hush".into()), "Bearer", "BearerBearer hush");
        check(&Secret::bearer("hush".into()), "éééé", "ééééBearer hush");
        check(&Secret::basic("user:hush".into()), "", "Basic dXNlcjpodXNo");
        check(&Secret::basic("user:hush".into()), "Basic ", "Basic dXNlcjpodXNo");
    }
}
