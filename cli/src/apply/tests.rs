use async_nats::jetstream::Context;
use backbone::seal::MasterKey;
use backbone::topology::{self, Sizes};
use backbone::{config, nats};
use proto::idempotency::DeploymentKey;
use proto::resource::{Bot, Common, Resource, Secret, SecretDigest, Trigger};
use proto::subject;
use secrecy::SecretString;

use super::{Error, Manner, Report, apply, plan};
use crate::secret::{Slot, Wanted};
use crate::server::{Options, Server};

fn bot(id: &str, definition: &str) -> Wanted {
    Resource::Bot(Bot::new(id.parse().unwrap(), "rules", definition)).into()
}

fn aliased(id: &str, alias: &str) -> Wanted {
    let common = Common { alias: Some(alias.into()), ..Common::default() };
    Resource::Bot(Bot { common, ..Bot::new(id.parse().unwrap(), "rules", "{}") }).into()
}

fn trigger(secret: &str) -> Wanted {
    let trigger = Trigger { secret: Some(SecretDigest::of(secret)), ..Trigger::new("t".parse().unwrap(), "a".parse().ok()) };
    Wanted { resource: Resource::Trigger(trigger), values: vec![(Slot::Secret, SecretString::from(secret))] }
}

fn manner(name: &str, now_ms: i64) -> Manner {
    let key = MasterKey::derive(&DeploymentKey::parse(&[7; 16]).unwrap()).unwrap();
    Manner { name: name.into(), prune: true, adopt: false, key, now_ms }
}

async fn broker() -> (Server, Context, std::path::PathBuf) {
    let directory = std::env::temp_dir().join(format!("cuepoint-{:016x}", u64::from_le_bytes(backbone::chance::bytes())));
    let server = Options::nats(&directory).start().await.unwrap();
    let client = nats::connect(&config::Nats::at(server.url()), "test").await.unwrap();
    let context = topology::context(&client);
    topology::ensure(&context, &Sizes::default(), 1).await.unwrap();
    (server, context, directory)
}

async fn check(context: &Context, wanted: &[Wanted], [created, updated, removed]: [&[&str]; 3], unchanged: usize) {
    let keys = |keys: &[&str]| keys.iter().copied().map(str::to_owned).collect::<Vec<_>>();
    let expected = Report { created: keys(created), updated: keys(updated), removed: keys(removed), unchanged, left: Vec::new() };
    assert_eq!(apply(context, wanted, &manner("a.yaml", 5)).await.unwrap(), expected);
}

#[tokio::test]
async fn the_bucket_follows_the_files_and_nobody_else_is_touched() {
    let (mut server, context, directory) = broker().await;
    let bucket = context.get_key_value(subject::RESOURCES).await.unwrap();
    let theirs = |id: &str, manager: &str| {
        Resource::Bot(Bot { common: Common::of(manager), ..Bot::new(id.parse().unwrap(), "rules", "{}") }).encode()
    };
    bucket.create("bot.theirs", theirs("theirs", "api")).await.unwrap();
    bucket.create("bot.other", theirs("other", "file:b.yaml")).await.unwrap();
    bucket.create("bot.former", theirs("former", "file")).await.unwrap();

    check(&context, &[bot("a", "{}"), bot("b", "{}")], [&["bot.a", "bot.b"], &[], &["bot.former"]], 0).await;
    check(&context, &[bot("a", "{}"), bot("b", "[]")], [&[], &["bot.b"], &[]], 1).await;
    check(&context, &[bot("b", "[]")], [&[], &[], &["bot.a"]], 1).await;
    check(&context, &[bot("a", "{}"), bot("b", "[]")], [&["bot.a"], &[], &[]], 1).await;
    for name in ["theirs", "other"] {
        let refused = apply(&context, &[bot("c", "{}"), bot(name, "[]")], &manner("a.yaml", 5)).await.unwrap_err();
        assert!(matches!(refused, Error::Foreign { .. }), "{refused}");
    }
    assert!(bucket.get("bot.c").await.unwrap().is_none(), "nothing is written where something is in the way");
    let kept = Manner { prune: false, ..manner("a.yaml", 5) };
    assert_eq!(apply(&context, &[bot("b", "[]")], &kept).await.unwrap().left, ["bot.a"]);
    let taken = Manner { adopt: true, ..manner("a.yaml", 5) };
    assert_eq!(apply(&context, &[bot("theirs", "{}")], &Manner { prune: false, ..taken }).await.unwrap().updated, ["bot.theirs"]);
    check(&context, &[], [&[], &[], &["bot.a", "bot.b", "bot.theirs"]], 0).await;
    assert!(bucket.get("bot.other").await.unwrap().is_some());
    server.stop().await.unwrap();
    std::fs::remove_dir_all(directory).unwrap();
}

#[tokio::test]
async fn what_did_not_change_is_not_written_although_time_passes_and_seals_differ() {
    let (mut server, context, directory) = broker().await;
    let bucket = context.get_key_value(subject::RESOURCES).await.unwrap();
    let secret = |value: &str| {
        let resource = Secret {
            id: "s".parse().unwrap(),
            common: Common::default(),
            name: "s".into(),
            description: String::new(),
            kind: "shared".into(),
            form: "plain".into(),
            sealed: bytes::Bytes::new(),
            config: String::new(),
        };
        Wanted { resource: Resource::Secret(resource), values: vec![(Slot::Value, SecretString::from(value))] }
    };
    let first = apply(&context, &[secret("one"), bot("a", "{}"), trigger("x")], &manner("f", 10)).await.unwrap();
    assert_eq!(first.created, ["secret.s", "bot.a", "trigger.t"]);
    let again = apply(&context, &[secret("one"), bot("a", "{}"), trigger("x")], &manner("f", 20)).await.unwrap();
    assert_eq!((again.updated, again.unchanged), (Vec::new(), 3));
    let planned = plan(&context, &[secret("two"), bot("a", "{}"), trigger("y")], &manner("f", 30)).await.unwrap();
    let shown = planned.changes.iter().flat_map(|change| &change.differences).map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(shown, ["~ value: (secret) -> (secret)", "~ secret: (secret) -> (secret)", "~ secret (sealed): (secret) -> (secret)"]);
    let entry = bucket.entry("trigger.t").await.unwrap().unwrap();
    let common = Resource::decode("trigger.t", entry.value).unwrap().unwrap().common().clone();
    assert_eq!((common.created_at_ms, common.updated_at_ms, common.managed_by.as_str()), (10, 10, "file:f"), "a plan changes nothing");
    apply(&context, &[secret("two"), bot("a", "{}"), trigger("y")], &manner("f", 40)).await.unwrap();
    let entry = bucket.entry("trigger.t").await.unwrap().unwrap();
    let common = Resource::decode("trigger.t", entry.value).unwrap().unwrap().common().clone();
    assert_eq!((common.created_at_ms, common.updated_at_ms), (10, 40));
    server.stop().await.unwrap();
    std::fs::remove_dir_all(directory).unwrap();
}

#[tokio::test]
async fn aliases_and_lost_revisions_are_conflicts() {
    let (mut server, context, directory) = broker().await;
    let bucket = context.get_key_value(subject::RESOURCES).await.unwrap();
    apply(&context, &[aliased("a", "x")], &manner("f", 1)).await.unwrap();
    assert_eq!(bucket.get("alias.bot.x").await.unwrap().unwrap(), "a");
    let refused = apply(&context, &[aliased("b", "x")], &manner("g", 1)).await.unwrap_err();
    assert!(matches!(refused, Error::AliasTaken { .. }), "{refused}");
    apply(&context, &[aliased("a", "y")], &manner("f", 1)).await.unwrap();
    assert!(bucket.get("alias.bot.x").await.unwrap().is_none());
    let planned = plan(&context, &[aliased("a", "z")], &manner("f", 1)).await.unwrap();
    apply(&context, &[bot("a", "[1]")], &manner("f", 1)).await.unwrap();
    let lost = super::carry_out(&context, planned).await.unwrap_err();
    assert!(matches!(lost, Error::Conflict { .. }), "{lost}");
    server.stop().await.unwrap();
    std::fs::remove_dir_all(directory).unwrap();
}

/// A file with everything in it; its secrets lie beside it under the names that an export gives them.
const WHOLE: &str = r"
triggers:
  - id: t
    name: 'No'
    description: d
    alias: second
    meta: { a: [1, 2.5, '007'], b: { c: true } }
    bot: b
    text: '42'
    sessionDuration: 90m
    busy: collect
    quiet: 3s
    limits: { turns: 2, turn: { modelCalls: 3, costUsd: 0.25, time: 2m }, day: { tokens: 5 } }
    state: paused
    schedule: '0 9 * * *'
    timezone: Europe/Vienna
    catchUp: skip
    rate: { count: 5, per: 1m }
    secret: { file: secrets/trigger.t }
    signature: { scheme: github, key: { file: secrets/trigger.t.signature }, tolerance: 1m }
    results:
      - { id: hook, webhook: { url: 'https://example.com/x', key: { file: secrets/trigger.t.result.hook } }, statuses: [completed, dead] }
      - { id: bus, subject: results.t, disabled: true }
bots:
  - { id: b, name: B, kind: agent, description: d, model: openai/m, backstory: 'line one

      line: two', skillset: s, meta: { x: null }, state: draining }
skillsets:
  - id: s
    name: S
    description: d
    disabled: true
    abilities:
      - name: note
        description: n
        instruction: |
          ```echo
          $[a!|what]
          ```
secrets:
  - { id: k, name: key, type: bearer, kind: personal, value: { file: secrets/secret.k }, config: { a: 1 } }
";

#[tokio::test]
async fn what_is_exported_is_taken_back_unchanged_and_tells_no_secret() {
    use crate::command::export;
    use crate::config::document::Documents;
    use crate::data::Data;
    use crate::secret::resolve;

    let (mut server, context, directory) = broker().await;
    let files = directory.join("files");
    std::fs::create_dir_all(files.join("secrets")).unwrap();
    let webhook_key = outbox::destination::make_key([9; 32]);
    for (name, value) in
        [("trigger.t", "hunter2"), ("trigger.t.signature", "hunter3"), ("trigger.t.result.hook", &*webhook_key), ("secret.k", "hunter4")]
    {
        std::fs::write(files.join("secrets").join(name), value).unwrap();
    }
    let file = files.join("all.yaml");
    std::fs::write(&file, WHOLE).unwrap();
    let wanted = async || {
        let documents = Documents::lint(&file).unwrap_or_else(|error| panic!("{error}"));
        resolve(&documents.files, &Data::at(&directory)).unwrap()
    };
    let first = apply(&context, &wanted().await, &manner("all.yaml", 1)).await.unwrap();
    assert_eq!(first.created, ["secret.k", "skillset.s", "bot.b", "trigger.t"]);

    let exported = export::text(&super::resources(&context).await.unwrap()).unwrap();
    assert!(!exported.contains("hunter") && !exported.contains("whsec_"), "{exported}");
    std::fs::write(&file, &exported).unwrap();
    let planned = plan(&context, &wanted().await, &manner("all.yaml", 2)).await.unwrap();
    let shown = planned.changes.iter().map(|change| format!("{}: {:?}", change.key, change.differences)).collect::<Vec<_>>();
    assert!(shown.is_empty(), "{shown:#?}\n{exported}");
    assert_eq!(planned.unchanged, 4);
    server.stop().await.unwrap();
    std::fs::remove_dir_all(directory).unwrap();
}
