//! An account.

use std::fmt;

/// Who somebody is at a registry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Account {
    /// Its name; may be empty beside an identity token.
    pub username: String,
    /// What proves it.
    pub secret: Secret,
}

/// What proves who somebody is. Its `Debug` form tells which kind it is, and no more.
#[derive(Clone, Eq, PartialEq)]
pub enum Secret {
    /// A password, or an access token in its place.
    Password(String),
    /// What a token server gave at login.
    IdentityToken(String),
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Secret::Password(_) => "Password",
            Secret::IdentityToken(_) => "IdentityToken",
        })
    }
}
