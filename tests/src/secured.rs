//! A broker as `cuepoint nats-config` sets it up: TLS both ways, a user for each, and what that user may do.

use std::path::{Path, PathBuf};

use backbone::config::{Nats, NatsAccess, Redis, RedisAccess};
use cuepoint::security::plan::Plan;
use cuepoint::security::{self, accounts};
use nkeys::KeyPair;

/// What the account of the streams begins with, where the user of the harness is put in.
const USERS: &str = "\"CUEPOINT\" {\n    jetstream: enabled\n    users = [\n";
/// The seed of the harness' own user: it looks at what lies in the streams.
const HARNESS: &str = "users/harness.nk";

/// The directory that was made.
#[derive(Debug, Clone)]
pub struct Secured {
    dir: PathBuf,
}

impl Secured {
    /// Makes one, with a publisher for each of these triggers.
    pub(crate) fn make(dir: &Path, publishers: &[&str], outside: &[&str]) -> Self {
        let dir = std::path::absolute(dir).expect("a whole path");
        let plan = Plan {
            publishers: publishers.iter().map(|trigger| trigger.parse().expect("a trigger id")).collect(),
            subjects: outside.iter().copied().map(str::to_owned).collect(),
            tls: true,
            // Node asks for `localhost` where the address is one.
            hosts: ["127.0.0.1", "localhost"].map(str::to_owned).into(),
            at: dir.display().to_string(),
            ..Plan::default()
        };
        drop(security::generate(&dir, &plan, &[], now_ms()).expect("the files can be made"));
        let (file, text) = (dir.join("accounts.conf"), std::fs::read_to_string(dir.join("accounts.conf")).expect("there are accounts"));
        assert_eq!(text.matches(USERS).count(), 1, "{text}");
        let harness = KeyPair::new_user();
        let with_harness = text.replacen(USERS, &format!("{USERS}      {{nkey: \"{}\"}}\n", harness.public_key()), 1);
        std::fs::write(file, with_harness).expect("the scratch directory can be written to");
        std::fs::write(dir.join(HARNESS), harness.seed().expect("a new key has a seed")).expect("the scratch directory can be written to");
        Self { dir }
    }

    /// What nats-server is told of it.
    pub(crate) fn configuration(&self) -> String {
        // Paths of `include` are relative to the file that has it.
        format!("{}include \"../security/accounts.conf\"", accounts::tls(&self.dir.display().to_string()))
    }

    /// What redis-server is told of it: nodes are the user of nats-config, and whoever says nothing is the harness.
    pub(crate) fn redis_arguments(&self) -> Vec<String> {
        let made = std::fs::read_to_string(self.dir.join("redis.acl")).expect("there are users of Redis");
        let (off, nodes) = made.split_once('\n').expect("two users");
        assert!(off.starts_with("user default off") && nodes.starts_with("user cuepoint on"), "{made}");
        let file = self.dir.join("tests.acl");
        std::fs::write(&file, format!("user default on nopass ~* &* +@all\n{nodes}")).expect("the scratch directory can be written to");
        vec!["--aclfile".to_owned(), file.display().to_string()]
    }

    /// How a node reaches Redis.
    pub(crate) fn redis(&self, url: &str) -> Redis {
        let access = RedisAccess { password: Some(self.dir.join("redis.password")), ..RedisAccess::default() };
        Redis { url: url.replace("://", "://cuepoint@"), access }
    }

    /// A file in it, such as `users/reader.nk`.
    pub fn file(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }

    /// How a user reaches a broker; the user `harness` may do everything.
    pub(crate) fn user(&self, url: &str, name: &str) -> Nats {
        Nats { url: url.to_owned(), access: NatsAccess { nkey: Some(self.dir.join(format!("users/{name}.nk"))), ..self.tls() } }
    }

    /// How a process of its own is told that it is a user.
    pub(crate) fn flags(&self, name: &str) -> Vec<String> {
        let files = [
            ("nkey", format!("users/{name}.nk")),
            ("ca", "tls/ca.crt".into()),
            ("cert", "tls/client.crt".into()),
            ("key", "tls/client.key".into()),
        ];
        files
            .into_iter()
            .flat_map(|(flag, file)| [format!("--nats-{flag}"), self.file(&file)])
            .chain(["--redis-password-file".to_owned(), self.file("redis.password")])
            .collect()
    }

    fn tls(&self) -> NatsAccess {
        let file = |name: &str| Some(self.dir.join(name));
        NatsAccess { ca: file("tls/ca.crt"), cert: file("tls/client.crt"), key: file("tls/client.key"), ..NatsAccess::default() }
    }
}

/// The time now, in milliseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "certificates are checked by this machine's clock")]
fn now_ms() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("1970 is past");
    now.as_millis().try_into().expect("a time of this age")
}
