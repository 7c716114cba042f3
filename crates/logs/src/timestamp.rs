//! Times as log files have them. Written by hand because a log has one per line, in both
//! directions.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

const NANOS: i64 = 1_000_000_000;
const DAY_SECONDS: i64 = 86_400;

/// A moment, in nanoseconds since 1970-01-01T00:00:00Z; years 1678 to 2261.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From nanoseconds since 1970.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since 1970.
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// The present moment.
    pub fn now() -> Self {
        SystemTime::now().into()
    }

    /// Parses RFC 3339 with any number of fractional digits and any offset. Moments outside the
    /// range become its nearest end.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let number = |from: usize, to: usize| decimal(text.get(from..to)?);
        let is = |at: usize, byte: u8| (*text.get(at)? == byte).then_some(());
        let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
        let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
        is(4, b'-').and(is(7, b'-')).and(is(13, b':')).and(is(16, b':'))?;
        is(10, b'T').or(is(10, b't')).or(is(10, b' '))?;
        let in_range = (1..=12).contains(&month) && (1..=31).contains(&day);
        // 60 is a leap second, which Unix time counts as the next second.
        if !in_range || hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let (fraction, rest) = fraction(text.get(19..)?)?;
        let offset_seconds = offset(rest)?;
        let days = days_since_1970(year, month, day);
        let seconds = days * DAY_SECONDS + hour * 3600 + minute * 60 + second - offset_seconds;
        Some(Self(seconds.saturating_mul(NANOS).saturating_add(fraction)))
    }

    /// Appends Go's `RFC3339Nano`: the fraction without trailing zeros, as in log files.
    pub fn write_to(self, out: &mut Vec<u8>) {
        let (text, digits) = self.text();
        match digits {
            0 => out.extend_from_slice(&text[..19]),
            digits => out.extend_from_slice(&text[..20 + digits]),
        }
        out.push(b'Z');
    }

    /// Appends the fraction with all nine digits, as `docker logs --timestamps` prints it.
    pub fn write_fixed_to(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.text().0);
        out.push(b'Z');
    }

    /// `2026-01-02T03:04:05.000000006`, and how many fractional digits matter.
    fn text(self) -> ([u8; 29], usize) {
        let (seconds, fraction) = (self.0.div_euclid(NANOS), self.0.rem_euclid(NANOS));
        let (year, month, day) = civil_of_days(seconds.div_euclid(DAY_SECONDS));
        let second = seconds.rem_euclid(DAY_SECONDS);
        let mut text = *b"0000-00-00T00:00:00.000000000";
        for (end, value) in [
            (4, year),
            (7, month),
            (10, day),
            (13, second / 3600),
            (16, second / 60 % 60),
            (19, second % 60),
            (29, fraction),
        ] {
            write_digits(&mut text[..end], value);
        }
        let zeros = text.iter().rev().take(9).take_while(|digit| **digit == b'0').count();
        (text, 9 - zeros)
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let nanos =
            |duration: std::time::Duration| i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
        match time.duration_since(UNIX_EPOCH) {
            Ok(after) => Self(nanos(after)),
            Err(before) => Self(-nanos(before.duration())),
        }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::with_capacity(30);
        self.write_to(&mut text);
        f.write_str(&String::from_utf8_lossy(&text))
    }
}

/// The last formatted time: many lines come in one read, and many reads in one second.
#[derive(Default)]
pub(crate) struct Formatter {
    time: Timestamp,
    text: Vec<u8>,
}

impl Formatter {
    pub fn write(&mut self, time: Timestamp, out: &mut Vec<u8>) {
        if self.text.is_empty() || self.time != time {
            self.text.clear();
            time.write_to(&mut self.text);
            self.time = time;
        }
        out.extend_from_slice(&self.text);
    }
}

/// The last parsed time, for the same reason.
#[derive(Debug, Default)]
pub(crate) struct Times {
    text: Vec<u8>,
    time: Timestamp,
}

impl Times {
    pub fn parse(&mut self, text: &[u8]) -> Option<Timestamp> {
        if self.text != text || text.is_empty() {
            self.time = Timestamp::parse(text)?;
            self.text.clear();
            self.text.extend_from_slice(text);
        }
        Some(self.time)
    }
}

/// Fills the end of `text` with the digits of `value`, up to what stands before.
fn write_digits(text: &mut [u8], value: i64) {
    let mut rest = value;
    for digit in text.iter_mut().rev() {
        if rest == 0 {
            break;
        }
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
}

/// `.123` and what follows it.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let Some(digits) = text.strip_prefix(b".") else { return Some((0, text)) };
    let count = digits.iter().take_while(|digit| digit.is_ascii_digit()).count();
    let used = count.min(9);
    let scale = 10i64.pow(9 - used as u32);
    (count > 0).then_some(())?;
    Some((decimal(&digits[..used])? * scale, &digits[count..]))
}

/// `Z` or `+02:00`, in seconds east.
fn offset(text: &[u8]) -> Option<i64> {
    match text {
        b"Z" | b"z" => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (decimal(&[*h1, *h2])?, decimal(&[*m1, *m2])?);
            let seconds = hours * 3600 + minutes * 60;
            Some(if *sign == b'-' { -seconds } else { seconds })
        }
        _ => None,
    }
}

fn decimal(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |value, digit| {
        digit.is_ascii_digit().then(|| value * 10 + i64::from(digit - b'0'))
    })
}

// The Gregorian calendar repeats every 400 years of 146,097 days. A year that begins in March has
// its leap day at the end, and months of 153 days in five, so both ways are plain divisions.
const ERA_DAYS: i64 = 146_097;
/// From 0000-03-01 to 1970-01-01.
const DAYS_BEFORE_1970: i64 = 719_468;

fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let march_year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (march_year.div_euclid(400), march_year.rem_euclid(400));
    let march_month = (month + 9) % 12;
    let day_of_year = (153 * march_month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * ERA_DAYS + day_of_era - DAYS_BEFORE_1970
}

fn civil_of_days(days: i64) -> (i64, i64, i64) {
    let days = days + DAYS_BEFORE_1970;
    let (era, day_of_era) = (days.div_euclid(ERA_DAYS), days.rem_euclid(ERA_DAYS));
    // Days without the leap days: one every 4 years, none every 100, one every 400.
    let plain = day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096;
    let year_of_era = plain / 365;
    let day_of_year = day_of_era - (year_of_era * 365 + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = (march_month + 2) % 12 + 1;
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests;
