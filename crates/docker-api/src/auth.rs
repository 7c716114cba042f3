//! Registry credentials that clients send.

use crate::wire::{is_zero, objects};

objects! { "lowercase";
    /// Content of `X-Registry-Auth` (base64url JSON) and body of `POST /auth`.
    pub struct AuthConfig {
        /// Account.
        #[serde(skip_serializing_if = "is_zero")]
        pub username: String,
        /// Secret.
        #[serde(skip_serializing_if = "is_zero")]
        pub password: String,
        /// Base64 of `account:secret`.
        #[serde(skip_serializing_if = "is_zero")]
        pub auth: String,
        /// Deprecated.
        #[serde(skip_serializing_if = "is_zero")]
        pub email: String,
        /// Registry.
        #[serde(skip_serializing_if = "is_zero")]
        pub serveraddress: String,
        /// Refresh token.
        #[serde(skip_serializing_if = "is_zero")]
        pub identitytoken: String,
        /// Bearer token.
        #[serde(skip_serializing_if = "is_zero")]
        pub registrytoken: String,
    }
}

objects! { "PascalCase";
    /// Answer to `POST /auth`.
    pub struct AuthResponse {
        /// Refresh token, or empty.
        pub identity_token: String,
        /// `Login Succeeded`.
        pub status: String,
    }
}
