//! Bodies, bounded in size, time and memory.
//!
//! A body is read to its end or refused as soon as it is known to be too large. All bodies of
//! calls that are not yet confirmed share one budget of memory, taken by what they announce. One
//! that is still coming when the gateway stops has until shortly before its end.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream, HttpBody as _};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use proto::code::Code;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;

use crate::api_error::ApiError;

/// What is left of the time for stopping when a body that is still coming is given up, so that its caller hears of it.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How much of a refused body is read so that the caller sees the answer, in bytes.
const DISCARD_BYTES_MAX: usize = 4 << 20;
/// How long that may take.
const DISCARD_DEADLINE: Duration = Duration::from_secs(2);
/// The unit of the budget, in bytes; a small call takes one.
const BLOCK_BYTES: usize = 64 * 1024;

/// The memory for bodies.
#[derive(Debug)]
pub(crate) struct Budget {
    blocks: Arc<Semaphore>,
    /// Largest body, in bytes.
    pub(crate) body_bytes: usize,
    patience: Patience,
}

/// How long bodies are waited for.
#[derive(Debug, Clone)]
pub(crate) struct Patience {
    /// How long a caller may take to send one.
    pub(crate) time: Duration,
    /// Says when the gateway stops.
    pub(crate) shutdown: CancellationToken,
    /// How long that may take.
    pub(crate) drain_deadline: Duration,
}

impl Patience {
    /// Resolves when there is no more time for a body, and says why.
    async fn ends(&self) -> ApiError {
        let stopping = async {
            self.shutdown.cancelled().await;
            tokio::time::sleep(self.drain_deadline.saturating_sub(LAST_WORDS).max(self.drain_deadline / 2)).await;
        };
        tokio::select! {
            () = tokio::time::sleep(self.time) => {
                ApiError::new(Code::BodyMalformed, format!("the body did not arrive within {} s", self.time.as_secs_f64()))
            }
            () = stopping => ApiError::new(Code::Unavailable, "the gateway stops, and the body did not arrive in time"),
        }
    }
}

impl Budget {
    /// A budget of some bytes for bodies of at most some.
    pub(crate) fn new(bytes: usize, body_bytes: usize, patience: Patience) -> Self {
        Self { blocks: Arc::new(Semaphore::new((bytes / BLOCK_BYTES).clamp(1, Semaphore::MAX_PERMITS))), body_bytes, patience }
    }

    /// Takes what a body announces, or all that it could be.
    pub(crate) fn take(&self, body: &Body) -> Result<SemaphorePermit<'_>, ApiError> {
        self.blocks.try_acquire_many(self.blocks(body)).map_err(|_| full())
    }

    /// The same, to be kept with the body.
    pub(crate) fn take_owned(&self, body: &Body) -> Result<OwnedSemaphorePermit, ApiError> {
        Arc::clone(&self.blocks).try_acquire_many_owned(self.blocks(body)).map_err(|_| full())
    }

    fn blocks(&self, body: &Body) -> u32 {
        let announced = body.size_hint().upper().and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(usize::MAX);
        u32::try_from(1 + announced.min(self.body_bytes) / BLOCK_BYTES).unwrap_or(u32::MAX)
    }
}

fn full() -> ApiError {
    ApiError::unavailable("the gateway has as many calls in hand as it may", &"--body-memory-bytes is used up")
}

/// A body that is being read.
#[derive(Debug)]
pub(crate) struct Reader {
    frames: BodyDataStream,
    announced: Option<u64>,
    ended: bool,
}

impl Reader {
    /// Begins with a body.
    pub(crate) fn new(body: Body) -> Self {
        let announced = body.size_hint().exact();
        Self { ended: body.is_end_stream(), announced, frames: body.into_data_stream() }
    }

    /// Reads it all, unless it is larger than it may be or takes longer than `budget` has time.
    pub(crate) async fn read(&mut self, budget: &Budget, bytes_max: usize) -> Result<Bytes, ApiError> {
        if self.ended {
            return Ok(Bytes::new());
        }
        if self.announced.is_some_and(|bytes| bytes > bytes_max as u64) {
            return Err(ApiError::too_large("the body", bytes_max));
        }
        tokio::select! {
            biased;
            whole = self.whole(bytes_max) => whole,
            error = budget.patience.ends() => {
                // Of a gateway that stops nothing more is read: the answer is to be out before it is gone.
                self.ended = budget.patience.shutdown.is_cancelled();
                Err(error)
            }
        }
    }

    async fn whole(&mut self, bytes_max: usize) -> Result<Bytes, ApiError> {
        let mut first = Bytes::new();
        let mut rest = BytesMut::new();
        while let Some(frame) = self.frame().await? {
            if first.len() + rest.len() + frame.len() > bytes_max {
                return Err(ApiError::too_large("the body", bytes_max));
            }
            if first.is_empty() {
                first = frame;
            } else {
                rest.extend_from_slice(&frame);
            }
        }
        if rest.is_empty() {
            return Ok(first);
        }
        let mut whole = BytesMut::with_capacity(first.len() + rest.len());
        whole.extend_from_slice(&first);
        whole.extend_from_slice(&rest);
        Ok(whole.freeze())
    }

    async fn frame(&mut self) -> Result<Option<Bytes>, ApiError> {
        let frame = self.frames.next().await;
        self.ended = !matches!(frame, Some(Ok(_)));
        frame.transpose().map_err(|_| ApiError::new(Code::BodyMalformed, "the body ended before its end"))
    }

    /// Reads on for a while and keeps nothing: a connection that closes under a caller's writes loses the answer.
    pub(crate) async fn discard(&mut self) {
        let all = async {
            let mut bytes = 0;
            while !self.ended && bytes < DISCARD_BYTES_MAX {
                bytes += self.frame().await.ok().flatten().map_or(0, |frame| frame.len());
            }
        };
        drop(tokio::time::timeout(DISCARD_DEADLINE, all).await);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::body::Body;
    use bytes::Bytes;
    use tokio::time::Instant;
    use tokio_util::sync::CancellationToken;

    use super::{BLOCK_BYTES, Budget, Patience, Reader};

    fn budget() -> (Budget, CancellationToken) {
        let shutdown = CancellationToken::new();
        let patience = Patience { time: Duration::from_secs(30), shutdown: shutdown.clone(), drain_deadline: Duration::from_secs(25) };
        (Budget::new(4 * BLOCK_BYTES, 2 * BLOCK_BYTES, patience), shutdown)
    }

    fn chunked(chunks: &'static [&'static str]) -> Body {
        Body::from_stream(futures_util::stream::iter(
            chunks.iter().map(|chunk| Ok::<_, std::convert::Infallible>(Bytes::from_static(chunk.as_bytes()))),
        ))
    }

    #[tokio::test]
    async fn a_body_is_kept_whole_up_to_the_limit() {
        let (budget, _) = budget();
        for body in [Body::from("abcdef"), chunked(&["abc", "d", "ef"]), chunked(&["", "abc", "def"])] {
            assert_eq!(Reader::new(body).read(&budget, 6).await.unwrap(), "abcdef");
        }
        assert!(Reader::new(Body::empty()).read(&budget, 6).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn one_byte_more_is_refused_and_the_rest_discarded() {
        let (budget, _) = budget();
        for body in [Body::from("abcdefg"), chunked(&["abc", "d", "efg", "hij"])] {
            let mut reader = Reader::new(body);
            let error = reader.read(&budget, 6).await.unwrap_err();
            assert_eq!((error.code.as_str(), error.limit), ("CUE0102", Some(6)));
            reader.discard().await;
            assert!(reader.ended);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_stops_sending_is_refused() {
        let body = || Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::convert::Infallible>>());
        let (budget, shutdown) = budget();
        let began = Instant::now();
        assert_eq!(Reader::new(body()).read(&budget, 6).await.unwrap_err().code.as_str(), "CUE0101");
        assert_eq!(began.elapsed().as_secs(), 30);
        shutdown.cancel();
        let began = Instant::now();
        assert_eq!(Reader::new(body()).read(&budget, 6).await.unwrap_err().code.as_str(), "CUE0504");
        assert_eq!(began.elapsed().as_secs(), 23, "its caller hears of it before the gateway is gone");
    }

    #[test]
    fn the_budget_is_taken_by_what_is_announced() {
        let (budget, _) = budget();
        let small = budget.take(&Body::from("x")).unwrap();
        let unknown = budget.take(&chunked(&["x"])).unwrap();
        assert!(budget.take(&Body::from("x")).is_err());
        drop((small, unknown));
        assert!(budget.take(&Body::from("x")).is_ok());
    }
}
