//! Real servers as child processes: nats-server, and redis-server or valkey-server.
//!
//! `cuepoint dev` and the tests start the very servers that production runs, on loopback and on
//! free ports. A server has a data directory of its own, and leaves a note of its process there:
//! whoever starts on that directory next first stops what a `kill -9` of its starter left behind.
//! Dropping a [`Server`] kills its process.
//!
//! What it does not do: watch the process ([`Server::exited`] tells, [`Server::restart`] mends), or
//! keep two starters apart (lock the directory for that).

mod binary;
mod child;
mod leftover;
mod nats;
mod port;
mod redis;

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use self::child::Child;
pub use self::port::free as free_port;

/// How long a server may take until it serves.
const START_DEADLINE: Duration = Duration::from_secs(20);
/// How long a server that was asked to end may take until it is killed.
const STOP_DEADLINE: Duration = Duration::from_secs(5);
/// How many free ports are tried: another process may take one between the look and the bind.
const PORTS_MAX: usize = 16;
/// How many times the port of a restarted server is tried, while somebody's connection holds it.
const SAME_PORT_MAX: usize = 20;
/// The pause between these tries.
const SAME_PORT_EVERY: Duration = Duration::from_millis(100);

/// Which server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// nats-server with JetStream.
    Nats {
        /// The server's name; distinct within a cluster.
        name: String,
        /// Further lines of its configuration, such as a `cluster` block.
        extra: String,
    },
    /// redis-server or valkey-server, without persistence: it holds only hints.
    Redis {
        /// Further arguments, such as `--maxmemory 64mb`.
        arguments: Vec<String>,
    },
}

impl Kind {
    /// The name of the program.
    pub fn program(&self) -> &'static str {
        match self {
            Self::Nats { .. } => "nats-server",
            Self::Redis { .. } => "redis-server",
        }
    }
}

/// What to start, and where.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which server.
    pub kind: Kind,
    /// Its directory: data, configuration, log file and the note of its process.
    pub data: PathBuf,
    /// The port on 127.0.0.1; none takes a free one.
    pub port: Option<u16>,
    /// The program; none looks in `.tools/bin` and on `PATH`.
    pub binary: Option<PathBuf>,
    /// Further environment variables, such as `GOMEMLIMIT`.
    pub environment: Vec<(String, String)>,
}

impl Options {
    /// A nats-server of its own.
    pub fn nats(data: impl Into<PathBuf>) -> Self {
        Self::of(Kind::Nats { name: "cuepoint".into(), extra: String::new() }, data.into())
    }

    /// A redis-server or valkey-server.
    pub fn redis(data: impl Into<PathBuf>) -> Self {
        Self::of(Kind::Redis { arguments: Vec::new() }, data.into())
    }

    fn of(kind: Kind, data: PathBuf) -> Self {
        Self { kind, data, port: None, binary: None, environment: Vec::new() }
    }

    /// Starts the server and waits until it serves.
    pub async fn start(self) -> Result<Server, Error> {
        let binary = binary::find(&self.kind, self.binary.as_deref()).await?;
        let directory = self.data.display().to_string();
        std::fs::create_dir_all(&self.data).map_err(Error::io(format!("make the directory {directory}")))?;
        let data = self.data.canonicalize().map_err(Error::io(format!("find the directory {directory}")))?;
        leftover::stop(&data).await.map_err(Error::io(format!("stop the {} left over in {directory}", self.kind.program())))?;
        let recipe = Recipe { options: Self { data, ..self }, binary };
        let (child, port) = match recipe.options.port {
            Some(port) => (recipe.start_on(port).await?, port),
            None => recipe.start_on_any().await?,
        };
        Ok(Server { recipe, child, port })
    }
}

/// Why a server does not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such program.
    #[error("no {name} in .tools/bin or on PATH: `make tools` puts one into .tools/bin")]
    Missing {
        /// The program.
        name: &'static str,
    },
    /// The program that was named cannot be run.
    #[error("cannot run {path}")]
    Unusable {
        /// The program.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The program says no version.
    #[error("{path} does not say its version: is it {name}?")]
    Unknown {
        /// The program.
        path: PathBuf,
        /// What it should be.
        name: &'static str,
    },
    /// The program is too old.
    #[error("{path} is version {found}, and {name} {least} or later is needed: `make tools` puts one into .tools/bin")]
    TooOld {
        /// The program.
        path: PathBuf,
        /// What it is.
        name: &'static str,
        /// Its version.
        found: String,
        /// The oldest that will do.
        least: String,
    },
    /// The port is not free.
    #[error("port {port} of 127.0.0.1 is taken: {name} cannot listen there")]
    PortTaken {
        /// The program.
        name: &'static str,
        /// The port.
        port: u16,
    },
    /// The server ended before it served.
    #[error("{name} ended at once with {status}: {last} (see {log})")]
    Exited {
        /// The program.
        name: &'static str,
        /// How it ended.
        status: ExitStatus,
        /// The last line of its log.
        last: String,
        /// Its log.
        log: PathBuf,
    },
    /// The server does not serve in time.
    #[error("{name} does not serve after {}: see {log}", humantime::format_duration(*waited))]
    Late {
        /// The program.
        name: &'static str,
        /// How long it was given.
        waited: Duration,
        /// Its log.
        log: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot {what}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
}

impl Error {
    fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}

/// A server that was started here. Dropping it kills the process.
#[derive(Debug)]
#[must_use = "dropping it kills the server"]
pub struct Server {
    recipe: Recipe,
    child: Child,
    port: u16,
}

impl Server {
    /// The process; none once it has ended and this was noticed.
    pub fn pid(&self) -> Option<u32> {
        self.child.pid()
    }

    /// The port on 127.0.0.1; the same over restarts.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address for clients.
    pub fn url(&self) -> String {
        let scheme = match self.recipe.options.kind {
            Kind::Nats { .. } => "nats",
            Kind::Redis { .. } => "redis",
        };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// The name of the program.
    pub fn program(&self) -> &'static str {
        self.recipe.options.kind.program()
    }

    /// The directory of its data, configuration and log.
    pub fn data(&self) -> &Path {
        &self.recipe.options.data
    }

    /// The file that it logs to.
    pub fn log(&self) -> PathBuf {
        self.recipe.log()
    }

    /// Stops the process in its tracks, with its connections open (SIGSTOP).
    pub fn freeze(&self) -> io::Result<()> {
        self.child.signal(rustix::process::Signal::STOP)
    }

    /// Lets a frozen process go on (SIGCONT).
    pub fn thaw(&self) -> io::Result<()> {
        self.child.signal(rustix::process::Signal::CONT)
    }

    /// Asks the process to end (SIGTERM), without waiting.
    pub fn terminate(&self) -> io::Result<()> {
        self.child.signal(rustix::process::Signal::TERM)
    }

    /// Kills the process (SIGKILL) and waits until it is gone.
    pub async fn kill(&mut self) -> io::Result<()> {
        self.child.kill().await
    }

    /// Asks the process to end, kills it if it does not within five seconds, and waits until it is gone.
    pub async fn stop(&mut self) -> io::Result<()> {
        self.child.stop(STOP_DEADLINE).await?;
        leftover::forget(self.data());
        Ok(())
    }

    /// Waits until the process ends by itself or by someone's signal.
    pub async fn exited(&mut self) -> io::Result<ExitStatus> {
        self.child.exited().await
    }

    /// Starts the server again on the same port and data; one that still runs is stopped first.
    pub async fn restart(&mut self) -> Result<(), Error> {
        self.stop().await.map_err(Error::io(format!("stop {}", self.program())))?;
        for _ in 1..SAME_PORT_MAX {
            match self.recipe.start_on(self.port).await {
                Err(Error::PortTaken { .. }) => tokio::time::sleep(SAME_PORT_EVERY).await,
                started => {
                    self.child = started?;
                    return Ok(());
                }
            }
        }
        self.child = self.recipe.start_on(self.port).await?;
        Ok(())
    }
}

/// All that is needed to start, and to start again.
#[derive(Debug)]
struct Recipe {
    options: Options,
    binary: PathBuf,
}

impl Recipe {
    fn log(&self) -> PathBuf {
        self.options.data.join(format!("{}.log", self.options.kind.program()))
    }

    async fn start_on_any(&self) -> Result<(Child, u16), Error> {
        let mut tries = PORTS_MAX;
        loop {
            tries -= 1;
            let port = port::free().map_err(Error::io("find a free port"))?;
            match self.start_on(port).await {
                Err(Error::PortTaken { .. }) if tries > 0 => {}
                started => return Ok((started?, port)),
            }
        }
    }

    async fn start_on(&self, port: u16) -> Result<Child, Error> {
        let name = self.options.kind.program();
        let mut child = self.spawn(port).map_err(Error::io(format!("start {}", self.binary.display())))?;
        let pid = child.pid();
        let ready = async {
            match &self.options.kind {
                Kind::Nats { .. } => nats::ready(&self.options.data, pid, port).await,
                Kind::Redis { .. } => redis::ready(pid, port).await,
            }
        };
        let served = tokio::time::timeout(START_DEADLINE, async {
            tokio::select! {
                () = ready => None,
                status = child.exited() => Some(status),
            }
        });
        match served.await {
            Ok(None) => Ok(child),
            Ok(Some(status)) => {
                let status = status.map_err(Error::io(format!("wait for {name}")))?;
                let said = child.said(&self.log()).unwrap_or_default();
                if said.to_ascii_lowercase().contains("address already in use") {
                    return Err(Error::PortTaken { name, port });
                }
                let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it wrote no log").trim().to_owned();
                Err(Error::Exited { name, status, last, log: self.log() })
            }
            Err(_) => Err(Error::Late { name, waited: START_DEADLINE, log: self.log() }),
        }
    }

    fn spawn(&self, port: u16) -> io::Result<Child> {
        let data = &self.options.data;
        let arguments = match &self.options.kind {
            Kind::Nats { name, extra } => nats::arguments(data, name, port, extra)?,
            Kind::Redis { arguments } => redis::arguments(data, port, arguments),
        };
        let child = Child::spawn(&self.binary, &arguments, &self.options.environment, &self.log())?;
        if let Some(pid) = child.pid() {
            leftover::note(data, pid)?;
        }
        Ok(child)
    }
}

#[cfg(test)]
mod tests;
