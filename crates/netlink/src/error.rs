use std::io;

use stdx::Kind;

/// What can go wrong between us and the kernel.
#[derive(Debug, thiserror::Error)]
pub enum NetlinkError {
    /// There is no connection.
    #[error("failed to open a netlink socket")]
    Open(#[source] io::Error),
    /// A network namespace cannot be made or joined.
    #[error("failed to {action} a network namespace")]
    Join {
        /// A verb.
        action: &'static str,
        /// Why not.
        #[source]
        cause: io::Error,
    },
    /// The kernel refused; for a transaction: nothing of it has happened.
    #[error("failed to {request}{}", explained(explanation))]
    Refused {
        /// A verb and its object.
        request: String,
        /// The kernel's own words, if it had any.
        explanation: String,
        /// Its error number.
        #[source]
        cause: io::Error,
    },
    /// The kernel's answer is not one.
    #[error("failed to understand the kernel's answer to `{request}`")]
    Answer {
        /// A verb and its object.
        request: String,
    },
    /// A value has no place in a message.
    #[error("failed to {request}: {reason}")]
    Invalid {
        /// A verb and its object.
        request: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// A parameter cannot be read or written.
    #[error("failed to {action} kernel parameter `{name}`")]
    Sysctl {
        /// A verb.
        action: &'static str,
        /// As sysctl(8) has it, with slashes.
        name: String,
        /// Why not.
        #[source]
        cause: io::Error,
    },
}

fn explained(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(" ({text})") }
}

impl NetlinkError {
    /// The kernel's error number, if it is one of the kernel's.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Open(cause)
            | Self::Join { cause, .. }
            | Self::Refused { cause, .. }
            | Self::Sysctl { cause, .. } => cause.raw_os_error(),
            Self::Answer { .. } | Self::Invalid { .. } => None,
        }
    }

    /// Whether the thing is there already.
    pub fn is_exists(&self) -> bool {
        self.errno() == Some(sys::libc::EEXIST)
    }

    /// Whether the thing is not there: links answer `ENODEV`, addresses `EADDRNOTAVAIL`, routes
    /// `ESRCH`, the rest `ENOENT`.
    pub fn is_missing(&self) -> bool {
        use sys::libc::{EADDRNOTAVAIL, ENODEV, ENOENT, ESRCH};
        self.errno().is_some_and(|number| [ENODEV, ENOENT, ESRCH, EADDRNOTAVAIL].contains(&number))
    }

    /// What sort of failure this is.
    pub fn kind(&self) -> Kind {
        match (self, self.errno()) {
            (Self::Invalid { .. }, _) => Kind::Invalid,
            (_, Some(sys::libc::EOPNOTSUPP | sys::libc::EAFNOSUPPORT)) => Kind::Unsupported,
            _ if self.is_exists() => Kind::Conflict,
            _ => Kind::Internal,
        }
    }
}
