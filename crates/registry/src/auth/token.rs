//! The calls of a token server, and its answers (distribution `docs/spec/auth/token.md`,
//! `oauth.md`).

use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use serde::Deserialize;

use super::basic;
use super::scope::Scopes;
use crate::credentials::Credentials;
use crate::error::RegistryError;
use crate::transport::{Body, Outgoing};
use crate::url::{Url, encode};

/// Largest answer; tokens that name many rights have some kilobytes.
pub const TOKEN_BYTES_MAX: u64 = 256 << 10;
/// How long a token lives whose server does not say.
const LIFE: Duration = Duration::from_secs(60);
/// As Docker calls itself to token servers.
const CLIENT_ID: &str = "docker";

/// A token and what came with it.
pub struct Token {
    /// Secret.
    pub token: String,
    /// How long it is good.
    pub life: Duration,
    /// Secret that stands for the password from now on.
    pub refresh: Option<String>,
}

/// A token that is wanted.
pub struct TokenCall<'a> {
    /// The token server.
    pub realm: &'a Url,
    /// For whom.
    pub service: &'a str,
    /// What for.
    pub scopes: &'a Scopes,
    /// Who asks.
    pub credentials: Option<&'a Credentials>,
    /// Whether a refresh token is wished, too.
    pub is_login: bool,
}

#[derive(Deserialize)]
struct Reply {
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    access_token: Option<String>,
    #[serde(default)]
    expires_in: Option<u64>,
    #[serde(default)]
    refresh_token: Option<String>,
}

/// Reads an answer.
pub fn parse(bytes: &[u8]) -> Option<Token> {
    let reply: Reply = oci::json::read_object(bytes, TOKEN_BYTES_MAX as usize).ok()?;
    let is_sound = |text: &String| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
    let token = reply.token.filter(|token| !token.is_empty()).or(reply.access_token);
    Some(Token {
        token: token.filter(is_sound)?,
        life: reply.expires_in.filter(|s| *s > 0).map_or(LIFE, Duration::from_secs),
        refresh: reply.refresh_token.filter(is_sound),
    })
}

impl TokenCall<'_> {
    /// The call for these credentials: a form for refresh tokens, else the query with Basic.
    pub fn request(&self) -> Result<Outgoing, RegistryError> {
        match self.credentials {
            Some(Credentials::IdentityToken { token, .. }) => {
                let secret = [("grant_type", "refresh_token"), ("refresh_token", token.as_str())];
                Ok(self.form(&secret))
            }
            _ => self.query(),
        }
    }

    /// The other way to show a password, for servers that do not know the first.
    pub fn password_form(&self) -> Option<Outgoing> {
        let Some(Credentials::Password { username, password }) = self.credentials else {
            return None;
        };
        let secret = [("grant_type", "password"), ("username", username), ("password", password)];
        Some(self.form(&secret))
    }

    fn query(&self) -> Result<Outgoing, RegistryError> {
        let mut url = self.realm.clone();
        let mut headers = HeaderMap::new();
        if let Some(Credentials::Password { username, .. }) = self.credentials {
            url = url.with_query("account", &encode(username));
            headers.insert(AUTHORIZATION, basic(self.credentials)?);
        }
        if self.is_login {
            url = url.with_query("client_id", CLIENT_ID).with_query("offline_token", "true");
        }
        for scope in self.scopes.iter() {
            url = url.with_query("scope", &encode(&scope));
        }
        if !self.service.is_empty() {
            url = url.with_query("service", &encode(self.service));
        }
        Ok(Outgoing { method: Method::GET, url, headers, body: Body::Whole(Bytes::new()) })
    }

    fn form(&self, secret: &[(&str, &str)]) -> Outgoing {
        let scopes = self.scopes.to_string();
        let mut fields = vec![("client_id", CLIENT_ID)];
        fields.extend_from_slice(secret);
        fields.extend([("scope", scopes.as_str()), ("service", self.service)]);
        if self.is_login {
            fields.push(("access_type", "offline"));
        }
        let fields = fields.into_iter().filter(|(_, value)| !value.is_empty());
        let fields: Vec<_> =
            fields.map(|(name, value)| format!("{name}={}", encode(value))).collect();
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, form)]);
        let body = Body::Whole(fields.join("&").into());
        Outgoing { method: Method::POST, url: self.realm.clone(), headers, body }
    }
}
