//! The faults that there are, how often each is wanted, and which come next.

use std::fmt;

use crate::dice::Dice;

/// What is hurt; two faults at a time are never of one class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// A worker.
    Worker,
    /// A gateway.
    Gateway,
    /// Redis.
    Redis,
    /// One of the nats-servers, or who leads among them.
    Nats,
    /// What lies between processes and servers.
    Net,
}

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Fault {
    WorkerKill,
    WorkerFreeze,
    WorkerStop,
    GatewayKill,
    GatewayFreeze,
    GatewayStop,
    RedisFlush,
    RedisFreeze,
    RedisKill,
    NatsKill,
    NatsFreeze,
    NatsFull,
    EventsStepDown,
    LogStepDown,
    CutNats,
    CutRedis,
    DelayNats,
    DelayRedis,
}

impl Fault {
    /// All of them, in the order of the report.
    pub(crate) const ALL: [Self; 18] = [
        Self::WorkerKill,
        Self::WorkerFreeze,
        Self::WorkerStop,
        Self::GatewayKill,
        Self::GatewayFreeze,
        Self::GatewayStop,
        Self::RedisFlush,
        Self::RedisFreeze,
        Self::RedisKill,
        Self::NatsKill,
        Self::NatsFreeze,
        Self::NatsFull,
        Self::EventsStepDown,
        Self::LogStepDown,
        Self::CutNats,
        Self::CutRedis,
        Self::DelayNats,
        Self::DelayRedis,
    ];

    /// Its name, how often it is in the deck, and what it is.
    fn facts(self) -> (&'static str, usize, &'static str) {
        match self {
            Self::WorkerKill => ("worker-kill", 3, "kill -9 of a worker, started again"),
            Self::WorkerFreeze => ("worker-freeze", 2, "SIGSTOP of a worker for 15 s"),
            Self::WorkerStop => ("worker-stop", 1, "SIGTERM of a worker, started again"),
            Self::GatewayKill => ("gateway-kill", 2, "kill -9 of a gateway, started again"),
            Self::GatewayFreeze => ("gateway-freeze", 1, "SIGSTOP of a gateway for 15 s"),
            Self::GatewayStop => ("gateway-stop", 1, "SIGTERM of a gateway, started again"),
            Self::RedisFlush => ("redis-flush", 1, "FLUSHALL"),
            Self::RedisFreeze => ("redis-freeze", 1, "SIGSTOP of Redis for 5 to 10 s"),
            Self::RedisKill => ("redis-kill", 1, "kill -9 of Redis, started again empty"),
            Self::NatsKill => ("nats-kill", 2, "kill -9 of a nats-server, started again"),
            Self::NatsFreeze => ("nats-freeze", 1, "SIGSTOP of a nats-server for 15 s"),
            Self::NatsFull => ("nats-full", 1, "no space left for a nats-server for 10 s"),
            Self::EventsStepDown => ("events-step-down", 1, "the leader of EVENTS steps down"),
            Self::LogStepDown => ("log-step-down", 1, "the leader of LOG steps down"),
            Self::CutNats => ("cut-nats", 2, "no way between a process and NATS, or all processes and one server"),
            Self::CutRedis => ("cut-redis", 1, "no way between a process, or all of them, and Redis"),
            Self::DelayNats => ("delay-nats", 1, "50 to 200 ms each way between a process and NATS, or all and one server"),
            Self::DelayRedis => ("delay-redis", 1, "50 to 400 ms each way between a process, or all of them, and Redis"),
        }
    }

    /// The name by which it is asked for and reported.
    pub(crate) fn name(self) -> &'static str {
        self.facts().0
    }

    /// What it is.
    pub(crate) fn told(self) -> &'static str {
        self.facts().2
    }

    /// What it hurts.
    pub(crate) fn class(self) -> Class {
        match self {
            Self::WorkerKill | Self::WorkerFreeze | Self::WorkerStop => Class::Worker,
            Self::GatewayKill | Self::GatewayFreeze | Self::GatewayStop => Class::Gateway,
            Self::RedisFlush | Self::RedisFreeze | Self::RedisKill => Class::Redis,
            Self::NatsKill | Self::NatsFreeze | Self::NatsFull | Self::EventsStepDown | Self::LogStepDown => Class::Nats,
            Self::CutNats | Self::CutRedis | Self::DelayNats | Self::DelayRedis => Class::Net,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Faults in a random order, each as often as it weighs before any comes again: none is left to luck.
#[derive(Debug)]
pub(crate) struct Deck {
    kinds: Vec<Fault>,
    left: Vec<Fault>,
    dice: Dice,
}

impl Deck {
    /// Of these kinds.
    pub(crate) fn of(kinds: Vec<Fault>, dice: Dice) -> Self {
        Self { kinds, left: Vec::new(), dice }
    }

    /// The next fault whose class is free; none where all that are left are of busy ones.
    pub(crate) fn draw(&mut self, busy: &[Class]) -> Option<Fault> {
        if self.left.is_empty() {
            // One of each kind comes first, so that a short run has seen most of them.
            let again = |kind: &Fault| std::iter::repeat_n(*kind, kind.facts().1.saturating_sub(1));
            let (mut first, mut more) = (self.kinds.clone(), self.kinds.iter().flat_map(again).collect::<Vec<_>>());
            self.dice.shuffle(&mut first);
            self.dice.shuffle(&mut more);
            self.left = [first, more].concat();
        }
        let place = self.left.iter().position(|fault| !busy.contains(&fault.class()))?;
        Some(self.left.remove(place))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Class, Deck, Fault};
    use crate::dice::Dice;

    #[test]
    fn every_kind_comes_before_any_comes_again_and_a_seed_gives_one_order() {
        let deck = |seed| Deck::of(Fault::ALL.to_vec(), Dice::of(seed, 1));
        let drawn = |seed| {
            let mut deck = deck(seed);
            (0..40).map(|_| deck.draw(&[]).unwrap()).collect::<Vec<_>>()
        };
        let (one, two) = (drawn(1), drawn(2));
        assert_eq!(one[..18].iter().collect::<BTreeSet<_>>().len(), Fault::ALL.len());
        assert_eq!(one, drawn(1));
        assert_ne!(one, two);
    }

    #[test]
    fn a_class_that_is_busy_is_passed_over_and_comes_later() {
        let mut deck = Deck::of(vec![Fault::NatsKill, Fault::NatsFreeze], Dice::of(1, 1));
        assert_eq!(deck.draw(&[Class::Nats]), None);
        assert!(deck.draw(&[Class::Redis]).is_some());
    }
}
