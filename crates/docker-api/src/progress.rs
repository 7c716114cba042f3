//! Lines of the streams that pull, push, load and build answer with, and error bodies.

use std::time::Duration;

use serde_json::Value;

use crate::time::Timestamp;
use crate::wire::{is_zero, objects};

/// As wide as a terminal is taken to be when nobody knows.
const ENGINE_WIDTH: u16 = 200;

/// Narrower terminals get no bar.
const BAR_WIDTH_MIN: u16 = 111;

/// Narrower terminals are not told the time left.
const TIME_WIDTH_MIN: u16 = 51;

/// Length of a bar.
const BAR: usize = 50;

objects! { "camelCase";
    /// Every JSON error: `{"message": "..."}`.
    pub struct ErrorBody {
        /// For the user.
        pub message: String,
    }

    /// One line of a progress stream; lines end in `\r\n`.
    pub struct JsonMessage {
        /// Text to print as it is.
        #[serde(skip_serializing_if = "is_zero")]
        pub stream: String,
        /// What is done with `id`.
        #[serde(skip_serializing_if = "is_zero")]
        pub status: String,
        /// How far; `{}` when it is not known.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub progress_detail: Option<ProgressDetail>,
        /// A drawn bar; deprecated.
        #[serde(skip_serializing_if = "is_zero")]
        pub progress: String,
        /// Layer or tag.
        #[serde(skip_serializing_if = "is_zero")]
        pub id: String,
        /// Deprecated.
        #[serde(skip_serializing_if = "is_zero")]
        pub from: String,
        /// Seconds since 1970.
        #[serde(skip_serializing_if = "is_zero")]
        pub time: i64,
        /// Nanoseconds since 1970.
        #[serde(skip_serializing_if = "is_zero")]
        pub time_nano: i64,
        /// Why it failed.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub error_detail: Option<ErrorDetail>,
        /// The same once more.
        #[serde(skip_serializing_if = "is_zero")]
        pub error: String,
        /// Results for programs.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub aux: Option<Value>,
    }

    /// How far.
    pub struct ProgressDetail {
        /// Bytes done.
        #[serde(skip_serializing_if = "is_zero")]
        pub current: i64,
        /// Bytes in all.
        #[serde(skip_serializing_if = "is_zero")]
        pub total: i64,
        /// When it began, in seconds since 1970: then the time left is shown.
        #[serde(skip_serializing_if = "is_zero")]
        pub start: i64,
        /// Leave the numbers out.
        #[serde(rename = "hidecounts", skip_serializing_if = "is_zero")]
        pub hide_counts: bool,
        /// What is counted; empty: bytes.
        #[serde(skip_serializing_if = "is_zero")]
        pub units: String,
    }

    /// Why it failed.
    pub struct ErrorDetail {
        /// Exit code of a build step.
        #[serde(skip_serializing_if = "is_zero")]
        pub code: i64,
        /// For the user.
        pub message: String,
    }
}

impl JsonMessage {
    /// A line of text to print as it is.
    pub fn of_stream(text: impl Into<String>) -> JsonMessage {
        JsonMessage { stream: text.into(), ..JsonMessage::default() }
    }

    /// A status line without progress.
    pub fn of_status(text: impl Into<String>) -> JsonMessage {
        JsonMessage { status: text.into(), ..JsonMessage::default() }
    }

    /// A status of a layer or tag, without numbers.
    pub fn of_step(id: impl Into<String>, status: impl Into<String>) -> JsonMessage {
        let progress_detail = Some(ProgressDetail::default());
        let (id, status) = (id.into(), status.into());
        JsonMessage { status, progress_detail, id, ..JsonMessage::default() }
    }

    /// So many bytes of a layer.
    pub fn of_bytes(
        id: impl Into<String>,
        status: impl Into<String>,
        current: u64,
        total: u64,
    ) -> JsonMessage {
        let signed = |bytes| i64::try_from(bytes).unwrap_or(i64::MAX);
        let (current, total) = (signed(current), signed(total));
        let detail = ProgressDetail { current, total, ..ProgressDetail::default() };
        let progress = detail.text(ENGINE_WIDTH, Timestamp::now());
        let step = JsonMessage::of_step(id, status);
        JsonMessage { progress_detail: Some(detail), progress, ..step }
    }

    /// The last line of a stream that failed.
    pub fn of_error(text: impl Into<String>) -> JsonMessage {
        let error = text.into();
        let detail = ErrorDetail { code: 0, message: error.clone() };
        JsonMessage { error_detail: Some(detail), error, ..JsonMessage::default() }
    }
}

impl ProgressDetail {
    /// The bar and its numbers, for a terminal of so many columns. Empty when nothing is known.
    pub fn text(&self, width: u16, now: Timestamp) -> String {
        if self.current <= 0 && self.total <= 0 {
            return String::new();
        }
        let size = |bytes: i64| stdx::size::human_with(bytes.max(0).unsigned_abs(), 4);
        if self.total <= 0 {
            return match self.units.as_str() {
                "" => format!("{:>8}", size(self.current)),
                units => format!("{} {units}", self.current),
            };
        }
        let done = (self.current.max(0) as f64 / self.total as f64 * 100.0) as usize / 2;
        let done = done.min(BAR);
        let mut text = String::new();
        if width >= BAR_WIDTH_MIN {
            text = format!("[{}>{}] ", "=".repeat(done), " ".repeat(BAR - done));
        }
        if !self.hide_counts {
            text.push_str(&match self.units.as_str() {
                "" if self.current > self.total => format!("{:>8}", size(self.current)),
                "" => format!("{:>8}/{}", size(self.current), size(self.total)),
                units if self.current > self.total => format!("{} {units}", self.current),
                units => format!("{}/{} {units}", self.current, self.total),
            });
        }
        if self.current > 0 && self.start > 0 && done < BAR && width >= TIME_WIDTH_MIN {
            text.push_str(&format!(" {}", whole_seconds(self.time_left(now).as_secs())));
        }
        text
    }

    fn time_left(&self, now: Timestamp) -> Duration {
        let spent = now.since(Timestamp::from_seconds(self.start));
        let each = spent.as_secs_f64() / self.current as f64;
        let left = each * self.total.saturating_sub(self.current).max(0) as f64;
        Duration::from_secs(left as u64)
    }
}

/// As Go prints a duration: `1h2m3s`.
fn whole_seconds(seconds: u64) -> String {
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{rest}s"),
        (0, _) => format!("{minutes}m{rest}s"),
        _ => format!("{hours}h{minutes}m{rest}s"),
    }
}

#[cfg(test)]
mod tests;
