//! What cannot be, in the words that clients read.

use std::error::Error;
use std::fmt;

use stdx::Kind;

/// Result of every decision.
pub type Result<T> = std::result::Result<T, PlanError>;

/// A wish that cannot be fulfilled. `Display` is the text for the client.
#[derive(Debug)]
pub struct PlanError {
    /// What sort of failure this is.
    pub kind: Kind,
    /// What the client is told, in Docker's own words where Docker has any.
    pub message: String,
    /// What only an operator can use.
    pub cause: Option<Box<dyn Error + Send + Sync>>,
}

impl PlanError {
    /// An error of `kind` that the client reads as `message`.
    pub fn new(kind: Kind, message: impl Into<String>) -> PlanError {
        PlanError { kind, message: message.into(), cause: None }
    }

    /// The wish itself is wrong.
    pub fn invalid(message: impl Into<String>) -> PlanError {
        PlanError::new(Kind::Invalid, message)
    }

    /// The named object does not exist.
    pub fn not_found(message: impl Into<String>) -> PlanError {
        PlanError::new(Kind::NotFound, message)
    }

    /// The state of an object forbids it.
    pub fn conflict(message: impl Into<String>) -> PlanError {
        PlanError::new(Kind::Conflict, message)
    }

    /// Not built yet, or this kernel cannot do it.
    pub fn unsupported(message: impl Into<String>) -> PlanError {
        PlanError::new(Kind::Unsupported, message)
    }

    /// The same error with the cause that an operator wants to see.
    pub fn with_cause(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> PlanError {
        self.cause = Some(cause.into());
        self
    }
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for PlanError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as &(dyn Error + 'static))
    }
}
