//! Callers: one a session, each event sent until it is accepted, and only then the next.

use std::sync::Arc;
use std::time::Duration;

use proto::id::SessionKey;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::book::{Book, Deed, Door, Fate, Sent, Try};
use crate::clock::now_ms;
use crate::dice::Dice;
use crate::door::{Doors, Letter, TRIGGER, Told};

/// The pause before the second try; it doubles.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// The longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// How long an event is tried: well within the two minutes in which the broker knows a repeat.
const TRIED_MAX: Duration = Duration::from_secs(100);
/// How many of a hundred events come as messages to the broker.
const DIRECT_PERCENT: u64 = 30;
/// How many of a hundred accepted events are sent once more, to see that the receipt is the same.
const REPEAT_PERCENT: u64 = 2;
/// How many of a hundred sessions get half of the events.
const BUSY_PERCENT: usize = 10;

/// How much comes in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// How many events.
    pub(crate) events: u64,
    /// Over how many sessions.
    pub(crate) sessions: usize,
    /// In how long.
    pub(crate) time: Duration,
    /// What all chance follows from.
    pub(crate) seed: u64,
}

/// An event that is to be sent.
#[derive(Debug)]
struct Planned {
    number: u64,
    due: Duration,
    door: Door,
    deed: Deed,
    is_repeated: bool,
}

/// All callers at work.
#[derive(Debug)]
pub(crate) struct Callers(JoinSet<()>);

impl Load {
    /// The events of each session in order: half of them for a tenth of the sessions.
    fn plan(&self) -> Vec<Vec<Planned>> {
        let mut dice = Dice::of(self.seed, 2);
        let mut sessions: Vec<Vec<Planned>> = (0..self.sessions).map(|_| Vec::new()).collect();
        let busy = (self.sessions * BUSY_PERCENT / 100).max(1);
        for number in 0..self.events {
            let session = if dice.percent(50) { dice.index(busy) } else { dice.index(self.sessions) };
            #[expect(clippy::cast_precision_loss, reason = "a place in a run")]
            let due = self.time.mul_f64(number as f64 / self.events as f64);
            let door = if dice.percent(DIRECT_PERCENT) { Door::Nats } else { Door::Http };
            let deed = match dice.below(1_000) {
                0..5 => Deed::Sour,
                // A gateway would refuse it.
                990.. if door == Door::Nats => Deed::Torn,
                5..205 => Deed::Once,
                205..405 => Deed::Again,
                _ => Deed::Plain,
            };
            let is_repeated = dice.percent(REPEAT_PERCENT);
            if let Some(session) = sessions.get_mut(session) {
                session.push(Planned { number, due, door, deed, is_repeated });
            }
        }
        sessions
    }

    /// Begins to call, until all is sent or it is called off.
    pub(crate) fn start(self, doors: &Arc<Doors>, book: &Book, off: &CancellationToken) -> anyhow::Result<Callers> {
        let (trigger, began) = (TRIGGER.parse::<proto::id::TriggerId>()?, Instant::now());
        let mut callers = JoinSet::new();
        for (session, planned) in self.plan().into_iter().enumerate() {
            let string = format!("s{session}");
            let key = SessionKey { trigger: trigger.clone(), token: proto::session::token(&string) };
            let caller = Caller { doors: Arc::clone(doors), book: book.clone(), seed: self.seed, string, session: key };
            let off = off.clone();
            callers.spawn(async move {
                for event in planned {
                    tokio::select! {
                        () = off.cancelled() => return,
                        () = tokio::time::sleep_until(began + event.due) => {}
                    }
                    // An event that may be there or not leaves the order of those behind it unknown.
                    if !caller.insist(event).await {
                        return;
                    }
                }
            });
        }
        Ok(Callers(callers))
    }
}

impl Callers {
    /// Waits until all are done.
    pub(crate) async fn ended(&mut self) -> anyhow::Result<()> {
        while let Some(ended) = self.0.join_next().await {
            ended?;
        }
        Ok(())
    }
}

struct Caller {
    doors: Arc<Doors>,
    book: Book,
    seed: u64,
    string: String,
    session: SessionKey,
}

impl Caller {
    /// Sends an event until it is accepted; whether it was.
    async fn insist(&self, planned: Planned) -> bool {
        let Planned { number, door, deed, is_repeated, .. } = planned;
        let text = format!("{} {number}", deed.word());
        let key = format!("chaos-{}-{number}", self.seed);
        let letter = Letter { key, string: self.string.clone(), session: self.session.clone(), text, is_torn: deed == Deed::Torn };
        let mut sent = Sent { number, session: self.session.clone(), door, deed, tries: Vec::new(), fate: Fate::Unknown, repeat: None };
        let (until, mut pause, mut turn) = (Instant::now() + TRIED_MAX, PAUSE_MIN, usize::try_from(number).unwrap_or_default());
        while sent.fate == Fate::Unknown && Instant::now() < until {
            if !sent.tries.is_empty() {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
            let at_ms = now_ms();
            let told = match self.doors.send(door, &letter, turn).await {
                Told::Stored(event) => {
                    sent.fate = Fate::Accepted(event);
                    "accepted".to_owned()
                }
                Told::Later(why) => why,
                Told::Wrong(answer) => {
                    self.book.object(format!("event {number}: {answer}"));
                    answer
                }
            };
            sent.tries.push(Try { at_ms, told });
            turn += 1;
        }
        if is_repeated && sent.event().is_some() {
            sent.repeat = match self.doors.send(door, &letter, turn).await {
                Told::Stored(event) => Some(event),
                Told::Later(_) | Told::Wrong(_) => None,
            };
        }
        let is_accepted = sent.event().is_some();
        self.book.note(sent);
        is_accepted
    }
}
