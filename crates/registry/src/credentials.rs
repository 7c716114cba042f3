//! Who is asking.

use std::fmt;

/// What a client says it is. Never printed: its `Debug` form names the account only.
#[derive(Clone, Eq, PartialEq)]
pub enum Credentials {
    /// An account and its password, or an access token in the password's place.
    Password {
        /// Account.
        username: String,
        /// Secret.
        password: String,
    },
    /// A refresh token that a token server gave at login.
    IdentityToken {
        /// Account, if it is known.
        username: String,
        /// Secret.
        token: String,
    },
    /// A bearer token for the registry itself.
    RegistryToken {
        /// Secret.
        token: String,
    },
}

impl Credentials {
    /// Account, or empty.
    pub fn username(&self) -> &str {
        match self {
            Credentials::Password { username, .. } => username,
            Credentials::IdentityToken { username, .. } => username,
            Credentials::RegistryToken { .. } => "",
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({})", self.username())
    }
}
