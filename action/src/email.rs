//! The action `email`: one mail, handed to the deployment's mail server.
//!
//! The server is connected to at an address that the egress policy admits, looked up once; over TLS
//! its name must hold. The mail's Message-ID is made of the idempotency key alone, so a receiver can
//! tell a repeat; whether a mail that broke off was sent nobody here knows.

use std::time::Duration;

use egress::Egress;
use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use skillset::invocation::Invocation;

use self::wire::Connected;
use crate::Error;
use crate::fill::Fill;
use crate::secret::Secret;

mod markdown;
mod message;
mod wire;

/// How long handing a mail over may take, connection included.
const DEADLINE: Duration = Duration::from_mins(1);
/// How long saying goodbye may take, once the mail is accepted.
const QUIT_DEADLINE: Duration = Duration::from_secs(2);

/// How a mail server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// In the clear; for a server on the same machine.
    None,
    /// In the clear until `STARTTLS`; a server that does not offer it gets nothing.
    StartTls,
    /// From the first byte.
    Implicit,
}

/// A mail server.
#[derive(Debug, Clone)]
pub struct Smtp {
    /// Its name or address; over TLS its certificate must be for it.
    pub host: String,
    /// Its port: usually 587 with `STARTTLS`, 465 with TLS from the first byte.
    pub port: u16,
    /// How it is spoken to.
    pub tls: Security,
    /// Who logs in; none means without.
    pub username: Option<String>,
    /// The password that goes with it.
    pub password: Option<SecretString>,
    /// Whom every mail is from.
    pub from: Mailbox,
}

impl Smtp {
    pub(crate) async fn run(
        &self,
        egress: &Egress,
        invocation: &Invocation,
        fill: &Fill<'_>,
        idempotency_key: &str,
    ) -> Result<Value, Error> {
        if let Some(password) = &self.password {
            let login = format!("{}:{}", self.username.as_deref().unwrap_or_default(), password.expose_secret());
            fill.use_secret(Secret::basic(login.into()));
        }
        let mail = message::read(invocation, fill).map_err(Error::Invalid)?;
        let (id, message) = message::compose(&self.from, &mail, idempotency_key).map_err(Error::Invalid)?;
        let accepted: Vec<String> = message.envelope().to().iter().map(ToString::to_string).collect();
        let sent = tokio::time::timeout(DEADLINE, self.send(egress, &message)).await;
        sent.map_err(|_| Error::Failed(format!("the mail server did not take the mail within {DEADLINE:?}: it may have it")))??;
        Ok(json!({ "messageId": id, "accepted": accepted }))
    }

    async fn send(&self, egress: &Egress, message: &lettre::Message) -> Result<(), Error> {
        let failed = |what: &str, error: &dyn std::fmt::Display| Error::Failed(format!("the mail server {what}: {error}"));
        let addresses = egress.resolve(&self.host, self.port).await.map_err(|error| failed("can not be reached", &error))?;
        let connected = wire::connect(&addresses).await.map_err(|error| failed("can not be reached", &error))?;
        let hello = ClientId::Domain(self.from.email.domain().to_owned());
        let stream: Connected = match self.tls {
            Security::None | Security::StartTls => Connected::plain(connected),
            Security::Implicit => wire::secure(&self.host, connected).await.map_err(|error| failed("did not agree on TLS", &error))?,
        };
        let greeted = AsyncSmtpConnection::connect_with_transport(Box::new(stream), &hello).await;
        let mut connection = greeted.map_err(|error| failed("did not greet", &chain(&error)))?;
        if self.tls == Security::StartTls {
            let tls = TlsParameters::new(self.host.clone()).map_err(|error| failed("has a name that no certificate can have", &error))?;
            connection.starttls(tls, &hello).await.map_err(|error| failed("did not agree on TLS", &chain(&error)))?;
        }
        if let (Some(username), Some(password)) = (&self.username, &self.password) {
            let credentials = Credentials::new(username.clone(), password.expose_secret().to_owned());
            connection.auth(DEFAULT_MECHANISMS, &credentials).await.map_err(|error| failed("refused the login", &chain(&error)))?;
        }
        connection.send(message.envelope(), &message.formatted()).await.map_err(|error| failed("did not take the mail", &chain(&error)))?;
        // It has the mail: what becomes of the goodbye changes nothing.
        drop(tokio::time::timeout(QUIT_DEADLINE, connection.quit()).await);
        Ok(())
    }
}

/// An error with its reasons, as far as it does not tell them itself.
fn chain(error: &dyn std::error::Error) -> String {
    let mut told = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let reason = inner.to_string();
        if !told.contains(&reason) {
            told = format!("{told}: {reason}");
        }
        source = inner.source();
    }
    told
}

#[cfg(test)]
mod tests;
