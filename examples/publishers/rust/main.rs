//! Publishes events straight to NATS and follows what comes of them. docs/publishing.md explains each step.
//!
//! Nothing of it is Cuepoint's: anyhow, async-nats, base64, clap, hmac, prost, `serde_json`,
//! sha2 and tokio are all that a program of your own needs.
//!
//! ```text
//! cargo build --package tests --bin publisher
//! publisher token order-42
//! publisher publish --trigger orders --job 42 --key my.key --session order-42 --text 'Where is order 42?'
//! publisher follow RECEIPT
//! ```

mod event;
mod record;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use async_nats::{ConnectOptions, Event};
use clap::{Args, Parser};

/// Publishes events straight to NATS and follows what comes of them.
#[derive(Debug, Parser)]
enum Command {
    /// Prints the token of a session string.
    Token {
        /// The string.
        string: String,
    },
    /// Publishes one event, and prints its receipt.
    Publish {
        #[command(flatten)]
        connection: Connection,
        #[command(flatten)]
        job: event::Job,
    },
    /// Prints what is recorded of an event until it has ended; succeeds if it was completed.
    Follow {
        #[command(flatten)]
        connection: Connection,
        #[command(flatten)]
        end: record::End,
    },
}

/// How to reach NATS.
#[derive(Debug, Args)]
struct Connection {
    /// Address of NATS.
    #[arg(long, value_name = "URL", default_value = "nats://127.0.0.1:4222")]
    nats: String,
    /// File with the nkey seed of this user.
    #[arg(long, value_name = "FILE")]
    nkey: Option<PathBuf>,
    /// Root certificates; TLS is then required.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Certificate of this user, where the broker asks for one.
    #[arg(long, value_name = "FILE", requires = "cert_key")]
    cert: Option<PathBuf>,
    /// Key of that certificate.
    #[arg(long, value_name = "FILE")]
    cert_key: Option<PathBuf>,
    /// Where answers may come.
    #[arg(long, value_name = "PREFIX", default_value = "_INBOX")]
    inbox: String,
}

impl Connection {
    async fn open(&self) -> anyhow::Result<async_nats::Client> {
        let mut options = ConnectOptions::new();
        if let Some(path) = &self.nkey {
            let seed = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            options = ConnectOptions::with_nkey(seed.trim().to_owned());
        }
        if let Some(path) = &self.ca {
            options = options.add_root_certificates(path.clone()).require_tls(true);
        }
        if let Some((cert, key)) = self.cert.clone().zip(self.cert_key.clone()) {
            options = options.add_client_certificate(cert, key);
        }
        let options = options.event_callback(complain).name("publisher").custom_inbox_prefix(&self.inbox).max_reconnects(5);
        Ok(options.connect(&self.nats).await?)
    }
}

/// Says what the connection meets, such as a subject that this user may not publish to.
async fn complain(event: Event) {
    if matches!(event, Event::ServerError(_) | Event::ClientError(_)) {
        writeln!(std::io::stderr(), "nats: {event}").unwrap_or_default();
    }
}

fn print(line: impl std::fmt::Display) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let is_done = match Command::parse() {
        Command::Token { string } => print(event::session_token(&string)).map(|()| true)?,
        Command::Publish { connection, job } => event::publish(&connection.open().await?, &job).await.map(|()| true)?,
        Command::Follow { connection, end } => record::follow(connection.open().await?, &end).await?,
    };
    Ok(if is_done { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
