//! The table of users as nats-server reads it.

use std::collections::{BTreeMap, BTreeSet};

use super::plan::Plan;
use super::user::{Kind, STREAMS, User};

/// Where answers come to.
const INBOX: &str = "_INBOX.>";
/// Every account has JetStream's own subjects to itself, even without streams: calls of another
/// account's go by another name, which the client's calls are mapped to.
const MAPPED: &str = "_CUEPOINT.JS.";

/// The name by which a call leaves its account, where it is another one.
fn mapped(subject: &str) -> Option<String> {
    let rest = subject.strip_prefix("$JS.API.")?;
    let is_of_the_stream = rest.starts_with("DIRECT.GET") || rest.starts_with("CONSUMER.MSG.NEXT");
    (!is_of_the_stream).then(|| format!("{MAPPED}{rest}"))
}

/// How often a call is answered.
fn response(subject: &str) -> &'static str {
    let is_many = subject.starts_with("$JS.API.DIRECT.GET") || subject.starts_with("$JS.API.CONSUMER.MSG.NEXT");
    if is_many { "stream" } else { "singleton" }
}

/// The accounts, with their users by public key: nothing of it is secret.
pub fn render(users: &[(User, Vec<String>)]) -> String {
    let mut services: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut streams: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (user, _) in users.iter().filter(|(user, _)| user.account != STREAMS && user.kind != Kind::Apps) {
        for subject in user.calls.iter().filter(|subject| !is_of_apps(users, subject)) {
            services.entry(subject).or_default().insert(&user.account);
        }
        for subject in &user.hears {
            streams.entry(subject).or_default().insert(&user.account);
        }
    }
    let mut text = String::from(
        "# Made by cuepoint nats-config; made anew by each run. Keys in here are public.\n\
         # Who may do what, and why each has an account of its own: docs/security.md.\naccounts {\n",
    );
    let exports = services
        .iter()
        .map(|(subject, accounts)| {
            format!("{{service: \"{subject}\", accounts: {}, response: {}}}", list(accounts.iter().copied()), response(subject))
        })
        .chain(
            streams.iter().map(|(subject, accounts)| format!("{{stream: \"{subject}\", accounts: {}}}", list(accounts.iter().copied()))),
        );
    let imports = apps(users).map(|subject| format!("{{service: {{account: \"APPS\", subject: \"{subject}\"}}}}"));
    account(&mut text, STREAMS, users, &[("exports", exports.collect()), ("imports", imports.collect())]);
    let others: Vec<&User> = users.iter().map(|(user, _)| user).filter(|user| user.account != STREAMS).collect();
    for user in others {
        let lists = if user.kind == Kind::Apps { app_lists(users) } else { lists(users, user) };
        account(&mut text, &user.account, users, &lists);
    }
    text.push_str("}\n");
    text
}

fn apps(users: &[(User, Vec<String>)]) -> impl Iterator<Item = &str> {
    users.iter().filter(|(user, _)| user.kind == Kind::Apps).flat_map(|(user, _)| user.hears.iter().map(String::as_str))
}

fn is_of_apps(users: &[(User, Vec<String>)], subject: &str) -> bool {
    apps(users).any(|of_apps| of_apps == subject)
}

/// What the account of applications lends the others.
fn app_lists(users: &[(User, Vec<String>)]) -> Vec<(&'static str, Vec<String>)> {
    let exports = apps(users).map(|subject| format!("{{service: \"{subject}\", accounts: [\"{STREAMS}\", \"DELIVER\"]}}"));
    vec![("exports", exports.collect())]
}

/// What an account without streams imports, and what its calls are called outside.
fn lists(users: &[(User, Vec<String>)], user: &User) -> Vec<(&'static str, Vec<String>)> {
    let service = |subject: &String| {
        let to = mapped(subject).map(|to| format!(", to: \"{to}\"")).unwrap_or_default();
        let account = if is_of_apps(users, subject) { "APPS" } else { STREAMS };
        format!("{{service: {{account: \"{account}\", subject: \"{subject}\"}}{to}}}")
    };
    let stream = |subject: &String| format!("{{stream: {{account: \"{STREAMS}\", subject: \"{subject}\"}}}}");
    let imports = user.calls.iter().map(service).chain(user.hears.iter().map(stream)).collect();
    let mappings = user.calls.iter().filter_map(|subject| mapped(subject).map(|to| format!("\"{subject}\": \"{to}\""))).collect();
    vec![("imports", imports), ("mappings", mappings)]
}

fn account(text: &mut String, name: &str, users: &[(User, Vec<String>)], lists: &[(&str, Vec<String>)]) {
    let mut put = |line: String| {
        text.push_str(&line);
        text.push('\n');
    };
    put(format!("  \"{name}\" {{"));
    if name == STREAMS {
        put("    jetstream: enabled".to_owned());
    }
    put("    users = [".to_owned());
    for (user, keys) in users.iter().filter(|(user, _)| user.account == name) {
        put(format!("      # {}", user.kind.name()));
        for key in keys {
            put(format!("      {{nkey: \"{key}\", permissions: {}}}", permissions(user)));
        }
    }
    put("    ]".to_owned());
    for (list, entries) in lists.iter().filter(|(_, entries)| !entries.is_empty()) {
        let [open, close] = if *list == "mappings" { ["{", "}"] } else { ["[", "]"] };
        put(format!("    {list} = {open}"));
        for entry in entries {
            put(format!("      {entry}"));
        }
        put(format!("    {close}"));
    }
    put("  }".to_owned());
}

/// Permissions are asked about the name that a call has outside its account.
fn permissions(user: &User) -> String {
    let outside = |subject: &String| if user.account == STREAMS { None } else { mapped(subject) };
    let calls: Vec<String> = user.calls.iter().map(|subject| outside(subject).unwrap_or_else(|| subject.clone())).collect();
    let mut hears: Vec<&str> = user.hears.iter().map(String::as_str).collect();
    let mut answers = "";
    if user.kind == Kind::Apps {
        answers = ", allow_responses: true";
    } else {
        hears.push(INBOX);
    }
    format!("{{publish: {{allow: {}}}, subscribe: {{allow: {}}}{answers}}}", list(calls.iter().map(String::as_str)), list(hears))
}

fn list<'a>(subjects: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = subjects.into_iter().map(|subject| format!("\"{subject}\"")).collect();
    format!("[{}]", quoted.join(", "))
}

/// A whole configuration of nats-server.
pub fn server(plan: &Plan) -> String {
    let mut text = format!(
        "# Made by cuepoint nats-config; made anew by each run.\n\
         listen: \"0.0.0.0:4222\"\n\
         jetstream {{\n  store_dir: \"{}\"\n}}\n",
        plan.store
    );
    if plan.tls {
        text.push_str(&tls(&plan.at));
    }
    text.push_str("include accounts.conf\n");
    text
}

/// The part of it that is about TLS: every client shows a certificate of the authority.
pub fn tls(at: &str) -> String {
    format!(
        "tls {{\n  cert_file: \"{at}/tls/server.crt\"\n  key_file: \"{at}/tls/server.key\"\n  ca_file: \"{at}/tls/ca.crt\"\n  verify: true\n}}\n"
    )
}
