//! Who there is, and what each may say and hear: the one table of permissions.
//!
//! A subject that is *called* is published, an answer to it comes to an inbox; one that is *heard* is
//! subscribed. Nobody but the set-up may create, change or delete streams and consumers.

use proto::id::TriggerId;

use super::plan::Plan;

/// The account that has the streams.
pub const STREAMS: &str = "CUEPOINT";

/// What a user is there for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// The gateways.
    Gateway,
    /// Workers with all roles.
    Worker,
    /// Workers with the role `turns` alone.
    Turns,
    /// Workers with the role `index` alone.
    Index,
    /// Workers with the role `deliver` alone.
    Deliver,
    /// `cuepoint setup`.
    Setup,
    /// Whoever reads conversations.
    Reader,
    /// Whoever hears what turns and destinations send to subjects.
    Apps,
    /// The direct publisher of a trigger.
    Publisher(TriggerId),
}

/// A user of NATS.
#[derive(Debug, Clone)]
pub struct User {
    /// What it is there for.
    pub kind: Kind,
    /// The account that it belongs to.
    pub account: String,
    /// The subjects that it may publish.
    pub calls: Vec<String>,
    /// The subjects that it may subscribe to.
    pub hears: Vec<String>,
}

/// Reads of all streams: by sequence and subject, and what their limits are.
const READS: [&str; 4] = ["$JS.API.DIRECT.GET.>", "$JS.API.STREAM.INFO.>", "$JS.API.STREAM.MSG.GET.>", "$JS.API.STREAM.NAMES"];
/// What a gateway says.
const GATEWAY: [&str; 8] =
    ["event.>", "answer.>", "timer.>", "audit.>", "out.>", "$KV.resources.>", "$KV.contacts.>", "$JS.API.CONSUMER.INFO.>"];
/// What it hears: wake-ups, and the progress of turns.
const GATEWAY_HEARS: [&str; 3] = ["log.>", "live.>", "$KV.resources.>"];
/// What runs turns says.
const TURNS: [&str; 15] = [
    "log.>",
    "dead.>",
    "event.>",
    "answer.>",
    "timer.>",
    "live.>",
    "worker.*",
    "_INBOX.>",
    "$JS.API.CONSUMER.INFO.*.workers",
    "$JS.API.CONSUMER.MSG.NEXT.*.workers",
    "$JS.ACK.*.workers.>",
    "$JS.API.STREAM.MSG.DELETE.LOG",
    "$JS.API.STREAM.MSG.DELETE.DEAD",
    "$JS.API.STREAM.MSG.DELETE.TIMERS",
    "$JS.API.STREAM.PURGE.TIMERS",
];
/// What it hears.
const TURNS_HEARS: [&str; 2] = ["worker.*", "$KV.resources.>"];
/// What keeps the lists says: contacts that it met.
const INDEX: [&str; 1] = ["$KV.contacts.>"];
/// What it hears.
const INDEX_HEARS: [&str; 3] = ["log.>", "dead.>", "$KV.resources.>"];
/// What tells the ends of turns says.
const DELIVER: [&str; 9] = [
    "out.>",
    "sent.>",
    "$KV.resources.stopped.>",
    "$JS.API.CONSUMER.INFO.LOG.deliver",
    "$JS.API.CONSUMER.INFO.OUT.deliver",
    "$JS.API.CONSUMER.MSG.NEXT.LOG.deliver",
    "$JS.API.CONSUMER.MSG.NEXT.OUT.deliver",
    "$JS.ACK.LOG.deliver.>",
    "$JS.ACK.OUT.deliver.>",
];
/// What it hears.
const DELIVER_HEARS: [&str; 1] = ["$KV.resources.>"];
/// What the set-up says: it makes streams, buckets and consumers, counts the epochs, takes backups and gives them back.
const SETUP: [&str; 5] = ["$JS.API.>", "$JS.SNAPSHOT.>", "$KV.resources.system.epoch", "event.>", "answer.>"];
/// What a reader says: reads of the log.
const READER: [&str; 4] = ["$JS.API.DIRECT.GET.LOG", "$JS.API.DIRECT.GET.LOG.>", "$JS.API.STREAM.INFO.LOG", "$JS.API.STREAM.MSG.GET.LOG"];
/// What it hears: wake-ups, and the progress of turns.
const READER_HEARS: [&str; 2] = ["log.>", "live.>"];

impl Kind {
    /// Its name, which its files have too.
    pub fn name(&self) -> &str {
        match self {
            Self::Gateway => "gateway",
            Self::Worker => "worker",
            Self::Turns => "turns",
            Self::Index => "index",
            Self::Deliver => "deliver",
            Self::Setup => "setup",
            Self::Reader => "reader",
            Self::Apps => "apps",
            Self::Publisher(trigger) => trigger.as_str(),
        }
    }

    fn account(&self) -> String {
        match self {
            Self::Worker | Self::Turns | Self::Setup => STREAMS.to_owned(),
            Self::Publisher(trigger) => format!("PUBLISHER_{trigger}"),
            other => other.name().to_uppercase(),
        }
    }

    fn calls(&self, plan: &Plan) -> Vec<String> {
        let owned = |parts: &[&[&str]]| parts.iter().copied().flatten().map(|&subject| subject.to_owned()).collect::<Vec<_>>();
        let mut calls = match self {
            Self::Gateway => owned(&[&GATEWAY, &READS]),
            Self::Worker => owned(&[&TURNS, &INDEX, &DELIVER, &READS]),
            Self::Turns => owned(&[&TURNS, &READS]),
            Self::Index => owned(&[&INDEX, &READS]),
            Self::Deliver => owned(&[&DELIVER, &READS]),
            Self::Setup => owned(&[&SETUP]),
            Self::Reader => owned(&[&READER]),
            Self::Apps => Vec::new(),
            Self::Publisher(trigger) => vec![format!("event.{trigger}.*")],
        };
        if matches!(self, Self::Worker | Self::Turns | Self::Deliver) {
            calls.extend(plan.subjects.iter().cloned());
        }
        calls
    }

    fn hears(&self, plan: &Plan) -> Vec<String> {
        let subjects: &[&str] = match self {
            Self::Gateway => &GATEWAY_HEARS,
            Self::Worker => &["worker.*", "$KV.resources.>", "log.>", "dead.>"],
            Self::Turns => &TURNS_HEARS,
            Self::Index => &INDEX_HEARS,
            Self::Deliver => &DELIVER_HEARS,
            Self::Reader => &READER_HEARS,
            Self::Apps => return plan.subjects.clone(),
            Self::Setup | Self::Publisher(_) => &[],
        };
        subjects.iter().map(|&subject| subject.to_owned()).collect()
    }
}

impl User {
    fn new(kind: Kind, plan: &Plan) -> Self {
        let (account, calls, hears) = (kind.account(), kind.calls(plan), kind.hears(plan));
        Self { kind, account, calls, hears }
    }

    /// Where its seed lies.
    pub fn file(&self) -> String {
        let folder = if matches!(self.kind, Kind::Publisher(_)) { "publishers" } else { "users" };
        format!("{folder}/{}.nk", self.kind.name())
    }
}

/// All users of a deployment.
pub fn all(plan: &Plan) -> Vec<User> {
    let mut kinds = vec![Kind::Gateway, Kind::Worker, Kind::Turns, Kind::Index, Kind::Deliver, Kind::Setup, Kind::Reader];
    if !plan.subjects.is_empty() {
        kinds.push(Kind::Apps);
    }
    kinds.extend(plan.publishers.iter().cloned().map(Kind::Publisher));
    kinds.into_iter().map(|kind| User::new(kind, plan)).collect()
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::{Kind, Plan, all};

    /// Where the table stands.
    const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/security.md");
    /// Set to write what is tested: `CUEPOINT_UPDATE=1 cargo nextest run -p cuepoint user`.
    const UPDATE: Option<&str> = option_env!("CUEPOINT_UPDATE");

    #[test]
    fn the_page_about_security_has_the_table() {
        let plan = Plan { publishers: ["orders".parse().unwrap()].into(), ..Plan::default() };
        let mut table = String::from("| user | account | publishes | hears, beside `_INBOX.>` |\n| --- | --- | --- | --- |\n");
        for user in all(&plan) {
            let cell = |subjects: &[String]| {
                let quoted: Vec<String> = subjects.iter().map(|subject| format!("`{subject}`")).collect();
                if quoted.is_empty() { "nothing".to_owned() } else { quoted.join(" ") }
            };
            let name = if matches!(user.kind, Kind::Publisher(_)) { "publisher of `orders`" } else { user.kind.name() };
            writeln!(table, "| {name} | `{}` | {} | {} |", user.account, cell(&user.calls), cell(&user.hears)).unwrap();
        }
        let page = std::fs::read_to_string(PAGE).unwrap();
        let (before, rest) = page.split_once("<!-- users -->\n").unwrap();
        let (kept, after) = rest.split_once("<!-- /users -->").unwrap();
        if UPDATE.is_some() {
            std::fs::write(PAGE, format!("{before}<!-- users -->\n{table}<!-- /users -->{after}")).unwrap();
        } else {
            assert!(kept == table, "docs/security.md has another table: CUEPOINT_UPDATE=1 cargo nextest run -p cuepoint user");
        }
    }
}
