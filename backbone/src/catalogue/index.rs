//! Whom a secret belongs to, so that no request looks at all triggers.
//!
//! Keys are SHA-256 digests: what a lookup takes longer or shorter for tells nothing about a secret,
//! and whoever finds a token by its digest compares once more in constant time.

use std::collections::HashMap;

use proto::id::TokenId;
use proto::resource::{ApiToken, SecretDigest, Trigger};

/// The digests of all secrets and tokens.
#[derive(Debug, Default, Clone)]
pub(super) struct Index {
    tokens: HashMap<[u8; 32], TokenId>,
    /// How many triggers have it, their former secrets included.
    secrets: HashMap<[u8; 32], u32>,
}

fn digests(trigger: &Trigger) -> impl Iterator<Item = &SecretDigest> {
    trigger.secret.iter().chain(trigger.previous.iter().map(|(digest, _)| digest))
}

impl Index {
    pub(super) fn insert_trigger(&mut self, trigger: &Trigger) {
        for digest in digests(trigger) {
            *self.secrets.entry(*digest.as_array()).or_default() += 1;
        }
    }

    pub(super) fn remove_trigger(&mut self, trigger: Option<&Trigger>) {
        for digest in trigger.into_iter().flat_map(digests) {
            if let Some(count) = self.secrets.get_mut(digest.as_array()) {
                *count -= 1;
                if *count == 0 {
                    self.secrets.remove(digest.as_array());
                }
            }
        }
    }

    pub(super) fn insert_token(&mut self, token: &ApiToken) {
        self.tokens.insert(*token.digest.as_array(), token.id.clone());
    }

    pub(super) fn remove_token(&mut self, token: Option<&ApiToken>) {
        if let Some(token) = token {
            self.tokens.remove(token.digest.as_array());
        }
    }

    pub(super) fn token(&self, digest: &SecretDigest) -> Option<&TokenId> {
        self.tokens.get(digest.as_array())
    }

    pub(super) fn is_secret(&self, digest: &SecretDigest) -> bool {
        self.secrets.contains_key(digest.as_array())
    }
}
