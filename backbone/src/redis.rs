//! The connection to Redis, every call bounded.
//!
//! What Redis holds is a hint or can be rebuilt, so a call that fails or is late is an ordinary
//! answer: [`Silent`]. A late call may still have run.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use proto::limit::REDIS_DEADLINE;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{ErrorKind, FromRedisValue, Pipeline, RedisError, ServerErrorKind, Value};

use crate::{config, tls};

/// Redis did not answer, or not usefully; what was asked may still happen.
#[derive(Debug, thiserror::Error)]
pub enum Silent {
    /// It answered with an error, or the connection broke.
    #[error("redis failed")]
    Failed(#[from] RedisError),
    /// It did not answer in time.
    #[error("redis did not answer within {REDIS_DEADLINE:?}")]
    Late,
}

/// Something in memory that answers like Redis.
#[async_trait]
pub trait Stage: fmt::Debug + Send + Sync {
    /// The answers to the commands of a pipeline that are not ignored.
    async fn run(&self, pipeline: &Pipeline) -> Result<Vec<Value>, Silent>;
}

/// A shared connection that heals itself.
#[derive(Debug)]
pub struct Redis(Way);

#[derive(Debug)]
enum Way {
    Server { config: Box<config::Redis>, manager: Mutex<ConnectionManager> },
    Stage(Arc<dyn Stage>),
}

/// Why no connection can be prepared.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting or its file cannot be used.
    #[error(transparent)]
    Setting(#[from] tls::Fault),
    /// The library refuses.
    #[error("cannot use the address of Redis")]
    Address(#[from] RedisError),
}

fn manager(config: &config::Redis) -> Result<ConnectionManager, Error> {
    let settings = ConnectionManagerConfig::new()
        .set_number_of_retries(1)
        .set_max_delay(std::time::Duration::from_millis(100))
        .set_connection_timeout(Some(REDIS_DEADLINE))
        .set_response_timeout(Some(REDIS_DEADLINE));
    Ok(ConnectionManager::new_lazy_with_config(config.client()?, settings)?)
}

impl Redis {
    /// Prepares a connection; fails only on an address or a file that cannot be used.
    pub fn new(config: &config::Redis) -> Result<Self, Error> {
        Ok(Self(Way::Server { manager: Mutex::new(manager(config)?), config: Box::new(config.clone()) }))
    }

    /// What a stage answers, for a simulation.
    pub fn staged(stage: Arc<dyn Stage>) -> Self {
        Self(Way::Stage(stage))
    }

    /// Runs a pipeline.
    pub async fn run<T: FromRedisValue>(&self, pipeline: &Pipeline) -> Result<T, Silent> {
        match &self.0 {
            Way::Stage(stage) => Ok(T::from_redis_value(Value::Array(stage.run(pipeline).await?)).map_err(RedisError::from)?),
            Way::Server { config, manager } => {
                let mut connection = manager.lock().unwrap_or_else(PoisonError::into_inner).clone();
                match tokio::time::timeout(REDIS_DEADLINE, pipeline.query_async(&mut connection)).await {
                    Ok(Ok(answer)) => Ok(answer),
                    Ok(Err(error)) => {
                        heal(config, manager, &error);
                        Err(error.into())
                    }
                    Err(_) => Err(Silent::Late),
                }
            }
        }
    }

    /// Whether Redis answers right now.
    pub async fn ping(&self) -> Result<(), Silent> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("PING").ignore();
        self.run(&pipeline).await
    }
}

/// After a failover the old connection stays up and answers with errors: it must be made anew. So must one whose
/// password or certificate was changed; the files are read again.
fn heal(config: &config::Redis, held: &Mutex<ConnectionManager>, error: &RedisError) {
    let is_stale = matches!(
        error.kind(),
        ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown | ServerErrorKind::BusyLoading)
            | ErrorKind::AuthenticationFailed
    );
    if is_stale && let Ok(fresh) = manager(config) {
        *held.lock().unwrap_or_else(PoisonError::into_inner) = fresh;
    }
}
