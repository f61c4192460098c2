//! Finds a server's program and refuses one that is too old.
//!
//! Debian's nats-server 2.9 loses messages and cannot fence, so a program on `PATH` is asked for
//! its version before it is used.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;

use super::{Error, Kind};

/// How long a program may take to say its version.
const VERSION_DEADLINE: Duration = Duration::from_secs(10);

/// A version by its first two numbers.
type Version = (u32, u32);

/// The program to run: the given one, else the first that will do.
pub(super) async fn find(kind: &Kind, given: Option<&Path>) -> Result<PathBuf, Error> {
    let candidates = match given {
        Some(path) => vec![path.to_owned()],
        None => candidates(kind),
    };
    let mut worst = None;
    for path in candidates {
        match check(kind, &path).await {
            Ok(()) => return Ok(path),
            Err(Error::Unusable { source, .. }) if given.is_none() && source.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => worst = Some(error),
        }
    }
    Err(worst.unwrap_or_else(|| Error::Missing { name: kind.program() }))
}

/// Where `make tools` puts programs, for a start anywhere in the work tree; then `PATH`.
fn candidates(kind: &Kind) -> Vec<PathBuf> {
    let here = std::env::current_dir().ok();
    let this = std::env::current_exe().ok();
    let roots = [here, this]
        .into_iter()
        .flatten()
        .filter_map(|start| Some(start.ancestors().find(|dir| dir.join("Cargo.lock").is_file())?.to_owned()));
    let mut found: Vec<PathBuf> = roots.map(|root| root.join(".tools/bin").join(kind.program())).filter(|path| path.is_file()).collect();
    found.dedup();
    found.push(kind.program().into());
    if matches!(kind, Kind::Redis { .. }) {
        found.push("valkey-server".into());
    }
    found
}

async fn check(kind: &Kind, path: &Path) -> Result<(), Error> {
    let unusable = |source| Error::Unusable { path: path.to_owned(), source };
    let output = Command::new(path).arg("--version").kill_on_drop(true).output();
    let output = tokio::time::timeout(VERSION_DEADLINE, output).await.map_err(|late| unusable(late.into()))?.map_err(unusable)?;
    let name = kind.program();
    let (found, text) = version(&String::from_utf8_lossy(&output.stdout)).ok_or_else(|| Error::Unknown { path: path.to_owned(), name })?;
    let least = least(kind);
    if found < least {
        return Err(Error::TooOld { path: path.to_owned(), name, found: text, least: format!("{}.{}", least.0, least.1) });
    }
    Ok(())
}

fn least(kind: &Kind) -> Version {
    match kind {
        Kind::Nats { .. } => (2, 12),
        Kind::Redis { .. } => (6, 2),
    }
}

/// Reads `nats-server: v2.15.1` or `Valkey server v=9.1.2 sha=...`.
fn version(output: &str) -> Option<(Version, String)> {
    let word = output.split_whitespace().find_map(|word| {
        let number = word.strip_prefix("v=").or_else(|| word.strip_prefix('v'))?;
        number.starts_with(|first: char| first.is_ascii_digit()).then_some(number)
    })?;
    let mut numbers = word.split(['.', '-', '+']);
    let version = (numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?);
    Some((version, word.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn the_versions_that_servers_print_are_read() {
        let check = |output, expected| assert_eq!(version(output).map(|(version, _)| version), expected, "{output}");
        check("nats-server: v2.15.1\n", Some((2, 15)));
        check("nats-server: v2.9.10", Some((2, 9)));
        check("nats-server: v2.16.0-RC.1", Some((2, 16)));
        check("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=1", Some((7, 0)));
        check("Valkey server v=9.1.2 sha=00000000:1 malloc=libc bits=64", Some((9, 1)));
        check("hello", None);
        check("", None);
    }
}
