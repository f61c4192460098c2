//! How many turns run at once: in the whole worker, of one trigger, of one bot, with one provider.
//!
//! A turn enters the narrow gates first and the wide one last, so that whoever waits for a crowded
//! trigger or provider takes no place from others. Those who wait are counted: the intake asks for
//! no more events than can begin.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

/// How many narrow gates are remembered before those that stand open are forgotten.
const GATES_MAX: usize = 4_096;

/// A gate that lets so many through at once; one of another width is another gate.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Narrow {
    /// Whose turns are counted, such as `trigger:orders`.
    pub name: String,
    /// How many may run at once.
    pub width: usize,
}

/// All gates of one worker.
#[derive(Debug)]
pub struct Gates {
    turns: Arc<Semaphore>,
    width: usize,
    narrow: Mutex<HashMap<Narrow, Arc<Semaphore>>>,
    waiting: AtomicUsize,
}

/// A place inside; given back when dropped.
#[derive(Debug)]
#[must_use = "the place is given back when this is dropped"]
pub struct Place {
    _narrow: Vec<OwnedSemaphorePermit>,
    _turn: OwnedSemaphorePermit,
}

/// Counts one who waits, however the waiting ends.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn begin(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Gates {
    /// Gates of a worker that runs so many turns at once.
    pub fn new(turns: usize) -> Self {
        Self { turns: Arc::new(Semaphore::new(turns)), width: turns, narrow: Mutex::default(), waiting: AtomicUsize::new(0) }
    }

    /// How many turns may begin right now, those that wait for a place taken off.
    pub fn free(&self) -> usize {
        self.turns.available_permits().saturating_sub(self.waiting.load(Ordering::Relaxed))
    }

    /// How many turns run.
    pub fn running(&self) -> usize {
        self.width.saturating_sub(self.turns.available_permits())
    }

    /// How many may.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Whether turns wait for a narrow gate while the wide one stands open.
    pub fn is_crowded(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0 && self.turns.available_permits() > 0
    }

    /// Waits until the wide gate lets somebody through.
    pub async fn opens(&self) {
        drop(self.turns.acquire().await);
    }

    /// The width of a trigger's gate unless it asks for another: a quarter of the worker stays free for the others.
    pub fn share(&self) -> usize {
        (self.width - self.width / 4).max(1)
    }

    /// Whether a narrow gate lets nobody through at the moment.
    pub fn is_shut(&self, gate: &Narrow) -> bool {
        let narrow = self.narrow.lock().unwrap_or_else(PoisonError::into_inner);
        narrow.get(gate).is_some_and(|gate| gate.available_permits() == 0)
    }

    fn gate(&self, wanted: &Narrow) -> Arc<Semaphore> {
        let mut narrow = self.narrow.lock().unwrap_or_else(PoisonError::into_inner);
        if narrow.len() >= GATES_MAX {
            narrow.retain(|gate, open| open.available_permits() < gate.width);
        }
        Arc::clone(narrow.entry(wanted.clone()).or_insert_with(|| Arc::new(Semaphore::new(wanted.width))))
    }

    /// Waits for a place behind all these gates.
    pub async fn enter(&self, wanted: &[Narrow]) -> Result<Place, AcquireError> {
        let _waiting = Waiting::begin(&self.waiting);
        let mut narrow = Vec::with_capacity(wanted.len());
        for gate in wanted {
            narrow.push(self.gate(gate).acquire_owned().await?);
        }
        let turn = Arc::clone(&self.turns).acquire_owned().await?;
        Ok(Place { _narrow: narrow, _turn: turn })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Gates, Narrow};

    #[tokio::test(start_paused = true)]
    async fn a_crowded_gate_keeps_nobody_else_out() {
        let gates = Gates::new(4);
        let narrow = |name: &str| Narrow { name: name.into(), width: 1 };
        let first = gates.enter(&[narrow("a")]).await.unwrap();
        let (second, others) = ([narrow("a")], [narrow("b")]);
        let mut second = std::pin::pin!(gates.enter(&second));
        assert!(tokio::time::timeout(Duration::from_secs(1), &mut second).await.is_err());
        assert!(gates.is_crowded() && gates.is_shut(&narrow("a")));
        assert_eq!(gates.free(), 2);
        let other = gates.enter(&others).await.unwrap();
        drop(first);
        let second = second.await.unwrap();
        assert_eq!(gates.free(), 2);
        drop((second, other));
        assert_eq!(gates.free(), 4);
    }
}
