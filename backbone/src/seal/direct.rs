//! What only gateways may ask for, sealed so that workers can tell.
//!
//! An event may say beside its text which bot reads it, by which definition, with which further tools. A
//! direct publisher writes the same envelope, and is to have no more than its trigger's bot: workers
//! take such a part only where a gateway has sealed the event that it stands in, for its session.

use bytes::Bytes;
use proto::event::Event;
use proto::id::SessionKey;

use super::{Error, MasterKey, Purpose, seal, unseal};

/// Seals an event's direct part, where it has one.
pub fn close(key: &MasterKey, session: &SessionKey, event: &mut Event) -> Result<(), Error> {
    let digest = event.digest();
    if let Some(direct) = &mut event.direct {
        direct.seal = seal(key, Purpose::Direct(session, &digest), "")?;
    }
    Ok(())
}

/// Whether a gateway has sealed it; true where there is nothing to seal.
pub fn is_closed(key: &MasterKey, session: &SessionKey, event: &Event) -> bool {
    let seal: Option<&Bytes> = event.direct.as_ref().map(|direct| &direct.seal);
    seal.is_none_or(|seal| unseal(key, Purpose::Direct(session, &event.digest()), seal).is_ok())
}

#[cfg(test)]
mod tests {
    use proto::event::Event;
    use proto::id::SessionKey;
    use proto::wire::Direct;

    use super::super::MasterKey;
    use super::{close, is_closed};

    #[test]
    fn a_seal_is_of_one_event_in_one_session_under_one_key() {
        let key = |digit: &str| MasterKey::parse(&digit.repeat(64)).unwrap();
        let session = |name: &str| name.parse::<SessionKey>().unwrap();
        let direct = |quiet| Some(Direct { quiet, ..Direct::default() });
        let mut event = Event { text: Some("hi".into()), direct: direct(true), ..Event::default() };
        assert!(!is_closed(&key("a"), &session("t.s"), &event), "nobody has sealed it yet");
        close(&key("a"), &session("t.s"), &mut event).unwrap();
        let event = Event::decode(&"t".parse().unwrap(), None, &event.encode()).unwrap();
        assert!(is_closed(&key("a"), &session("t.s"), &event));
        assert!(is_closed(&MasterKey::parse(&format!("{}\n{}", "b".repeat(64), "a".repeat(64))).unwrap(), &session("t.s"), &event));
        assert!(!is_closed(&key("b"), &session("t.s"), &event));
        assert!(!is_closed(&key("a"), &session("t.other"), &event));
        let seal = event.direct.clone().unwrap().seal;
        let moved = Event { direct: Some(Direct { seal, ..Direct::default() }), ..event };
        assert!(!is_closed(&key("a"), &session("t.s"), &moved), "what it asks for is another");
        assert!(is_closed(&key("a"), &session("t.s"), &Event::default()), "what asks for nothing needs none");
    }
}
