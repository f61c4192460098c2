use std::path::{Path, PathBuf};

use clap::Parser;

use super::{Nats, NatsAccess, Redis, RedisAccess};

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    nats: Nats,
    #[command(flatten)]
    redis: Redis,
}

/// Files of certificates, removed with it.
struct Files(PathBuf);

impl Files {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("cuepoint-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        let files = Self(path);
        for name in ["one", "two"] {
            let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
            files.write(&format!("{name}.crt"), &made.cert.pem());
            files.write(&format!("{name}.key"), &made.signing_key.serialize_pem());
        }
        files.write("junk", "nothing of use");
        files.write("empty", "\n");
        files.write("user.nk", nkeys::KeyPair::new_user().seed().unwrap().as_str());
        // As some tools leave it: nothing behind the last line.
        let seed = nkeys::KeyPair::new_user().seed().unwrap();
        let (jwt, key) = ("------END NATS USER JWT------", "-----BEGIN USER NKEY SEED-----");
        files.write(
            "user.creds",
            &format!("-----BEGIN NATS USER JWT-----\neyJ.eyJ.x\n{jwt}\n\n{key}\n{seed}\n------END USER NKEY SEED------"),
        );
        files.write("account.nk", nkeys::KeyPair::new_account().seed().unwrap().as_str());
        files
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

#[test]
fn a_password_in_an_address_is_never_printed() {
    let (redis, nats) = (Redis::at("redis://:hunter2@127.0.0.1"), Nats::at("nats://me:hunter2@127.0.0.1"));
    assert!(!format!("{redis:?}{nats:?}").contains("hunter2"));
    let fault = Redis::at("redis://:hunter2@127.0.0.1:port").validate().unwrap_err();
    assert!(!format!("{fault:?}{fault}").contains("hunter2"), "{fault:?}");
}

#[test]
fn every_setting_is_a_flag() {
    let flags = ["--nats", "tls://n", "--nats-nkey", "n", "--nats-ca", "a", "--nats-cert", "c", "--nats-key", "k", "--nats-inbox", "_X"];
    let more = ["--redis", "rediss://u@r", "--redis-password-file", "p", "--redis-ca", "a", "--redis-cert", "c", "--redis-key", "k"];
    let Arguments { nats, redis } = Arguments::parse_from(["x"].into_iter().chain(flags).chain(more));
    let (nats, redis) = (nats.access, redis.access);
    let is = |path: Option<PathBuf>, name: &str| path.as_deref() == Some(Path::new(name));
    assert!(is(nats.nkey, "n") && is(nats.ca, "a") && is(nats.cert, "c") && is(nats.key, "k") && nats.inbox.as_deref() == Some("_X"));
    assert!(is(redis.password, "p") && is(redis.ca, "a") && is(redis.cert, "c") && is(redis.key, "k"));
}

#[test]
fn a_fault_of_nats_names_the_flag_and_the_file() {
    let files = Files::new("nats");
    let file = |name: &str| Some(files.path(name));
    let check = |access: NatsAccess, parts: &[&str]| {
        let said = Nats { access, ..Nats::at("tls://n") }.validate().err().map(|fault| fault.to_string()).unwrap_or_default();
        assert!(parts.iter().all(|part| said.contains(part)) && said.is_empty() == parts.is_empty(), "{said:?} is not {parts:?}");
    };
    let none = NatsAccess::default;
    check(NatsAccess { nkey: file("user.nk"), ca: file("one.crt"), cert: file("one.crt"), key: file("one.key"), ..none() }, &[]);
    check(NatsAccess { creds: file("user.creds"), ..none() }, &[]);
    check(NatsAccess { nkey: file("gone"), ..none() }, &["--nats-nkey", "gone", "cannot be read"]);
    check(NatsAccess { nkey: file("account.nk"), ..none() }, &["--nats-nkey", "account.nk", "no seed of a user"]);
    check(NatsAccess { nkey: file("empty"), ..none() }, &["--nats-nkey", "is empty"]);
    check(NatsAccess { creds: file("junk"), ..none() }, &["--nats-creds", "junk", "no credentials"]);
    check(NatsAccess { creds: file("junk"), nkey: file("user.nk"), ..none() }, &["--nats-nkey", "--nats-creds"]);
    check(NatsAccess { ca: file("junk"), ..none() }, &["--nats-ca", "junk", "no certificate"]);
    check(NatsAccess { cert: file("one.crt"), ..none() }, &["--nats-cert", "needs the key"]);
    check(NatsAccess { key: file("one.key"), ..none() }, &["--nats-key", "needs the certificate"]);
    check(NatsAccess { cert: file("one.crt"), key: file("two.key"), ..none() }, &["--nats-key", "two.key", "not the key"]);
    check(NatsAccess { cert: file("one.crt"), key: file("junk"), ..none() }, &["--nats-key", "junk", "no private key"]);
    check(NatsAccess { inbox: Some("_X.>".into()), ..none() }, &["--nats-inbox"]);
}

#[test]
fn a_fault_of_redis_names_the_flag_and_the_file() {
    let files = Files::new("redis");
    files.write("password", "hunter2\n");
    let file = |name: &str| Some(files.path(name));
    let check = |url: &str, access: RedisAccess, parts: &[&str]| {
        let said = Redis { access, ..Redis::at(url) }.validate().err().map(|fault| fault.to_string()).unwrap_or_default();
        assert!(parts.iter().all(|part| said.contains(part)) && said.is_empty() == parts.is_empty(), "{said:?} is not {parts:?}");
    };
    let none = RedisAccess::default;
    let all = RedisAccess { password: file("password"), ca: file("one.crt"), cert: file("one.crt"), key: file("one.key") };
    check("rediss://cuepoint@r", all.clone(), &[]);
    check("redis://cuepoint@r", all, &["--redis-ca", "rediss://"]);
    check("redis://cuepoint@r", RedisAccess { password: file("password"), ..none() }, &[]);
    check("redis://r", RedisAccess { password: file("gone"), ..none() }, &["--redis-password-file", "gone"]);
    check("rediss://r", RedisAccess { ca: file("junk"), ..none() }, &["--redis-ca", "junk"]);
    check("rediss://r", RedisAccess { cert: file("one.crt"), key: file("two.key"), ..none() }, &["--redis-key", "two.key"]);
    check("http://r", none(), &["--redis is no address"]);
}

#[test]
fn the_password_of_the_file_is_the_one_that_is_used() {
    let files = Files::new("password");
    files.write("password", "hunter2\n");
    let access = RedisAccess { password: Some(files.path("password")), ..RedisAccess::default() };
    let client = Redis { access, ..Redis::at("redis://cuepoint:other@r") }.client().unwrap();
    let settings = client.get_connection_info().redis_settings();
    assert_eq!((settings.username(), settings.password()), (Some("cuepoint"), Some("hunter2")));
}
