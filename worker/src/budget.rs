//! What turns may take, and what they took: pure, but for the ledger of many turns.
//!
//! One turn is measured by its own records. What many turns take together in a day is counted in a
//! [`Ledger`]: reserved before a call by estimate, settled after by what it really took.

use std::fmt;

use async_trait::async_trait;
use proto::id::SessionKey;
use proto::idempotency::hex;
use proto::resource::{Budget, Limits};
use proto::wire::{Input, Usage};
use sha2::{Digest as _, Sha256};

/// What was spent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// How often a model was asked.
    pub model_calls: u64,
    /// How many calls of abilities were made.
    pub ability_calls: u64,
    /// How many tokens models took, prompts and answers together.
    pub tokens: u64,
    /// How long it took, in milliseconds.
    pub time_ms: u64,
    /// What it cost by estimate, in millionths of a US dollar.
    pub cost_micro_usd: u64,
}

impl Spent {
    /// What model answers took.
    pub fn of_usage(usage: &[Usage]) -> Self {
        usage.iter().fold(Self::default(), |sum, usage| Self {
            model_calls: sum.model_calls + u64::from(usage.calls),
            tokens: sum.tokens.saturating_add(usage.input).saturating_add(usage.output),
            cost_micro_usd: sum.cost_micro_usd.saturating_add(usage.cost_micro_usd),
            ..sum
        })
    }

    fn amounts(&self) -> [(&'static str, u64); 5] {
        [
            ("model calls", self.model_calls),
            ("ability calls", self.ability_calls),
            ("tokens", self.tokens),
            ("milliseconds", self.time_ms),
            ("millionths of a US dollar", self.cost_micro_usd),
        ]
    }
}

impl std::ops::Add for Spent {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            model_calls: self.model_calls.saturating_add(other.model_calls),
            ability_calls: self.ability_calls.saturating_add(other.ability_calls),
            tokens: self.tokens.saturating_add(other.tokens),
            time_ms: self.time_ms.saturating_add(other.time_ms),
            cost_micro_usd: self.cost_micro_usd.saturating_add(other.cost_micro_usd),
        }
    }
}

/// A bound that would be passed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{scope} may take {limit} {what}, and this would be {wanted}")]
pub struct Exceeded {
    /// Whose bound it is, such as `a turn of this trigger`.
    pub scope: String,
    /// What is counted.
    pub what: &'static str,
    /// The bound.
    pub limit: u64,
    /// What it would come to.
    pub wanted: u64,
}

/// The first bound that `spent` passes.
pub fn check(scope: impl fmt::Display, budget: &Budget, spent: &Spent) -> Result<(), Exceeded> {
    let limits = [budget.model_calls, budget.ability_calls, budget.tokens, budget.time_ms, budget.cost_micro_usd];
    for ((what, wanted), limit) in spent.amounts().into_iter().zip(limits) {
        if limit > 0 && wanted > limit {
            return Err(Exceeded { scope: scope.to_string(), what, limit, wanted });
        }
    }
    Ok(())
}

/// Something that many turns draw on.
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    /// Names it in the ledger.
    pub key: String,
    /// Names it to a reader.
    pub scope: String,
    /// What a day may take.
    pub budget: Budget,
}

/// The accounts of a turn: those that have a bound.
pub fn accounts(session: &SessionKey, input: &Input, trigger: &Limits, bot: (&str, &Limits)) -> Vec<Account> {
    let is_bounded = |limits: &Limits| limits.day.is_some() || limits.session_day.is_some() || limits.contact_day.is_some();
    if !is_bounded(trigger) && !is_bounded(bot.1) {
        return Vec::new();
    }
    let contact = input.contact.as_ref().map(|contact| if contact.email.is_empty() { &contact.phone } else { &contact.email });
    let contact = contact.filter(|contact| !contact.is_empty()).map(|contact| hex(&Sha256::digest(contact.as_bytes())));
    let mut accounts = Vec::new();
    let mut open = |key: String, scope: String, budget: Option<Budget>| {
        accounts.extend(budget.filter(|budget| *budget != Budget::default()).map(|budget| Account { key, scope, budget }));
    };
    open(format!("trigger:{}", session.trigger), format!("the trigger {} in a day", session.trigger), trigger.day);
    open(format!("bot:{}", bot.0), format!("the bot {} in a day", bot.0), bot.1.day);
    for (who, limits) in [("trigger", trigger), ("bot", bot.1)] {
        open(format!("session:{who}:{session}"), "this session in a day".to_owned(), limits.session_day);
        if let Some(contact) = &contact {
            open(format!("contact:{who}:{}:{contact}", session.trigger), "this contact in a day".to_owned(), limits.contact_day);
        }
    }
    accounts
}

/// What many turns took together today.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Counts an amount in before it is spent, in all accounts or in none.
    async fn reserve(&self, accounts: &[Account], amount: Spent) -> Result<(), Exceeded>;
    /// Replaces what was reserved by what was spent.
    async fn settle(&self, accounts: &[Account], reserved: Spent, spent: Spent);
}

#[cfg(test)]
mod tests {
    use proto::resource::{Budget, Limits};
    use proto::wire::{Contact, Input};

    use super::{Spent, accounts, check};

    #[test]
    fn a_bound_may_be_reached_and_not_passed() {
        let budget = Budget { tokens: 100, ..Budget::default() };
        let spent = |tokens| Spent { tokens, model_calls: 9, ..Spent::default() };
        check("a turn", &budget, &spent(100)).unwrap();
        let exceeded = check("a turn", &budget, &spent(101)).unwrap_err();
        assert_eq!(exceeded.to_string(), "a turn may take 100 tokens, and this would be 101");
    }

    #[test]
    fn only_what_has_a_bound_has_an_account_and_no_address_stands_in_its_key() {
        let session = "t.s".parse().unwrap();
        let contact = Contact { email: "ada@example.com".into(), ..Contact::default() };
        let input = Input { contact: Some(contact), ..Input::default() };
        let day = Some(Budget { tokens: 1, ..Budget::default() });
        let trigger = Limits { day, contact_day: day, session_day: Some(Budget::default()), ..Limits::default() };
        let keys: Vec<String> =
            accounts(&session, &input, &trigger, ("b", &Limits::default())).into_iter().map(|account| account.key).collect();
        assert_eq!(keys.len(), 2);
        assert_eq!(keys[0], "trigger:t");
        assert!(keys[1].starts_with("contact:trigger:t:") && !keys[1].contains("ada"));
    }
}
