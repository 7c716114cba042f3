//! What can go wrong between a client and an engine.

use std::error::Error;
use std::io;

use docker_api::messages;
use stdx::Kind;

/// The engine refused. Displays as `Error response from daemon: ...`.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{}", messages::from_daemon(message))]
pub struct ApiError {
    /// HTTP status.
    pub status: u16,
    /// The engine's words.
    pub message: String,
}

/// A call did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The host cannot be used.
    #[error("failed to use host `{host}`: {reason}")]
    Host {
        /// As it was given.
        host: String,
        /// Why not.
        reason: &'static str,
    },
    /// Nothing listens there, or it may not be reached.
    #[error("{}", messages::cannot_connect(host))]
    Connect {
        /// The host.
        host: String,
        /// Why not.
        #[source]
        cause: io::Error,
    },
    /// The engine refused.
    #[error("{0}")]
    Api(ApiError),
    /// The connection broke, or does not speak HTTP.
    #[error("failed to talk to the engine while trying to {operation}")]
    Transfer {
        /// What was tried.
        operation: &'static str,
        /// Why not.
        #[source]
        cause: Box<dyn Error + Send + Sync>,
    },
    /// The engine's answer is not what it should be.
    #[error("failed to understand the engine's answer to `{request}`")]
    Answer {
        /// Method and path.
        request: String,
        /// What is wrong with it.
        #[source]
        cause: Box<dyn Error + Send + Sync>,
    },
}

impl ClientError {
    /// What sort of failure it is.
    pub fn kind(&self) -> Kind {
        match self {
            ClientError::Host { .. } => Kind::Unsupported,
            ClientError::Connect { .. } | ClientError::Transfer { .. } => Kind::Unavailable,
            ClientError::Answer { .. } => Kind::Internal,
            ClientError::Api(error) => match error.status {
                304 => Kind::NotModified,
                400 => Kind::Invalid,
                401 => Kind::Unauthenticated,
                403 => Kind::Forbidden,
                404 => Kind::NotFound,
                409 => Kind::Conflict,
                501 => Kind::Unsupported,
                503 => Kind::Unavailable,
                507 => Kind::Exhausted,
                _ => Kind::Internal,
            },
        }
    }

    /// Whether the engine said that something does not exist.
    pub fn is_not_found(&self) -> bool {
        self.kind() == Kind::NotFound
    }

    /// The engine's words, if it was the engine who refused.
    pub fn api(&self) -> Option<&ApiError> {
        match self {
            ClientError::Api(error) => Some(error),
            _ => None,
        }
    }

    pub(crate) fn transfer<E>(operation: &'static str) -> impl FnOnce(E) -> ClientError
    where
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        move |cause| ClientError::Transfer { operation, cause: cause.into() }
    }

    pub(crate) fn answer<E>(request: &str) -> impl FnOnce(E) -> ClientError
    where
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let request = request.to_owned();
        move |cause| ClientError::Answer { request, cause: cause.into() }
    }
}
