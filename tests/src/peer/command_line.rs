//! Where a program is, and with which arguments it runs.

use std::path::{Path, PathBuf};

use tokio::process::Command;

/// Where `make` puts programs.
const TOOLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../.tools");

/// Makes Node listen on loopback where a program names no address: it listens on all by itself.
///
/// It stands where Node binds, not at `listen`: with an address that returns before it has bound, and the
/// conformance suite reads the port at once.
const LOOPBACK: &str = concat!(
    "--import=data:text/javascript,",
    "import net from 'node:net';",
    "const bind = net.Server.prototype._listen2;",
    "net.Server.prototype._listen2 = function (address, port, type, ...rest) {",
    "  const isOpen = !address && Number.isInteger(port);",
    "  return isOpen ? bind.call(this, '127.0.0.1', port, 4, ...rest) : bind.call(this, address, port, type, ...rest);",
    "};",
);

/// A program and its arguments, for whoever is to start it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    /// The program, by its whole path.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
}

impl CommandLine {
    /// A program of the npm packages, run by the Node that came with them.
    pub(super) fn npm(name: &str) -> Self {
        let script = installed(&format!("peers/node/node_modules/.bin/{name}"));
        Self { program: installed("bin/node"), arguments: vec![LOOPBACK.into(), script.display().to_string()] }
    }

    /// A script of this package, run by the same Node; it finds the npm packages in [`Self::packages`].
    pub(super) fn script(path: &str) -> Self {
        Self { program: installed("bin/node"), arguments: vec![path.to_owned()] }
    }

    /// Where the npm packages are.
    pub(super) fn packages() -> String {
        Path::new(TOOLS).join("peers/node").display().to_string()
    }

    /// A program of the Python packages.
    pub(super) fn pypi(name: &str) -> Self {
        Self { program: installed(&format!("peers/python/bin/{name}")), arguments: Vec::new() }
    }

    /// Adds arguments.
    #[must_use]
    pub fn with<S: Into<String>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Something that starts it.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        // Python holds back what it prints into a file.
        command.args(&self.arguments).env("PYTHONUNBUFFERED", "1");
        command
    }
}

/// A file that `make peers` brings.
pub(super) fn installed(path: &str) -> PathBuf {
    let path = Path::new(TOOLS).join(path);
    assert!(path.is_file(), "{} is missing: `make peers` puts it there", path.display());
    path
}
