//! What the operating system asks a running service to do.
//!
//! SIGTERM and Ctrl-C end it in order, a second one at once; SIGHUP has it read its files again.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a service is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// To end.
    End,
    /// To read its files again.
    Reread,
}

/// The signals of this process.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Listens from now on, so that none is lost that comes during the start.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The next wish.
    pub async fn next(&mut self) -> Wish {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => Wish::End,
            _ = self.interrupt.recv() => Wish::End,
            _ = self.hangup.recv() => Wish::Reread,
        }
    }

    /// Waits until the process is asked to end; until then `reread` is called whenever that is asked for.
    pub async fn end(&mut self, mut reread: impl AsyncFnMut()) {
        while self.next().await == Wish::Reread {
            reread().await;
        }
    }
}
