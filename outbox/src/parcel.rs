//! What lies in OUT, and how it is named.
//!
//! A parcel is a message on `out.<trigger>.<session>.<destination>`: one subject for each session and
//! destination, which keeps their order. Its body goes out as it is; its headers say what it is. The
//! body of a repeat by hand is the first one's, and so is its webhook id.

use std::fmt;
use std::str::FromStr;

use async_nats::HeaderMap;
use backbone::direct::Stored;
use bytes::Bytes;
use proto::id::{DestinationId, Error, SessionKey};
use proto::subject;

/// The log sequence of the record that a parcel tells of; 0 for a test.
pub const LOG: &str = "Cuepoint-Log";
/// The webhook id.
pub const ID: &str = "Cuepoint-Id";
/// The type of the payload.
pub const KIND: &str = "Cuepoint-Type";
/// The receipt of the event.
pub const RECEIPT: &str = "Cuepoint-Receipt";
/// The delivery that a parcel repeats.
pub const REPEATS: &str = "Cuepoint-Repeats";
/// The prefix of delivery ids.
const PREFIX: &str = "dlv";
/// The session of tests; no session string has it for its token, which has 22 characters.
pub const TEST_SESSION: &str = "_test";

/// A session and one of its trigger's destinations: what keeps an order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Lane {
    /// The session.
    pub session: SessionKey,
    /// The destination.
    pub destination: DestinationId,
}

impl Lane {
    /// Where its parcels lie.
    pub fn out(&self) -> String {
        subject::out(&self.session, &self.destination)
    }

    /// Where attempts at them are noted.
    pub fn sent(&self) -> String {
        subject::sent(&self.session, &self.destination)
    }
}

/// Names a delivery by its place: `dlv.<trigger>.<session>.<destination>.<sequence in OUT>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryId {
    /// The lane.
    pub lane: Lane,
    /// The sequence in OUT.
    pub seq: u64,
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}.{}.{}.{}", self.lane.session, self.lane.destination, self.seq)
    }
}

impl FromStr for DeliveryId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let form = Error::Form { what: "a delivery id" };
        let parts: Vec<&str> = text.split('.').collect();
        let [PREFIX, trigger, token, destination, digits] = parts.as_slice() else { return Err(form) };
        let seq = digits.parse().ok().filter(|seq: &u64| *seq > 0 && seq.to_string() == *digits).ok_or(form)?;
        let session = SessionKey { trigger: trigger.parse()?, token: token.parse()? };
        Ok(Self { lane: Lane { session, destination: destination.parse()? }, seq })
    }
}

/// What a parcel says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The log sequence of the record that it tells of; 0 for a test.
    pub log: u64,
    /// The webhook id: the same whenever it is sent.
    pub webhook_id: String,
    /// The type of the payload, such as `turn.completed`.
    pub kind: String,
    /// The receipt of the event; empty for a test.
    pub receipt: String,
    /// The delivery that it repeats; empty where it repeats none.
    pub repeats: String,
}

/// A parcel where it lies.
#[derive(Debug, Clone)]
pub struct Parcel {
    /// Its place.
    pub id: DeliveryId,
    /// When it was put there, in milliseconds since 1970.
    pub at_ms: i64,
    /// What it says of itself.
    pub label: Label,
    /// What goes out.
    pub body: Bytes,
}

impl Label {
    /// The headers of the message.
    pub fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(LOG, self.log.to_string());
        for (name, value) in [(ID, &self.webhook_id), (KIND, &self.kind), (RECEIPT, &self.receipt), (REPEATS, &self.repeats)] {
            if !value.is_empty() {
                headers.insert(name, value.as_str());
            }
        }
        headers
    }
}

impl Parcel {
    /// Reads a message of OUT; none where it is no parcel.
    pub fn read(stored: Stored) -> Option<Self> {
        let (session, destination) = subject::session_of_out(&stored.subject)?;
        let text = |name: &str| stored.headers.get(name).map(|value| value.as_str().to_owned()).unwrap_or_default();
        let label = Label {
            log: text(LOG).parse().ok()?,
            webhook_id: Some(text(ID)).filter(|id| !id.is_empty())?,
            kind: text(KIND),
            receipt: text(RECEIPT),
            repeats: text(REPEATS),
        };
        let id = DeliveryId { lane: Lane { session, destination }, seq: stored.seq };
        Some(Self { id, at_ms: stored.at_ms, label, body: stored.body })
    }
}

#[cfg(test)]
mod tests {
    use backbone::direct::Stored;

    use super::{DeliveryId, Label, Parcel};

    #[test]
    fn a_delivery_id_survives_the_round_trip_and_nothing_else_passes() {
        let text = "dlv.orders.s-1.crm.42";
        assert_eq!(text.parse::<DeliveryId>().unwrap().to_string(), text);
        for text in ["", "dlv", "dlv.t.s.d", "dlv.t.s.d.0", "dlv.t.s.d.01", "dlv.t.s.d.1.x", "evt.t.s.d.1", "dlv.t.*.d.1"] {
            text.parse::<DeliveryId>().unwrap_err();
        }
    }

    #[test]
    fn a_label_survives_the_round_trip() {
        let label = Label { log: 7, webhook_id: "msg_1".into(), kind: "turn.failed".into(), receipt: "r".into(), repeats: String::new() };
        let stored =
            Stored { subject: "out.t.s.d".into(), seq: 3, at_ms: 5, headers: label.headers(), body: bytes::Bytes::from_static(b"{}") };
        let parcel = Parcel::read(stored.clone()).unwrap();
        assert_eq!((parcel.label, parcel.id.to_string()), (label, "dlv.t.s.d.3".to_owned()));
        assert!(Parcel::read(Stored { subject: "sent.t.s.d".into(), ..stored }).is_none());
    }
}
