//! Spans of time as people write them.

use std::time::Duration;

use serde_json::Value;

const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// The span that a value says: a number of milliseconds, or text such as `500ms`, `30s` or `1h 30m`.
pub(crate) fn parse(value: &Value) -> Result<Duration, String> {
    let millis = match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => millis(text),
        _ => None,
    };
    let millis = millis.filter(|millis| *millis > 0);
    millis.map(Duration::from_millis).ok_or_else(|| format!("must be milliseconds or text such as `30s` or `1h 30m`, not {value}"))
}

/// As text, shortly.
pub(crate) fn show(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let unit = UNITS.iter().rev().find(|(_, length)| millis % length == 0);
    unit.map_or_else(String::new, |(unit, length)| format!("{}{unit}", millis / length))
}

fn millis(text: &str) -> Option<u64> {
    let mut rest = text.trim();
    if rest.chars().all(|c| c.is_ascii_digit()) {
        return rest.parse().ok();
    }
    let mut sum = 0_u64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let count: u64 = rest.get(..digits)?.parse().ok()?;
        rest = rest.get(digits..)?.trim_start();
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let (_, length) = UNITS.iter().find(|(unit, _)| rest.get(..letters) == Some(*unit))?;
        sum = sum.checked_add(count.checked_mul(*length)?)?;
        rest = rest.get(letters..)?.trim_start();
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::{parse, show};

    #[test]
    fn spans_are_read_and_shown() {
        for (value, expected) in [
            (json!(1500), Some("1500ms")),
            (json!("1500"), Some("1500ms")),
            (json!("30s"), Some("30s")),
            (json!("1h 30m"), Some("90m")),
            (json!(" 2 d"), Some("2d")),
            (json!(0), None),
            (json!("0s"), None),
            (json!("s"), None),
            (json!("5 weeks"), None),
            (json!("99999999999999999999d"), None),
            (json!(1.5), None),
            (json!(-1), None),
            (json!(true), None),
        ] {
            assert_eq!(parse(&value).ok().map(show).as_deref(), expected, "{value}");
        }
        assert_eq!(show(Duration::from_hours(24)), "1d");
    }
}
