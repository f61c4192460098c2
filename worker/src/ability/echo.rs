//! The ability `echo`: gives its arguments back.

use serde_json::Value;

/// The arguments, as they came.
pub(super) fn run(arguments: &Value) -> String {
    arguments.to_string()
}
