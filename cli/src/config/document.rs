//! What a file says: triggers, bots, and where bots may call.

use std::collections::HashMap;
use std::fmt::Display;
use std::hash::Hash;
use std::path::{Path, PathBuf};
use std::time::Duration;

use egress::policy::Allow;
use proto::id::{BotId, SkillsetId, TriggerId};
use proto::limit::{QUIET_DEFAULT, QUIET_MAX, SESSION_DURATION_DEFAULT, SESSION_DURATION_MAX};
use proto::resource::{self, Busy, Limits};
use worker::bot::DefinitionError;
use worker::settings;

use super::fault::{Fault, Faults};
use super::fields::{self, Fields, Placed};
use super::tree::{self, Node, Place, Value};
use super::{lent, skillset};

/// A file that was found to be right.
#[derive(Debug)]
pub struct Document {
    /// The file, for messages.
    pub file: String,
    /// Private addresses that abilities may call.
    pub egress: Vec<Allow>,
    /// Where events come in.
    pub triggers: Vec<Trigger>,
    /// Who answers them.
    pub bots: Vec<resource::Bot>,
    /// What they may do.
    pub skillsets: Vec<resource::Skillset>,
    /// What the deployment lends them; what it names is still to be fetched.
    pub lent: settings::Document,
    /// Where files that it names are looked for.
    pub base: PathBuf,
}

/// Where events come in; the secret is still to be fetched.
#[derive(Debug, Clone)]
pub struct Trigger {
    /// Its id.
    pub id: TriggerId,
    /// The display name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The bot that answers.
    pub bot: BotId,
    /// The text that replaces the caller's.
    pub text: Option<String>,
    /// Whether events are taken without the secret.
    pub open: bool,
    /// How long a session keeps its conversation; zero means never.
    pub session_duration: Duration,
    /// What becomes of an event that arrives while its session is busy.
    pub busy: Busy,
    /// How long it must be quiet before collected events become a turn.
    pub quiet: Duration,
    /// What its turns may take.
    pub limits: Limits,
    /// Where the secret comes from.
    pub secret: SecretSource,
}

/// Where a secret comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// It is made once and kept in the data directory.
    Made,
    /// An environment variable.
    Env {
        /// Where the file says so.
        at: Place,
        /// The field.
        path: String,
        /// The variable.
        name: String,
    },
    /// A file.
    File {
        /// Where the file says so.
        at: Place,
        /// The field.
        path: String,
        /// The file; relative to the one that names it.
        file: PathBuf,
    },
}

impl Document {
    /// Reads a file.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        Ok(Self::parse(&path.display().to_string(), &text, path.parent().unwrap_or_else(|| Path::new("")))?)
    }

    /// Reads the text of a file; secret files are looked for relative to `base`.
    pub fn parse(file: &str, text: &str, base: &Path) -> Result<Self, Faults> {
        let mut faults = Vec::new();
        let root = tree::read(text).map_err(|fault| Faults::new(file, vec![fault]))?;
        let document = read(&root, file, base, &mut faults);
        match document {
            Some(document) if faults.is_empty() => Ok(document),
            _ => Err(Faults::new(file, faults)),
        }
    }
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It says something wrong.
    #[error(transparent)]
    Faults(#[from] Faults),
}

fn read(root: &Node, file: &str, base: &Path, faults: &mut Vec<Fault>) -> Option<Document> {
    let mut fields = Fields::of(root, String::new(), faults)?;
    let egress = fields.take("egress").map(|node| egress(node, faults)).unwrap_or_default();
    let triggers = fields.list("triggers", faults);
    // What is wrong in one of its fields does not hide a trigger or bot from the checks across them.
    let triggers: Vec<_> = triggers.into_iter().filter_map(|(node, path)| trigger(node, path, base, faults)).collect();
    let bots = fields.list("bots", faults);
    let bots: Vec<_> = bots.into_iter().filter_map(|(node, path)| bot(node, &path, faults)).collect();
    let skillsets = fields.list("skillsets", faults);
    let skillsets: Vec<_> = skillsets.into_iter().filter_map(|(node, path)| skillset::read(node, &path, faults)).collect();
    let lent = lent::take(&mut fields, faults);
    if let Err(settings::Error { path, reason }) = lent.clone().check() {
        faults.push(Fault { at: root.place_of(&path), path, reason });
    }
    fields.finish(faults);

    refuse_twins(triggers.iter().filter_map(|trigger| trigger.id.as_ref()), faults);
    refuse_twins(bots.iter().filter_map(|bot| bot.id.as_ref()), faults);
    refuse_twins(skillsets.iter().filter_map(|skillset| skillset.id.as_ref()), faults);
    let is_skillset = |id: &SkillsetId| skillsets.iter().any(|known| known.id.as_ref().is_some_and(|known| known.value == *id));
    for bot in bots.iter().filter_map(|bot| bot.bot.as_ref().zip(bot.at.as_ref())) {
        let (bot, (at, path)) = bot;
        if let Some(id) = worker::bot::skillset_of(bot).filter(|id| !is_skillset(id)) {
            faults.push(Fault { at: *at, path: format!("{path}.skillset"), reason: format!("there is no skillset {id} in this file") });
        }
    }
    let is_bot = |id: &BotId| bots.iter().any(|bot| bot.id.as_ref().is_some_and(|bot| bot.value == *id));
    for bot in triggers.iter().filter_map(|trigger| trigger.bot.as_ref()).filter(|bot| !is_bot(&bot.value)) {
        faults.push(Fault { at: bot.at, path: bot.path.clone(), reason: format!("there is no bot {} in this file", bot.value) });
    }
    Some(Document {
        file: file.to_owned(),
        egress,
        triggers: triggers.into_iter().filter_map(|trigger| trigger.trigger).collect(),
        bots: bots.into_iter().filter_map(|bot| bot.bot).collect(),
        skillsets: skillsets.into_iter().filter_map(|skillset| skillset.skillset).collect(),
        lent,
        base: base.to_owned(),
    })
}

fn refuse_twins<'a, T: Eq + Hash + Display + 'a>(ids: impl Iterator<Item = &'a Placed<T>>, faults: &mut Vec<Fault>) {
    let mut seen = HashMap::new();
    for id in ids {
        if let Some(first) = seen.insert(&id.value, id.at) {
            let reason = format!("{} stands twice, first in line {}", id.value, first.line);
            faults.push(Fault { at: id.at, path: id.path.clone(), reason });
        }
    }
}

fn egress(node: &Node, faults: &mut Vec<Fault>) -> Vec<Allow> {
    let Some(mut fields) = Fields::of(node, "egress".into(), faults) else { return Vec::new() };
    let allowed = fields.list("allow", faults);
    let allowed = allowed.into_iter().filter_map(|(node, path)| Some(fields::parse(node, path, faults)?.value)).collect();
    fields.finish(faults);
    allowed
}

struct PlacedTrigger {
    id: Option<Placed<TriggerId>>,
    bot: Option<Placed<BotId>>,
    trigger: Option<Trigger>,
}

fn trigger(node: &Node, path: String, base: &Path, faults: &mut Vec<Fault>) -> Option<PlacedTrigger> {
    let mut fields = Fields::of(node, path, faults)?;
    let id = fields.parse::<TriggerId>("id", faults);
    let name = fields.text("name", faults);
    let description = fields.text("description", faults);
    let bot = fields.parse::<BotId>("bot", faults);
    let text = Some(fields.text("text", faults)).filter(|text| !text.is_empty());
    let open = !fields.flag("authenticate", true, faults);
    let path = fields.path_of("sessionDuration");
    let session_duration =
        fields.take("sessionDuration").map_or(Some(SESSION_DURATION_DEFAULT), |node| duration(node, path, SESSION_DURATION_MAX, faults));
    let path = fields.path_of("busy");
    let busy = fields.take("busy").map_or(Some(Busy::Enqueue), |node| busy(node, path, faults));
    let path = fields.path_of("quiet");
    let quiet = fields.take("quiet").map_or(Some(QUIET_DEFAULT), |node| duration(node, path, QUIET_MAX, faults));
    let path = fields.path_of("limits");
    let limits = fields.take("limits").map_or_else(|| Some(Limits::default()), |node| limits(node, &path, faults));
    let path = fields.path_of("secret");
    let secret = fields.take("secret").map_or(Some(SecretSource::Made), |node| secret(node, path, base, faults));
    fields.finish(faults);
    let whole = || {
        Some(Trigger {
            id: id.as_ref()?.value.clone(),
            name,
            description,
            bot: bot.as_ref()?.value.clone(),
            text,
            open,
            session_duration: session_duration?,
            busy: busy?,
            quiet: quiet?,
            limits: limits?,
            secret: secret?,
        })
    };
    let trigger = whole();
    Some(PlacedTrigger { id, bot, trigger })
}

fn busy(node: &Node, path: String, faults: &mut Vec<Fault>) -> Option<Busy> {
    const POLICIES: [(&str, Busy); 4] =
        [("enqueue", Busy::Enqueue), ("reject", Busy::Reject), ("interrupt", Busy::Interrupt), ("collect", Busy::Collect)];
    let said = fields::text(node, path.clone(), faults)?;
    let found = POLICIES.iter().find(|(name, _)| *name == said).map(|(_, busy)| *busy);
    if found.is_none() {
        faults.push(Fault { at: node.at, path, reason: "must be enqueue, reject, interrupt or collect".into() });
    }
    found
}

fn limits(node: &Node, path: &str, faults: &mut Vec<Fault>) -> Option<Limits> {
    match worker::bot::limits::parse(&node.to_json()) {
        Ok(limits) => Some(limits),
        Err(DefinitionError::Kind(reason)) => {
            faults.push(Fault { at: node.at, path: path.to_owned(), reason });
            None
        }
        Err(DefinitionError::Invalid { path: inner, reason }) => {
            let inner = inner.strip_prefix("limits").unwrap_or(&inner);
            faults.push(Fault { at: node.place_of(inner), path: format!("{path}{inner}"), reason });
            None
        }
    }
}

fn duration(node: &Node, path: String, most: Duration, faults: &mut Vec<Fault>) -> Option<Duration> {
    let duration = match &node.value {
        Value::Number(number) => number.as_u64().map(Duration::from_millis).ok_or_else(|| "must not be negative or broken".to_owned()),
        Value::Text(text) => humantime::parse_duration(text).map_err(|error| error.to_string()),
        _ => Err(format!("must be a duration such as 1d, or milliseconds, not {}", node.kind())),
    };
    let reason = match duration {
        Ok(duration) if duration <= most => return Some(duration),
        Ok(_) => format!("may be at most {}", humantime::format_duration(most)),
        Err(reason) => reason,
    };
    faults.push(Fault { at: node.at, path, reason });
    None
}

fn secret(node: &Node, path: String, base: &Path, faults: &mut Vec<Fault>) -> Option<SecretSource> {
    if matches!(node.value, Value::Text(_)) {
        let reason = "a secret does not stand in this file: name where it is, as { env: NAME } or { file: PATH }".into();
        faults.push(Fault { at: node.at, path, reason });
        return None;
    }
    let mut fields = Fields::of(node, path.clone(), faults)?;
    let (env, file) = (fields.text("env", faults), fields.text("file", faults));
    fields.finish(faults);
    match (env.is_empty(), file.is_empty()) {
        (false, true) => Some(SecretSource::Env { at: node.at, path, name: env }),
        (true, false) => Some(SecretSource::File { at: node.at, path, file: base.join(file) }),
        _ => {
            faults.push(Fault { at: node.at, path, reason: "must be one of { env: NAME } and { file: PATH }".into() });
            None
        }
    }
}

struct PlacedBot {
    id: Option<Placed<BotId>>,
    bot: Option<resource::Bot>,
    /// Where it stands, for what is wrong across the file.
    at: Option<(Place, String)>,
}

fn bot(node: &Node, path: &str, faults: &mut Vec<Fault>) -> Option<PlacedBot> {
    let mut fields = Fields::of(node, path.to_owned(), faults)?;
    let id = fields.parse::<BotId>("id", faults);
    let name = fields.text("name", faults);
    let kind = fields.parse::<String>("kind", faults);
    let definition = fields.into_json().to_string();
    let (Some(known), Some(kind)) = (&id, kind) else { return Some(PlacedBot { id, bot: None, at: None }) };
    let bot = resource::Bot { name, ..resource::Bot::new(known.value.clone(), kind.value, definition) };
    match worker::bot::check(&bot) {
        Ok(()) => {}
        Err(error @ DefinitionError::Kind(_)) => faults.push(Fault { at: kind.at, path: kind.path, reason: error.to_string() }),
        Err(DefinitionError::Invalid { path: inner, reason }) => {
            let dot = if inner.is_empty() || inner.starts_with('[') { "" } else { "." };
            faults.push(Fault { at: node.place_of(&inner), path: format!("{path}{dot}{inner}"), reason });
        }
    }
    Some(PlacedBot { id, bot: Some(bot), at: Some((node.at, path.to_owned())) })
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::{Document, SecretSource};

    const BOT: &str = "bots:\n  - { id: b, kind: rules, rules: [{ reply: hi }] }\n";

    fn faults(text: &str) -> Vec<String> {
        let faults = Document::parse("f.yaml", text, Path::new("")).unwrap_err().to_string();
        faults.lines().filter(|line| !line.starts_with("    ")).map(str::to_owned).collect()
    }

    fn check(text: &str, expected: &[&str]) {
        let faults = faults(text);
        assert_eq!(faults.len(), expected.len(), "{text}\n{faults:#?}");
        for (fault, expected) in faults.iter().zip(expected) {
            assert!(fault.starts_with(expected), "{fault}\ndoes not begin with\n{expected}");
        }
    }

    /// One trigger with these fields, beside a bot `b`.
    fn check_trigger(fields: &str, expected: &str) {
        check(&format!("triggers:\n  - {{ {fields} }}\n{BOT}"), &[expected]);
    }

    #[test]
    fn each_fault_names_its_line() {
        check("triggers: [", &["f.yaml:1:"]);
        check("- a", &["f.yaml:1:1: must be a mapping, not a list"]);
        check(
            "trigers: []",
            &["f.yaml:1:1: trigers: is not known here: egress, triggers, bots, skillsets, providers, secrets, smtp, search, mcp, nats are"],
        );
        check("triggers:\n  - id: t\n", &["f.yaml:2:5: triggers[0].bot: is missing"]);
        check("egress: { allow: ['not an address'] }\n", &["f.yaml:1:19: egress.allow[0]: "]);
        check("bots:\n  - { id: b, kind: oracle }\n", &["f.yaml:2:20: bots[0].kind: \"oracle\" is not a kind of bot"]);
        check_trigger("id: t x, bot: b", "f.yaml:2:11: triggers[0].id: a trigger id must be 1 to 64");
        check_trigger("id: 7, bot: b", "f.yaml:2:11: triggers[0].id: must be text, not a number");
        check_trigger("id: t, bot: c", "f.yaml:2:19: triggers[0].bot: there is no bot c in this file");
        check_trigger("id: t, bot: b, secrt: x", "f.yaml:2:22: triggers[0].secrt: is not known here");
        check_trigger("id: t, bot: b, secret: hunter2", "f.yaml:2:30: triggers[0].secret: a secret does not stand in this file");
        check_trigger("id: t, bot: b, secret: { env: A, file: b }", "f.yaml:2:30: triggers[0].secret: must be one of");
        check_trigger("id: t, bot: b, sessionDuration: 32d", "f.yaml:2:39: triggers[0].sessionDuration: may be at most");
        check_trigger("id: t, bot: b, sessionDuration: -1", "f.yaml:2:39: triggers[0].sessionDuration: must not be negative");
        let long = format!("id: t, bot: b, text: {}", "x".repeat(40_000));
        check_trigger(&long, "f.yaml:2:28: triggers[0].text: has 40000 bytes, at most 32768 are taken");
        check_trigger("id: t, bot: b, authenticate: maybe", "f.yaml:2:36: triggers[0].authenticate: must be true or false, not text");
        check(
            &format!("triggers:\n  - {{ id: t, bot: b }}\n  - {{ id: t, bot: b }}\n{BOT}"),
            &["f.yaml:3:11: triggers[1].id: t stands twice, first in line 2"],
        );
    }

    #[test]
    fn what_is_lent_is_checked_without_its_secrets() {
        let with = |sections: &str| format!("triggers: [{{ id: t, bot: b }}]\n{BOT}{sections}");
        let right = "providers:\n  - { id: a, kind: openai, key: { env: CUEPOINT_NOT_SET } }\nsecrets:\n  - { name: s, file: nowhere }\n";
        Document::parse("f.yaml", &with(right), Path::new("")).unwrap();
        check(&with("providers:\n  - { id: a, kind: openai }\n"), &[r#"f.yaml:5:3: providers: providers["a"].key is missing"#]);
        check(&with("secrets:\n  - { name: s, value: hunter2 }\n"), &["f.yaml:5:3: secrets: unknown field `value`"]);
        check(&with("secrets:\n  - { name: s }\n"), &["f.yaml:5:5: secrets[0]: must be one of { env: NAME } and { file: PATH }"]);
        check(&with("search: { url: nowhere }\n"), &["f.yaml:4:9: search: "]);
    }

    #[test]
    fn a_fault_of_an_instruction_shows_its_line_with_a_caret() {
        let text = format!(
            "triggers: [{{ id: t, bot: b }}]\n{BOT}skillsets:\n  - id: s\n    abilities:\n      - name: look up\n        instruction: |\n          \
             ```fetch\n          GET https://example.com/$[id! eucc]\n          ```\n"
        );
        let faults = Document::parse("f.yaml", &text, Path::new("")).unwrap_err().to_string();
        let mut lines = faults.lines();
        assert_eq!(lines.next(), Some("f.yaml:7:9: skillsets[0]: abilities[0] (look up): instruction:"));
        assert!(lines.next().unwrap().ends_with("line 2, column 31: unknown operand `eucc`"), "{faults}");
        let (shown, caret) = (lines.nth(1).unwrap(), lines.next().unwrap());
        assert_eq!(shown.find("eucc"), caret.find("^^^^"), "{faults}");
        assert!(faults.contains("did you mean `euc`?"), "{faults}");
    }

    #[test]
    fn all_faults_come_at_once_in_the_order_of_lines() {
        check(
            "triggers:\n  - id: t\n    bot: nobody\n    sessionDuration: soon\nbots:\n  - { id: b, kind: oracle }\n",
            &["f.yaml:3:10: triggers[0].bot", "f.yaml:4:22: triggers[0].sessionDuration", "f.yaml:6:20: bots[0].kind"],
        );
    }

    #[test]
    fn a_fault_inside_a_definition_has_a_line_too() {
        check(
            "bots:\n  - id: b\n    kind: rules\n    rules:\n      - when:\n          text: '('\n        reply: hi\n",
            &["f.yaml:6:17: bots[0].rules[0].when.text: "],
        );
        check("bots:\n  - id: b\n    kind: rules\n    rulez: []\n    otherwise: hi\n", &["f.yaml:"]);
    }

    #[test]
    fn what_is_right_is_read() {
        let text = format!(
            "egress: {{ allow: [127.0.0.1] }}\ntriggers:\n  - {{ id: t, name: T, bot: b, authenticate: false, sessionDuration: 0 }}\n  \
             - {{ id: u, bot: b, text: hello, sessionDuration: 90m, secret: {{ file: x }} }}\n{BOT}"
        );
        let document = Document::parse("f.yaml", &text, Path::new("/base")).unwrap();
        let [t, u] = document.triggers.as_slice() else { panic!("not two triggers") };
        assert_eq!((t.open, t.session_duration, &t.secret), (true, Duration::ZERO, &SecretSource::Made));
        assert_eq!((u.open, u.session_duration, u.text.as_deref()), (false, Duration::from_mins(90), Some("hello")));
        assert!(matches!(&u.secret, SecretSource::File { file, .. } if file == Path::new("/base/x")));
        assert_eq!((document.egress.len(), document.bots.len()), (1, 1));
    }
}
