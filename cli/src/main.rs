//! The command `cuepoint`.

use std::ffi::{OsStr, OsString};
use std::iter;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use cuepoint::command::{self, Error};
use cuepoint::output::{self, Chain};
use telemetry::logging::{self, Logging};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A profile showed 28 % of a worker's time in the system's: see docs/adr/0005-allocator.md.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Turns events into bot actions, durably.
#[derive(Debug, Parser)]
#[command(version, subcommand_required = true, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    logging: Logging,
}

/// What to do.
#[derive(Debug, Subcommand)]
enum Command {
    /// Runs a whole system in one process, with real servers as children, until Ctrl-C.
    Dev(command::dev::Options),
    /// Runs a gateway, as the program `gateway` does.
    Gateway,
    /// Runs a worker, as the program `worker` does.
    Worker,
    /// Says what is wrong with configuration files.
    #[command(visible_alias = "check")]
    Lint(command::lint::Options),
    /// Makes a deployment's configuration match files.
    Apply(Box<command::apply::Options>),
    /// Prints a deployment's configuration as a file.
    Export(command::export::Options),
    /// Prints the JSON Schema of configuration files, for editors.
    Schema,
    /// Makes keys, accounts, permissions and certificates for the servers of a deployment.
    NatsConfig(command::nats_config::Options),
    /// Makes the streams of a deployment, or compares those that are there.
    Setup(command::setup::Options),
    /// Puts all streams of a deployment into a directory, while it goes on.
    Backup(command::backup::Options),
    /// Gives a backup back to a broker that has nothing of the deployment.
    Restore(command::restore::Options),
    /// Sends an event over HTTP.
    Send(command::send::Options),
    /// Shows a conversation, or an event's turn, as it goes on.
    Follow(command::follow::Options),
    /// Answers a call that waits for somebody, or lets it run.
    Answer(command::answer::Options),
    /// Calls an event's turn off.
    Cancel(command::cancel::Options),
    /// Shows the log as it grows.
    Tail(command::tail::Options),
    /// Looks at events that were given up on, and replays them.
    Dead(command::dead::Options),
    /// Drops the index that lists are read from, and waits until it is made again.
    Reindex(command::reindex::Options),
    /// Makes, lists and revokes tokens of the API.
    Token(command::token::Options),
    /// Prints the token of a session string, for direct publishers.
    SessionToken(command::session_token::Options),
    /// Lists the tools of an MCP server, and calls one.
    McpProbe(Box<command::mcp_probe::Options>),
}

impl Cli {
    /// Reads the command line; logging may be set before or after the command.
    fn read() -> Result<Self, clap::Error> {
        let command =
            ["format", "filter", "filter_file"].iter().fold(Self::command(), |command, id| command.mut_arg(id, |arg| arg.global(true)));
        Self::from_arg_matches(&command.try_get_matches()?)
    }
}

/// A service, given its command line.
type Service = fn(Vec<OsString>) -> ExitCode;

/// The services: they read the command line that follows their name by themselves, and end by themselves.
const SERVICES: [(&str, Service); 2] = [("gateway", gateway::program::main), ("worker", worker::program::main)];

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let first = arguments.next();
    if let Some((name, service)) = SERVICES.iter().find(|(name, _)| first.as_deref() == Some(OsStr::new(name))) {
        return service(iter::once(format!("cuepoint {name}").into()).chain(arguments).collect());
    }
    let cli = match Cli::read() {
        Ok(cli) => cli,
        Err(error) => {
            drop(error.print());
            return if error.use_stderr() { command::USAGE.into() } else { ExitCode::SUCCESS };
        }
    };
    if let Err(fault) = logging::start(&cli.logging) {
        output::complain(format!("error: {fault}"));
        return command::USAGE.into();
    }
    // Whoever else installed one first serves as well.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let ran = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|source| Error::Process { what: "start the runtime", source })
        .and_then(|runtime| runtime.block_on(run(cli.command)));
    match ran {
        Ok(code) => code,
        Err(error) => {
            if !matches!(error, Error::Output(output::Error::Closed)) {
                output::complain(format!("error: {}", Chain(&error)));
            }
            error.exit_code()
        }
    }
}

/// How a signal ends the command: once politely, twice at once.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    fn listen() -> Result<Self, Error> {
        let on = |kind| signal(kind).map_err(|source| Error::Process { what: "listen for signals", source });
        Ok(Self { interrupt: on(SignalKind::interrupt())?, terminate: on(SignalKind::terminate())?, hangup: on(SignalKind::hangup())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

async fn run(command: Command) -> Result<ExitCode, Error> {
    let mut signals = Signals::listen()?;
    let shutdown = CancellationToken::new();
    let mut work = Box::pin(carry_out(command, shutdown.clone()));
    tokio::select! {
        ended = &mut work => return ended.map(|()| ExitCode::SUCCESS),
        () = signals.next() => shutdown.cancel(),
    }
    tokio::select! {
        ended = work => ended.map(|()| ExitCode::SUCCESS),
        () = signals.next() => Ok(ExitCode::FAILURE),
    }
}

/// `dev` stops in order once `shutdown` is cancelled; the others simply end.
async fn carry_out(command: Command, shutdown: CancellationToken) -> Result<(), Error> {
    let is_dev = matches!(command, Command::Dev(_));
    let work = async {
        match command {
            Command::Dev(options) => Box::pin(command::dev::run(&options, shutdown.clone())).await.map_err(Error::from),
            Command::Gateway | Command::Worker => Err(Error::Usage("the name of a service comes first, before any option".to_owned())),
            Command::Lint(options) => command::lint::run(&options),
            Command::Apply(options) => command::apply::run(&options).await,
            Command::Export(options) => command::export::run(&options).await,
            Command::Schema => command::schema::run(),
            Command::NatsConfig(options) => command::nats_config::run(&options),
            Command::Setup(options) => command::setup::run(&options).await,
            Command::Backup(options) => command::backup::run(&options).await,
            Command::Restore(options) => command::restore::run(&options).await,
            Command::Send(options) => command::send::run(options).await,
            Command::Follow(options) => command::follow::run(options).await,
            Command::Answer(options) => command::answer::run(options).await,
            Command::Cancel(options) => command::cancel::run(options).await,
            Command::Tail(options) => command::tail::run(&options).await,
            Command::Dead(options) => command::dead::run(&options).await,
            Command::Reindex(options) => command::reindex::run(&options).await,
            Command::Token(options) => command::token::run(options).await,
            Command::SessionToken(options) => command::session_token::run(&options),
            Command::McpProbe(options) => command::mcp_probe::run(&options).await,
        }
    };
    tokio::select! {
        ended = work => ended,
        () = shutdown.cancelled(), if !is_dev => Ok(()),
    }
}
