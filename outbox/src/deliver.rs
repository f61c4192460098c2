//! From OUT to its destination.
//!
//! All workers share one durable consumer. Whoever has a delivery of a lane's oldest unfinished
//! parcel sends it, and goes on with what follows it in the lane; whatever is not the oldest, or not
//! due, is put back with a delay and holds nothing meanwhile. The notes of a lane say when it is due,
//! so nothing is lost when a worker or the broker starts anew: a delivery that comes early is put
//! back again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::{AckKind, Message};
use async_nats::{Client, HeaderMap};
use backbone::catalogue::Catalogue;
use backbone::{direct, publish, topology};
use futures_util::StreamExt as _;
use proto::id::{DestinationId, TriggerId};
use proto::resource::Destination;
use proto::{header, limit, subject};
use telemetry::Telemetry;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::attempt::{Attempt, State};
use crate::collect::chain;
use crate::decide::{self, Decision, Patience};
use crate::parcel::{Lane, Parcel};
use crate::post::Post;
use crate::service::Now;
use crate::stopped::{self, Mark, Stopped};

/// How long one pull waits at the broker.
const PULL_EXPIRES: Duration = Duration::from_secs(2);
/// The pause before the consumer is looked for again.
const RETRY_EVERY: Duration = Duration::from_secs(1);
/// The delay of a delivery whose lane or destination is busy in this process.
const BUSY: Duration = Duration::from_secs(2);
/// The delay of a delivery that could not be worked on.
const FAULT: Duration = Duration::from_secs(5);
/// How many parcels of one lane are sent in a row.
const ROW_MAX: usize = 64;
/// How many lanes of one destination are sent to at once by one worker: a slow one leaves room for others.
const LANES_MAX: usize = 8;
/// How often the end of an attempt is noted again after a lost answer.
const NOTE_TRIES_MAX: usize = 3;

/// Why a lane cannot be worked on.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("the broker cannot be read")]
    Read(#[from] direct::Error),
    #[error("the attempt cannot be noted")]
    Note(#[from] publish::Error),
}

/// What becomes of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Settle {
    Ack,
    Later(Duration),
}

/// Sends what lies in OUT.
pub(crate) struct Deliverer {
    pub(crate) client: Client,
    pub(crate) catalogue: Catalogue,
    pub(crate) post: Post,
    pub(crate) stopped: Stopped,
    pub(crate) retries: Vec<Duration>,
    pub(crate) now: Now,
    pub(crate) telemetry: Telemetry,
    pub(crate) active: Active,
}

/// The lanes that this process is sending in, by destination.
#[derive(Debug, Default)]
pub(crate) struct Active(Mutex<HashMap<(TriggerId, DestinationId), Vec<Lane>>>);

impl Active {
    fn key(lane: &Lane) -> (TriggerId, DestinationId) {
        (lane.session.trigger.clone(), lane.destination.clone())
    }

    fn enter(&self, lane: &Lane) -> Option<Entered<'_>> {
        let mut active = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lanes = active.entry(Self::key(lane)).or_default();
        if lanes.len() >= LANES_MAX || lanes.contains(lane) {
            return None;
        }
        lanes.push(lane.clone());
        Some(Entered { active: self, lane: lane.clone() })
    }
}

/// A lane that is being sent in; dropping it lets others in.
struct Entered<'a> {
    active: &'a Active,
    lane: Lane,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        let mut active = self.active.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = Active::key(&self.lane);
        if let Some(lanes) = active.get_mut(&key) {
            lanes.retain(|lane| *lane != self.lane);
            if lanes.is_empty() {
                active.remove(&key);
            }
        }
    }
}

/// Delivers until `shutdown`; what is being sent then is on the tracker.
pub(crate) async fn run(deliverer: Arc<Deliverer>, sending: usize, tracker: TaskTracker, shutdown: CancellationToken) {
    let slots = Arc::new(Semaphore::new(sending));
    tokio::select! {
        biased;
        () = shutdown.cancelled() => return,
        () = async { deliverer.catalogue.loaded().await; deliverer.stopped.loaded().await; } => {}
    }
    loop {
        if let Err(error) = pull(&deliverer, &slots, &tracker, &shutdown).await {
            tracing::debug!(%error, "nothing can be delivered yet");
        }
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(RETRY_EVERY) => {}
        }
    }
}

/// Asks for as many parcels as there are free slots, and no more.
async fn pull(
    deliverer: &Arc<Deliverer>,
    slots: &Arc<Semaphore>,
    tracker: &TaskTracker,
    shutdown: &CancellationToken,
) -> Result<(), async_nats::Error> {
    let context = topology::context(&deliverer.client);
    let consumer: PullConsumer = context.get_consumer_from_stream(subject::DELIVER, subject::OUT_STREAM).await?;
    loop {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ok(()),
            slot = slots.acquire() => drop(slot?),
        }
        let free = slots.available_permits().max(1);
        let mut batch = consumer.batch().max_messages(free).expires(PULL_EXPIRES).messages().await?;
        loop {
            let message = tokio::select! {
                biased;
                () = shutdown.cancelled() => return Ok(()),
                message = batch.next() => message,
            };
            let Some(message) = message.transpose()? else { break };
            let (deliverer, slot) = (Arc::clone(deliverer), Arc::clone(slots).acquire_owned().await?);
            // Ends by itself: every call in it has a deadline. A lost settlement comes again.
            drop(tracker.spawn(Box::pin(async move {
                deliverer.handle(message).await;
                drop(slot);
            })));
        }
    }
}

impl Deliverer {
    async fn handle(&self, message: Message) {
        let place = subject::session_of_out(&message.subject).zip(message.info().ok().map(|info| info.stream_sequence));
        let settle = match place {
            None => Settle::Ack,
            Some(((session, destination), seq)) => {
                let lane = Lane { session, destination };
                match self.active.enter(&lane) {
                    None => Settle::Later(BUSY),
                    Some(_entered) => self.work_off(&lane, seq).await.unwrap_or_else(|error| {
                        tracing::warn!(error = %chain(&error), session.key = %lane.session, "a delivery is put off");
                        Settle::Later(FAULT)
                    }),
                }
            }
        };
        let kind = match settle {
            Settle::Ack => AckKind::Ack,
            Settle::Later(delay) => AckKind::Nak(Some(delay)),
        };
        if let Err(error) = message.ack_with(kind).await {
            tracing::debug!(%error, "a delivery comes again after the ack wait");
        }
    }

    /// Sends a parcel if it is its turn, and what follows it.
    async fn work_off(&self, lane: &Lane, seq: u64) -> Result<Settle, Error> {
        let (mut mine, mut own) = (seq, None);
        for _ in 0..ROW_MAX {
            let (last, fence) = self.last(lane).await?;
            let head = self.next(lane, decide::look_from(last.as_ref())).await?;
            match decide::decide(mine, last.as_ref(), head.as_ref().map(|head| head.id.seq), (self.now)()) {
                Decision::Finished => return Ok(own.unwrap_or(Settle::Ack)),
                Decision::Later(delay) => return Ok(own.unwrap_or(Settle::Later(delay))),
                Decision::Send(number) => {
                    let Some(parcel) = head else { return Ok(own.unwrap_or(Settle::Ack)) };
                    let ended = self.attempt(&parcel, number, fence).await?;
                    if let Some(next_at_ms) = ended.next_at_ms {
                        let rest = Duration::from_millis(u64::try_from(next_at_ms.saturating_sub((self.now)())).unwrap_or_default());
                        return Ok(own.unwrap_or(Settle::Later(rest)));
                    }
                    own = own.or(Some(Settle::Ack));
                }
            }
            // The delivery of what follows is somewhere with a delay, and finds it finished when it comes.
            match self.next(lane, mine + 1).await? {
                Some(next) => mine = next.id.seq,
                None => break,
            }
        }
        Ok(own.unwrap_or(Settle::Ack))
    }

    /// The last note of a lane, and its sequence.
    async fn last(&self, lane: &Lane) -> Result<(Option<Attempt>, u64), Error> {
        let stored = direct::last_from_leader(&self.client, subject::OUT_STREAM, &lane.sent()).await?;
        Ok(stored.map_or((None, 0), |stored| (serde_json::from_slice(&stored.body).ok(), stored.seq)))
    }

    /// The first parcel of a lane from a sequence on.
    async fn next(&self, lane: &Lane, from: u64) -> Result<Option<Parcel>, Error> {
        Ok(direct::next(&self.client, subject::OUT_STREAM, &lane.out(), from).await?.and_then(Parcel::read))
    }

    /// The destination as the configuration has it now; why not, otherwise.
    fn destination(&self, lane: &Lane) -> Result<Destination, &'static str> {
        let trigger = self.catalogue.trigger(&lane.session.trigger).ok_or("the trigger is gone")?;
        let found = trigger.results.iter().find(|one| one.id == lane.destination.as_str()).ok_or("the destination is gone")?;
        if found.disabled { Err("the destination is left out") } else { Ok(found.clone()) }
    }

    /// Makes an attempt, and notes it before and after.
    async fn attempt(&self, parcel: &Parcel, number: u32, fence: u64) -> Result<Attempt, Error> {
        let lane = &parcel.id.lane;
        let begun = Attempt {
            parcel: parcel.id.seq,
            number,
            at_ms: (self.now)(),
            state: State::Sending,
            status: None,
            duration_ms: 0,
            error: None,
            next_at_ms: None,
        };
        let without =
            |state, error: &str| Attempt { state, number: number.saturating_sub(1), error: Some(error.to_owned()), ..begun.clone() };
        if self.stopped.has(&lane.session.trigger, &lane.destination) {
            let ended = without(State::Stopped, "the destination wants nothing more");
            return self.note(lane, fence, &ended).await.map(|_| ended);
        }
        let destination = match self.destination(lane) {
            Ok(destination) => destination,
            Err(why) => {
                let ended = without(State::Removed, why);
                return self.note(lane, fence, &ended).await.map(|_| ended);
            }
        };
        let fence = self.note(lane, fence, &begun).await?;
        let outcome = self.post.send(parcel, &destination, begun.at_ms).await;
        let now_ms = (self.now)();
        let waited = Duration::from_millis(u64::try_from(now_ms.saturating_sub(parcel.at_ms)).unwrap_or_default());
        let [random, ..] = backbone::chance::bytes::<1>();
        let patience = Patience { pauses: &self.retries, waited, spread: f64::from(random) / 255.0 };
        let ended = decide::after(&begun, outcome, patience, now_ms);
        self.tell(parcel, &ended).await;
        self.note(lane, fence, &ended).await?;
        Ok(ended)
    }

    /// What an operator should know of the end of an attempt.
    async fn tell(&self, parcel: &Parcel, ended: &Attempt) {
        let (lane, delivery) = (&parcel.id.lane, parcel.id.to_string());
        self.telemetry.instruments.delivered(ended.state.as_str());
        let error = ended.error.as_deref().unwrap_or_default();
        match ended.state {
            State::Stopped => {
                let mark = Mark { at_ms: ended.at_ms, delivery: delivery.clone() };
                match stopped::stop(&self.client, &lane.session.trigger, &lane.destination, &mark).await {
                    Ok(()) => tracing::warn!(%delivery, "a destination answered 410 and hears nothing more until it is enabled again"),
                    // Without the mark the next parcel meets the same answer, and marks it.
                    Err(error) => tracing::warn!(%delivery, %error, "a destination that answered 410 could not be marked"),
                }
            }
            State::GivenUp => tracing::warn!(%delivery, attempts = ended.number, error, "a delivery is given up"),
            State::Failed => tracing::info!(%delivery, attempt = ended.number, error, "a delivery failed and is tried again"),
            State::Delivered | State::Sending | State::Removed => {}
        }
    }

    /// Notes an attempt behind the lane's last note; the note's sequence.
    async fn note(&self, lane: &Lane, fence: u64, attempt: &Attempt) -> Result<u64, Error> {
        let body = serde_json::to_vec(attempt).unwrap_or_default();
        let mut tries = 1;
        loop {
            let mut headers = HeaderMap::new();
            headers.insert(header::EXPECTED_LAST, fence.to_string());
            let noted = publish::confirmed(&self.client, lane.sent(), Some(headers), body.clone().into(), limit::PUBLISH_DEADLINE).await;
            match noted {
                Ok(stored) => return Ok(stored.seq),
                // The answer to the first try may have been lost: what lies there tells.
                Err(publish::Error::Fenced) if tries > 1 => {
                    let (last, seq) = self.last(lane).await?;
                    return if last.as_ref() == Some(attempt) { Ok(seq) } else { Err(publish::Error::Fenced.into()) };
                }
                Err(publish::Error::Unconfirmed) if tries < NOTE_TRIES_MAX => tries += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }
}
