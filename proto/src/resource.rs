//! Triggers, bots and skillsets as the catalogue holds them.

use std::time::Duration;

use bytes::Bytes;
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::id::{BotId, SkillsetId, TriggerId};
use crate::limit::{QUIET_DEFAULT, QUIET_MAX, SESSION_DURATION_DEFAULT, SESSION_DURATION_MAX, TRIGGER_TEXT_BYTES_MAX};
use crate::wire;
pub use crate::wire::{Budget, Busy, Limits};

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

    /// Whether this is the digest of `secret`.
    pub fn matches(&self, secret: &str) -> bool {
        self.0.ct_eq(&Self::of(secret).0).into()
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

/// Where events come in.
#[derive(Debug, Clone)]
pub struct Trigger {
    /// Its id.
    pub id: TriggerId,
    /// The display name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The bot that answers.
    pub bot: BotId,
    /// The text that replaces the caller's.
    pub text: Option<String>,
    /// Whether events are taken without the secret.
    pub open: bool,
    /// What the secret is checked against; an open trigger may have one for reading.
    pub secret: Option<SecretDigest>,
    /// How long a session keeps its conversation; zero means never.
    pub session_duration: Duration,
    /// What becomes of an event that arrives while its session is busy.
    pub busy: Busy,
    /// How long it must be quiet before collected events become a turn.
    pub quiet: Duration,
    /// What its turns may take.
    pub limits: Limits,
}

/// Who answers events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bot {
    /// Its id.
    pub id: BotId,
    /// The display name.
    pub name: String,
    /// The kind, such as `rules`.
    pub kind: String,
    /// The definition in the kind's own schema, as JSON.
    pub definition: String,
}

/// What a bot may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skillset {
    /// Its id.
    pub id: SkillsetId,
    /// The display name.
    pub name: String,
    /// What the abilities have in common, for the bot.
    pub description: String,
    /// The abilities, as JSON.
    pub definition: String,
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
}

impl Resource {
    /// The key in the bucket.
    pub fn key(&self) -> String {
        match self {
            Self::Trigger(trigger) => format!("trigger.{}", trigger.id),
            Self::Bot(bot) => format!("bot.{}", bot.id),
            Self::Skillset(skillset) => format!("skillset.{}", skillset.id),
        }
    }

    /// The stored bytes.
    pub fn encode(&self, managed_by: &str) -> Bytes {
        let kind = match self {
            Self::Trigger(trigger) => wire::resource::Kind::Trigger(wire::Trigger {
                name: trigger.name.clone(),
                description: trigger.description.clone(),
                bot: trigger.bot.to_string(),
                text: trigger.text.clone().unwrap_or_default(),
                open: trigger.open,
                secret_digest: trigger.secret.as_ref().map(SecretDigest::to_bytes).unwrap_or_default(),
                session_duration_ms: Some(u64::try_from(trigger.session_duration.as_millis()).unwrap_or(u64::MAX)),
                busy: trigger.busy.into(),
                quiet_ms: u64::try_from(trigger.quiet.as_millis()).unwrap_or(u64::MAX),
                limits: (trigger.limits != Limits::default()).then_some(trigger.limits),
            }),
            Self::Bot(bot) => {
                wire::resource::Kind::Bot(wire::Bot { name: bot.name.clone(), kind: bot.kind.clone(), definition: bot.definition.clone() })
            }
            Self::Skillset(skillset) => wire::resource::Kind::Skillset(wire::Skillset {
                name: skillset.name.clone(),
                description: skillset.description.clone(),
                definition: skillset.definition.clone(),
            }),
        };
        wire::Resource { managed_by: managed_by.to_owned(), kind: Some(kind) }.encode_to_vec().into()
    }

    /// Reads an entry; `None` where its key or kind is of a later version.
    pub fn decode(key: &str, bytes: Bytes) -> Result<Option<Self>, Error> {
        let Some((group @ ("trigger" | "bot" | "skillset"), id)) = key.split_once('.') else { return Ok(None) };
        let resource = wire::Resource::decode(bytes)?;
        match (group, resource.kind) {
            ("trigger", Some(wire::resource::Kind::Trigger(trigger))) => Ok(Some(Self::Trigger(Trigger::parse(id.parse()?, trigger)?))),
            ("bot", Some(wire::resource::Kind::Bot(bot))) => {
                Ok(Some(Self::Bot(Bot { id: id.parse()?, name: bot.name, kind: bot.kind, definition: bot.definition })))
            }
            ("skillset", Some(wire::resource::Kind::Skillset(found))) => Ok(Some(Self::Skillset(Skillset {
                id: id.parse()?,
                name: found.name,
                description: found.description,
                definition: found.definition,
            }))),
            (_, Some(_)) => Err(Error::Kind),
            (_, None) => Ok(None),
        }
    }
}

impl Trigger {
    fn parse(id: TriggerId, trigger: wire::Trigger) -> Result<Self, Error> {
        let secret = <[u8; 32]>::try_from(trigger.secret_digest.as_ref()).ok().map(SecretDigest);
        if secret.is_none() && !trigger.open {
            return Err(Error::NoSecret);
        }
        if trigger.text.len() > TRIGGER_TEXT_BYTES_MAX {
            return Err(Error::Text);
        }
        let session_duration = trigger.session_duration_ms.map_or(SESSION_DURATION_DEFAULT, Duration::from_millis);
        if session_duration > SESSION_DURATION_MAX {
            return Err(Error::Duration);
        }
        let quiet = if trigger.quiet_ms == 0 { QUIET_DEFAULT } else { Duration::from_millis(trigger.quiet_ms) };
        if quiet > QUIET_MAX {
            return Err(Error::Quiet);
        }
        let busy = if trigger.busy() == Busy::Unspecified { Busy::Enqueue } else { trigger.busy() };
        Ok(Self {
            id,
            name: trigger.name,
            description: trigger.description,
            bot: trigger.bot.parse()?,
            text: Some(trigger.text).filter(|text| !text.is_empty()),
            open: trigger.open,
            secret,
            session_duration,
            busy,
            quiet,
            limits: trigger.limits.unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::{Busy, Limits, Resource, SecretDigest, Trigger};

    #[test]
    fn a_trigger_survives_the_round_trip() {
        let trigger = Trigger {
            id: "t".parse().unwrap(),
            name: "T".into(),
            description: String::new(),
            bot: "b".parse().unwrap(),
            text: None,
            open: false,
            secret: Some(SecretDigest::of("s3cret")),
            session_duration: Duration::ZERO,
            busy: Busy::Collect,
            quiet: Duration::from_secs(7),
            limits: Limits { turns: 3, ..Limits::default() },
        };
        let resource = Resource::Trigger(trigger);
        let Ok(Some(Resource::Trigger(read))) = Resource::decode(&resource.key(), resource.encode("test")) else { panic!("not a trigger") };
        assert!(read.secret.unwrap().matches("s3cret"));
        assert_eq!((read.session_duration, read.busy, read.quiet.as_secs(), read.limits.turns), (Duration::ZERO, Busy::Collect, 7, 3));
    }

    #[test]
    fn a_later_kind_is_left_alone_and_a_wrong_one_refused() {
        let bot =
            Resource::Bot(super::Bot { id: "b".parse().unwrap(), name: String::new(), kind: "rules".into(), definition: "{}".into() });
        assert!(Resource::decode("contact.x", bot.encode("test")).unwrap().is_none());
        assert!(Resource::decode("system.epoch", Bytes::from_static(b"6a000001")).unwrap().is_none());
        Resource::decode("trigger.x", bot.encode("test")).unwrap_err();
        Resource::decode("trigger.x", Bytes::from_static(b"\xff")).unwrap_err();
    }
}
