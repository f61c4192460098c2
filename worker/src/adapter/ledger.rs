//! What is spent in a day, over Redis.
//!
//! `cue:spent:{<account>}` is a hash of the day (UTC, by Redis' clock) and the five amounts; another
//! day empties it. Counting in and comparing are one script, so two workers cannot both take the
//! last of a budget. While Redis is silent each worker counts by itself: a budget then holds for
//! each worker alone, which is the price of going on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use backbone::redis::Redis;
use proto::resource::Budget;

use crate::budget::{Account, Exceeded, Ledger, Spent};
use crate::port::Clock;

/// How many accounts a worker counts by itself at most; past that the oldest day's are forgotten, then all.
const LOCAL_MAX: usize = 65_536;
/// How long an account is kept after its last use, in seconds: two days.
const KEPT_S: u64 = 2 * 24 * 3600;
const DAY_MS: i64 = 24 * 3600 * 1000;

/// `KEYS[1]` the account, `ARGV` how long it is kept, then five pairs of amount and bound (0: none).
/// Answers the place (1 to 5) of the first bound that would be passed and what it would come to, or 0.
const RESERVE: &str = r"
local day = math.floor(redis.call('TIME')[1] / 86400)
local names = {'model', 'ability', 'tokens', 'time', 'cost'}
if redis.call('HGET', KEYS[1], 'day') ~= tostring(day) then redis.call('DEL', KEYS[1]) end
for i = 1, 5 do
  local amount, bound = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
  local wanted = tonumber(redis.call('HGET', KEYS[1], names[i]) or '0') + amount
  if bound > 0 and amount > 0 and wanted > bound then return {i, wanted} end
end
redis.call('HSET', KEYS[1], 'day', day)
for i = 1, 5 do redis.call('HINCRBY', KEYS[1], names[i], ARGV[2 * i]) end
redis.call('EXPIRE', KEYS[1], ARGV[1])
return {0, 0}
";

/// `KEYS[1]` the account, `ARGV` five differences. Nothing happens where the day has changed meanwhile.
const ADJUST: &str = r"
local day = math.floor(redis.call('TIME')[1] / 86400)
if redis.call('HGET', KEYS[1], 'day') ~= tostring(day) then return 0 end
local names = {'model', 'ability', 'tokens', 'time', 'cost'}
for i = 1, 5 do redis.call('HINCRBY', KEYS[1], names[i], ARGV[i]) end
return 1
";

/// The ledger of a deployment.
pub struct RedisLedger {
    redis: Arc<Redis>,
    clock: Arc<dyn Clock>,
    local: Mutex<HashMap<String, (i64, [i64; 5])>>,
}

fn amounts(spent: Spent) -> [i64; 5] {
    [spent.model_calls, spent.ability_calls, spent.tokens, spent.time_ms, spent.cost_micro_usd]
        .map(|amount| i64::try_from(amount).unwrap_or(i64::MAX))
}

fn bounds(budget: &Budget) -> [i64; 5] {
    [budget.model_calls, budget.ability_calls, budget.tokens, budget.time_ms, budget.cost_micro_usd]
        .map(|bound| i64::try_from(bound).unwrap_or(i64::MAX))
}

fn key(account: &Account) -> String {
    format!("cue:spent:{{{}}}", account.key)
}

fn exceeded(account: &Account, place: usize, wanted: i64) -> Exceeded {
    const NAMES: [&str; 5] = ["model calls", "ability calls", "tokens", "milliseconds", "millionths of a US dollar"];
    let limit = bounds(&account.budget).get(place).copied().unwrap_or_default().unsigned_abs();
    Exceeded { scope: account.scope.clone(), what: NAMES.get(place).copied().unwrap_or_default(), limit, wanted: wanted.unsigned_abs() }
}

impl RedisLedger {
    /// A ledger over a connection; `clock` tells the day while Redis is silent.
    pub fn new(redis: Arc<Redis>, clock: Arc<dyn Clock>) -> Self {
        Self { redis, clock, local: Mutex::default() }
    }

    async fn reserve_one(&self, account: &Account, amount: Spent) -> Result<(), Exceeded> {
        let mut pipeline = redis::pipe();
        let command = pipeline.cmd("EVAL").arg(RESERVE).arg(1).arg(key(account)).arg(KEPT_S);
        for (amount, bound) in amounts(amount).into_iter().zip(bounds(&account.budget)) {
            command.arg(amount).arg(bound);
        }
        match self.redis.run::<Vec<(usize, i64)>>(&pipeline).await.map(|answers| answers.into_iter().next()) {
            Ok(Some((place @ 1.., wanted))) => Err(exceeded(account, place - 1, wanted)),
            Ok(_) => Ok(()),
            Err(error) => {
                tracing::debug!(%error, "budgets are counted by each worker alone");
                self.reserve_locally(account, amount)
            }
        }
    }

    fn reserve_locally(&self, account: &Account, amount: Spent) -> Result<(), Exceeded> {
        let today = self.clock.now_ms().div_euclid(DAY_MS);
        let mut local = self.local.lock().unwrap_or_else(PoisonError::into_inner);
        if local.len() >= LOCAL_MAX {
            local.retain(|_, (day, _)| *day == today);
        }
        if local.len() >= LOCAL_MAX {
            local.clear();
        }
        let (day, spent) = local.entry(account.key.clone()).or_default();
        if *day != today {
            (*day, *spent) = (today, [0; 5]);
        }
        let wanted: Vec<i64> = spent.iter().zip(amounts(amount)).map(|(spent, amount)| spent.saturating_add(amount)).collect();
        let passed = wanted
            .iter()
            .zip(bounds(&account.budget))
            .zip(amounts(amount))
            .position(|((wanted, bound), amount)| bound > 0 && amount > 0 && *wanted > bound);
        if let Some(place) = passed {
            return Err(exceeded(account, place, wanted.get(place).copied().unwrap_or_default()));
        }
        spent.iter_mut().zip(wanted).for_each(|(spent, wanted)| *spent = wanted);
        Ok(())
    }

    async fn adjust(&self, accounts: &[Account], by: [i64; 5]) {
        if accounts.is_empty() || by == [0; 5] {
            return;
        }
        let mut pipeline = redis::pipe();
        for account in accounts {
            pipeline.cmd("EVAL").arg(ADJUST).arg(1).arg(key(account)).arg(&by[..]);
        }
        if let Err(error) = self.redis.run::<Vec<i64>>(&pipeline).await {
            tracing::debug!(%error, "what was reserved stays reserved");
        }
    }
}

#[async_trait]
impl Ledger for RedisLedger {
    async fn reserve(&self, accounts: &[Account], amount: Spent) -> Result<(), Exceeded> {
        for (index, account) in accounts.iter().enumerate() {
            if let Err(exceeded) = self.reserve_one(account, amount).await {
                let before = accounts.get(..index).unwrap_or_default();
                self.adjust(before, amounts(amount).map(|amount| -amount)).await;
                return Err(exceeded);
            }
        }
        Ok(())
    }

    async fn settle(&self, accounts: &[Account], reserved: Spent, spent: Spent) {
        let (reserved, spent) = (amounts(reserved), amounts(spent));
        let mut by = [0; 5];
        by.iter_mut().zip(spent).zip(reserved).for_each(|((by, spent), reserved)| *by = spent - reserved);
        self.adjust(accounts, by).await;
    }
}
