//! What can go wrong with accounts. Texts about helpers are Docker's.

use std::io;

use stdx::Kind;
use stdx::fs::PathError;

/// An account could not be found, kept or forgotten.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The file cannot be read or written.
    #[error("{0}")]
    File(PathError),
    /// The file is not what it should be. It is left as it is.
    #[error("failed to parse config file `{path}`: {reason}")]
    Malformed {
        /// Where it is.
        path: String,
        /// What is wrong; nothing of its content.
        reason: String,
    },
    /// A helper could not be run.
    #[error("error {action} credentials - err: {cause}, out: ``")]
    NoHelper {
        /// `getting`, `storing`, `erasing`.
        action: &'static str,
        /// Why not.
        cause: String,
    },
    /// A helper was run and failed.
    #[error("error {action} credentials - err: {status}, out: `{output}`")]
    Helper {
        /// `getting`, `storing`, `erasing`.
        action: &'static str,
        /// How it ended, in Go's words.
        status: String,
        /// Its last words; helpers say why there, and not what they keep.
        output: String,
    },
    /// A helper gave an answer that is none.
    #[error("failed to understand what `{program}` answered")]
    HelperAnswer {
        /// Its name.
        program: String,
        /// What is wrong.
        #[source]
        cause: io::Error,
    },
}

impl CredentialsError {
    /// What sort of failure it is.
    pub fn kind(&self) -> Kind {
        match self {
            CredentialsError::Malformed { .. } => Kind::Invalid,
            CredentialsError::NoHelper { .. } => Kind::NotFound,
            CredentialsError::File(_)
            | CredentialsError::Helper { .. }
            | CredentialsError::HelperAnswer { .. } => Kind::Internal,
        }
    }
}
