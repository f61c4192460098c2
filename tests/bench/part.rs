//! The parts of the benchmark.

use clap::ValueEnum;

use crate::report::Report;

mod accept;
mod agent;
mod closed;
mod drain;
mod fair;
mod growth;
mod latency;
mod list;
mod page;
mod pair;
mod recovery;
mod telemetry;

/// One question and its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// How fast events are taken.
    Accept,
    /// How fast waiting events are worked off.
    Drain,
    /// How fast events are taken and worked off at once, and what that costs.
    Pair,
    /// How long one event takes when there is time.
    Latency,
    /// How many turns run when each takes 50 ms.
    Closed,
    /// How many turns run of which each thinks twice and acts once.
    Agent,
    /// How much a backlog of one trigger delays another.
    Fair,
    /// How much slower it is with a million sessions in the log.
    Growth,
    /// How long lists take with many triggers and conversations.
    List,
    /// How long pages of the dashboard take with many conversations.
    Page,
    /// How soon another worker goes on.
    Recovery,
    /// What it costs to tell a receiver of everything.
    Telemetry,
}

impl Part {
    /// The named ones, or all.
    pub(crate) fn chosen(named: &[Self]) -> Vec<Self> {
        if named.is_empty() { Self::value_variants().to_vec() } else { named.to_vec() }
    }

    /// Measures it.
    pub(crate) async fn run(self, rounds: usize, report: &mut Report) -> anyhow::Result<()> {
        match self {
            Self::Accept => accept::run(rounds, report).await,
            Self::Drain => drain::run(rounds, report).await,
            Self::Pair => pair::run(rounds, report).await,
            Self::Latency => latency::run(rounds, report).await,
            Self::Closed => closed::run(report).await,
            Self::Agent => agent::run(rounds, report).await,
            Self::Fair => fair::run(rounds, report).await,
            Self::Growth => growth::run(rounds, report).await,
            Self::List => list::run(rounds, report).await,
            Self::Page => page::run(rounds, report).await,
            Self::Recovery => recovery::run(rounds, report).await,
            Self::Telemetry => telemetry::run(rounds, report).await,
        }
    }
}
