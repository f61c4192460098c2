//! Hand-overs between workers, on `worker.<id>`.
//!
//! An offer is two lines, the session (behind `answer.` where it is one) and the reply subject of
//! the delivery, which tells the rest. An empty offer only asks whether the worker has a connection. The answer is one byte.

use std::sync::Arc;

use async_nats::Client;
use backbone::delivery;
use bytes::Bytes;
use futures_util::StreamExt as _;
use proto::subject;
use tokio_util::sync::CancellationToken;

use crate::desk::Desk;
use crate::port::{Delivery, Inbox, Reply};

/// The delivery is in custody, or the worker is alive.
pub const TAKEN: Bytes = Bytes::from_static(b"+");
/// What stands before the session of an answer; no session has two dots.
const ANSWER: &str = "answer.";
/// There is no room for it.
const REFUSED: Bytes = Bytes::from_static(b"-");

/// An offer as it travels.
pub fn encode(delivery: &Delivery) -> Bytes {
    let prefix = if delivery.inbox == Inbox::Answer { ANSWER } else { "" };
    format!("{prefix}{}\n{}", delivery.session, delivery.reply.0).into()
}

/// Reads an offer.
pub fn decode(body: &[u8]) -> Option<Delivery> {
    let (session, reply) = std::str::from_utf8(body).ok()?.split_once('\n')?;
    let place = delivery::parse(reply)?;
    let (inbox, session) = session.strip_prefix(ANSWER).map_or((Inbox::Event, session), |session| (Inbox::Answer, session));
    Some(Delivery { session: session.parse().ok()?, inbox, event: place.event, is_first: place.count == 1, reply: Reply(reply.to_owned()) })
}

/// Answers offers until `ended`.
pub async fn answer(client: Client, desk: Arc<Desk>, ended: CancellationToken) -> Result<(), async_nats::SubscribeError> {
    let mut offers = client.subscribe(subject::worker(&desk.me)).await?;
    loop {
        let offer = tokio::select! {
            biased;
            () = ended.cancelled() => return Ok(()),
            offer = offers.next() => offer,
        };
        let Some(offer) = offer else { return Ok(()) };
        let Some(reply) = offer.reply else { continue };
        let is_taken = offer.payload.is_empty() || decode(&offer.payload).is_some_and(|delivery| desk.offered(delivery));
        if let Err(error) = client.publish(reply, if is_taken { TAKEN } else { REFUSED }).await {
            tracing::debug!(%error, "an offer was not answered");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Inbox, decode, encode};

    #[test]
    fn an_offer_survives_the_round_trip() {
        let body = b"t.s\n$JS.ACK.EVENTS_6a000001.workers.1.17.40.1790000000123456789.5";
        let delivery = decode(body).unwrap();
        assert!(delivery.is_first);
        assert_eq!(encode(&delivery), body.as_slice());
        let body = b"answer.t.s\n$JS.ACK.EVENTS_6a000001.workers.1.17.40.1790000000123456789.5";
        let delivery = decode(body).unwrap();
        assert_eq!((delivery.inbox, encode(&delivery).as_ref()), (Inbox::Answer, body.as_slice()));
    }

    #[test]
    fn other_bytes_are_no_offer() {
        for body in [b"".as_slice(), b"t.s", b"t.s\n_INBOX.x", b"t\n$JS.ACK.EVENTS_6a000001.workers.1.17.40.1.5", b"\xff\n"] {
            assert!(decode(body).is_none());
        }
    }
}
