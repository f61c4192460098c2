//! Identifiers: parsed once at the edge, correct from then on.
//!
//! Tokens that become part of a subject are limited to `[A-Za-z0-9_-]{1,64}`. Composite ids join
//! their parts with a dot, which no part can contain, so that they can be taken apart again
//! without any index.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::limit::TOKEN_CHARS_MAX;

/// Why a string is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is empty, too long, or has a character outside the alphabet.
    #[error("{what} must be 1 to {TOKEN_CHARS_MAX} characters of A-Z a-z 0-9 _ -")]
    Token {
        /// What was expected.
        what: &'static str,
    },
    /// It does not have the parts of such an id.
    #[error("{what} has another form")]
    Form {
        /// What was expected.
        what: &'static str,
    },
}

fn is_token(text: &str) -> bool {
    (1..=TOKEN_CHARS_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

macro_rules! token {
    ($(#[doc = $doc:literal])+ $name:ident, $what:literal) => {
        $(#[doc = $doc])+
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self, Error> {
                if is_token(text) { Ok(Self(Arc::from(text))) } else { Err(Error::Token { what: $what }) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = Error;

            fn try_from(text: String) -> Result<Self, Error> {
                text.parse()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(&self.0)
            }
        }
    };
}

token! {
    /// Names a trigger.
    TriggerId, "a trigger id"
}
token! {
    /// Names a bot.
    BotId, "a bot id"
}

token! {
    /// Names a skillset.
    SkillsetId, "a skillset id"
}
token! {
    /// Names a secret.
    SecretId, "a secret id"
}
token! {
    /// Names an API token.
    TokenId, "a token id"
}
token! {
    /// Names a contact.
    ContactId, "a contact id"
}
token! {
    /// Names a destination inside its trigger, as a subject token.
    DestinationId, "a destination id"
}
token! {
    /// Names a session inside its trigger, as a subject token.
    SessionToken, "a session token"
}
token! {
    /// Names a timer inside its session, as a subject token.
    TimerId, "a timer id"
}
token! {
    /// Names a worker process; random per start.
    WorkerId, "a worker id"
}

impl TriggerId {
    /// Whether it is the one that stands for no trigger: no resource may have it.
    pub fn is_reserved(&self) -> bool {
        self.as_str() == crate::subject::DIRECT
    }

    /// What stands where a conversation has no trigger.
    pub fn direct() -> Self {
        Self(Arc::from(crate::subject::DIRECT))
    }
}

impl ContactId {
    /// Makes an id of hex digits.
    pub(crate) fn of_digits(digits: &str) -> Self {
        Self(Arc::from(format!("c{digits}")))
    }
}

impl WorkerId {
    /// Makes an id of random bytes.
    pub fn of_random(bytes: [u8; 8]) -> Self {
        Self(Arc::from(format!("w{:016x}", u64::from_be_bytes(bytes))))
    }
}

/// Names one EVENTS stream by its creation second: 8 lower-case hex digits, ordered by age.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(u32);

impl Epoch {
    /// The epoch of a creation second.
    pub fn from_second(second: u32) -> Self {
        Self(second)
    }

    /// The creation second.
    pub fn second(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl FromStr for Epoch {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let digits = text.len() == 8 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        match u32::from_str_radix(text, 16) {
            Ok(second) if digits => Ok(Self(second)),
            _ => Err(Error::Form { what: "an epoch" }),
        }
    }
}

/// A session of a trigger: the unit of order and ownership.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey {
    /// The trigger.
    pub trigger: TriggerId,
    /// The session inside the trigger.
    pub token: SessionToken,
}

impl fmt::Display for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.trigger, self.token)
    }
}

impl FromStr for SessionKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (trigger, token) = text.split_once('.').ok_or(Error::Form { what: "a session key" })?;
        Ok(Self { trigger: trigger.parse()?, token: token.parse()? })
    }
}

/// An event's place in the broker: which stream, and where in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventSeq {
    /// The stream.
    pub epoch: Epoch,
    /// The sequence in it, from 1.
    pub seq: u64,
}

macro_rules! located {
    ($(#[doc = $doc:literal])+ $name:ident, $prefix:literal, $what:literal) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name {
            /// The session.
            pub session: SessionKey,
            /// The event.
            pub event: EventSeq,
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, ".{}.{}.{}"), self.session, self.event.epoch, self.event.seq)
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self, Error> {
                let form = Error::Form { what: $what };
                let mut parts = text.split('.');
                let mut part = || parts.next().ok_or_else(|| form.clone());
                if part()? != $prefix {
                    return Err(form);
                }
                let session = SessionKey { trigger: part()?.parse()?, token: part()?.parse()? };
                let epoch = part()?.parse()?;
                let digits = part()?;
                let seq = digits.parse().ok().filter(|seq: &u64| *seq > 0 && seq.to_string() == digits);
                match (seq, parts.next()) {
                    (Some(seq), None) => Ok(Self { session, event: EventSeq { epoch, seq } }),
                    _ => Err(form),
                }
            }
        }
    };
}

located! {
    /// What a caller gets for an accepted event. It locates itself: no index is needed to follow it.
    Receipt, "evt", "a receipt"
}
located! {
    /// Names a conversation by its session and the event that opened it.
    ConversationId, "cnv", "a conversation id"
}

/// What a caller gets for an event that comes later: it names the timer, until there is an event.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimerReceipt {
    /// The session.
    pub session: SessionKey,
    /// The timer in it.
    pub timer: TimerId,
}

impl fmt::Display for TimerReceipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tmr.{}.{}", self.session, self.timer)
    }
}

impl FromStr for TimerReceipt {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let form = || Error::Form { what: "the receipt of a timer" };
        let (session, timer) = text.strip_prefix("tmr.").and_then(|rest| rest.rsplit_once('.')).ok_or_else(form)?;
        let timer: TimerId = timer.parse()?;
        if timer.is_of_event() { Ok(Self { session: session.parse()?, timer }) } else { Err(form()) }
    }
}

impl TimerId {
    /// What the timers of single events begin with; those of answers begin with an epoch and a dash.
    const OF_EVENT: &str = "later-";

    /// The timer of a single event, made of 16 bytes.
    pub fn of_event(bytes: [u8; 16]) -> Self {
        Self(Arc::from(format!("{}{:032x}", Self::OF_EVENT, u128::from_be_bytes(bytes))))
    }

    /// Whether it is the timer of a single event.
    pub fn is_of_event(&self) -> bool {
        self.0.starts_with(Self::OF_EVENT)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{ConversationId, Epoch, Receipt, TimerId, TimerReceipt, TriggerId};

    #[test]
    fn a_receipt_survives_the_round_trip() {
        let text = "evt.support.k3J-9_x.6a1b2c3d.42";
        assert_eq!(text.parse::<Receipt>().unwrap().to_string(), text);
    }

    #[test]
    fn other_forms_are_refused() {
        for text in [
            "",
            "evt",
            "cnv.a.b.6a1b2c3d.1",
            "evt.a.b.6a1b2c3d.0",
            "evt.a.b.6a1b2c3d.01",
            "evt.a.b.6A1B2C3D.1",
            "evt.a.b.6a1b2c3d.1.x",
            "evt.a*.b.6a1b2c3d.1",
            "evt.a.b.6a1b2c3d.99999999999999999999",
        ] {
            assert!(text.parse::<Receipt>().is_err(), "{text} was taken");
        }
    }

    #[test]
    fn the_receipt_of_a_timer_is_no_other_receipt() {
        let timer = TimerId::of_event([1; 16]);
        let text = format!("tmr.support.k3J-9_x.{timer}");
        assert_eq!(text.parse::<TimerReceipt>().unwrap().to_string(), text);
        for text in ["tmr.a.b.schedule", "tmr.a.b.6a1b2c3d-4-1", "tmr.a.later-1", "evt.a.b.later-1", "tmr.a.b.c.later-1", "tmr..b.later-1"]
        {
            assert!(text.parse::<TimerReceipt>().is_err(), "{text} was taken");
        }
    }

    #[test]
    fn epochs_order_by_age() {
        assert!(Epoch::from_second(9).to_string() < Epoch::from_second(10).to_string());
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_parses_prints_itself(text in ".{0,80}") {
            if let Ok(id) = text.parse::<TriggerId>() { prop_assert_eq!(id.as_str(), &text); }
            if let Ok(id) = text.parse::<Receipt>() { prop_assert_eq!(id.to_string(), text.clone()); }
            if let Ok(id) = text.parse::<ConversationId>() { prop_assert_eq!(id.to_string(), text); }
        }
    }
}
