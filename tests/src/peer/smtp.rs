//! A mail server that keeps what it is sent.
//!
//! It is `aiosmtpd`, which puts each mail into a maildir. It speaks ESMTP with SMTPUTF8 and 8BITMIME in
//! the clear, and asks for no login.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use super::command_line::CommandLine;
use super::process::Process;
use crate::eventually::eventually;

/// The class of aiosmtpd that keeps mails.
const KEEPER: &str = "aiosmtpd.handlers.Mailbox";
/// Where they are, below the directory of the process.
const MAILDIR: &str = "mail";
/// How many mails are read.
const MAILS_MAX: usize = 10_000;

/// A mail that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// The sender of its envelope.
    pub from: String,
    /// The receivers of its envelope.
    pub to: Vec<String>,
    /// Its headers in order, unfolded and otherwise as they came.
    pub headers: Vec<(String, String)>,
    /// Its body as it came, but for the ends of lines, which are `\n`.
    pub body: String,
}

impl Mail {
    /// The first header of a name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Reads a file of the maildir: aiosmtpd adds headers that tell the envelope.
    fn parse(source: &str) -> Self {
        let (head, body) = source.split_once("\n\n").unwrap_or((source, ""));
        let mut headers: Vec<(String, String)> = Vec::new();
        for line in head.lines() {
            if let (Some(rest), Some((_, value))) = (line.strip_prefix([' ', '\t']), headers.last_mut()) {
                *value = format!("{value} {}", rest.trim_start());
            } else {
                let (name, value) = line.split_once(':').unwrap_or((line, ""));
                headers.push((name.into(), value.trim().into()));
            }
        }
        let mut taken = |name: &str| {
            let at = headers.iter().position(|(known, _)| known == name);
            at.map(|at| headers.remove(at).1).unwrap_or_default()
        };
        taken("X-Peer");
        let (from, to) = (taken("X-MailFrom"), taken("X-RcptTo"));
        Self { from, to: to.split(", ").map(str::to_owned).collect(), headers, body: body.into() }
    }
}

/// A running mail server.
#[derive(Debug)]
pub struct Smtp {
    port: u16,
    process: Process,
}

impl Smtp {
    /// Starts one.
    pub async fn start() -> Self {
        let (process, port) = Process::serve("aiosmtpd", "Server is listening on", |port, directory| {
            let maildir = directory.join(MAILDIR).display().to_string();
            let line = CommandLine::pypi("aiosmtpd").with(["--nosetuid", "--debug", "--smtputf8"]);
            line.with(["--listen", &format!("127.0.0.1:{port}"), "--class", KEEPER, &maildir]).command()
        })
        .await;
        Self { port, process }
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Its address as a URL.
    pub fn url(&self) -> String {
        format!("smtp://{}", self.address())
    }

    /// All mails so far, in order.
    pub fn received(&self) -> Vec<Mail> {
        // A file appears here when it is whole.
        let Ok(files) = std::fs::read_dir(self.process.directory().join(MAILDIR).join("new")) else { return Vec::new() };
        let mut paths: Vec<_> = files.take(MAILS_MAX).map(|file| file.expect("a file of the maildir").path()).collect();
        paths.sort_by_key(|path| ordinal(path));
        let read = |path| String::from_utf8_lossy(&std::fs::read(path).expect("a mail can be read")).into_owned();
        paths.into_iter().map(|path| Mail::parse(&read(path))).collect()
    }

    /// Waits for a number of mails.
    pub async fn reached(&self, count: usize, within: Duration) -> Vec<Mail> {
        eventually(&format!("{count} mails arrive"), within, async || Some(self.received()).filter(|mails| mails.len() >= count)).await
    }
}

/// The number of a mail, which stands in its file's name: `1790000000.M5P42Q7.host`.
fn ordinal(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?;
    name.split('.').nth(1)?.rsplit_once('Q')?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::Mail;

    #[test]
    fn a_mail_is_told_from_its_envelope() {
        let source = "Subject: a long\n  subject\nTo: x@y.org\nX-Peer: ('127.0.0.1', 1)\nX-MailFrom: a@b.org\nX-RcptTo: c@d.org, e@f.org\n\nHi\n\nyou\n";
        let mail = Mail::parse(source);
        assert_eq!((mail.from.as_str(), mail.to.join("|")), ("a@b.org", "c@d.org|e@f.org".into()));
        assert_eq!(mail.header("subject"), Some("a long subject"));
        assert_eq!((mail.headers.len(), mail.body.as_str()), (2, "Hi\n\nyou\n"));
    }
}
