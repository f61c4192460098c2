//! Bodies, bounded in size, time and memory.
//!
//! A body is read to its end or refused as soon as it is known to be too large. All bodies of
//! calls that are not yet confirmed share one budget of memory, taken by what they announce.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream, HttpBody as _};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use proto::code::Code;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use crate::api_error::ApiError;

/// How long a caller may take to send a body.
const DEADLINE: Duration = Duration::from_secs(30);
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
}

impl Budget {
    /// A budget of some bytes for bodies of at most some.
    pub(crate) fn new(bytes: usize, body_bytes: usize) -> Self {
        Self { blocks: Arc::new(Semaphore::new((bytes / BLOCK_BYTES).clamp(1, Semaphore::MAX_PERMITS))), body_bytes }
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

    /// Reads it all, unless it is larger than it may be.
    pub(crate) async fn read(&mut self, bytes_max: usize) -> Result<Bytes, ApiError> {
        if self.ended {
            return Ok(Bytes::new());
        }
        if self.announced.is_some_and(|bytes| bytes > bytes_max as u64) {
            return Err(ApiError::too_large("the body", bytes_max));
        }
        match tokio::time::timeout(DEADLINE, self.whole(bytes_max)).await {
            Ok(whole) => whole,
            Err(_) => Err(ApiError::new(Code::BodyMalformed, "the body did not arrive within 30 s")),
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
    use axum::body::Body;
    use bytes::Bytes;

    use super::{BLOCK_BYTES, Budget, Reader};

    fn chunked(chunks: &'static [&'static str]) -> Body {
        Body::from_stream(futures_util::stream::iter(
            chunks.iter().map(|chunk| Ok::<_, std::convert::Infallible>(Bytes::from_static(chunk.as_bytes()))),
        ))
    }

    #[tokio::test]
    async fn a_body_is_kept_whole_up_to_the_limit() {
        for body in [Body::from("abcdef"), chunked(&["abc", "d", "ef"]), chunked(&["", "abc", "def"])] {
            assert_eq!(Reader::new(body).read(6).await.unwrap(), "abcdef");
        }
        assert!(Reader::new(Body::empty()).read(6).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn one_byte_more_is_refused_and_the_rest_discarded() {
        for body in [Body::from("abcdefg"), chunked(&["abc", "d", "efg", "hij"])] {
            let mut reader = Reader::new(body);
            let error = reader.read(6).await.unwrap_err();
            assert_eq!((error.code.as_str(), error.limit), ("CUE0102", Some(6)));
            reader.discard().await;
            assert!(reader.ended);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_stops_sending_is_refused() {
        let body = Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::convert::Infallible>>());
        assert_eq!(Reader::new(body).read(6).await.unwrap_err().code.as_str(), "CUE0101");
    }

    #[test]
    fn the_budget_is_taken_by_what_is_announced() {
        let budget = Budget::new(4 * BLOCK_BYTES, 2 * BLOCK_BYTES);
        let small = budget.take(&Body::from("x")).unwrap();
        let unknown = budget.take(&chunked(&["x"])).unwrap();
        assert!(budget.take(&Body::from("x")).is_err());
        drop((small, unknown));
        assert!(budget.take(&Body::from("x")).is_ok());
    }
}
