//! The role that keeps the index.

use std::sync::Arc;

use async_nats::Client;
use backbone::catalogue::Catalogue;
use backbone::redis::Redis;
use index::follow::Indexer;
use proto::id::WorkerId;
use tokio_util::sync::CancellationToken;

use crate::port::Tasks;

/// Starts it; it stops with `shutdown`, and whatever it was at is done by the next one.
pub fn start(tasks: &Tasks, me: &WorkerId, (client, redis, catalogue): (&Client, &Arc<Redis>, &Catalogue), shutdown: CancellationToken) {
    let indexer = Indexer::new(client.clone(), Arc::clone(redis), catalogue.clone(), me.to_string());
    tasks.spawn(indexer.run(shutdown));
}
