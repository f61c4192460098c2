//! Messages on their way to the broker, bounded.
//!
//! A broker that answers slowly is not helped by more of the same: past `--publishes` a call waits
//! for a place, and past `--queue-time` it is shed, so that it ends in time and its caller may try
//! again. Whoever only reads, `/livez` and `/readyz` among it, needs no place.
//!
//! A place is given back with the broker's answer. A message that went without one, because its time
//! was up or its caller hung up, may still lie in the client library's queue: its place is given back
//! once that queue has been written out. So the memory that a silent broker costs is bounded too.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use backbone::publish::Error;
use backbone::requests::Line;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

/// The places of messages that are on their way, and how they were asked for.
#[derive(Debug)]
pub struct Publishes {
    places: Arc<Semaphore>,
    count: usize,
    queue_time: Duration,
    waiting: AtomicUsize,
    waited: AtomicU64,
    waited_us: AtomicU64,
    shed: AtomicU64,
}

/// Where a message goes whose place may outlive its call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Way<'a> {
    /// The broker.
    pub(crate) line: &'a Line,
    /// Who looks after the place.
    pub(crate) tracker: &'a TaskTracker,
}

/// A place; given back when dropped, late where no answer came.
#[must_use = "a place is given back when it is dropped"]
pub(crate) struct Place<'a> {
    places: &'a Arc<Semaphore>,
    way: Way<'a>,
    is_answered: bool,
}

impl Place<'_> {
    /// Passes on what the publish came to.
    pub(crate) fn told<T>(mut self, published: Result<T, Error>) -> Result<T, Error> {
        self.is_answered = !matches!(published, Err(Error::Unconfirmed));
        published
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if self.is_answered {
            self.places.add_permits(1);
            return;
        }
        // As many of these tasks as there are places at most.
        let (places, line) = (Arc::clone(self.places), self.way.line.clone());
        drop(self.way.tracker.spawn(async move {
            line.flush().await;
            places.add_permits(1);
        }));
    }
}

impl Publishes {
    /// So many places.
    pub(crate) fn new(count: usize, queue_time: Duration) -> Self {
        Self {
            places: Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS))),
            count,
            queue_time,
            waiting: AtomicUsize::new(0),
            waited: AtomicU64::new(0),
            waited_us: AtomicU64::new(0),
            shed: AtomicU64::new(0),
        }
    }

    /// Takes a place, or sheds the message where there is none in time.
    pub(crate) async fn enter<'a>(&'a self, way: Way<'a>) -> Result<Place<'a>, Error> {
        if !self.is_entered_at_once() {
            self.wait().await?;
        }
        Ok(Place { places: &self.places, way, is_answered: false })
    }

    fn is_entered_at_once(&self) -> bool {
        self.places.try_acquire().is_ok_and(|place| {
            place.forget();
            true
        })
    }

    async fn wait(&self) -> Result<(), Error> {
        let since = Instant::now();
        self.waiting.fetch_add(1, Ordering::Relaxed);
        // A caller that hangs up waits no longer either.
        let waiting = Leave(&self.waiting);
        let entered = tokio::time::timeout(self.queue_time, self.places.acquire()).await;
        drop(waiting);
        let waited_us = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.waited.fetch_add(1, Ordering::Relaxed);
        self.waited_us.fetch_add(waited_us, Ordering::Relaxed);
        let Ok(Ok(place)) = entered else {
            self.shed.fetch_add(1, Ordering::Relaxed);
            return Err(Error::Shed);
        };
        place.forget();
        Ok(())
    }

    /// How many messages may be on their way at once.
    pub fn max(&self) -> usize {
        self.count
    }

    /// How many are, those without an answer that still lie in the queue included.
    pub fn in_flight(&self) -> usize {
        self.count.saturating_sub(self.places.available_permits())
    }

    /// How many calls wait for a place.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// How many calls had to wait since the start, and for how long together.
    pub fn waited(&self) -> (u64, Duration) {
        (self.waited.load(Ordering::Relaxed), Duration::from_micros(self.waited_us.load(Ordering::Relaxed)))
    }

    /// How many were shed since the start.
    pub fn shed(&self) -> u64 {
        self.shed.load(Ordering::Relaxed)
    }
}

struct Leave<'a>(&'a AtomicUsize);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use async_nats::ConnectOptions;
    use backbone::publish::Error;
    use backbone::requests::Line;
    use tokio::sync::oneshot;
    use tokio::task::JoinSet;
    use tokio_util::task::TaskTracker;

    use super::{Publishes, Way};

    const QUEUE_TIME: Duration = Duration::from_millis(250);

    async fn run<T>(publishes: &Publishes, way: Way<'_>, publishing: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        publishes.enter(way).await?.told(publishing.await)
    }

    /// A client of a server that is not there.
    async fn nowhere() -> Line {
        Line::Nats(ConnectOptions::new().retry_on_initial_connect().connect("nats://127.0.0.1:1").await.unwrap())
    }

    #[tokio::test]
    async fn a_call_waits_for_a_place_and_is_shed_when_its_time_is_up() {
        let publishes = Arc::new(Publishes::new(1, QUEUE_TIME));
        let (line, tracker) = (nowhere().await, TaskTracker::new());
        let way = Way { line: &line, tracker: &tracker };
        let (answer, answered) = oneshot::channel::<()>();
        let mut running = JoinSet::new();
        let (first, first_line, first_tracker) = (Arc::clone(&publishes), line.clone(), tracker.clone());
        running.spawn(async move {
            let way = Way { line: &first_line, tracker: &first_tracker };
            run(&first, way, async { answered.await.map_err(|_| Error::NoStream) }).await
        });
        while publishes.in_flight() == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(run(&publishes, way, async { Ok(()) }).await, Err(Error::Shed));
        assert_eq!((publishes.shed(), publishes.waiting(), publishes.waited().0), (1, 0, 1));
        assert!(publishes.waited().1 >= QUEUE_TIME);
        let waiting = run(&publishes, way, async { Ok(7) });
        let release = async {
            while publishes.waiting() == 0 {
                tokio::task::yield_now().await;
            }
            answer.send(()).unwrap();
        };
        let (waited, ()) = tokio::join!(waiting, release);
        assert_eq!((waited, publishes.in_flight(), publishes.shed()), (Ok(7), 0, 1));
        assert_eq!(running.join_next().await.unwrap().unwrap(), Ok(()));
    }

    #[tokio::test]
    async fn a_message_without_an_answer_keeps_its_place_while_it_may_lie_in_the_queue() {
        let publishes = Publishes::new(3, QUEUE_TIME);
        let (line, tracker) = (nowhere().await, TaskTracker::new());
        let way = Way { line: &line, tracker: &tracker };
        let unconfirmed = async { Err::<(), _>(Error::Unconfirmed) };
        assert_eq!(run(&publishes, way, unconfirmed).await, Err(Error::Unconfirmed));
        let hung_up = run(&publishes, way, std::future::pending::<Result<(), Error>>());
        assert!(tokio::time::timeout(Duration::from_millis(20), hung_up).await.is_err());
        assert_eq!(run(&publishes, way, async { Err::<(), _>(Error::SubjectFull) }).await, Err(Error::SubjectFull));
        // The server is not there, so nothing is written out.
        assert_eq!((publishes.in_flight(), tracker.len()), (2, 2));
    }
}
