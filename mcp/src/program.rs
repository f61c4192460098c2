//! The programs that may be started as servers: the operator's list, and nothing else.

use std::collections::BTreeMap;
use std::path::PathBuf;

use secrecy::SecretString;

/// Programs by the names that servers give.
pub type Programs = BTreeMap<String, Program>;

/// Where programs are looked for unless the operator says otherwise.
pub const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// A program, and all that it is started with.
#[derive(Debug, Clone)]
pub struct Program {
    /// The program: a path, or a name to be found on the pool's `PATH`.
    pub command: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Its environment, beside `PATH`; nothing of this process's own comes along.
    pub environment: BTreeMap<String, SecretString>,
    /// Its working directory; left out, the root of the file system.
    pub directory: Option<PathBuf>,
}

impl Program {
    /// A program without arguments and environment.
    pub fn new(command: impl Into<PathBuf>) -> Self {
        Self { command: command.into(), arguments: Vec::new(), environment: BTreeMap::new(), directory: None }
    }
}
