//! Where a secret is: never in the file itself.

use std::path::{Path, PathBuf};

use super::fault::Fault;
use super::fields::Fields;
use super::tree::{Node, Place, Value};

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

/// Reads where a secret is.
pub(super) fn read(node: &Node, path: String, base: &Path, faults: &mut Vec<Fault>) -> Option<SecretSource> {
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
