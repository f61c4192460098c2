//! The configuration as the catalogue holds it.
//!
//! In reading order:
//! - [`common`]: what all kinds have in common;
//! - [`trigger`]: where events come in;
//! - [`other`]: bots, skillsets, secrets, API tokens;
//! - [`contact`]: whom conversations are held with.

use bytes::Bytes;
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::limit::{QUIET_MAX, SESSION_DURATION_MAX, TRIGGER_TEXT_BYTES_MAX};
use crate::subject::DIRECT;
use crate::wire;
pub use crate::wire::{Budget, Busy, CatchUp, Destination, Limits, Rate, Scope, Signature, SignatureScheme, State, Webhook};

pub mod common;
pub mod contact;
pub mod other;
pub mod trigger;

pub use common::Common;
pub use contact::Card;
pub use other::{ApiToken, Bot, Secret, Skillset};
pub use trigger::Trigger;

/// Why an entry of the bucket is not usable.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its bytes are not the message.
    #[error("not a resource")]
    Malformed(#[from] prost::DecodeError),
    /// Its kind is not what its key says.
    #[error("the entry is of another kind than its key")]
    Kind,
    /// An id in it is not one.
    #[error(transparent)]
    Id(#[from] crate::id::Error),
    /// The id is taken by what stands for no trigger.
    #[error("the id {DIRECT} is reserved for conversations without a trigger")]
    Reserved,
    /// An object in it is none.
    #[error("not an object")]
    Object(#[source] serde_json::Error),
    /// A closed trigger has no secret.
    #[error("the trigger is not open and has no secret")]
    NoSecret,
    /// The default text is over the maximum.
    #[error("the text has at most {TRIGGER_TEXT_BYTES_MAX} bytes")]
    Text,
    /// The quiet period is over the maximum.
    #[error("a quiet period lasts at most {} ms", QUIET_MAX.as_millis())]
    Quiet,
    /// The session duration is over the maximum.
    #[error("a session lasts at most {} ms", SESSION_DURATION_MAX.as_millis())]
    Duration,
}

/// The digest of a secret; comparing takes the same time whatever differs.
#[derive(Clone)]
pub struct SecretDigest([u8; 32]);

impl SecretDigest {
    /// Digests a secret.
    pub fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }

    /// Stored bytes; none where they are no digest.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Whether this is the digest of `secret`.
    pub fn matches(&self, secret: &str) -> bool {
        self.0.ct_eq(&Self::of(secret).0).into()
    }

    /// Whether both are of the same secret.
    pub fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }

    /// The bytes, to find it by.
    pub fn as_array(&self) -> &[u8; 32] {
        &self.0
    }

    /// The stored bytes.
    pub fn to_bytes(&self) -> Bytes {
        Bytes::copy_from_slice(&self.0)
    }
}

impl std::fmt::Debug for SecretDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretDigest(..)")
    }
}

/// One entry of the configuration.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "read one at a time, and taken apart at once")]
pub enum Resource {
    /// Where events come in.
    Trigger(Trigger),
    /// Who answers them.
    Bot(Bot),
    /// What a bot may do.
    Skillset(Skillset),
    /// A value that abilities use.
    Secret(Secret),
    /// Whoever may call the API.
    Token(ApiToken),
}

impl Resource {
    /// The groups of keys, each resource before those that it may name.
    pub const GROUPS: [&'static str; 5] = ["trigger", "bot", "skillset", "secret", "token"];

    /// The key in the bucket.
    pub fn key(&self) -> String {
        match self {
            Self::Trigger(trigger) => format!("trigger.{}", trigger.id),
            Self::Bot(bot) => format!("bot.{}", bot.id),
            Self::Skillset(skillset) => format!("skillset.{}", skillset.id),
            Self::Secret(secret) => format!("secret.{}", secret.id),
            Self::Token(token) => format!("token.{}", token.id),
        }
    }

    /// What it has in common with all others.
    pub fn common(&self) -> &Common {
        match self {
            Self::Trigger(trigger) => &trigger.common,
            Self::Bot(bot) => &bot.common,
            Self::Skillset(skillset) => &skillset.common,
            Self::Secret(secret) => &secret.common,
            Self::Token(token) => &token.common,
        }
    }

    /// The same, to be changed.
    pub fn common_mut(&mut self) -> &mut Common {
        match self {
            Self::Trigger(trigger) => &mut trigger.common,
            Self::Bot(bot) => &mut bot.common,
            Self::Skillset(skillset) => &mut skillset.common,
            Self::Secret(secret) => &mut secret.common,
            Self::Token(token) => &mut token.common,
        }
    }

    /// The stored bytes.
    pub fn encode(&self) -> Bytes {
        let kind = match self {
            Self::Trigger(trigger) => wire::resource::Kind::Trigger(trigger.wire()),
            Self::Bot(bot) => wire::resource::Kind::Bot(bot.wire()),
            Self::Skillset(skillset) => wire::resource::Kind::Skillset(skillset.wire()),
            Self::Secret(secret) => wire::resource::Kind::Secret(secret.wire()),
            Self::Token(token) => wire::resource::Kind::Token(token.wire()),
        };
        let common = self.common();
        wire::Resource { managed_by: common.managed_by.clone(), kind: Some(kind), common: common.wire() }.encode_to_vec().into()
    }

    /// Reads an entry; `None` where its key or kind is of a later version.
    pub fn decode(key: &str, bytes: Bytes) -> Result<Option<Self>, Error> {
        use wire::resource::Kind;

        let Some((group, id)) = key.split_once('.') else { return Ok(None) };
        if !Self::GROUPS.contains(&group) {
            return Ok(None);
        }
        let wire::Resource { managed_by, kind, common } = wire::Resource::decode(bytes)?;
        let common = Common::parse(managed_by, common)?;
        Ok(Some(match (group, kind) {
            (_, None) => return Ok(None),
            ("trigger", Some(Kind::Trigger(message))) => Self::Trigger(Trigger::parse(id.parse()?, common, message)?),
            ("bot", Some(Kind::Bot(message))) => Self::Bot(Bot::parse(id.parse()?, common, message)),
            ("skillset", Some(Kind::Skillset(message))) => Self::Skillset(Skillset::parse(id.parse()?, common, message)),
            ("secret", Some(Kind::Secret(message))) => Self::Secret(Secret::parse(id.parse()?, common, message)),
            ("token", Some(Kind::Token(message))) => Self::Token(ApiToken::parse(id.parse()?, common, message)?),
            (_, Some(_)) => return Err(Error::Kind),
        }))
    }
}

fn state(state: State) -> State {
    if state == State::Unspecified { State::Active } else { state }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::{ApiToken, Bot, Busy, Common, Limits, Resource, Scope, SecretDigest, State, Trigger};

    #[test]
    fn a_trigger_survives_the_round_trip() {
        let trigger = Trigger {
            name: "T".into(),
            common: Common { alias: Some("mine".into()), created_at_ms: 5, ..Common::of("api") },
            secret: Some(SecretDigest::of("s3cret")),
            previous: Some((SecretDigest::of("older"), 9)),
            session_duration: Duration::ZERO,
            busy: Busy::Collect,
            quiet: Duration::from_secs(7),
            limits: Limits { turns: 3, ..Limits::default() },
            state: State::Paused,
            ..Trigger::new("t".parse().unwrap(), "b".parse().ok())
        };
        let resource = Resource::Trigger(trigger.clone());
        let Ok(Some(Resource::Trigger(read))) = Resource::decode(&resource.key(), resource.encode()) else { panic!("not a trigger") };
        assert!(read.secret.as_ref().unwrap().matches("s3cret") && read.previous.as_ref().unwrap().0.matches("older"));
        assert_eq!(format!("{read:?}"), format!("{trigger:?}"));
    }

    #[test]
    fn a_token_survives_the_round_trip() {
        let token = ApiToken {
            id: "t".parse().unwrap(),
            common: Common::of("api"),
            name: "CI".into(),
            digest: SecretDigest::of("sk-1"),
            scopes: vec![Scope::Read, Scope::Publish],
            triggers: vec!["orders".parse().unwrap()],
            expires_at_ms: Some(7),
            hint: "abcd".into(),
            rate: None,
        };
        let resource = Resource::Token(token.clone());
        let Ok(Some(Resource::Token(read))) = Resource::decode(&resource.key(), resource.encode()) else { panic!("not a token") };
        assert!(read.digest.matches("sk-1"));
        assert_eq!(format!("{read:?}"), format!("{token:?}"));
    }

    #[test]
    fn a_later_kind_is_left_alone_and_a_wrong_one_refused() {
        let bot = Resource::Bot(Bot::new("b".parse().unwrap(), "rules", "{}"));
        assert!(Resource::decode("dataset.x", bot.encode()).unwrap().is_none());
        assert!(Resource::decode("system.epoch", Bytes::from_static(b"6a000001")).unwrap().is_none());
        Resource::decode("trigger.x", bot.encode()).unwrap_err();
        Resource::decode("trigger.x", Bytes::from_static(b"\xff")).unwrap_err();
    }
}
