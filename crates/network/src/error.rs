use stdx::Kind;
use stdx::fs::PathError;

use netlink::NetlinkError;

/// What can go wrong with networks.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// The wish itself, or something that is there already, forbids it. The text is for the client.
    #[error("{text}")]
    Refused {
        /// What sort of failure this is.
        kind: Kind,
        /// In Docker's words where it has any.
        text: String,
    },
    /// The kernel does not do it.
    #[error("failed to {action}")]
    Kernel {
        /// A verb and its object.
        action: String,
        /// Why not.
        #[source]
        cause: NetlinkError,
    },
    /// A record cannot be read or written.
    #[error("failed to keep the records of networks")]
    Record(#[source] PathError),
}

/// Short for this crate's results.
pub type Result<T> = std::result::Result<T, NetworkError>;

impl NetworkError {
    /// What sort of failure this is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Refused { kind, .. } => *kind,
            Self::Kernel { cause, .. } => match cause.kind() {
                Kind::Unsupported => Kind::Unsupported,
                _ => Kind::Internal,
            },
            Self::Record(_) => Kind::Internal,
        }
    }

    pub(crate) fn invalid(text: impl Into<String>) -> NetworkError {
        NetworkError::Refused { kind: Kind::Invalid, text: text.into() }
    }

    pub(crate) fn forbidden(text: impl Into<String>) -> NetworkError {
        NetworkError::Refused { kind: Kind::Forbidden, text: text.into() }
    }

    pub(crate) fn conflict(text: impl Into<String>) -> NetworkError {
        NetworkError::Refused { kind: Kind::Conflict, text: text.into() }
    }

    pub(crate) fn not_found(text: impl Into<String>) -> NetworkError {
        NetworkError::Refused { kind: Kind::NotFound, text: text.into() }
    }

    /// For use with `map_err`.
    pub(crate) fn kernel(action: impl Into<String>) -> impl FnOnce(NetlinkError) -> NetworkError {
        let action = action.into();
        move |cause| NetworkError::Kernel { action, cause }
    }
}
