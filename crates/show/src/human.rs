//! Times and texts shortened for people.

use docker_api::Timestamp;
use docker_api::text::human_duration;

/// How long ago seconds since 1970 are.
pub fn ago(seconds: i64) -> String {
    let age = Timestamp::now().since(Timestamp::from_seconds(seconds));
    format!("{} ago", human_duration(age))
}

/// `2026-11-23 21:42:12 +0000 UTC`.
pub fn instant(seconds: i64) -> String {
    let text = Timestamp::from_seconds(seconds).to_string();
    format!("{} +0000 UTC", text.trim_end_matches('Z').replace('T', " "))
}

/// At most `most` characters; the last one is `…` when some are left out.
pub fn ellipsis(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(most.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// The twelve digits of an id that people see.
pub fn short_id(id: &str) -> &str {
    let hex = id.split_once(':').map_or(id, |(_, hex)| hex);
    hex.get(..12).unwrap_or(hex)
}

/// `1.98MB`.
pub fn size(bytes: i64) -> String {
    stdx::size::human(bytes.unsigned_abs())
}

/// `1.982MB`.
pub fn size_precise(bytes: i64) -> String {
    stdx::size::human_with(bytes.unsigned_abs(), 4)
}
