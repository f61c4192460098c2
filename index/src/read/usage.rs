//! What was taken, by day.

use std::collections::BTreeMap;

use super::Error;
use super::page::complete;
use crate::bound::USAGE_DAYS_MAX;
use crate::key;
use crate::store::{Source, Store};

/// What was taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sums {
    /// Tokens of prompts.
    pub tokens_in: u64,
    /// Tokens of answers.
    pub tokens_out: u64,
    /// The estimated cost, in millionths of a US dollar.
    pub cost_micro_usd: u64,
    /// Messages of users and bots.
    pub messages: u64,
    /// Conversations that began.
    pub conversations: u64,
    /// Calls of abilities.
    pub calls: u64,
    /// Turns that ended; of a model, its answers.
    pub turns: u64,
    /// Turns that ended without a reply.
    pub failures: u64,
}

/// A day of usage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Day {
    /// Days since 1970.
    pub day: i64,
    /// Whose: `*` for all, else `t.<trigger>`, `b.<bot>` or `m.<model>`.
    pub sums: BTreeMap<String, Sums>,
}

impl Sums {
    /// These and others.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            tokens_in: self.tokens_in.saturating_add(other.tokens_in),
            tokens_out: self.tokens_out.saturating_add(other.tokens_out),
            cost_micro_usd: self.cost_micro_usd.saturating_add(other.cost_micro_usd),
            messages: self.messages.saturating_add(other.messages),
            conversations: self.conversations.saturating_add(other.conversations),
            calls: self.calls.saturating_add(other.calls),
            turns: self.turns.saturating_add(other.turns),
            failures: self.failures.saturating_add(other.failures),
        }
    }

    /// Both kinds of tokens.
    pub fn tokens(&self) -> u64 {
        self.tokens_in.saturating_add(self.tokens_out)
    }

    fn set(&mut self, metric: &str, value: u64) {
        match metric {
            "i" => self.tokens_in = value,
            "o" => self.tokens_out = value,
            "e" => self.cost_micro_usd = value,
            "m" => self.messages = value,
            "c" => self.conversations = value,
            "l" => self.calls = value,
            "k" => self.turns = value,
            "f" => self.failures = value,
            _ => {}
        }
    }
}

impl Store {
    /// The days from one to another, those without usage left out. Reads only `dimension` where one is named.
    pub async fn usage(&self, from: i64, to: i64, dimension: Option<&str>) -> Result<Vec<Day>, Error> {
        let standing = self.standing(Source::Log).await?;
        complete(&standing)?;
        let prefix = key::generation(&standing.generation);
        let mut pipeline = redis::pipe();
        pipeline.cmd("ZRANGEBYSCORE").arg(format!("{prefix}{}", key::DAYS)).arg(from).arg(to).arg("LIMIT").arg(0).arg(USAGE_DAYS_MAX);
        let (days,): (Vec<i64>,) = self.redis().run(&pipeline).await?;
        let mut found = Vec::with_capacity(days.len());
        for day in days {
            found.push(self.day(&prefix, day, dimension).await?);
        }
        Ok(found)
    }

    async fn day(&self, prefix: &str, day: i64, dimension: Option<&str>) -> Result<Day, Error> {
        let hash = format!("{prefix}{}", key::usage(day));
        let mut pipeline = redis::pipe();
        let mut sums: BTreeMap<String, Sums> = BTreeMap::new();
        if let Some(dimension) = dimension {
            let metrics = ["i", "o", "e", "m", "c", "l", "k", "f"];
            pipeline.cmd("HMGET").arg(hash).arg(metrics.map(|metric| format!("{dimension}|{metric}")).as_slice());
            let (values,): (Vec<Option<u64>>,) = self.redis().run(&pipeline).await?;
            let entry = sums.entry(dimension.to_owned()).or_default();
            metrics.iter().zip(values).for_each(|(metric, value)| entry.set(metric, value.unwrap_or_default()));
            return Ok(Day { day, sums });
        }
        pipeline.cmd("HGETALL").arg(hash);
        let (values,): (BTreeMap<String, u64>,) = self.redis().run(&pipeline).await?;
        for (field, value) in values {
            if let Some((dimension, metric)) = field.rsplit_once('|') {
                sums.entry(dimension.to_owned()).or_default().set(metric, value);
            }
        }
        Ok(Day { day, sums })
    }
}
