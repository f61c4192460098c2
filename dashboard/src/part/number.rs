//! Amounts, as short as they can be read.

/// A count, with its thousands apart.
pub(crate) fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut apart = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            // A thin space that does not break.
            apart.push('\u{202f}');
        }
        apart.push(digit);
    }
    apart
}

/// A time that something took, of milliseconds.
pub(crate) fn duration(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        60_000..3_600_000 => two((ms / 60_000, "min"), (ms % 60_000 / 1_000, "s")),
        3_600_000..86_400_000 => two((ms / 3_600_000, "h"), (ms % 3_600_000 / 60_000, "min")),
        _ => two((ms / 86_400_000, "d"), (ms % 86_400_000 / 3_600_000, "h")),
    }
}

/// An amount in two units; the smaller is left out where there is none of it.
fn two((count, unit): (u64, &str), (rest, smaller): (u64, &str)) -> String {
    if rest == 0 { format!("{count} {unit}") } else { format!("{count} {unit} {rest} {smaller}") }
}

/// A size, of bytes.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match UNITS.into_iter().find(|(size, _)| bytes >= *size) {
        Some((size, unit)) => format!("{}.{} {unit}", bytes / size, bytes % size * 10 / size),
        None => format!("{bytes} B"),
    }
}

/// A cost, of millionths of a US dollar.
pub(crate) fn cost(micro_usd: u64) -> String {
    if micro_usd < 1_000_000 {
        format!("${}.{:04}", 0, micro_usd / 100)
    } else {
        format!("${}.{:02}", micro_usd / 1_000_000, micro_usd % 1_000_000 / 10_000)
    }
}

#[cfg(test)]
mod tests {
    use super::{bytes, cost, count, duration};

    #[test]
    fn amounts_are_short() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1\u{202f}000", "1\u{202f}234\u{202f}567"]);
        assert_eq!(
            [7, 1_940, 60_000, 61_000, 3_660_000, 90_000_000].map(duration),
            ["7 ms", "1.9 s", "1 min", "1 min 1 s", "1 h 1 min", "1 d 1 h"]
        );
        assert_eq!([7, 1_536, 3 << 30].map(bytes), ["7 B", "1.5 KiB", "3.0 GiB"]);
        assert_eq!([0, 1_250, 12_345_678].map(cost), ["$0.0000", "$0.0012", "$12.34"]);
    }
}
