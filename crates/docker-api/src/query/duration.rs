//! Durations as Go writes them: `1h30m`, `-1.5s`, `100µs`.

use super::QueryError;

const UNITS: [(&str, i128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Reads a duration into nanoseconds.
pub fn parse(text: &str) -> Result<i64, QueryError> {
    nanos(text).ok_or_else(|| QueryError::Duration { text: text.to_owned() })
}

fn nanos(text: &str) -> Option<i64> {
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let (whole, after) = digits(rest);
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => digits(after),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let end = after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len());
        let (name, after) = after.split_at(end);
        let (_, unit) = UNITS.iter().find(|(known, _)| *known == name)?;
        total = total.checked_add(scaled(whole, *unit)?)?;
        total = total.checked_add(fraction_of(fraction, *unit))?;
        rest = after;
    }
    i64::try_from(sign * total).ok()
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

fn scaled(digits: &str, unit: i128) -> Option<i128> {
    let number: u64 = if digits.is_empty() { 0 } else { digits.parse().ok()? };
    i128::from(number).checked_mul(unit)
}

/// Digits after the point; what is finer than a nanosecond is cut off.
fn fraction_of(digits: &str, unit: i128) -> i128 {
    let mut scale = unit;
    let mut numerator = 0i128;
    let mut denominator = 1i128;
    for digit in digits.bytes().take(18) {
        numerator = numerator * 10 + i128::from(digit - b'0');
        denominator *= 10;
    }
    scale *= numerator;
    scale / denominator
}

/// Prints nanoseconds as Go does: `1h0m0s`, `1.5s`, `2ms`, `0s`.
pub fn print(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let left = nanos.unsigned_abs();
    let text = match left {
        0 => "0s".to_owned(),
        1..1_000 => format!("{left}ns"),
        1_000..1_000_000 => format!("{}µs", decimal(left, 1_000)),
        1_000_000..1_000_000_000 => format!("{}ms", decimal(left, 1_000_000)),
        _ => clock(left),
    };
    format!("{sign}{text}")
}

fn clock(nanos: u64) -> String {
    let minutes = nanos / 60_000_000_000;
    let seconds = decimal(nanos % 60_000_000_000, 1_000_000_000);
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{seconds}s"),
        (0, minutes) => format!("{minutes}m{seconds}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
    }
}

fn decimal(value: u64, unit: u64) -> String {
    let width = unit.ilog10() as usize;
    let text = format!("{}.{:0width$}", value / unit, value % unit);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
