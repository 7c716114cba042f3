//! Instants as `since` and `until` take them.

use super::{QueryError, duration};
use crate::time::Timestamp;

const SECOND: i64 = 1_000_000_000;

/// Reads an instant: seconds since 1970 with a fraction, an RFC 3339 text that may lack its end
/// (`2026-01-02`, `2026-01-02T15:04`, with or without an offset), or a Go duration before `now`.
/// Texts without an offset are in the zone that is `local_offset_seconds` east of Greenwich.
pub fn instant(
    text: &str,
    now: Timestamp,
    local_offset_seconds: i32,
) -> Result<Timestamp, QueryError> {
    let bad = || QueryError::Instant { text: text.to_owned() };
    if text != "0"
        && let Ok(before) = duration::parse(text)
    {
        let nanos = now.nanos().unwrap_or_default().saturating_sub(before);
        return Ok(Timestamp::from_nanos(nanos));
    }
    if let Some(stamp) = seconds(text) {
        return Ok(stamp);
    }
    calendar(text, local_offset_seconds).ok_or_else(bad)
}

/// `1795470133`, `1795470133.5`, `-3`.
fn seconds(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = whole.strip_prefix('-').unwrap_or(whole);
    let is_number = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if digits.is_empty() || !is_number(digits) || !is_number(fraction) {
        return None;
    }
    let whole: i64 = whole.parse().ok()?;
    let padded: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let nanos: i64 = padded.parse().ok()?;
    Some(Timestamp::from_nanos(whole.checked_mul(SECOND)?.checked_add(nanos)?))
}

fn calendar(text: &str, local_offset_seconds: i32) -> Option<Timestamp> {
    let (date, rest) = text.split_at_checked(10)?;
    let (time, offset) = match rest.find(['Z', 'z', '+', '-']) {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let offset = match offset {
        "" => clock_offset(local_offset_seconds),
        "z" => "Z".to_owned(),
        given => given.to_owned(),
    };
    let time = match time.strip_prefix('T') {
        None if time.is_empty() => "00:00:00".to_owned(),
        None => return None,
        Some(time) if is_shape(time, "00") => format!("{time}:00:00"),
        Some(time) if is_shape(time, "00:00") => format!("{time}:00"),
        Some(time) => time.to_owned(),
    };
    let (clock, fraction) = time.split_once('.').unwrap_or((&time, ""));
    let is_fraction = fraction.len() <= 9 && fraction.bytes().all(|b| b.is_ascii_digit());
    let has_shape = is_shape(date, "0000-00-00") && is_shape(clock, "00:00:00") && is_fraction;
    let is_offset = offset == "Z" || is_shape(&offset, "+00:00") || is_shape(&offset, "-00:00");
    if !has_shape || !is_offset || time.ends_with('.') {
        return None;
    }
    Timestamp::parse(&format!("{date}T{time}{offset}"))
}

fn clock_offset(seconds: i32) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.unsigned_abs() / 60;
    format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

/// Whether `text` looks like `shape`, where `0` stands for any digit.
fn is_shape(text: &str, shape: &str) -> bool {
    text.len() == shape.len()
        && text.bytes().zip(shape.bytes()).all(|(byte, wanted)| match wanted {
            b'0' => byte.is_ascii_digit(),
            other => byte == other,
        })
}
