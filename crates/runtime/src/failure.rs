//! Why a process could not be started, in words for the user.

use std::fmt::Display;
use std::io;

use serde::{Deserialize, Serialize};

/// Why a process could not be started.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What the user is told: runc's words where they exist
    /// (`exec: "x": executable file not found in $PATH`).
    pub message: String,
    /// What sort.
    pub kind: FailureKind,
}

/// Sorts of failed starts; they become Docker's exit codes.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub enum FailureKind {
    /// No such program: 127.
    CommandNotFound,
    /// Not executable: 126.
    CommandNotExecutable,
    /// The user asked for something that cannot be: no such user, bad working directory.
    Invalid,
    /// Anything else.
    Internal,
}

impl Failure {
    /// The user's wish cannot be fulfilled.
    pub fn invalid(message: impl Into<String>) -> Failure {
        Failure { message: message.into(), kind: FailureKind::Invalid }
    }

    /// A step failed: `failed to STEP: CAUSE`. For `map_err(Failure::at("mount proc"))`.
    pub fn at<E: Display>(step: impl Display) -> impl FnOnce(E) -> Failure {
        move |cause| Failure {
            message: format!("failed to {step}: {cause}"),
            kind: FailureKind::Internal,
        }
    }
}

/// An error number in the kernel's plain words, without Rust's `(os error 2)`.
pub fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let words = text.split(" (os error").next().unwrap_or(&text);
    let mut chars = words.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => text,
    }
}
