//! `cuepoint nats-config`: keys, accounts, permissions and certificates of a deployment's servers.

use std::path::PathBuf;

use clap::Args;
use proto::id::TriggerId;

use super::Error;
use crate::security::file::What;
use crate::security::plan::Plan;
use crate::security::{self};
use crate::{clock, output};

/// Names that the servers are reached by unless others are given: the machine's own, and compose's.
const HOSTS: [&str; 4] = ["localhost", "127.0.0.1", "nats", "redis"];
/// Where nats-server stores unless told otherwise: the volume of its image.
const STORE: &str = "/data";

/// What to make, and where.
#[derive(Debug, Args)]
pub struct Options {
    /// The directory; what is in it already stays.
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// A trigger that gets a direct publisher; may be repeated.
    #[arg(long = "publisher", value_name = "TRIGGER")]
    publishers: Vec<TriggerId>,
    /// A subject outside of Cuepoint that abilities and destinations may send to, such as `shop.>`; may be repeated.
    #[arg(long = "subject", value_name = "SUBJECT")]
    subjects: Vec<String>,
    /// Makes an authority and certificates, and has NATS demand them of every client.
    #[arg(long)]
    tls: bool,
    /// A name or address that the servers' certificate is for; may be repeated.
    #[arg(long = "host", value_name = "NAME", value_parser = host)]
    hosts: Vec<String>,
    /// Where the servers find the directory, if it is elsewhere for them.
    #[arg(long, value_name = "DIR")]
    at: Option<String>,
    /// Where nats-server stores [default: /data].
    #[arg(long, value_name = "DIR")]
    store: Option<String>,
    /// A file with a secret that is made anew, such as `users/gateway.nk`; may be repeated.
    #[arg(long, value_name = "FILE")]
    rotate: Vec<String>,
}

/// A name or address that a certificate can be for; the first label may be `*`.
fn host(text: &str) -> Result<String, String> {
    let name = text.strip_prefix("*.").unwrap_or(text);
    let is_name = rustls::pki_types::ServerName::try_from(name).is_ok();
    is_name.then(|| text.to_owned()).ok_or_else(|| "must be a DNS name or an IP address, without a port".to_owned())
}

/// Makes what is missing, and says what that was.
pub fn run(options: &Options) -> Result<(), Error> {
    let plan = options.plan()?;
    let done = security::generate(&options.dir, &plan, &options.rotate, clock::now_ms())?;
    for done in done.iter().filter(|done| done.what != What::Kept) {
        output::line(done)?;
    }
    let kept = done.iter().filter(|done| done.what == What::Kept).count();
    output::line(format!("{kept} files are as they were"))?;
    Ok(output::line(lines(&plan, &options.dir.display().to_string()))?)
}

impl Options {
    /// What the directory was made for, and what is added now.
    fn plan(&self) -> Result<Plan, security::Error> {
        let mut plan = Plan::read(&self.dir)?;
        if let Some(reserved) = self.publishers.iter().find(|trigger| trigger.is_reserved()) {
            return Err(security::Error::Reserved(reserved.clone()));
        }
        plan.publishers.extend(self.publishers.iter().cloned());
        for subject in &self.subjects {
            plan.add_subject(subject)?;
        }
        plan.tls |= self.tls;
        plan.hosts.extend(self.hosts.iter().cloned());
        if plan.hosts.is_empty() {
            plan.hosts.extend(HOSTS.map(str::to_owned));
        }
        if let Some(at) = &self.at {
            plan.at.clone_from(at);
        } else if plan.at.is_empty() {
            let whole = std::path::absolute(&self.dir).unwrap_or_else(|_| self.dir.clone());
            plan.at = whole.display().to_string();
        }
        match &self.store {
            Some(store) => plan.store.clone_from(store),
            None if plan.store.is_empty() => STORE.clone_into(&mut plan.store),
            None => {}
        }
        Ok(plan)
    }
}

/// The lines to use.
fn lines(plan: &Plan, dir: &str) -> String {
    let (scheme, redis, tls) = if plan.tls {
        let of = |server: &str| {
            format!(" --{server}-ca {dir}/tls/ca.crt --{server}-cert {dir}/tls/client.crt --{server}-key {dir}/tls/client.key")
        };
        ("tls", "rediss", [of("nats"), of("redis")])
    } else {
        ("nats", "redis", [String::new(), String::new()])
    };
    let [nats_tls, redis_tls] = tls;
    let nats = |user: &str| format!("--nats {scheme}://HOST:4222 --nats-nkey {dir}/users/{user}.nk{nats_tls}");
    let redis = format!("--redis {redis}://cuepoint@HOST:6379 --redis-password-file {dir}/redis.password{redis_tls}");
    let key = format!("--deployment-key-file {dir}/deployment.key");
    format!(
        "\nnats-server --config {dir}/nats.conf\nredis-server --aclfile {dir}/redis.acl\n\
         cuepoint setup {}\n\
         gateway {} {redis} {key} --api-token-file {dir}/api.token\n\
         worker {} {redis} {key}",
        nats("setup"),
        nats("gateway"),
        nats("worker")
    )
}
