//! What the reply subject of a delivery says.
//!
//! `$JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<time>.<pending>`, or the
//! longer form with domain and account hash before the stream
//! (<https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-15.md>).
//! The subject itself is what acks: it is passed on as it came, never built.

use proto::id::{Epoch, EventSeq};
use proto::subject;

/// A delivery's place and count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// The event.
    pub event: EventSeq,
    /// How often it was delivered, this time included. Recognises a first delivery; never an attempt.
    pub count: u64,
    /// When the event was stored, in milliseconds since 1970.
    pub at_ms: i64,
}

/// Reads a reply subject; `None` where it is not one of an EVENTS stream.
pub fn parse(reply: &str) -> Option<Delivery> {
    let tokens: Vec<&str> = reply.strip_prefix("$JS.ACK.")?.split('.').collect();
    let tokens = match tokens.len() {
        7 => tokens.as_slice(),
        9.. => tokens.get(2..)?,
        _ => return None,
    };
    let [stream, _consumer, count, seq, _consumer_seq, at_ns, ..] = tokens else { return None };
    let epoch: Epoch = subject::epoch_of_stream(stream)?;
    let at_ns: i64 = at_ns.parse().ok()?;
    Some(Delivery { event: EventSeq { epoch, seq: seq.parse().ok()? }, count: count.parse().ok()?, at_ms: at_ns / 1_000_000 })
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn both_forms_are_read() {
        let short = parse("$JS.ACK.EVENTS_6a000001.workers.2.17.40.1790000000123456789.5").unwrap();
        assert_eq!((short.event.seq, short.count, short.at_ms), (17, 2, 1_790_000_000_123));
        let long = parse("$JS.ACK.hub.ACCHASH.EVENTS_6a000001.workers.2.17.40.1790000000123456789.5.rnd").unwrap();
        assert_eq!(long, short);
    }

    #[test]
    fn other_subjects_are_refused() {
        for reply in ["", "$JS.ACK", "$JS.ACK.LOG.workers.1.1.1.1.1", "$JS.ACK.EVENTS_6a000001.workers.x.17.40.1.5", "_INBOX.a.b.c.d.e.f.g"]
        {
            assert_eq!(parse(reply), None, "{reply}");
        }
    }
}
