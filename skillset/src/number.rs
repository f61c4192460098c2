//! Numbers as people and models write them.

use serde_json::Number;

/// Largest whole number that a float holds exactly.
const WHOLE_MAX: f64 = 9_007_199_254_740_991.0;

/// The number that a text is, if it is a decimal one; `5.0` is `5`.
pub(crate) fn parse(text: &str) -> Option<Number> {
    let text = text.trim();
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.')) || text.ends_with('.') {
        return None;
    }
    if text.contains(|c: char| !c.is_ascii_digit() && !matches!(c, '-' | '+' | '.' | 'e' | 'E')) {
        return None;
    }
    let whole = text.strip_prefix('+').unwrap_or(text);
    whole.parse::<i64>().map(Number::from).or_else(|_| whole.parse::<u64>().map(Number::from)).ok().or_else(|| float(whole.parse().ok()?))
}

/// The same number, as a whole one where it is one.
pub(crate) fn whole(number: &Number) -> Number {
    match number.as_f64() {
        Some(value) if number.is_f64() => float(value).unwrap_or_else(|| number.clone()),
        _ => number.clone(),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "checked: whole and within the range that is exact")]
fn float(value: f64) -> Option<Number> {
    if value.fract() == 0.0 && value.abs() <= WHOLE_MAX { Some(Number::from(value as i64)) } else { Number::from_f64(value) }
}

/// Whether `a` is less than `b`.
pub(crate) fn is_less(a: &Number, b: &Number) -> bool {
    match (a.as_i128(), b.as_i128()) {
        (Some(a), Some(b)) => a < b,
        _ => a.as_f64() < b.as_f64(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Number, Value};

    use super::{is_less, parse, whole};

    #[test]
    fn decimal_numbers_are_read_and_nothing_else() {
        for (text, expected) in [
            ("5", "5"),
            (" -5 ", "-5"),
            ("+5", "5"),
            ("5.0", "5"),
            ("0.5", "0.5"),
            (".5", "0.5"),
            ("1e3", "1000"),
            ("18446744073709551615", "18446744073709551615"),
            ("-0", "0"),
            ("1e400", "-"),
            ("", "-"),
            ("5.", "-"),
            ("0x10", "-"),
            ("NaN", "-"),
            ("inf", "-"),
            ("1_000", "-"),
            ("1 2", "-"),
            ("e5", "-"),
        ] {
            assert_eq!(parse(text).map_or_else(|| "-".to_owned(), |number| number.to_string()), expected, "{text}");
        }
    }

    #[test]
    fn whole_floats_are_whole_and_large_numbers_are_compared_exactly() {
        assert_eq!(Value::from(whole(&Number::from_f64(5.0).unwrap())).to_string(), "5");
        assert_eq!(whole(&Number::from_f64(1e300).unwrap()).as_f64(), Some(1e300));
        assert!(is_less(&(u64::MAX - 1).into(), &u64::MAX.into()));
        assert!(is_less(&Number::from_f64(0.5).unwrap(), &1.into()));
        assert!(!is_less(&1.into(), &1.into()));
    }
}
