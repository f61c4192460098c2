//! Which known word somebody meant.

/// How many edits a word may be away from what it was meant to be.
const EDITS_MAX: usize = 2;
/// Longest word that is compared, in bytes.
const WORD_BYTES_MAX: usize = 32;

/// The known word that is nearest to `word`, if one is near.
pub(crate) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let lower = word.to_ascii_lowercase();
    let near = known.iter().map(|known| (edits(&lower, &known.to_ascii_lowercase()), *known));
    near.filter(|(edits, known)| *edits <= EDITS_MAX && *edits < known.len()).min_by_key(|(edits, _)| *edits).map(|(_, known)| known)
}

/// Advice that names the nearest of the known words, and all of them.
pub(crate) fn advice(word: &str, known: &[&str]) -> String {
    match nearest(word, known) {
        Some(meant) => format!("did you mean `{meant}`? there are {}", known.join(", ")),
        None => format!("there are {}", known.join(", ")),
    }
}

/// The number of characters to insert, delete or replace.
fn edits(a: &str, b: &str) -> usize {
    if a.len() > WORD_BYTES_MAX || b.len() > WORD_BYTES_MAX {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (above, x) in a.chars().enumerate() {
        let mut next = vec![above + 1];
        for ((y, diagonal), up) in b.chars().zip(&row).zip(row.iter().skip(1)) {
            let left = next.last().copied().unwrap_or_default();
            next.push((diagonal + usize::from(x != y)).min(up + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn the_nearest_word_is_found_and_a_far_one_is_not() {
        let known = ["euc", "default", "enum", "fetch"];
        for (word, expected) in [("defualt", Some("default")), ("Fetch", Some("fetch")), ("enums", Some("enum")), ("xyz", None), ("", None)]
        {
            assert_eq!(nearest(word, &known), expected, "{word}");
        }
    }
}
