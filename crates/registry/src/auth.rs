//! Who is asking, in the words a server wants: Basic, or tokens from the token server it names.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hyper::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use oci::Digest;

use crate::credentials::Credentials;
use crate::error::RegistryError;

pub mod challenge;
pub mod scope;
mod token;

use challenge::Challenge;
use scope::Scopes;
pub(crate) use token::TokenCall;
pub use token::{TOKEN_BYTES_MAX, Token, parse as parse_token};

/// Most tokens that are kept; one a repository and account.
const TOKENS_MAX: usize = 500;
/// No token is believed to live longer.
const TOKEN_TIME_MAX: Duration = Duration::from_secs(3600);

/// What servers asked for, and the tokens they accept.
#[derive(Default)]
pub struct Tokens {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// By `scheme://host:port`.
    challenges: HashMap<String, Challenge>,
    tokens: HashMap<Key, (HeaderValue, Instant)>,
}

/// What a token is good for. The account is a digest: passwords are not kept.
#[derive(Clone, Eq, Hash, PartialEq)]
struct Key {
    realm: String,
    service: String,
    scopes: String,
    account: Digest,
}

impl Tokens {
    /// What a server is known to ask for.
    pub fn challenge(&self, origin: &str) -> Option<Challenge> {
        self.known().challenges.get(origin).cloned()
    }

    /// Notes what a server asks for.
    pub fn learn(&self, origin: String, challenge: Challenge) {
        let mut known = self.known();
        if known.challenges.len() >= TOKENS_MAX {
            known.challenges.clear();
        }
        known.challenges.insert(origin, challenge);
    }

    /// A token that was given before and is still good.
    pub(crate) fn find(&self, call: &TokenCall<'_>) -> Option<HeaderValue> {
        let mut known = self.known();
        let key = key(call);
        match known.tokens.get(&key) {
            Some((value, until)) if Instant::now() < *until => Some(value.clone()),
            Some(_) => {
                known.tokens.remove(&key);
                None
            }
            None => None,
        }
    }

    /// Keeps a token as long as it is good.
    pub(crate) fn keep(&self, call: &TokenCall<'_>, token: &Token, value: HeaderValue) {
        let mut known = self.known();
        if known.tokens.len() >= TOKENS_MAX {
            let now = Instant::now();
            known.tokens.retain(|_, (_, until)| now < *until);
        }
        if known.tokens.len() < TOKENS_MAX {
            // A tenth less: clocks differ, and requests take their time.
            let life = token.life.min(TOKEN_TIME_MAX) * 9 / 10;
            known.tokens.insert(key(call), (value, Instant::now() + life));
        }
    }

    /// Forgets a token that a server no longer takes.
    pub(crate) fn forget(&self, call: &TokenCall<'_>) {
        self.known().tokens.remove(&key(call));
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(call: &TokenCall<'_>) -> Key {
    let account = match call.credentials {
        None => String::new(),
        Some(Credentials::Password { username, password }) => format!("p\0{username}\0{password}"),
        Some(Credentials::IdentityToken { username, token }) => format!("i\0{username}\0{token}"),
        Some(Credentials::RegistryToken { token }) => format!("r\0{token}"),
    };
    Key {
        realm: call.realm.to_string(),
        service: call.service.to_owned(),
        scopes: call.scopes.to_string(),
        account: Digest::of(account.as_bytes()),
    }
}

/// The challenge that we can best meet: a token rather than the password.
pub fn choose(headers: &HeaderMap) -> Option<Challenge> {
    let values = headers.get_all(WWW_AUTHENTICATE).iter().take(10);
    let texts = values.filter_map(|value| value.to_str().ok());
    let all: Vec<Challenge> = texts.flat_map(challenge::parse).collect();
    let with_realm = |challenge: &&Challenge| {
        challenge.scheme == "bearer" && challenge.parameter("realm").is_some()
    };
    let basic = |challenge: &&Challenge| challenge.scheme == "basic";
    all.iter().find(with_realm).or_else(|| all.iter().find(basic)).cloned()
}

/// `Authorization` for Basic.
pub fn basic(credentials: Option<&Credentials>) -> Result<HeaderValue, RegistryError> {
    match credentials {
        Some(Credentials::Password { username, password }) => {
            secret("Basic", &BASE64.encode(format!("{username}:{password}")))
        }
        _ => Err(RegistryError::NoCredentials),
    }
}

/// A header value that is never printed.
pub fn secret(scheme: &str, text: &str) -> Result<HeaderValue, RegistryError> {
    let mut value = HeaderValue::from_str(&format!("{scheme} {text}")).map_err(|_| {
        RegistryError::configuration("credentials", "they hold what no header may hold")
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// What a challenge says besides what we want ourselves.
pub fn wanted(own: &Scopes, challenge: &Challenge) -> Scopes {
    match challenge.parameter("scope") {
        Some(text) => own.with(text),
        None => own.clone(),
    }
}

#[cfg(test)]
mod tests;
