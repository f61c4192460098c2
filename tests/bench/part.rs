//! The parts of the benchmark.

use clap::ValueEnum;

use crate::plan::Plan;
use crate::report::Report;

mod accept;
mod agent;
mod closed;
mod commit;
mod drain;
mod fair;
mod fsync;
mod grouped;
mod growth;
mod latency;
mod list;
mod memory;
mod page;
mod pair;
mod profile;
mod recovery;
mod telemetry;
mod volume;
mod workers;

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
    /// How long an event waits from its receipt to its commit, at two rates.
    Commit,
    /// What writing through to the disk costs.
    Fsync,
    /// Whether the broker writes batches through to its disk in one go. It has no gateway and no worker.
    Grouped,
    /// How many worker processes do how much.
    Workers,
    /// What a session that is being worked on takes of memory.
    Memory,
    /// How many turns run when each takes 50 ms.
    Closed,
    /// How many turns run of which each thinks twice and acts once.
    Agent,
    /// How much a backlog of one trigger delays another.
    Fair,
    /// How much slower it is with a million sessions.
    Growth,
    /// How much slower it is with five million records in the log.
    Volume,
    /// How long lists take with many triggers and conversations.
    List,
    /// How long pages of the dashboard take with many conversations.
    Page,
    /// How soon another worker goes on.
    Recovery,
    /// What it costs to tell a receiver of everything.
    Telemetry,
    /// Where the time goes; wants perf.
    Profile,
}

impl Part {
    /// The named ones, or all that can be measured here.
    pub(crate) fn chosen(named: &[Self]) -> Vec<Self> {
        if !named.is_empty() {
            return named.to_vec();
        }
        let has_perf = crate::profile::is_possible();
        Self::value_variants().iter().copied().filter(|part| has_perf || *part != Self::Profile).collect()
    }

    /// What it is called on the command line.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Measures it.
    pub(crate) async fn run(self, plan: Plan, report: &mut Report) -> anyhow::Result<()> {
        let rounds = plan.rounds;
        match self {
            Self::Accept => accept::run(rounds, report).await,
            Self::Drain => drain::run(rounds, report).await,
            Self::Pair => pair::run(rounds, report).await,
            Self::Latency => latency::run(rounds, report).await,
            Self::Commit => commit::run(plan, report).await,
            Self::Fsync => fsync::run(plan, report).await,
            Self::Grouped => grouped::run(plan, report).await,
            Self::Workers => workers::run(plan, report).await,
            Self::Memory => memory::run(plan, report).await,
            Self::Closed => closed::run(report).await,
            Self::Agent => agent::run(rounds, report).await,
            Self::Fair => fair::run(rounds, report).await,
            Self::Growth => growth::run(plan, report).await,
            Self::Volume => volume::run(plan, report).await,
            Self::List => list::run(rounds, report).await,
            Self::Page => page::run(rounds, report).await,
            Self::Recovery => recovery::run(rounds, report).await,
            Self::Telemetry => telemetry::run(rounds, report).await,
            Self::Profile => profile::run(plan, report).await,
        }
    }
}
