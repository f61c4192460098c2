//! Who speaks to turns and changes conversations; and timers, which speak by themselves.

use proto::answer::Kind;
use proto::id::{Receipt, SessionKey};
use proto::record::Step;
use proto::wire;
use worker::port::Inbox;

use crate::sender;
use crate::state::State;
use crate::world::{self, World};

/// How many changes of conversations somebody asks for.
const CHANGES_MAX: u64 = 24;

/// What is due by itself, and what somebody says to a turn that waits.
pub(crate) fn converse(world: &World) {
    let asked = {
        let mut state = world.state();
        ring(&mut state);
        let suspended = state.log.iter().filter_map(|(session, log)| {
            let record = &log.last()?.record;
            matches!(record.step, Some(Step::Suspended(_))).then(|| (session.clone(), record.event))
        });
        let waiting: Vec<_> = suspended.collect();
        change(&mut state);
        for (session, event) in waiting {
            match state.random.below(4_000) {
                0..10 => state.say_to(session, event, Kind::Said(wire::Said { text: "yes".into() }), "1.0"),
                10..20 => state.say_to(session, event, Kind::Approved(wire::Approved::default()), "1.1"),
                20..25 => state.say_to(session, event, Kind::Rejected(wire::Rejected::default()), "1.1"),
                25 => state.say_to(session, event, Kind::Cancel(wire::Cancel::default()), ""),
                _ => {}
            }
        }
        pick_receipt(&mut state)
    };
    if let Some(receipt) = asked {
        let world = world.clone();
        world::outside(async move {
            // What had ended by then must be told as ended; what had not may end meanwhile.
            let Some(told) = sender::ask_status(&world, &receipt).await else { return };
            world.state().told(&receipt, told);
        });
    }
}

/// Timers whose time has come speak.
pub(crate) fn ring(state: &mut State) {
    let now_ms = state.now_ms();
    let due: Vec<_> = state.timers.iter().filter(|(_, (at_ms, _))| *at_ms <= now_ms).map(|(key, _)| key.clone()).collect();
    for key in due {
        if let Some((_, answer)) = state.timers.remove(&key) {
            state.say(format!("timer {} {}", key.0, key.1));
            state.store(Inbox::Answer, key.0, answer, None);
        }
    }
}

fn pick_receipt(state: &mut State) -> Option<Receipt> {
    if state.only.is_some() || state.random.below(150) != 0 {
        return None;
    }
    let sent = state.sent.len();
    let place = state.random.place(sent);
    state.sent.get(place)?.receipt.clone()
}

/// Somebody changes a conversation: what is known of it, a message, or that it is there.
fn change(state: &mut State) {
    if state.only.is_some() || state.changes >= CHANGES_MAX || state.random.below(120) != 0 {
        return;
    }
    let sessions: Vec<SessionKey> = state.log.keys().cloned().collect();
    let picked = state.random.place(sessions.len());
    let Some(session) = sessions.get(picked) else { return };
    let pick = usize::try_from(state.random.next()).unwrap_or(0);
    let log = state.log.get(session).map(Vec::as_slice).unwrap_or_default();
    let Some(logged) = log.get(pick % log.len().max(1)) else { return };
    let (opening, seq) = (logged.record.concerns(), logged.record.edited().map_or(logged.seq, |edited| edited.of));
    state.changes += 1;
    let patch = r#"{"name":"changed"}"#.to_owned();
    let kind = match state.random.below(6) {
        // What calls turns off, or takes messages away, is no quiet thing.
        _ if state.is_quiet => Kind::Describe(wire::Describe { patch }),
        0 | 1 => Kind::Describe(wire::Describe { patch }),
        2 => Kind::Erase(wire::Erase {}),
        3 => Kind::Edit(wire::Edit { seq, index: 0, remove: true, patch: String::new() }),
        _ => Kind::Edit(wire::Edit { seq, index: 0, remove: false, patch }),
    };
    state.say_to(session.clone(), opening, kind, "");
}
