//! The benchmark: Cuepoint against the bare broker, in one run, on one machine.
//!
//! The bare pair is the least that could be called the same work: a handler that publishes a body
//! to JetStream and awaits the ack, and a loop that fetches, takes and gives back a lease, appends
//! two records and acks. It has no order, no fence and no recovery. Everything is measured in
//! alternating rounds, and what counts is the ratio of the medians; absolute figures are printed
//! beside it and gate nothing.
//!
//! `bench` runs all parts; `bench --part accept --part drain` only those; `--quick` with sizes that show that it runs.
//! Results go to `target/bench/<part>.json` and `target/bench/latest.json`.

#![expect(clippy::disallowed_methods, clippy::expect_used, reason = "a benchmark has no one to report to but its reader")]
#![expect(clippy::print_stdout, reason = "its output is its purpose")]

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod bare;
mod circle;
mod fill;
mod http;
mod log;
mod machine;
mod part;
mod plan;
mod process;
mod profile;
mod report;
mod sink;
mod stage;

/// The bare pair has the allocator that our binaries have, so that it is not what is compared.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures Cuepoint against the bare broker.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    role: Option<Role>,
    /// Which parts to run; all where none is named.
    #[arg(long = "part", value_enum)]
    parts: Vec<part::Part>,
    /// How many alternating rounds each ratio is the median of.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Small sizes: shows that it runs, and says little of what it costs.
    #[arg(long)]
    quick: bool,
    /// Ends with an error where a bar is missed.
    #[arg(long)]
    strict: bool,
}

/// What this process is, when the benchmark starts itself again.
#[derive(Debug, Subcommand)]
enum Role {
    /// The bare handler.
    #[command(hide = true)]
    BareGateway {
        /// Address of NATS.
        #[arg(long)]
        nats: String,
        /// Address to serve on.
        #[arg(long)]
        http: std::net::SocketAddr,
    },
    /// The bare loop.
    #[command(hide = true)]
    BareWorker {
        /// Address of NATS.
        #[arg(long)]
        nats: String,
        /// Address of Redis.
        #[arg(long)]
        redis: String,
        /// How long the work on one event takes, in ms.
        #[arg(long, default_value_t = 0)]
        work_ms: u64,
    },
}

#[tokio::main(worker_threads = 2)]
async fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    match cli.role {
        Some(Role::BareGateway { nats, http }) => bare::gateway(&nats, http).await?,
        Some(Role::BareWorker { nats, redis, work_ms }) => bare::worker(&nats, &redis, work_ms).await?,
        None => {
            let mut report = report::Report::default();
            let plan = plan::Plan { rounds: cli.rounds, is_quick: cli.quick };
            let machine = machine::Machine::look();
            for part in part::Part::chosen(&cli.parts) {
                let began = tokio::time::Instant::now();
                println!("\n{}", part.name());
                part.run(plan, &mut report).await?;
                report.close(&part.name(), plan, began.elapsed().as_secs_f64(), &machine)?;
            }
            report.write()?;
            if cli.strict && !report.is_passed() {
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
