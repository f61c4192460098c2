//! What is written but not read yet, bounded.
//!
//! Between a follower and its connection lie at most [`BUFFER_BYTES_MAX`] bytes, or one piece that
//! is larger. Whoever reads too slowly is cut off with a last word, for which there is always room.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many bytes may lie unread.
const BUFFER_BYTES_MAX: u32 = 256 * 1024;
/// What a piece counts at least, in bytes: it bounds how many may lie unread.
const PIECE_BYTES_MIN: u32 = 256;
/// How many pieces may lie unread, the last word included.
const PIECES_MAX: usize = (BUFFER_BYTES_MAX / PIECE_BYTES_MIN) as usize + 1;
/// How long a reader may take to make room.
const SLOW_AFTER: Duration = Duration::from_secs(5);

/// Why nothing more can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gone {
    /// The reader has closed the connection.
    Closed,
    /// The reader is too slow.
    Slow,
}

#[derive(Debug)]
struct Unread {
    bytes: Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

/// Where a follower writes.
#[derive(Debug)]
pub(super) struct Outlet {
    unread: Sender<Unread>,
    room: Arc<Semaphore>,
}

struct Reader {
    unread: Receiver<Unread>,
    _place: OwnedSemaphorePermit,
}

/// An outlet and the body that it fills; the body keeps the follower's place until it is dropped.
pub(super) fn outlet(place: OwnedSemaphorePermit) -> (Outlet, Body) {
    let (sender, receiver) = channel(PIECES_MAX);
    let reader = Reader { unread: receiver, _place: place };
    let pieces = stream::unfold(reader, |mut reader| async {
        let piece = reader.unread.recv().await?;
        Some((Ok::<Bytes, Infallible>(piece.bytes), reader))
    });
    let outlet = Outlet { unread: sender, room: Arc::new(Semaphore::new(BUFFER_BYTES_MAX as usize)) };
    (outlet, Body::from_stream(pieces))
}

impl Outlet {
    /// Writes one piece, once there is room.
    pub(super) async fn write(&self, bytes: Bytes) -> Result<(), Gone> {
        let size = u32::try_from(bytes.len()).unwrap_or(u32::MAX).clamp(PIECE_BYTES_MIN, BUFFER_BYTES_MAX);
        let room = tokio::select! {
            biased;
            () = self.unread.closed() => return Err(Gone::Closed),
            room = tokio::time::timeout(SLOW_AFTER, Arc::clone(&self.room).acquire_many_owned(size)) => room.map_err(|_| Gone::Slow)?.ok(),
        };
        self.unread.try_send(Unread { bytes, _room: room }).map_err(|_| Gone::Closed)
    }

    /// Writes the last piece, for which there is always room.
    pub(super) fn close(self, bytes: Bytes) {
        drop(self.unread.try_send(Unread { bytes, _room: None }));
    }

    /// Waits until the reader has closed the connection.
    pub(super) async fn closed(&self) {
        self.unread.closed().await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use futures_util::StreamExt as _;
    use tokio::sync::Semaphore;
    use tokio::time::Instant;

    use super::{BUFFER_BYTES_MAX, Gone, PIECES_MAX, SLOW_AFTER, outlet};

    fn piece(bytes: usize) -> Bytes {
        vec![b'x'; bytes].into()
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_is_cut_off_with_a_last_word() {
        let places = Arc::new(Semaphore::new(1));
        let (outlet, body) = outlet(Arc::clone(&places).try_acquire_owned().unwrap());
        let mut written = 0;
        let began = Instant::now();
        while outlet.write(piece(1)).await.is_ok() {
            written += 1;
        }
        assert_eq!((written, began.elapsed()), (PIECES_MAX - 1, SLOW_AFTER));
        outlet.close(Bytes::from_static(b"end"));
        let read: Vec<_> = body.into_data_stream().collect().await;
        assert_eq!((read.len(), read.last().unwrap().as_ref().unwrap().as_ref()), (PIECES_MAX, &b"end"[..]));
        assert_eq!(places.available_permits(), 1, "the place is free once the body is gone");
    }

    #[tokio::test(start_paused = true)]
    async fn a_piece_larger_than_the_buffer_goes_through_alone() {
        let place = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let (outlet, body) = outlet(place);
        let large = BUFFER_BYTES_MAX as usize * 3;
        outlet.write(piece(large)).await.unwrap();
        assert_eq!(outlet.write(piece(1)).await, Err(Gone::Slow));
        let mut body = body.into_data_stream();
        assert_eq!(body.next().await.unwrap().unwrap().len(), large);
        outlet.write(piece(large)).await.unwrap();
        drop(body);
        assert_eq!(outlet.write(piece(1)).await, Err(Gone::Closed));
        outlet.closed().await;
    }
}
