//! Ids of what the API makes.
//!
//! A letter for the kind, the time in milliseconds since 1970, then 80 random bits, in a base 32
//! that sorts as the time does. So an id says when it was made, and a list can go on behind an
//! item that is gone.

use backbone::chance;

/// The digits, in their order.
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// How many digits the time has: 48 bits and two to spare.
const TIME_DIGITS: usize = 10;
/// How many digits chance has.
const CHANCE_DIGITS: usize = 16;

/// Makes an id.
pub(crate) fn mint(letter: char, now_ms: i64) -> String {
    let mut text = String::with_capacity(1 + TIME_DIGITS + CHANCE_DIGITS);
    text.push(letter);
    push(&mut text, u128::try_from(now_ms).unwrap_or_default(), TIME_DIGITS);
    push(&mut text, u128::from_be_bytes(chance::bytes()), CHANCE_DIGITS);
    text
}

fn push(text: &mut String, value: u128, digits: usize) {
    for place in (0..digits).rev() {
        let digit = usize::try_from((value >> (5 * place)) & 31).unwrap_or_default();
        text.push(DIGITS.get(digit).copied().unwrap_or(b'0').into());
    }
}

/// When something with this id was made; none where it is no id of this form.
pub(crate) fn made_at_ms(id: &str) -> Option<i64> {
    let digits = id.get(1..)?;
    if digits.len() != TIME_DIGITS + CHANCE_DIGITS {
        return None;
    }
    let value = |digit: u8| DIGITS.iter().position(|known| *known == digit).and_then(|value| i64::try_from(value).ok());
    let (time, chance) = digits.as_bytes().split_at_checked(TIME_DIGITS)?;
    chance.iter().all(|digit| DIGITS.contains(digit)).then_some(())?;
    time.iter().try_fold(0_i64, |time, digit| Some((time << 5) | value(*digit)?))
}

#[cfg(test)]
mod tests {
    use super::{made_at_ms, mint};

    #[test]
    fn an_id_says_when_it_was_made_and_sorts_by_it() {
        let (older, newer) = (mint('t', 1_790_000_000_000), mint('t', 1_790_000_000_001));
        assert!(older < newer && older.len() == 27 && older.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_eq!(made_at_ms(&newer), Some(1_790_000_000_001));
        for other in ["", "t", "orders", "t00000000000000000000000u!!"] {
            assert_eq!(made_at_ms(other), None, "{other}");
        }
        assert_ne!(mint('t', 1), mint('t', 1));
    }
}
