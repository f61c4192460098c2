//! One follower: reads the log, and tells what it finds there and what it hears meanwhile.
//!
//! Guarantees: what is committed is told in the order of the log, each piece once, with the place
//! behind which to resume; nothing is told that the log does not hold, but for news of a turn that
//! runs, and none of those after the turn's end. A bell that is missed costs at most
//! [`LOOK_IDLE`].

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use backbone::direct;
use backbone::journal::{self, Entry};
use proto::id::EventSeq;
use proto::record::{Record, RecordId};
use proto::status::Status;
use proto::{ending, message};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::ear::{Ear, Memory, News};
use super::format::{Format, Piece};
use super::outlet::{Gone, Outlet};
use super::scope::{Regard, Scope};
use super::start::Start;
use crate::api_error::ApiError;
use crate::door::Door;
use crate::fetch::unreadable;
use crate::place::Place;
use crate::progress;

/// How long one connection may follow; whoever wants more resumes.
const FOLLOW_MAX: Duration = Duration::from_hours(1);
/// How long a stream is silent at most.
const PING_EVERY: Duration = Duration::from_secs(10);
/// How many records one read fetches: each may be large.
const BATCH: usize = 8;
/// How long one read may take.
const READ_MAX: Duration = Duration::from_secs(3);
/// The second look after the bell, which may ring before the broker has stored what it carries.
const LOOK_AGAIN: Duration = Duration::from_millis(1);
/// The pause between looks while nothing is heard; until then each is four times the one before.
const LOOK_IDLE: Duration = Duration::from_secs(15);
/// How often a follower wakes at least.
const TICK: Duration = Duration::from_secs(1);
/// The pause after a read that failed.
const RETRY_EVERY: Duration = Duration::from_millis(500);
/// How long reads may fail until the reader is sent to try elsewhere.
const FAULTY_MAX: Duration = Duration::from_secs(15);

/// Why a stream ends.
#[derive(Debug)]
enum End {
    /// The turn that was followed has ended, and its result was told.
    Told,
    /// The same, but it was told on an earlier connection.
    Done,
    /// The conversation, or all that is known of the event, is over.
    Expired,
    /// The time of one connection is over.
    Time,
    /// The gateway stops.
    Shutdown,
    /// The log cannot be read.
    Fault(ApiError),
    /// The reader is gone or too slow.
    Reader(Gone),
}

impl From<Gone> for End {
    fn from(gone: Gone) -> Self {
        Self::Reader(gone)
    }
}

/// A follower and where it stands.
pub(super) struct Follower {
    door: Arc<Door>,
    scope: Scope,
    format: Format,
    start: Start,
    /// The last log sequence that was read.
    read_to: u64,
    /// Whether anything of what is followed was seen.
    has_begun: bool,
    is_window_closed: bool,
    /// The append that the bell last announced.
    expected: Option<RecordId>,
    look_at: Instant,
    pause: Duration,
    said_at: Instant,
    /// When it was last looked whether a conversation is over.
    checked_at: Instant,
    faulty_since: Option<Instant>,
    connects: u64,
}

impl Follower {
    /// A follower that has told nothing yet.
    pub(super) fn new(door: Arc<Door>, scope: Scope, format: Format, start: Start) -> Self {
        let now = Instant::now();
        Self {
            connects: door.client.statistics().connects.load(Ordering::Relaxed),
            read_to: start.read_from,
            door,
            scope,
            format,
            start,
            has_begun: false,
            is_window_closed: false,
            expected: None,
            look_at: now,
            pause: Duration::ZERO,
            said_at: now,
            checked_at: now,
            faulty_since: None,
        }
    }

    /// Follows to the end, and says why it ends.
    pub(super) async fn run(mut self, ear: Ear, outlet: Outlet) {
        let (memory, shutdown) = (Memory::default(), self.door.shutdown.clone());
        let format = self.format;
        let end = tokio::select! {
            biased;
            () = shutdown.cancelled() => End::Shutdown,
            () = outlet.closed() => End::Reader(Gone::Closed),
            () = tokio::time::sleep(FOLLOW_MAX) => End::Time,
            never = ear.listen(&memory) => match never {},
            end = self.follow(&memory, &outlet) => match end { Err(end) => end },
        };
        if let End::Fault(error) = &end {
            self.door.complaints.note(error);
        }
        if let Some((kind, data)) = last_words(&end) {
            outlet.close(format.render(&Piece { kind, id: None, event: None, data }));
        }
    }

    async fn follow(&mut self, memory: &Memory, outlet: &Outlet) -> Result<Infallible, End> {
        self.ping(outlet).await?;
        self.look(outlet).await?;
        let mut heard = memory.take();
        if heard.is_too_much {
            // Whoever catches up with a long past is not slow.
            heard.news.clear();
        }
        loop {
            if heard.rung.is_some() {
                (self.expected, self.pause) = (heard.rung, Duration::ZERO);
            }
            let is_due = self.look_at <= Instant::now();
            if heard.rung.is_some() || is_due || self.was_reconnected() {
                self.look(outlet).await?;
            }
            if is_due && !self.has_begun {
                self.check_event().await?;
            }
            for news in heard.news {
                self.pass_on(news, outlet).await?;
            }
            self.check_window().await?;
            if self.said_at.elapsed() >= PING_EVERY {
                self.ping(outlet).await?;
            }
            let wake_at = self.look_at.min(Instant::now() + TICK).min(self.said_at + PING_EVERY);
            tokio::select! {
                () = memory.wait() => {}
                () = tokio::time::sleep_until(wake_at) => {}
            }
            heard = memory.take();
            if heard.is_too_much {
                return Err(Gone::Slow.into());
            }
        }
    }

    /// Whether the broker's connection was made anew: what rang meanwhile was not heard.
    fn was_reconnected(&mut self) -> bool {
        let connects = self.door.client.statistics().connects.load(Ordering::Relaxed);
        std::mem::replace(&mut self.connects, connects) != connects
    }

    /// Tells all that the log holds behind what was read, and plans the next look.
    async fn look(&mut self, outlet: &Outlet) -> Result<(), End> {
        loop {
            match self.read().await? {
                None => {
                    self.look_at = Instant::now() + RETRY_EVERY;
                    return Ok(());
                }
                Some(entries) => {
                    let is_end = entries.len() < BATCH;
                    for entry in entries {
                        self.show(&entry, outlet).await?;
                    }
                    if is_end {
                        break;
                    }
                }
            }
        }
        let is_behind = self.read_to < self.start.tip;
        if self.start.is_past && !is_behind {
            return Err(self.past());
        }
        let is_waiting = is_behind || self.expected.is_some();
        self.pause = if is_waiting { (self.pause * 4).clamp(LOOK_AGAIN, LOOK_IDLE) } else { LOOK_IDLE };
        if self.pause == LOOK_IDLE {
            // What was announced so long ago was refused.
            self.expected = None;
        }
        self.look_at = Instant::now() + self.pause;
        Ok(())
    }

    /// The next records; `None` where they cannot be read right now.
    async fn read(&mut self) -> Result<Option<Vec<Entry>>, End> {
        let reading = journal::after(&self.door.client, self.scope.session(), self.read_to, BATCH);
        let error = match tokio::time::timeout(READ_MAX, reading).await {
            Ok(Ok(entries)) => {
                self.faulty_since = None;
                return Ok(Some(entries));
            }
            Ok(Err(error)) => error,
            Err(_) => direct::Error::Late.into(),
        };
        let is_for_long = self.faulty_since.get_or_insert_with(Instant::now).elapsed() > FAULTY_MAX;
        if is_for_long || matches!(error, journal::Error::Foreign { .. }) {
            return Err(End::Fault(unreadable(error)));
        }
        Ok(None)
    }

    /// How a stream ends of which nothing more comes.
    fn past(&self) -> End {
        match self.scope {
            Scope::Event(_) => End::Done,
            Scope::Conversation(_) => End::Expired,
        }
    }

    async fn show(&mut self, entry: &Entry, outlet: &Outlet) -> Result<(), End> {
        let record = &entry.record;
        let regard = self.scope.regard(record);
        if regard == Regard::Past {
            return Err(self.past());
        }
        if regard == Regard::Mine {
            self.has_begun = true;
            let has_told_end = self.tell(entry, outlet).await?;
            if record.is_terminal() && matches!(self.scope, Scope::Event(_)) {
                return Err(if has_told_end { End::Told } else { End::Done });
            }
        }
        let is_open = regard == Regard::Mine && !record.is_terminal() && !record.is_idle();
        self.start.open = is_open.then_some(record.event);
        self.read_to = entry.seq;
        self.start.ended = self.start.ended.max(Some(committed(record)));
        if self.expected == Some(record.id) {
            self.expected = None;
        }
        Ok(())
    }

    /// Tells the messages of a record and, where it ends a turn, the result; whether that was told.
    async fn tell(&mut self, entry: &Entry, outlet: &Outlet) -> Result<bool, End> {
        let session = self.scope.session();
        let messages = message::of(session, entry.seq, entry.at_ms, &entry.record);
        let result = ending::result(session, &entry.record, &messages);
        let end = Place { seq: entry.seq, index: messages.len() };
        for (index, message) in messages.into_iter().enumerate() {
            let place = Place { seq: entry.seq, index };
            if place > self.start.after {
                self.say(Piece { kind: "message", id: Some(place), event: None, data: message }, outlet).await?;
            }
        }
        match result.filter(|_| end > self.start.after) {
            None => Ok(false),
            Some(data) => self.say(Piece { kind: "result", id: Some(end), event: None, data }, outlet).await.map(|()| true),
        }
    }

    async fn pass_on(&mut self, news: News, outlet: &Outlet) -> Result<(), End> {
        let is_over = self.start.ended.is_some_and(|ended| news.event <= ended);
        let is_mine = match &self.scope {
            Scope::Event(receipt) => news.event == receipt.event,
            // Once the window is closed, a turn that was not seen may be a later conversation's.
            Scope::Conversation(_) => !self.is_window_closed || self.start.open == Some(news.event),
        };
        if is_over || !is_mine {
            return Ok(());
        }
        self.say(Piece { kind: news.kind, id: None, event: Some(&news.receipt), data: news.data }, outlet).await
    }

    /// Ends where a conversation's time is over and nothing of it is left.
    async fn check_window(&mut self) -> Result<(), End> {
        let Some(window) = &mut self.start.window else { return Ok(()) };
        let session = self.scope.session();
        self.is_window_closed = window.is_closed(&self.door, session).await;
        if !self.is_window_closed || self.start.open.is_some() || self.checked_at.elapsed() < TICK {
            return Ok(());
        }
        self.checked_at = Instant::now();
        let is_over = window.is_over(&self.door, session, self.read_to).await.unwrap_or(false);
        if is_over { Err(End::Expired) } else { Ok(()) }
    }

    /// Ends where nothing is known any more of an event that never began.
    async fn check_event(&self) -> Result<(), End> {
        let Scope::Event(receipt) = &self.scope else { return Ok(()) };
        match progress::of(&self.door.line, receipt).await {
            Ok(report) if report.status == Status::Expired => Err(End::Expired),
            _ => Ok(()),
        }
    }

    /// Says that the connection stands, and behind what to resume.
    async fn ping(&mut self, outlet: &Outlet) -> Result<(), End> {
        let place = self.start.after.max(Place::behind(self.read_to));
        self.say(Piece { kind: "ping", id: Some(place), event: None, data: json!({}) }, outlet).await
    }

    async fn say<T: Serialize>(&mut self, piece: Piece<'_, T>, outlet: &Outlet) -> Result<(), End> {
        self.said_at = Instant::now();
        Ok(outlet.write(self.format.render(&piece)).await?)
    }
}

/// The last committed event, as a record has it.
pub(super) fn committed(record: &Record) -> EventSeq {
    EventSeq { epoch: record.event.epoch, seq: record.cursor }
}

fn last_words(end: &End) -> Option<(&'static str, Value)> {
    let ended = |reason: &str| Some(("end", json!({ "reason": reason })));
    match end {
        End::Told | End::Reader(Gone::Closed) => None,
        End::Done => ended("done"),
        End::Expired => ended("expired"),
        End::Time => ended("time"),
        End::Shutdown => ended("shutdown"),
        End::Fault(error) => Some(("error", json!({ "message": error.message, "code": error.code.class(), "error": error.code.as_str() }))),
        End::Reader(Gone::Slow) => {
            let code = proto::code::Code::Unavailable;
            let message = "what was told was not read in time: read faster, and resume behind the last id";
            Some(("error", json!({ "message": message, "code": code.class(), "error": code.as_str() })))
        }
    }
}
