//! Registry credentials that clients send. Secrets are not in their `Debug` forms.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::wire::{is_zero, null_is_zero};

/// Content of `X-Registry-Auth` (base64url JSON) and body of `POST /auth`.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "lowercase")]
pub struct AuthConfig {
    /// Account.
    #[serde(deserialize_with = "null_is_zero", skip_serializing_if = "is_zero")]
    pub username: String,
    /// Secret.
    #[serde(deserialize_with = "null_is_zero", skip_serializing_if = "is_zero")]
    pub password: String,
    /// Base64 of `account:secret`.
    #[serde(deserialize_with = "null_is_zero", skip_serializing_if = "is_zero")]
    pub auth: String,
    /// Deprecated.
    #[serde(deserialize_with = "null_is_zero", skip_serializing_if = "is_zero")]
    pub email: String,
    /// Registry.
    #[serde(deserialize_with = "null_is_zero", skip_serializing_if = "is_zero")]
    pub serveraddress: String,
    /// Refresh token.
    #[serde(deserialize_with = "null_is_zero", skip_serializing_if = "is_zero")]
    pub identitytoken: String,
    /// Bearer token.
    #[serde(deserialize_with = "null_is_zero", skip_serializing_if = "is_zero")]
    pub registrytoken: String,
}

/// Answer to `POST /auth`.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct AuthResponse {
    /// Refresh token, or empty.
    #[serde(deserialize_with = "null_is_zero")]
    pub identity_token: String,
    /// `Login Succeeded`.
    #[serde(deserialize_with = "null_is_zero")]
    pub status: String,
}

impl fmt::Debug for AuthConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuthConfig({} at {})", self.username, self.serveraddress)
    }
}

impl fmt::Debug for AuthResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuthResponse({})", self.status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let text = r#"{"username":"alice","password":"s3cret","auth":"s3cret",
            "identitytoken":"s3cret","registrytoken":"s3cret","serveraddress":"reg","email":null}"#;
        let account: AuthConfig = serde_json::from_str(text).unwrap();
        assert_eq!(account.registrytoken, "s3cret");
        assert_eq!(format!("{account:?}"), "AuthConfig(alice at reg)");
        let text = r#"{"IdentityToken":"s3cret","Status":"Login Succeeded"}"#;
        let answer: AuthResponse = serde_json::from_str(text).unwrap();
        assert_eq!(format!("{answer:?}"), "AuthResponse(Login Succeeded)");
    }
}
