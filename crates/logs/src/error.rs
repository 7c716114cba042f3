use std::io;

use stdx::Kind;
use stdx::fs::PathError;

/// A log file cannot be opened, read or watched.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A file of the log refused.
    #[error("failed to {action} a container log")]
    File {
        /// A verb.
        action: &'static str,
        /// Which file, and why.
        #[source]
        cause: PathError,
    },
    /// Reading an open file of the log failed.
    #[error("failed to read a container log")]
    Read(#[source] io::Error),
    /// There is no process to write the log beside us.
    #[error("failed to start a process that writes a container log")]
    Process(#[source] io::Error),
}

impl LogError {
    pub(crate) fn file(action: &'static str) -> impl FnOnce(PathError) -> Self {
        move |cause| Self::File { action, cause }
    }

    /// What sort of failure this is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::File { cause, .. } if cause.is_not_found() => Kind::NotFound,
            Self::File { .. } | Self::Read(_) | Self::Process(_) => Kind::Internal,
        }
    }
}
