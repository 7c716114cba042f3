//! What can go wrong, in the words that clients read.

use std::error::Error;
use std::fmt;

use stdx::Kind;

/// Result of every engine call.
pub type Result<T> = std::result::Result<T, EngineError>;

/// A refused or failed engine call.
///
/// `Display` is the text for the client, in Docker's own words where Docker has any; what only an
/// operator can use is in the causes.
#[derive(Debug)]
pub struct EngineError {
    kind: Kind,
    answer: Kind,
    message: String,
    cause: Option<Box<dyn Error + Send + Sync>>,
}

impl EngineError {
    /// An error of `kind` that the client reads as `message`.
    pub fn new(kind: Kind, message: impl Into<String>) -> EngineError {
        EngineError { kind, answer: kind, message: message.into(), cause: None }
    }

    /// The request itself is wrong.
    pub fn invalid(message: impl Into<String>) -> EngineError {
        EngineError::new(Kind::Invalid, message)
    }

    /// The named object does not exist.
    pub fn not_found(message: impl Into<String>) -> EngineError {
        EngineError::new(Kind::NotFound, message)
    }

    /// The state of an object forbids the request.
    pub fn conflict(message: impl Into<String>) -> EngineError {
        EngineError::new(Kind::Conflict, message)
    }

    /// Not built yet, or this kernel cannot do it.
    pub fn unsupported(message: impl Into<String>) -> EngineError {
        EngineError::new(Kind::Unsupported, message)
    }

    /// The object is already in the wished state.
    pub fn not_modified(message: impl Into<String>) -> EngineError {
        EngineError::new(Kind::NotModified, message)
    }

    /// A fault of ours or of the machine: `message` completes "failed to ...".
    pub fn internal(
        message: impl Into<String>,
        cause: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> EngineError {
        EngineError::new(Kind::Internal, message).with_cause(cause)
    }

    /// The same error of another kind, or with the cause that an operator wants to see.
    pub fn with_cause(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> EngineError {
        self.cause = Some(cause.into());
        self
    }

    /// The same error, which clients get as one of another kind, as from Docker.
    pub fn answered_as(mut self, answer: Kind) -> EngineError {
        self.answer = answer;
        self
    }

    /// The same error with `text` and `: ` in front of its message, as Docker wraps errors.
    pub fn wrapped(mut self, text: &str) -> EngineError {
        self.message = format!("{text}: {}", self.message);
        self
    }

    /// What sort of failure this is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What sort of failure the client takes it for.
    pub fn answer(&self) -> Kind {
        self.answer
    }

    /// What the client is told. For faults of ours the causes are part of it: they are the only
    /// thing that lets a user ask the right question.
    pub fn client_text(&self) -> String {
        match self.kind {
            Kind::Internal | Kind::Unavailable | Kind::Exhausted => {
                stdx::error::chain(self).to_string()
            }
            _ => self.message.clone(),
        }
    }
}

impl From<plan::PlanError> for EngineError {
    fn from(error: plan::PlanError) -> EngineError {
        let plain = EngineError::new(error.kind, error.message);
        EngineError { cause: error.cause, ..plain }
    }
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for EngineError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as &(dyn Error + 'static))
    }
}
