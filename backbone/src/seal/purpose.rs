//! What a value is sealed for.

use std::fmt;

use proto::id::{SecretId, SessionKey, TriggerId};
use proto::idempotency::hex;

/// The one place that a sealed value is for. It is bound to the value, which opens nowhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose<'a> {
    /// The secret of a trigger.
    TriggerSecret(&'a TriggerId),
    /// The key that a trigger's calls are signed with.
    SigningKey(&'a TriggerId),
    /// The key that what is told to one of a trigger's destinations is signed with.
    ResultKey(&'a TriggerId, &'a str),
    /// The value of a secret.
    SecretValue(&'a SecretId),
    /// What an event of a session asks for beside its turn, by the event's digest.
    Direct(&'a SessionKey, &'a [u8; 32]),
    /// What the cookie of a dashboard's visitor says.
    Session,
}

/// The key of the resource in its bucket, and the place in it; what is stored depends on these words.
impl fmt::Display for Purpose<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TriggerSecret(trigger) => write!(f, "trigger.{trigger}/secret"),
            Self::SigningKey(trigger) => write!(f, "trigger.{trigger}/signature"),
            Self::ResultKey(trigger, destination) => write!(f, "trigger.{trigger}/result/{destination}"),
            Self::SecretValue(secret) => write!(f, "secret.{secret}/value"),
            Self::Direct(session, digest) => write!(f, "direct/{session}/{}", hex(*digest)),
            Self::Session => f.write_str("session"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Purpose;

    #[test]
    fn the_words_are_those_that_stored_values_are_sealed_for() {
        let (trigger, secret, session) = ("orders".parse().unwrap(), "s1".parse().unwrap(), "orders.t".parse().unwrap());
        let of_event = format!("direct/orders.t/{}", "0a".repeat(32));
        let rows = [
            (Purpose::Direct(&session, &[10; 32]), of_event.as_str()),
            (Purpose::TriggerSecret(&trigger), "trigger.orders/secret"),
            (Purpose::SigningKey(&trigger), "trigger.orders/signature"),
            (Purpose::ResultKey(&trigger, "crm"), "trigger.orders/result/crm"),
            (Purpose::SecretValue(&secret), "secret.s1/value"),
        ];
        for (purpose, expected) in rows {
            assert_eq!(purpose.to_string(), expected);
        }
    }
}
