//! Leases over Redis.
//!
//! A lease is a key `cue:lease:{<session>}` with the owner's id and a time to live. One script
//! serves claiming, taking over and renewing: the lease is granted where nobody has it, where the
//! caller has it, or where the owner is the one that the caller knows to be gone. It is idempotent
//! per owner, because a call that timed out may still have run.
//!
//! `cue:sessions:{<worker>}` is the set of a worker's sessions and `cue:workers` holds the
//! heartbeats by Redis' own clock. They lie on other hash slots than the lease, so they are written
//! apart from it; a missed entry costs one ack wait.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use backbone::redis::{Redis, Silent as RedisSilent};
use proto::id::{SessionKey, WorkerId};
use proto::limit;
use proto::worker::{HEARTBEATS, HELD, sessions};
use redis::{ErrorKind, FromRedisValue, Pipeline, Script, ServerErrorKind};

use crate::port::{Census, Claim, Leases, Silent, Tasks};
use batch::Batch;

mod batch;

/// `KEYS[1]` the lease, `ARGV` the claimant, the time to live in ms, the owner known to be gone.
/// Answers the owner and what is left of its time.
const CLAIM: &str = r"
local owner = redis.call('GET', KEYS[1])
if not owner or owner == ARGV[1] or owner == ARGV[3] then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  return {ARGV[1], tonumber(ARGV[2])}
end
return {owner, redis.call('PTTL', KEYS[1])}
";

/// `KEYS[1]` the lease, `ARGV[1]` who gives it back. Answers in the form of a claim, so that both travel in one pipeline.
const RELEASE: &str = r"
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return {'', 0}
";

/// `KEYS[1]` the heartbeats, `ARGV` who beats, and after how many ms an entry is struck off.
/// Answers every worker and its age in ms, flat.
const BEAT: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
local found = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
for i = 2, #found, 2 do found[i] = tostring(now - found[i]) end
return found
";

/// How many sessions are noted that wait for more than a worker.
const HELD_MAX: i64 = 262_144;

/// After what silence a worker is no longer listed at all.
const STRIKE_OFF: Duration = Duration::from_hours(1);

/// The scripts over one connection.
struct Scripted {
    redis: Arc<Redis>,
    me: WorkerId,
    claim: Script,
    release: Script,
    beat: Script,
}

/// Leases of one worker.
pub struct RedisLeases {
    scripted: Arc<Scripted>,
    batch: Batch,
}

fn lease(session: &SessionKey) -> String {
    format!("cue:lease:{{{session}}}")
}

fn is_unknown_script(silent: &RedisSilent) -> bool {
    matches!(silent, RedisSilent::Failed(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript))
}

impl Scripted {
    /// Runs a pipeline; loads the scripts where Redis has lost them.
    async fn run<T: FromRedisValue>(&self, pipeline: &Pipeline) -> Result<T, Silent> {
        let silent = match self.redis.run(pipeline).await {
            Ok(answer) => return Ok(answer),
            Err(silent) => silent,
        };
        if is_unknown_script(&silent) {
            let mut load = redis::pipe();
            for code in [CLAIM, RELEASE, BEAT] {
                load.cmd("SCRIPT").arg("LOAD").arg(code).ignore();
            }
            if self.redis.run::<()>(&load).await.is_ok() {
                return self.redis.run(pipeline).await.map_err(|silent| said(&silent));
            }
        }
        Err(said(&silent))
    }

    fn claim(&self, pipeline: &mut Pipeline, session: &SessionKey, gone: Option<&WorkerId>) {
        pipeline
            .cmd("EVALSHA")
            .arg(self.claim.get_hash())
            .arg(1)
            .arg(lease(session))
            .arg(self.me.as_str())
            .arg(millis(limit::LEASE_TTL))
            .arg(gone.map_or("", WorkerId::as_str));
    }

    fn release(&self, pipeline: &mut Pipeline, session: &SessionKey) {
        pipeline.cmd("EVALSHA").arg(self.release.get_hash()).arg(1).arg(lease(session)).arg(self.me.as_str());
    }

    fn judge(&self, owner: &str, left_ms: i64) -> Result<Claim, Silent> {
        let owner: WorkerId = owner.parse().map_err(|_| Silent)?;
        if owner == self.me {
            return Ok(Claim::Mine);
        }
        Ok(Claim::Theirs { owner, left: Duration::from_millis(u64::try_from(left_ms).unwrap_or_default()) })
    }
}

impl RedisLeases {
    /// Leases for `me`; the round trips of claims and releases are one of `tasks`.
    pub fn new(redis: Arc<Redis>, me: WorkerId, tasks: &Tasks) -> Self {
        let scripted = Scripted { redis, me, claim: Script::new(CLAIM), release: Script::new(RELEASE), beat: Script::new(BEAT) };
        let scripted = Arc::new(scripted);
        let batch = Batch::start(Arc::clone(&scripted), tasks);
        Self { scripted, batch }
    }
}

fn said(silent: &RedisSilent) -> Silent {
    tracing::debug!(%silent, "redis is silent");
    Silent
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[async_trait]
impl Leases for RedisLeases {
    async fn acquire(&self, session: &SessionKey) -> Result<Claim, Silent> {
        self.batch.claim(session).await
    }

    async fn take_over(&self, session: &SessionKey, from: &WorkerId) -> Result<Claim, Silent> {
        let mut pipeline = redis::pipe();
        self.scripted.claim(&mut pipeline, session, Some(from));
        pipeline.cmd("SADD").arg(sessions(&self.scripted.me)).arg(session.to_string()).ignore();
        pipeline.cmd("SREM").arg(sessions(from)).arg(session.to_string()).ignore();
        let ((owner, left_ms),): ((String, i64),) = self.scripted.run(&pipeline).await?;
        self.scripted.judge(&owner, left_ms)
    }

    async fn renew(&self, held: &[SessionKey]) -> Result<Vec<bool>, Silent> {
        let mut pipeline = redis::pipe();
        for session in held {
            self.scripted.claim(&mut pipeline, session, None);
        }
        let answers: Vec<(String, i64)> = self.scripted.run(&pipeline).await?;
        Ok(answers.into_iter().map(|(owner, _)| owner == self.scripted.me.as_str()).collect())
    }

    async fn release(&self, session: &SessionKey) -> Result<(), Silent> {
        self.batch.release(session).await
    }

    async fn beat(&self) -> Result<Census, Silent> {
        let mut pipeline = redis::pipe();
        pipeline
            .cmd("EVALSHA")
            .arg(self.scripted.beat.get_hash())
            .arg(1)
            .arg(HEARTBEATS)
            .arg(self.scripted.me.as_str())
            .arg(millis(STRIKE_OFF));
        pipeline.cmd("PEXPIRE").arg(sessions(&self.scripted.me)).arg(millis(STRIKE_OFF)).ignore();
        let (found,): (Vec<String>,) = self.scripted.run(&pipeline).await?;
        let mut census = Census::default();
        for pair in found.chunks(2) {
            let [worker, age_ms] = pair else { continue };
            let (Ok(worker), Ok(age_ms)) = (worker.parse::<WorkerId>(), age_ms.parse::<f64>()) else { continue };
            let is_fresh = age_ms < limit::HEARTBEAT_STALE.as_secs_f64() * 1_000.0;
            if is_fresh { census.living.push(worker) } else { census.stale.push(worker) }
        }
        Ok(census)
    }

    async fn sessions_of(&self, worker: &WorkerId) -> Result<Vec<SessionKey>, Silent> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("SMEMBERS").arg(sessions(worker));
        let (found,): (Vec<String>,) = self.scripted.run(&pipeline).await?;
        Ok(found.iter().filter_map(|text| text.parse().ok()).collect())
    }

    async fn put_aside(&self, until_ms: &BTreeMap<SessionKey, i64>, now_ms: i64) -> Result<(), Silent> {
        let mut pipeline = redis::pipe();
        let add = pipeline.cmd("ZADD").arg(HELD);
        for (session, until_ms) in until_ms {
            add.arg(until_ms).arg(session.to_string());
        }
        add.ignore();
        pipeline.cmd("ZREMRANGEBYSCORE").arg(HELD).arg("-inf").arg(now_ms).ignore();
        // Those that wait the longest stay.
        pipeline.cmd("ZREMRANGEBYRANK").arg(HELD).arg(0).arg(-1 - HELD_MAX).ignore();
        self.scripted.redis.run(&pipeline).await.map_err(|_| Silent)
    }

    async fn forget(&self, worker: &WorkerId) -> Result<(), Silent> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("ZREM").arg(HEARTBEATS).arg(worker.as_str()).ignore();
        pipeline.cmd("DEL").arg(sessions(worker)).ignore();
        self.scripted.run(&pipeline).await
    }
}
