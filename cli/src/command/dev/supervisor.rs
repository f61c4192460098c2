//! Keeps a server running: one that dies is started again on its port and data.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::output::Chain;
use crate::server::Server;

/// The pause before the first new start.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// The longest pause between two starts.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// A server that ran this long begins with the shortest pause again.
const STEADY: Duration = Duration::from_secs(30);

/// Watches a server until `shutdown`, then stops it.
///
/// Run it on the system's task tracker: it ends only with the shutdown, and dropping it kills the server.
pub(super) async fn keep(mut server: Server, shutdown: CancellationToken) {
    let mut pause = PAUSE_MIN;
    loop {
        let since = Instant::now();
        tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            ended = server.exited() => {
                let how = ended.map_or_else(|error| error.to_string(), |status| status.to_string());
                tracing::warn!(server = server.program(), how, log = %server.log().display(), "a server died and is started again");
            }
        }
        if since.elapsed() > STEADY {
            pause = PAUSE_MIN;
        }
        let revived = tokio::select! {
            biased;
            () = shutdown.cancelled() => false,
            () = revive(&mut server, &mut pause) => true,
        };
        if !revived {
            break;
        }
    }
    if let Err(error) = server.stop().await {
        tracing::error!(server = server.program(), %error, "a server could not be stopped");
    }
}

async fn revive(server: &mut Server, pause: &mut Duration) {
    loop {
        tokio::time::sleep(*pause).await;
        *pause = (*pause * 2).min(PAUSE_MAX);
        match server.restart().await {
            Ok(()) => {
                tracing::info!(server = server.program(), port = server.port(), "the server runs again");
                return;
            }
            Err(error) => tracing::error!(server = server.program(), error = %Chain(&error), "the server does not start"),
        }
    }
}
