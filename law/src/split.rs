//! The parts that the bytes of a case are made of.

/// Stands between the parts of a case.
const MARK: u8 = 0;

/// Takes the first byte, which says what the rest is; a choice among `of`.
pub fn choice(data: &[u8], of: u8) -> Option<(u8, &[u8])> {
    let (first, rest) = data.split_first()?;
    Some((first.checked_rem(of)?, rest))
}

/// Takes what stands before the next mark, and what stands behind it; without a mark the rest is empty.
pub fn part(data: &[u8]) -> (&[u8], &[u8]) {
    let at = data.iter().position(|byte| *byte == MARK).unwrap_or(data.len());
    let (part, rest) = data.split_at_checked(at).unwrap_or((data, &[]));
    (part, rest.get(1..).unwrap_or_default())
}

/// The same, where the part is text.
pub fn text(data: &[u8]) -> Option<(&str, &[u8])> {
    let (part, rest) = part(data);
    Some((std::str::from_utf8(part).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::{choice, part};

    #[test]
    fn a_mark_stands_between_parts() {
        assert_eq!(part(b"ab\0c\0d"), (b"ab".as_slice(), b"c\0d".as_slice()));
        assert_eq!(part(b"ab"), (b"ab".as_slice(), b"".as_slice()));
        assert_eq!(choice(b"\x05x", 3), Some((2, b"x".as_slice())));
        assert_eq!(choice(b"", 3), None);
    }
}
