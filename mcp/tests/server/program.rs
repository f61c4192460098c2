//! Programs as servers: what they are started with, what they say, and that they end.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use egress::Egress;
use egress::policy::Policy;
use mcp::error::Error;
use mcp::pool::{Config, Pool};
use mcp::program::{Program, Programs};
use mcp::server::Server;
use serde_json::json;

use crate::fake::{DEADLINE, call};

/// A server in a few lines of shell; `$BEFORE` runs first, `$CALL` at each call, `$AFTER` once its input has ended.
const SHELL: &str = r#"
nothing='{"content":[]}'
[ -n "$CALL" ] || CALL='answer "$nothing"'
eval "$BEFORE"
while IFS= read -r line; do
    id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
    answer() { printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "$1"; }
    case "$line" in
    *'"initialize"'*) answer '{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"sh","version":"1"}}' ;;
    *'"tools/list"'*) answer '{"tools":[{"name":"echo","inputSchema":{"type":"object"}}]}' ;;
    *'"tools/call"'*) eval "$CALL" ;;
    *'notifications/cancelled'*) [ -z "$CANCELLED" ] || echo "$line" >"$CANCELLED" ;;
    esac
done
eval "$AFTER"
"#;

/// A directory that goes with the value.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("mcp-program-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn shell(variables: &[(&str, &str)]) -> Program {
    let environment = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
    Program { arguments: vec!["-c".into(), SHELL.into()], environment, ..Program::new("sh") }
}

fn pool(program: Program) -> Pool {
    let programs = Programs::from([("shell".to_owned(), program)]);
    Pool::new(Config { programs, ..Config::default() }, Egress::new(Policy::default()).unwrap())
}

fn server() -> Server {
    Server::Stdio { program: "shell".into() }
}

/// Waits for the text of a file.
async fn text(path: &str) -> String {
    let waiting = async {
        loop {
            match std::fs::read_to_string(path) {
                Ok(text) if text.ends_with('\n') => return text,
                _ => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    tokio::time::timeout(DEADLINE, waiting).await.unwrap_or_else(|_| panic!("{path} was not written"))
}

fn is_alive(pid: &str) -> bool {
    // A zombie has ended; whoever inherits it may never fetch it.
    let status = std::fs::read_to_string(Path::new("/proc").join(pid).join("stat")).unwrap_or_default();
    status.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with('Z'))
}

async fn ends(pids: &str) {
    let waiting = async {
        while pids.split_whitespace().any(is_alive) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(DEADLINE, waiting).await.unwrap_or_else(|_| panic!("one of {pids:?} lives on"));
}

#[tokio::test]
async fn only_programs_of_the_list_are_started() {
    let pool = pool(shell(&[]));
    for name in ["sh", "/bin/sh", "Shell", ""] {
        let error = pool.tools(&Server::Stdio { program: name.into() }).await.unwrap_err();
        assert_eq!(error.to_string(), format!("there is no program {name:?} in the operator's list"));
    }
    assert_eq!(pool.tools(&server()).await.unwrap()[0].name, "echo");
    assert_eq!(pool.call(&server(), call(DEADLINE)).await.unwrap(), json!({ "content": [] }));
}

#[tokio::test]
async fn a_program_that_does_not_start_or_greet_is_an_error() {
    let missing = pool(Program::new("/nowhere/at/all"));
    let error = missing.tools(&server()).await.unwrap_err();
    assert!(matches!(&error, Error::Start { name, .. } if name == "shell"), "{error:?}");
    let silent = pool(Program::new("true"));
    let error = silent.tools(&server()).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. } | Error::Closed) && !matches!(error, Error::Late { .. }), "{error:?}");
}

#[tokio::test]
async fn a_program_ends_with_all_that_it_started() {
    // The gentle one ends with its input; the stubborn one minds neither that nor being asked.
    for (name, before, after) in [("gentle", "", ""), ("stubborn", "trap '' TERM;", "while :; do sleep 1; done")] {
        for is_dropped in [false, true] {
            let scratch = Scratch::new();
            let pids = scratch.file("pids");
            let before = format!("{before} (trap '' TERM HUP; exec sleep 1000) & echo $$ $! >{pids}");
            let pool = pool(shell(&[("BEFORE", &before), ("AFTER", after)]));
            pool.tools(&server()).await.unwrap();
            let pids = text(&pids).await;
            assert!(pids.split_whitespace().count() == 2 && pids.split_whitespace().all(is_alive), "{name} {pids:?}");
            if is_dropped {
                drop(pool);
            } else {
                pool.close().await;
                // What it started was killed with it, and is gone once the system has reaped it.
                assert!(!pids.split_whitespace().take(1).any(is_alive), "{name}: closed, and still there");
            }
            ends(&pids).await;
        }
    }
}

#[test]
fn a_program_ends_when_the_runtime_does() {
    let scratch = Scratch::new();
    let pids = scratch.file("pids");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (pool, told) = runtime.block_on(async {
        let pool = pool(shell(&[("BEFORE", &format!("trap '' TERM HUP; echo $$ >{pids}")), ("AFTER", "while :; do sleep 1; done")]));
        pool.tools(&server()).await.unwrap();
        (pool, text(&pids).await)
    });
    runtime.shutdown_timeout(DEADLINE);
    drop(pool);
    let rest = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    rest.block_on(ends(&told));
}

#[tokio::test]
async fn noise_does_not_disturb_a_program() {
    // More than a pipe holds, on the one; lines that are no messages, on the other.
    let before = "head -c 1000000 /dev/zero >&2; echo hello; echo; echo '{'; echo '[]'; echo '{\"jsonrpc\":\"2.0\"}'";
    let pool = pool(shell(&[("BEFORE", before)]));
    assert_eq!(pool.tools(&server()).await.unwrap().len(), 1);
    pool.call(&server(), call(DEADLINE)).await.unwrap();
}

#[tokio::test]
async fn a_program_that_dies_during_a_call_leaves_it_in_doubt_and_is_started_again() {
    let scratch = Scratch::new();
    let starts = scratch.file("starts");
    let pool = pool(shell(&[("BEFORE", &format!("echo $$ >>{starts}")), ("CALL", "exit 3")]));
    for _ in 0..2 {
        let error = pool.call(&server(), call(DEADLINE)).await.unwrap_err();
        assert!(matches!(error, Error::Closed) && error.may_have_happened(), "{error:?}");
    }
    assert_eq!(pool.tools(&server()).await.unwrap().len(), 1);
    assert_eq!(text(&starts).await.lines().count(), 3);
}

#[tokio::test]
async fn a_program_hears_that_nobody_waits_any_more() {
    let scratch = Scratch::new();
    let cancelled = scratch.file("cancelled");
    let pool = pool(shell(&[("CALL", ":"), ("CANCELLED", &cancelled)]));
    let error = pool.call(&server(), call(Duration::from_millis(200))).await.unwrap_err();
    assert!(matches!(error, Error::Late { .. }), "{error:?}");
    assert!(text(&cancelled).await.contains("\"requestId\""));
}
