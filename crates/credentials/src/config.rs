//! The Docker CLI's `config.json`: accounts, and which helpers keep them.
//!
//! Other programs keep other things in this file. What we do not know we leave as it is, in its
//! place; a file that we cannot read we do not write.

use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value, json};
use stdx::fs::{Durability, PathError};

use crate::account::{Account, Secret};
use crate::error::CredentialsError;
use crate::program::Helper;
use crate::server::host_of;

mod members;

use members::Members;

/// A file of accounts is never longer.
const BYTES_MAX: u64 = 4 << 20;

/// Where accounts and settings of the user's clients are.
#[derive(Debug)]
pub struct ClientConfig {
    path: PathBuf,
    members: Members,
    /// Why the file is none, if it is none.
    malformed: Option<String>,
}

/// Where an account went.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Kept {
    /// To a helper, or it is a token: nothing that opens other doors lies around.
    Safe,
    /// Its password lies in this file, readable for its owner.
    Unencrypted(PathBuf),
}

impl ClientConfig {
    /// `DOCKER_CONFIG`, or `.docker` in the home directory.
    pub fn directory() -> PathBuf {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        match variable("DOCKER_CONFIG") {
            Some(directory) => directory.into(),
            None => PathBuf::from(variable("HOME").unwrap_or_default()).join(".docker"),
        }
    }

    /// Reads the file in a directory; none is the same as an empty one. What cannot be understood
    /// reads as empty, too: [`ClientConfig::malformed`] tells.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn load(directory: &Path) -> Result<ClientConfig, CredentialsError> {
        let path = directory.join("config.json");
        let bytes = match stdx::fs::read(&path, BYTES_MAX) {
            Err(error) if error.is_not_found() => b"{}".to_vec(),
            bytes => bytes.map_err(CredentialsError::File)?,
        };
        let (members, malformed) = match Members::parse(&bytes).and_then(checked) {
            Ok(members) => (members, None),
            Err(reason) => (Members::default(), Some(reason)),
        };
        Ok(ClientConfig { path, members, malformed })
    }

    /// Why the file cannot be understood, if it cannot.
    pub fn malformed(&self) -> Option<&str> {
        self.malformed.as_deref()
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The account for a server.
    ///
    /// # Errors
    /// A helper fails.
    pub fn get(&self, server: &str) -> Result<Option<Account>, CredentialsError> {
        match self.helper(server) {
            Some(helper) => helper.get(server),
            None => Ok(self.in_file(server)),
        }
    }

    /// Keeps an account for a server.
    ///
    /// # Errors
    /// A helper fails, or the file cannot be written; then nothing has changed there.
    pub fn store(&mut self, server: &str, account: &Account) -> Result<Kept, CredentialsError> {
        self.refuse_malformed()?;
        let entry = match self.helper(server) {
            Some(helper) => {
                helper.store(server, account)?;
                // As Docker: others see that there is an account.
                json!({})
            }
            None => entry_of(account),
        };
        let is_safe = entry.as_object().is_some_and(Map::is_empty)
            || matches!(account.secret, Secret::IdentityToken(_));
        self.auths().insert(server.to_owned(), entry);
        self.save()?;
        Ok(if is_safe { Kept::Safe } else { Kept::Unencrypted(self.path.clone()) })
    }

    /// Forgets the account for a server.
    ///
    /// # Errors
    /// A helper fails, or the file cannot be written.
    pub fn erase(&mut self, server: &str) -> Result<(), CredentialsError> {
        self.refuse_malformed()?;
        if let Some(helper) = self.helper(server) {
            helper.erase(server)?;
        }
        let has = |auths: &Value| auths.get(server).is_some();
        if !self.setting("auths").is_some_and(has) {
            return Ok(());
        }
        self.auths().remove(server);
        self.save()
    }

    /// Whether the file has a setting, and which.
    fn setting(&self, name: &str) -> Option<&Value> {
        self.members.find(name)
    }

    fn helper(&self, server: &str) -> Option<Helper> {
        let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(Helper::new);
        let own = self.setting("credHelpers").and_then(|all| all.get(server)).and_then(text);
        let general = || self.setting("credsStore").and_then(text);
        own.or_else(general).or_else(|| self.detected())
    }

    /// As Docker, a keyring that is there is used as long as the file has no accounts.
    fn detected(&self) -> Option<Helper> {
        let has = |name| {
            let members = self.setting(name).and_then(Value::as_object);
            members.is_some_and(|members| !members.is_empty())
        };
        if has("auths") || has("credHelpers") { None } else { Helper::detected() }
    }

    /// The entry for the server itself, or one for an address of the same host.
    fn in_file(&self, server: &str) -> Option<Account> {
        let auths = self.setting("auths")?.as_object()?;
        let same_host = || {
            let entry = auths.iter().find(|(key, _)| host_of(key) == server);
            entry.map(|(_, entry)| entry)
        };
        account_of(auths.get(server).or_else(same_host)?)
    }

    fn auths(&mut self) -> &mut Map<String, Value> {
        self.members.object("auths")
    }

    fn refuse_malformed(&self) -> Result<(), CredentialsError> {
        match &self.malformed {
            None => Ok(()),
            Some(reason) => Err(CredentialsError::Malformed {
                path: self.path.display().to_string(),
                reason: reason.clone(),
            }),
        }
    }

    /// Replaces the file in one step. A link stays one: what it leads to is replaced.
    fn save(&self) -> Result<(), CredentialsError> {
        let path = std::fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        if let Some(parent) = path.parent() {
            stdx::fs::create_dir_all(parent, 0o700).map_err(CredentialsError::File)?;
        }
        let before = std::fs::metadata(&path).ok();
        let bytes = self.members.print();
        stdx::fs::replace(&path, &bytes, 0o600, Durability::PowerCut)
            .map_err(CredentialsError::File)?;
        match before {
            // With `sudo` it stays the user's.
            Some(before) => chown(&path, Some(before.uid()), Some(before.gid()))
                .map_err(PathError::of("set the owner of", &path))
                .map_err(CredentialsError::File),
            None => Ok(()),
        }
    }
}

/// What no account could be read from is refused as a whole, as Docker does.
fn checked(members: Members) -> Result<Members, String> {
    let auths = members.find("auths").filter(|auths| !auths.is_null());
    let Some(auths) = auths else { return Ok(members) };
    let Some(auths) = auths.as_object() else { return Err("`auths` is no object".to_owned()) };
    for (server, entry) in auths {
        let auth = entry.get("auth").and_then(Value::as_str).unwrap_or_default();
        if !auth.is_empty() && decoded(auth).is_none() {
            return Err(format!("`auth` of `{server}` is not base64 of `name:password`"));
        }
    }
    Ok(members)
}

fn decoded(auth: &str) -> Option<(String, String)> {
    let text = String::from_utf8(BASE64.decode(auth).ok()?).ok()?;
    let (name, password) = text.split_once(':')?;
    Some((name.to_owned(), password.trim_matches('\0').to_owned()))
}

fn account_of(entry: &Value) -> Option<Account> {
    let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default();
    let (username, password) = match decoded(text("auth")) {
        Some(pair) => pair,
        None => (text("username").to_owned(), text("password").to_owned()),
    };
    let secret = match text("identitytoken") {
        "" if username.is_empty() => return None,
        "" => Secret::Password(password),
        token => Secret::IdentityToken(token.to_owned()),
    };
    Some(Account { username, secret })
}

fn entry_of(account: &Account) -> Value {
    let auth = |password: &str| BASE64.encode(format!("{}:{password}", account.username));
    match &account.secret {
        Secret::Password(password) => json!({ "auth": auth(password) }),
        Secret::IdentityToken(token) => json!({ "auth": auth(""), "identitytoken": token }),
    }
}

#[cfg(test)]
mod tests;
