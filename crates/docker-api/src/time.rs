//! Instants as Docker prints them.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize, Serializer};

/// An instant: nanoseconds since 1970, or Go's zero time, which is earlier than every other one.
///
/// Prints as Go's RFC3339Nano in UTC: `2026-11-23T22:42:15.913798473Z`, without trailing zeros;
/// the zero time is `0001-01-01T00:00:00Z`. What lies outside the years 1678 to 2261 is clamped.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Timestamp(Option<i64>);

impl Timestamp {
    /// Go's zero time: "never".
    pub const ZERO: Timestamp = Timestamp(None);

    /// The instant this many nanoseconds after 1970.
    pub const fn from_nanos(nanos: i64) -> Timestamp {
        Timestamp(Some(nanos))
    }

    /// The instant this many seconds after 1970.
    pub const fn from_seconds(seconds: i64) -> Timestamp {
        Timestamp(Some(seconds.saturating_mul(1_000_000_000)))
    }

    /// The clock's time.
    pub fn now() -> Timestamp {
        Timestamp::from(SystemTime::now())
    }

    /// Whether this is Go's zero time.
    pub const fn is_zero(self) -> bool {
        self.0.is_none()
    }

    /// Nanoseconds since 1970; `None` for the zero time.
    pub const fn nanos(self) -> Option<i64> {
        self.0
    }

    /// Whole seconds since 1970, rounded down; Go's -62135596800 for the zero time.
    pub const fn seconds(self) -> i64 {
        match self.0 {
            Some(nanos) => nanos.div_euclid(1_000_000_000),
            None => -62_135_596_800,
        }
    }

    /// How long after `earlier` this is; zero when it is not after it or either is the zero time.
    pub fn since(self, earlier: Timestamp) -> Duration {
        match (self.0, earlier.0) {
            (Some(late), Some(early)) => {
                Duration::from_nanos(u64::try_from(late.saturating_sub(early)).unwrap_or(0))
            }
            _ => Duration::ZERO,
        }
    }

    /// Reads an RFC 3339 text with any offset and up to nine digits of fraction.
    pub fn parse(text: &str) -> Option<Timestamp> {
        if text.starts_with("0001-01-01T00:00:00") && text.ends_with('Z') {
            return Some(Timestamp::ZERO);
        }
        let stamp: jiff::Timestamp = text.parse().ok()?;
        let nanos = stamp.as_nanosecond().clamp(i64::MIN.into(), i64::MAX.into());
        Some(Timestamp(Some(nanos as i64)))
    }

    fn civil(self) -> jiff::civil::DateTime {
        let zero = || jiff::civil::date(1, 1, 1).at(0, 0, 0, 0);
        let Some(nanos) = self.0 else { return zero() };
        let stamp = jiff::Timestamp::from_nanosecond(i128::from(nanos));
        stamp.map_or_else(|_| zero(), |stamp| jiff::tz::Offset::UTC.to_datetime(stamp))
    }

    /// Prints with exactly nine digits of fraction, as in front of a line of `docker logs -t`.
    pub fn fixed(self) -> String {
        let t = self.civil();
        let (date, nanos) = (self.date_and_time(), t.subsec_nanosecond());
        format!("{date}.{nanos:09}Z")
    }

    fn date_and_time(self) -> String {
        let t = self.civil();
        let (year, month, day) = (t.year(), t.month(), t.day());
        let (hour, minute, second) = (t.hour(), t.minute(), t.second());
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Timestamp {
        let nanos = |d: Duration| i64::try_from(d.as_nanos()).unwrap_or(i64::MAX);
        match time.duration_since(UNIX_EPOCH) {
            Ok(after) => Timestamp(Some(nanos(after))),
            Err(before) => Timestamp(Some(-nanos(before.duration()))),
        }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.date_and_time())?;
        let nanos = self.civil().subsec_nanosecond();
        if nanos != 0 {
            let digits = format!("{nanos:09}");
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        f.write_str("Z")
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        if text.is_empty() {
            return Ok(Timestamp::ZERO);
        }
        Timestamp::parse(&text)
            .ok_or_else(|| D::Error::custom(format!("parsing time \"{text}\" as RFC3339")))
    }
}

#[cfg(test)]
mod tests;
