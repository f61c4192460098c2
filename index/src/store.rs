//! Changes applied, each batch once.
//!
//! Where a stream was read up to stands in the index itself, and one script applies a batch and
//! moves that position, if the position is still the one that the batch begins at and the
//! generation still counts. So a lost index begins again from nothing, a batch whose answer was lost
//! is not applied twice, and of two indexers at the same place one is refused.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use backbone::redis::{Redis, Silent};
use redis::Pipeline;
use serde::de::DeserializeOwned;

use crate::bound::{GONE_MAX, ITEMS_MAX, USAGE_DAYS_MAX};
use crate::change::Change;
use crate::entry::{Event, State};
use crate::histogram::Histogram;
use crate::key;
use crate::project::{Known, Names};
use crate::pulse::Span;

/// Counts the pairs of fields and numbers that begin at `ARGV[from]`, in the slot of a round.
macro_rules! tally {
    () => {
        r"
local function tally(slot, round, from, pairs)
  local had = tonumber(redis.call('HGET', slot, 'r') or '-1')
  if had > round then return end
  if had < round then
    redis.call('DEL', slot)
    redis.call('HSET', slot, 'r', round)
  end
  for at = from, from + 2 * pairs - 2, 2 do redis.call('HINCRBY', slot, ARGV[at], ARGV[at + 1]) end
end
"
    };
}

/// `KEYS[1]` what all keys begin with; `ARGV` the generation, the name of the position, the position
/// before and after, three bounds, the names of all statuses, then the changes. Answers 1 where they were applied.
const APPLY: &str = concat!(
    tally!(),
    r"
local B = KEYS[1]
local gen = redis.call('GET', B .. 'gen') or '0'
if gen ~= ARGV[1] then return 0 end
local P = B .. gen .. ':'
if (redis.call('GET', P .. ARGV[2]) or '') ~= ARGV[3] then return 0 end
local items_max, gone_max, days_max = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local function drop(id)
  local raw = redis.call('HGET', P .. 'i', id)
  redis.call('ZREM', P .. 'i:all', id)
  if not raw then return end
  redis.call('HDEL', P .. 'i', id)
  local item = cjson.decode(raw)
  redis.call('ZREM', P .. 'i:t:' .. item.t, id)
  redis.call('ZREM', P .. 'i:c:' .. item.c, id)
  if item.f then
    redis.call('HDEL', P .. 'e', item.r)
    redis.call('ZREM', P .. 'e:t:' .. item.t, item.r)
    for name in string.gmatch(ARGV[8], '[^ ]+') do redis.call('ZREM', P .. 'e:s:' .. name .. ':' .. item.t, item.r) end
  end
end
local i = 9
while i <= #ARGV do
  local op, a, b, c = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  if op == 'H' then redis.call('HSET', P .. a, b, c) i = i + 4
  elseif op == 'h' then redis.call('HDEL', P .. a, b) i = i + 3
  elseif op == 'Z' then redis.call('ZADD', P .. a, b, c) i = i + 4
  elseif op == 'z' then redis.call('ZREM', P .. a, b) i = i + 3
  elseif op == 'C' then redis.call('HINCRBY', P .. a, b, c) i = i + 4
  elseif op == 'S' then
    local pairs = tonumber(ARGV[i + 4])
    if c == '' or redis.call('HEXISTS', P .. 'e', c) == 0 then tally(P .. a, tonumber(b), i + 5, pairs) end
    i = i + 5 + 2 * pairs
  elseif op == 'R' then
    local score = redis.call('ZSCORE', P .. a .. ':all', b)
    if score then
      redis.call('ZADD', P .. a .. ':gone', score, b)
      redis.call('ZREMRANGEBYRANK', P .. a .. ':gone', 0, -gone_max - 1)
    end
    redis.call('ZREM', P .. a .. ':all', b)
    redis.call('HDEL', P .. a, b)
    i = i + 3
  elseif op == 'F' then
    for _, id in ipairs(redis.call('ZRANGE', P .. 'i:c:' .. a, 0, -1)) do drop(id) end
    i = i + 2
  elseif op == 'D' then
    redis.call('ZADD', P .. 'u:days', a, a)
    while redis.call('ZCARD', P .. 'u:days') > days_max do
      local day = redis.call('ZPOPMIN', P .. 'u:days')[1]
      redis.call('UNLINK', P .. 'u:' .. day)
    end
    i = i + 2
  elseif op == 'T' then
    local over = redis.call('ZCARD', P .. 'i:all') - items_max
    if over > 0 then
      for _, id in ipairs(redis.call('ZRANGE', P .. 'i:all', 0, over - 1)) do drop(id) end
    end
    i = i + 1
  else return redis.error_reply('unknown change ' .. tostring(op)) end
end
redis.call('SET', P .. ARGV[2], ARGV[4])
return 1
"
);

/// `KEYS[1]` what the keys of slots begin with; `ARGV` slots, each with its name, its round, how many pairs, and the pairs.
const NOTE: &str = concat!(
    tally!(),
    r"
local i = 1
while i <= #ARGV do
  local pairs = tonumber(ARGV[i + 2])
  tally(KEYS[1] .. ARGV[i], tonumber(ARGV[i + 1]), i + 3, pairs)
  i = i + 3 + 2 * pairs
end
return 1
"
);

/// `KEYS[1]` as above; `ARGV` the names of position and goal, the position, the goal. Begins where nothing has begun.
const BEGIN: &str = r"
local P = KEYS[1] .. (redis.call('GET', KEYS[1] .. 'gen') or '0') .. ':'
if redis.call('EXISTS', P .. ARGV[1]) == 1 then return 0 end
redis.call('SET', P .. ARGV[2], ARGV[4])
redis.call('SET', P .. ARGV[1], ARGV[3])
return 1
";

/// `KEYS[1]` as above; `ARGV[1]` the generation that is given up. Answers the one that counts from now on.
const RENEW: &str = r"
local gen = redis.call('GET', KEYS[1] .. 'gen') or '0'
if gen ~= ARGV[1] then return gen end
return tostring(redis.call('INCR', KEYS[1] .. 'gen'))
";

/// `KEYS[1]` as above; `ARGV` the names of position and goal. Answers generation, position and goal.
const STAND: &str = r"
local gen = redis.call('GET', KEYS[1] .. 'gen') or '0'
local P = KEYS[1] .. gen .. ':'
return {gen, redis.call('GET', P .. ARGV[1]) or '', redis.call('GET', P .. ARGV[2]) or ''}
";

/// Which stream is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The log.
    Log,
    /// The bucket of contacts.
    Contacts,
}

impl Source {
    pub(crate) fn position(self) -> &'static str {
        if self == Self::Log { "at" } else { "p:at" }
    }

    pub(crate) fn goal(self) -> &'static str {
        if self == Self::Log { "goal" } else { "p:goal" }
    }
}

/// Where a stream was read up to: a stream that is made anew counts from the beginning, so it is named by its creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// When the stream was made, in nanoseconds since 1970.
    pub created: i128,
    /// The last sequence that was read.
    pub seq: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.created, self.seq)
    }
}

impl FromStr for Position {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (created, seq) = text.split_once(':').ok_or(())?;
        Ok(Self { created: created.parse().map_err(drop)?, seq: seq.parse().map_err(drop)? })
    }
}

/// How far the index is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The generation that counts.
    pub generation: String,
    /// Where the stream was read up to; none where nothing has begun.
    pub at: Option<Position>,
    /// Where the stream ended when the build began.
    pub goal: u64,
}

/// Values of a hash, in the order of the fields that were asked for.
type Values = Vec<Option<Vec<u8>>>;

/// The index in Redis.
#[derive(Debug, Clone)]
pub struct Store {
    redis: Arc<Redis>,
}

impl Store {
    /// The index that lies there.
    pub fn new(redis: Arc<Redis>) -> Self {
        Self { redis }
    }

    /// How far it is.
    pub async fn standing(&self, source: Source) -> Result<Standing, Silent> {
        let ((generation, at, goal),): ((String, String, String),) =
            self.call(STAND, |command| command.arg(source.position()).arg(source.goal())).await?;
        Ok(Standing { generation, at: at.parse().ok(), goal: goal.parse().unwrap_or_default() })
    }

    /// Begins at nothing, where nothing has begun; lists are refused until `goal` is reached.
    pub async fn begin(&self, source: Source, created: i128, goal: u64) -> Result<(), Silent> {
        let at = Position { created, seq: 0 }.to_string();
        let (_,): (i64,) = self.call(BEGIN, |command| command.arg(source.position()).arg(source.goal()).arg(at).arg(goal)).await?;
        Ok(())
    }

    /// Gives a generation up; answers the one that counts from now on.
    pub async fn renew(&self, generation: &str) -> Result<String, Silent> {
        let (generation,): (String,) = self.call(RENEW, |command| command.arg(generation)).await?;
        Ok(generation)
    }

    /// What is known of what a batch names.
    pub async fn known(&self, standing: &Standing, names: &[Names]) -> Result<Known, Silent> {
        let conversations: Vec<&str> = distinct(names.iter().map(|names| names.conversation.as_str()));
        let receipts: Vec<&str> = distinct(names.iter().map(|names| names.receipt.as_str()));
        let edited: Vec<&str> = distinct(names.iter().filter_map(|names| names.edited.as_deref()));
        if names.is_empty() {
            return Ok(Known::default());
        }
        let prefix = key::generation(&standing.generation);
        let mut pipeline = redis::pipe();
        pipeline.cmd("HMGET").arg(format!("{prefix}{}", key::CONVERSATIONS)).arg(&conversations);
        pipeline.cmd("HMGET").arg(format!("{prefix}{}", key::TURNS)).arg(&receipts);
        // Nearly always there is none, and a call must name something.
        pipeline.cmd("HMGET").arg(format!("{prefix}{}", key::EVENTS)).arg(if edited.is_empty() { &[""] } else { edited.as_slice() });
        let found: (Values, Values, Values) = self.redis.run(&pipeline).await?;
        let events: std::collections::BTreeMap<String, Event> = parsed(&edited, found.2);
        Ok(Known {
            conversations: parsed(&conversations, found.0),
            turns: parsed(&receipts, found.1),
            ended: events.into_iter().filter(|(_, event)| event.state.is_final()).map(|(receipt, _)| receipt).collect(),
            goal: standing.goal,
        })
    }

    /// Which of these contacts the index knows.
    pub async fn has_contacts(&self, generation: &str, ids: &[&str]) -> Result<Vec<bool>, Silent> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = redis::pipe();
        pipeline.cmd("HMGET").arg(format!("{}{}", key::generation(generation), key::CONTACTS)).arg(ids);
        let (found,): (Values,) = self.redis.run(&pipeline).await?;
        Ok(found.iter().map(Option::is_some).collect())
    }

    /// Applies a batch and moves the position; false where somebody else was there before.
    pub async fn apply(&self, source: Source, standing: &Standing, to: Position, changes: &[Change]) -> Result<bool, Silent> {
        let before = standing.at.map(|at| at.to_string()).unwrap_or_default();
        let (applied,): (i64,) = self
            .call(APPLY, |command| {
                command.arg(&standing.generation).arg(source.position()).arg(before).arg(to.to_string());
                command.arg(ITEMS_MAX).arg(GONE_MAX).arg(USAGE_DAYS_MAX).arg(State::ALL.map(State::name).join(" "));
                changes.iter().fold(command, push)
            })
            .await?;
        Ok(applied == 1)
    }

    /// Adds how long calls took, to the slots that a time belongs to.
    pub async fn note_accepts(&self, at_ms: i64, accepts: &Histogram) -> Result<(), Silent> {
        let counts: Vec<_> = accepts.counts().collect();
        let mut pipeline = redis::pipe();
        pipeline.cmd("EVAL").arg(NOTE).arg(1).arg(key::ACCEPTS);
        for span in Span::ALL {
            let round = span.round(at_ms);
            pipeline.arg(key::accepts(span, round)).arg(round).arg(counts.len());
            for (bucket, by) in &counts {
                pipeline.arg(*bucket).arg(*by);
            }
        }
        let (_,): (i64,) = self.redis.run(&pipeline).await?;
        Ok(())
    }

    /// Runs a script over what lies there.
    pub(crate) async fn call<T: redis::FromRedisValue>(
        &self,
        script: &str,
        arguments: impl FnOnce(&mut Pipeline) -> &mut Pipeline,
    ) -> Result<T, Silent> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("EVAL").arg(script).arg(1).arg(key::base());
        arguments(&mut pipeline);
        self.redis.run(&pipeline).await
    }

    /// The connection.
    pub(crate) fn redis(&self) -> &Redis {
        &self.redis
    }
}

/// Adds a change to the arguments, in the form that the script reads.
fn push<'a>(command: &'a mut Pipeline, change: &Change) -> &'a mut Pipeline {
    match change {
        Change::Put { hash, field, value } => command.arg("H").arg(hash).arg(field).arg(value),
        Change::Drop { hash, field } => command.arg("h").arg(hash).arg(field),
        Change::Rank { set, score, member } => command.arg("Z").arg(set).arg(*score).arg(member),
        Change::Unrank { set, member } => command.arg("z").arg(set).arg(member),
        Change::Count { hash, field, by } => command.arg("C").arg(hash).arg(field).arg(*by),
        Change::Tally { slot, round, unless, counts } => {
            command.arg("S").arg(slot).arg(*round).arg(unless.as_deref().unwrap_or_default()).arg(counts.len());
            counts.iter().fold(command, |command, (field, by)| command.arg(field).arg(*by))
        }
        Change::Retire { list, member } => command.arg("R").arg(list).arg(member),
        Change::Forget { conversation } => command.arg("F").arg(conversation),
        Change::Day { day } => command.arg("D").arg(*day),
        Change::Trim => command.arg("T"),
    }
}

fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    names.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
}

/// What could be read; an entry that cannot be read is made anew.
fn parsed<T: DeserializeOwned>(names: &[&str], found: Values) -> std::collections::BTreeMap<String, T> {
    let pairs = names.iter().zip(found);
    pairs.filter_map(|(name, value)| Some(((*name).to_owned(), serde_json::from_slice(&value?).ok()?))).collect()
}
