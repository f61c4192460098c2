//! The count in Redis.
//!
//! Each key holds the *theoretical arrival time* of GCRA in microseconds by the clock of Redis, so that
//! gateways need not agree on a time. The script looks at all limits before it counts any: a call that
//! one of them refuses uses up none of the others. A key lives until its limit is whole again and no
//! longer. All keys have one hash tag, as one script may only touch keys of one slot.

use std::sync::LazyLock;
use std::time::Duration;

use backbone::redis::{Redis, Silent};
use redis::{ErrorKind, Pipeline, Script, ServerErrorKind};

use super::{Limit, Standing};

/// KEYS: one a limit. ARGV: interval and count, in pairs. Answers, in threes: left, whole in, refused for (or -1).
const TAKE: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local arrivals, refused, answer = {}, false, {}
for i, key in ipairs(KEYS) do
  local interval, count = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local arrival = math.min(tonumber(redis.call('GET', key) or 0), now + interval * count)
  arrival = math.max(arrival, now)
  local wait = arrival + interval - interval * count - now
  if wait > 0 then refused = true end
  arrivals[i] = { arrival, wait }
end
for i, key in ipairs(KEYS) do
  local interval, count = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local arrival, wait = arrivals[i][1], arrivals[i][2]
  if not refused then
    arrival = arrival + interval
    redis.call('SET', key, string.format('%.0f', arrival), 'PX', math.ceil((arrival - now) / 1000))
  end
  local left = math.max(0, math.floor((now + interval * count - arrival) / interval + 0.000001))
  table.insert(answer, left)
  table.insert(answer, math.ceil(arrival - now))
  table.insert(answer, wait > 0 and math.ceil(wait) or -1)
end
return answer
";

static SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(TAKE));

/// Counts a call; nothing where Redis is silent.
pub(super) async fn take(redis: &Redis, limits: &[Limit]) -> Option<Vec<Standing>> {
    match redis.run(&asked("EVALSHA", SCRIPT.get_hash(), limits)).await {
        Ok(answer) => read(limits, answer),
        Err(Silent::Failed(error)) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
            read(limits, redis.run(&asked("EVAL", TAKE, limits)).await.ok()?)
        }
        Err(silent) => {
            tracing::debug!(%silent, "redis is silent: this process counts for itself");
            None
        }
    }
}

fn asked(command: &str, script: &str, limits: &[Limit]) -> Pipeline {
    let mut pipeline = redis::pipe();
    let command = pipeline.cmd(command).arg(script).arg(limits.len());
    for limit in limits {
        command.arg(format!("cue:{{rate}}:{}:{}", limit.kind.as_str(), limit.of));
    }
    for limit in limits {
        command.arg(interval_us(limit)).arg(limit.rate.count);
    }
    pipeline
}

/// The time between two calls at the limit, in microseconds.
fn interval_us(limit: &Limit) -> u64 {
    (limit.rate.per_ms.saturating_mul(1_000) / u64::from(limit.rate.count.max(1))).max(1)
}

fn read(limits: &[Limit], (answer,): (Vec<i64>,)) -> Option<Vec<Standing>> {
    let micros = |number: i64| Duration::from_micros(u64::try_from(number).unwrap_or_default());
    let of = |(limit, numbers): (&Limit, &[i64])| {
        let [left, whole_us, refused_us] = *numbers else { return None };
        Some(Standing {
            kind: limit.kind,
            rate: limit.rate,
            left: u32::try_from(left).unwrap_or_default(),
            whole_in: micros(whole_us),
            refused_for: (refused_us >= 0).then(|| micros(refused_us)),
        })
    };
    let standings: Vec<Standing> = limits.iter().zip(answer.chunks_exact(3)).map(of).collect::<Option<_>>()?;
    (standings.len() == limits.len()).then_some(standings)
}
