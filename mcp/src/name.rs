//! Names of functions for a model, from names of tools.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

/// Longest name that models take, in characters.
const CHARS_MAX: usize = 64;
/// How many hex digits tell two tools apart whose names come out alike.
const DIGITS: usize = 6;

/// A name for each tool: `<prefix>_<tool>` that matches `^[a-zA-Z]\w{0,63}$`, each of them once, and none in `taken`.
///
/// A name that must be cut, or that another tool or `taken` has too, ends in a digest of the
/// tool's own name: a list in another order gives the same names.
pub fn functions(prefix: &str, tools: &[&str], taken: &BTreeSet<String>) -> Vec<String> {
    let plain: Vec<String> = tools.iter().map(|tool| word(prefix, tool)).collect();
    let mut count = BTreeMap::<&str, usize>::new();
    for name in &plain {
        *count.entry(name).or_default() += 1;
    }
    let is_free = |name: &str| name.len() <= CHARS_MAX && count.get(name) == Some(&1) && !taken.contains(name);
    let mut given: BTreeSet<String> = plain.iter().filter(|name| is_free(name)).cloned().collect();
    plain
        .iter()
        .zip(tools)
        .map(|(name, tool)| {
            if is_free(name) {
                return name.clone();
            }
            let name = distinct(name, tool, |name| taken.contains(name) || given.contains(name));
            given.insert(name.clone());
            name
        })
        .collect()
}

/// Whether a function may be a tool that goes by this prefix, whatever the server lists.
pub fn may_be(prefix: &str, function: &str) -> bool {
    let name = word(prefix, "x");
    let stem = name.strip_suffix('x').unwrap_or(&name);
    function.starts_with(stem.get(..CHARS_MAX - 1 - DIGITS).unwrap_or(stem))
}

/// Letters, digits and `_`, a letter first.
fn word(prefix: &str, tool: &str) -> String {
    let joined = if prefix.is_empty() { tool.to_owned() } else { format!("{prefix}_{tool}") };
    let mut name = String::with_capacity(joined.len());
    for char in joined.chars() {
        if char.is_ascii_alphanumeric() || char == '_' {
            name.push(char);
        } else if !name.ends_with('_') {
            name.push('_');
        }
    }
    let name = name.trim_end_matches('_');
    if name.starts_with(|char: char| char.is_ascii_alphabetic()) { name.to_owned() } else { format!("f_{}", name.trim_start_matches('_')) }
}

fn distinct(name: &str, tool: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let mut round = 0_u64;
    loop {
        let digest = Sha256::new().chain_update(round.to_le_bytes()).chain_update(tool).finalize();
        let digits = digest.iter().take(DIGITS).map(|byte| char::from_digit(u32::from(byte % 16), 16).unwrap_or('0'));
        // Plain ASCII: a character is a byte.
        let start = name.get(..name.len().min(CHARS_MAX - 1 - DIGITS)).unwrap_or(name);
        let name: String = start.chars().chain(['_']).chain(digits).collect();
        // Ends: each round has another digest, and `taken` is finite.
        if !is_taken(&name) {
            return name;
        }
        round += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::{functions, may_be};

    fn names(prefix: &str, tools: &[&str]) -> Vec<String> {
        functions(prefix, tools, &BTreeSet::new())
    }

    #[test]
    fn a_tool_is_called_by_its_prefix_and_its_name() {
        assert_eq!(
            names("fs", &["read_file", "list-dir", "a.b/c", "  ", "größe"]),
            ["fs_read_file", "fs_list_dir", "fs_a_b_c", "fs", "fs_gr_e"]
        );
        assert_eq!(names("", &["9lives", "_x"]), ["f_9lives", "f_x"]);
    }

    #[test]
    fn tools_that_come_out_alike_are_told_apart_whatever_their_order() {
        let forth = names("p", &["a-b", "a.b", "c"]);
        let back = names("p", &["c", "a.b", "a-b"]);
        assert_eq!(forth[2], "p_c");
        assert_ne!(forth[0], forth[1]);
        assert_eq!(forth, back.into_iter().rev().collect::<Vec<_>>());
    }

    #[test]
    fn what_is_taken_is_not_given_again() {
        let taken = BTreeSet::from(["p_a".to_owned()]);
        let given = functions("p", &["a"], &taken);
        assert!(given[0].starts_with("p_a_") && given[0] != "p_a", "{given:?}");
    }

    proptest! {
        #[test]
        fn every_name_is_fit_and_given_once(prefix in ".{0,80}", tools in prop::collection::btree_set(".{0,100}|[ab.-]{1,3}", 0..40)) {
            let tools: Vec<&str> = tools.iter().map(String::as_str).collect();
            let given = functions(&prefix, &tools, &BTreeSet::new());
            prop_assert_eq!(given.len(), tools.len());
            prop_assert_eq!(given.iter().collect::<BTreeSet<_>>().len(), tools.len());
            for name in given {
                prop_assert!(name.len() <= 64 && name.starts_with(|c: char| c.is_ascii_alphabetic()), "{}", name);
                prop_assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'), "{}", name);
            }
        }
    }

    #[test]
    fn every_name_may_be_of_its_prefix() {
        let long = "p".repeat(80);
        for prefix in ["", "shop", "9a", "_", "a-", "My shop!", "é", long.as_str()] {
            for name in functions(prefix, &["x", "-y", "9", "a b", "a-b", "z".repeat(99).as_str()], &BTreeSet::new()) {
                assert!(may_be(prefix, &name), "{prefix} {name}");
            }
        }
        assert!(!may_be("shop", "shopping_list") && !may_be("shop", "other_x") && !may_be("shop", "shop"));
    }
}
