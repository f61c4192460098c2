//! Where events come in.

use std::time::Duration;

use bytes::Bytes;

use super::{Busy, CatchUp, Common, Destination, Error, Limits, Rate, SecretDigest, Signature, State};
use crate::id::{BotId, TriggerId};
use crate::limit::{LOG_AGE_MAX, QUIET_DEFAULT, QUIET_MAX, SESSION_DURATION_DEFAULT, SESSION_DURATION_MAX, TRIGGER_TEXT_BYTES_MAX};
use crate::wire;

/// Where events come in.
#[derive(Debug, Clone)]
pub struct Trigger {
    /// Its id.
    pub id: TriggerId,
    /// What all kinds of resources have in common.
    pub common: Common,
    /// The display name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The bot that answers; none where it has still to be chosen, and turns fail until then.
    pub bot: Option<BotId>,
    /// The text that replaces the caller's.
    pub text: Option<String>,
    /// Whether events are taken without the secret.
    pub open: bool,
    /// What the secret is checked against; an open trigger may have one for reading.
    pub secret: Option<SecretDigest>,
    /// The secret under the deployment's master key, where it can be shown.
    pub secret_sealed: Bytes,
    /// The secret before the last rotation, and when it stops counting, in milliseconds since 1970.
    pub previous: Option<(SecretDigest, i64)>,
    /// How long a session keeps its conversation; zero means never.
    pub session_duration: Duration,
    /// What becomes of an event that arrives while its session is busy.
    pub busy: Busy,
    /// How long it must be quiet before collected events become a turn.
    pub quiet: Duration,
    /// What its turns may take.
    pub limits: Limits,
    /// Whether it takes and works off events.
    pub state: State,
    /// When it fires by itself, as its keeper wrote it; none means never.
    pub schedule: Option<String>,
    /// The IANA time zone that the schedule is read in; none means UTC.
    pub timezone: Option<String>,
    /// What becomes of times that passed while nothing ran.
    pub catch_up: CatchUp,
    /// How signed calls are checked.
    pub signature: Option<Signature>,
    /// Where the ends of its turns are told.
    pub results: Vec<Destination>,
    /// How many events it takes in a time.
    pub rate: Option<Rate>,
}

impl Trigger {
    /// A closed trigger without a secret, with every default.
    pub fn new(id: TriggerId, bot: Option<BotId>) -> Self {
        Self {
            id,
            common: Common::default(),
            name: String::new(),
            description: String::new(),
            bot,
            text: None,
            open: false,
            secret: None,
            secret_sealed: Bytes::new(),
            previous: None,
            session_duration: SESSION_DURATION_DEFAULT,
            busy: Busy::Enqueue,
            quiet: QUIET_DEFAULT,
            limits: Limits::default(),
            state: State::Active,
            schedule: None,
            timezone: None,
            catch_up: CatchUp::Once,
            signature: None,
            results: Vec::new(),
            rate: None,
        }
    }

    /// What stands for the trigger of conversations that have none: it lasts as long as the log, and has no bot of its own.
    pub fn direct() -> Self {
        Self { open: true, session_duration: LOG_AGE_MAX, ..Self::new(TriggerId::direct(), None) }
    }

    /// The stored message.
    pub(super) fn wire(&self) -> wire::Trigger {
        let (previous_digest, previous_until_ms) =
            self.previous.as_ref().map(|(digest, until)| (digest.to_bytes(), *until)).unwrap_or_default();
        wire::Trigger {
            name: self.name.clone(),
            description: self.description.clone(),
            bot: self.bot.as_ref().map(ToString::to_string).unwrap_or_default(),
            text: self.text.clone().unwrap_or_default(),
            open: self.open,
            secret_digest: self.secret.as_ref().map(SecretDigest::to_bytes).unwrap_or_default(),
            session_duration_ms: Some(millis(self.session_duration)),
            busy: self.busy.into(),
            quiet_ms: millis(self.quiet),
            limits: (self.limits != Limits::default()).then_some(self.limits),
            // What is as it is without a word takes no room, and looks as it did before there was a word for it.
            state: if self.state == State::Active { State::Unspecified } else { self.state }.into(),
            secret_sealed: self.secret_sealed.clone(),
            previous_digest,
            previous_until_ms,
            schedule: self.schedule.clone().unwrap_or_default(),
            timezone: self.timezone.clone().unwrap_or_default(),
            catch_up: if self.catch_up == CatchUp::Once { CatchUp::Unspecified } else { self.catch_up }.into(),
            signature: self.signature.clone(),
            results: self.results.clone(),
            rate: self.rate,
        }
    }

    /// Reads the stored message.
    pub(super) fn parse(id: TriggerId, common: Common, message: wire::Trigger) -> Result<Self, Error> {
        if id.is_reserved() {
            return Err(Error::Reserved);
        }
        let secret = SecretDigest::parse(&message.secret_digest);
        if secret.is_none() && !message.open && message.signature.is_none() {
            return Err(Error::NoSecret);
        }
        if message.text.len() > TRIGGER_TEXT_BYTES_MAX {
            return Err(Error::Text);
        }
        let session_duration = message.session_duration_ms.map_or(SESSION_DURATION_DEFAULT, Duration::from_millis);
        if session_duration > SESSION_DURATION_MAX {
            return Err(Error::Duration);
        }
        let quiet = if message.quiet_ms == 0 { QUIET_DEFAULT } else { Duration::from_millis(message.quiet_ms) };
        if quiet > QUIET_MAX {
            return Err(Error::Quiet);
        }
        let busy = if message.busy() == Busy::Unspecified { Busy::Enqueue } else { message.busy() };
        let catch_up = if message.catch_up() == CatchUp::Unspecified { CatchUp::Once } else { message.catch_up() };
        let state = super::state(message.state());
        let present = |text: String| Some(text).filter(|text| !text.is_empty());
        Ok(Self {
            id,
            common,
            bot: present(message.bot).map(|bot| bot.parse()).transpose()?,
            name: message.name,
            description: message.description,
            text: present(message.text),
            open: message.open,
            secret,
            secret_sealed: message.secret_sealed,
            previous: SecretDigest::parse(&message.previous_digest).map(|digest| (digest, message.previous_until_ms)),
            session_duration,
            busy,
            quiet,
            limits: message.limits.unwrap_or_default(),
            state,
            schedule: present(message.schedule),
            timezone: present(message.timezone),
            catch_up,
            signature: message.signature,
            results: message.results,
            rate: message.rate,
        })
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
