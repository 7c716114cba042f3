//! Lines of the streams that pull, push, load and build answer with, and error bodies.

use serde_json::Value;

use crate::wire::{is_zero, objects};

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

    /// The last line of a stream that failed.
    pub fn of_error(text: impl Into<String>) -> JsonMessage {
        let error = text.into();
        let detail = ErrorDetail { code: 0, message: error.clone() };
        JsonMessage { error_detail: Some(detail), error, ..JsonMessage::default() }
    }
}
