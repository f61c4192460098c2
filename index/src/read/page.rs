//! One read of a list.

use backbone::redis::Silent;

use super::{Order, Wanted};
use crate::key;
use crate::store::{Source, Standing, Store};

/// `KEYS[1]` what all keys begin with; `ARGV` the names of position and goal, the list, its set, the
/// direction, the entry to go on behind, how many, the lowest and the highest creation, and two
/// sets that know places of entries which are not in the set.
/// Answers position, goal, whether the entry to go on behind has a place, then ids and values.
const PAGE: &str = r"
local P = KEYS[1] .. (redis.call('GET', KEYS[1] .. 'gen') or '0') .. ':'
local out = {redis.call('GET', P .. ARGV[1]) or '', redis.call('GET', P .. ARGV[2]) or '', '1'}
local set, down, cursor, count = P .. ARGV[4], ARGV[5] == 'desc', ARGV[6], tonumber(ARGV[7])
local low, high = ARGV[8], ARGV[9]
local from
if down then from = redis.call('ZCOUNT', set, '(' .. high, '+inf') else from = redis.call('ZCOUNT', set, '-inf', '(' .. low) end
if cursor ~= '' then
  local place = down and redis.call('ZREVRANK', set, cursor) or (not down) and redis.call('ZRANK', set, cursor)
  if place then
    from = math.max(from, place + 1)
  else
    local score = redis.call('ZSCORE', P .. ARGV[10], cursor) or redis.call('ZSCORE', P .. ARGV[11], cursor)
    if not score then out[3] = '0' return out end
    place = down and redis.call('ZCOUNT', set, '(' .. score, '+inf') or redis.call('ZCOUNT', set, '-inf', '(' .. score)
    for _, id in ipairs(redis.call('ZRANGEBYSCORE', set, score, score)) do
      if (down and id > cursor) or (not down and id < cursor) then place = place + 1 end
    end
    from = math.max(from, place)
  end
end
local found = redis.call(down and 'ZREVRANGE' or 'ZRANGE', set, from, from + count - 1, 'WITHSCORES')
local ids = {}
for i = 1, #found, 2 do
  local score = tonumber(found[i + 1])
  if down and low ~= '-inf' and score < tonumber(low) then break end
  if not down and high ~= '+inf' and score > tonumber(high) then break end
  ids[#ids + 1] = found[i]
end
if #ids == 0 then return out end
local values = redis.call('HMGET', P .. ARGV[3], unpack(ids))
for i, id in ipairs(ids) do
  out[#out + 1] = id
  out[#out + 1] = values[i] or ''
end
return out
";

/// Why a list cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Redis is away.
    #[error("the index is away")]
    Away(#[from] Silent),
    /// The index is being built: what it has is not all.
    #[error("the index is being built: {at} of {goal} records are read")]
    Building {
        /// How far it is.
        at: u64,
        /// Where it is complete.
        goal: u64,
    },
    /// The entry to go on behind is not known.
    #[error("the cursor names no entry of this list, or one that went long ago: begin again without it")]
    Cursor,
    /// Entries cannot be read.
    #[error("the index answers in a form that this version does not know")]
    Foreign,
}

/// Where a list is read.
#[derive(Debug, Clone)]
pub(super) struct Page {
    source: Source,
    list: &'static str,
    set: String,
    /// Where entries that are not in the set have their places.
    places: String,
    order: Order,
    from_ms: Option<i64>,
    to_ms: Option<i64>,
    /// Behind this entry; empty from the beginning.
    pub(super) cursor: String,
    /// How many.
    pub(super) count: usize,
}

/// An entry as it is stored.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) value: Vec<u8>,
}

impl Page {
    /// The beginning of what is wanted.
    pub(super) fn of(wanted: &Wanted, source: Source, list: &'static str, set: String) -> Self {
        let cursor = wanted.cursor.clone().unwrap_or_default();
        Self { source, list, set, places: key::all(list), order: wanted.order, from_ms: None, to_ms: None, cursor, count: wanted.take }
    }

    /// Entries that are not in the set have their places there.
    pub(super) fn placed(self, places: String) -> Self {
        Self { places, ..self }
    }

    /// Only entries that were made between.
    pub(super) fn within(self, from_ms: Option<i64>, to_ms: Option<i64>) -> Self {
        Self { from_ms, to_ms, ..self }
    }

    /// Reads the next entries.
    pub(super) async fn read(&self, store: &Store) -> Result<Vec<Row>, Error> {
        let order = if self.order == Order::Descending { "desc" } else { "asc" };
        let bound = |bound: Option<i64>, none: &str| bound.map_or_else(|| none.to_owned(), |bound| bound.to_string());
        let (found,): (Vec<Vec<u8>>,) = store
            .call(PAGE, |command| {
                command.arg(self.source.position()).arg(self.source.goal()).arg(self.list).arg(&self.set).arg(order);
                command.arg(&self.cursor).arg(self.count).arg(bound(self.from_ms, "-inf")).arg(bound(self.to_ms, "+inf"));
                command.arg(&self.places).arg(key::gone(self.list))
            })
            .await?;
        let mut found = found.into_iter();
        let mut text = || found.next().and_then(|value| String::from_utf8(value).ok()).ok_or(Error::Foreign);
        let (at, goal, has_place) = (text()?, text()?, text()?);
        complete(&Standing { generation: String::new(), at: at.parse().ok(), goal: goal.parse().unwrap_or_default() })?;
        if has_place != "1" {
            return Err(Error::Cursor);
        }
        let mut rows = Vec::new();
        while let (Some(id), Some(value)) = (found.next(), found.next()) {
            rows.push(Row { id: String::from_utf8(id).map_err(|_| Error::Foreign)?, value });
        }
        Ok(rows)
    }
}

/// Refuses an index that does not have all that was there when it was begun.
pub(super) fn complete(standing: &Standing) -> Result<(), Error> {
    let at = standing.at.map(|at| at.seq);
    match at {
        Some(at) if at >= standing.goal => Ok(()),
        at => Err(Error::Building { at: at.unwrap_or_default(), goal: standing.goal }),
    }
}

impl Store {
    /// One entry of a hash.
    pub(super) async fn entry(&self, hash: &str, field: &str) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.entries(hash, &[field.to_owned()]).await?.pop().flatten())
    }

    /// Entries of a hash.
    pub(super) async fn entries(&self, hash: &str, fields: &[String]) -> Result<Vec<Option<Vec<u8>>>, Error> {
        let standing = self.standing(Source::Log).await?;
        complete(&standing)?;
        if fields.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = redis::pipe();
        pipeline.cmd("HMGET").arg(format!("{}{hash}", key::generation(&standing.generation))).arg(fields);
        let (found,): (Vec<Option<Vec<u8>>>,) = self.redis().run(&pipeline).await?;
        Ok(found)
    }
}
