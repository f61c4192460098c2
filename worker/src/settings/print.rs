//! What tells one reading of a settings file from another, section by section.
//!
//! A digest of each section with all that it names, so that what changed can be told without its values.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// The sections whose changes count here; the others are not of this process.
const SECTIONS: [&str; 6] = ["providers", "secrets", "smtp", "search", "mcp", "nats"];
/// How deep a section is looked through.
const DEPTH_MAX: u32 = 16;

/// A digest of each section.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prints(BTreeMap<&'static str, [u8; 32]>);

impl Prints {
    /// Digests a file's text; files that it names are looked for relative to `base`.
    pub(super) fn of(text: &str, base: &Path) -> Self {
        let document: Value = serde_saphyr::from_str(text).unwrap_or_default();
        let print = |name| {
            let section = document.get(name)?;
            let mut hash = Sha256::new().chain_update(section.to_string());
            add_named(&mut hash, section, base, DEPTH_MAX);
            Some((name, hash.finalize().into()))
        };
        Self(SECTIONS.into_iter().filter_map(print).collect())
    }

    /// The sections that are others than before.
    pub(crate) fn changed_since(&self, before: &Self) -> Vec<&'static str> {
        SECTIONS.into_iter().filter(|name| self.0.get(name) != before.0.get(name)).collect()
    }
}

/// Adds what stands in the files and variables that a section names.
fn add_named(hash: &mut Sha256, value: &Value, base: &Path, depth: u32) {
    let Some(depth) = depth.checked_sub(1) else { return };
    match value {
        Value::Object(object) => {
            if let Some(file) = object.get("file").and_then(Value::as_str) {
                hash.update(std::fs::read(base.join(file)).unwrap_or_default());
            }
            if let Some(name) = object.get("env").and_then(Value::as_str) {
                hash.update(super::entry::variable(name).unwrap_or_default());
            }
            object.values().for_each(|value| add_named(hash, value, base, depth));
        }
        Value::Array(items) => items.iter().for_each(|value| add_named(hash, value, base, depth)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::Prints;

    #[test]
    fn a_change_is_told_by_its_section_also_where_only_a_named_file_has_changed() {
        let directory = std::env::temp_dir().join(format!("cuepoint-prints-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let write = |value: &str| std::fs::write(directory.join("key"), value).unwrap();
        let text = "providers: [{ id: a, key: { file: key } }]\nsmtp: { host: mail }\ntriggers: []\n";
        write("one");
        let before = Prints::of(text, &directory);
        assert_eq!(Prints::of(text, &directory), before);
        write("two");
        assert_eq!(Prints::of(text, &directory).changed_since(&before), ["providers"]);
        write("one");
        let other = text.replace("mail", "post").replace("triggers: []", "nats: { allow: ['a.>'] }");
        assert_eq!(Prints::of(&other, &directory).changed_since(&before), ["smtp", "nats"]);
        assert!(!format!("{before:?}").contains("one"));
        std::fs::remove_dir_all(directory).unwrap();
    }
}
