//! Programs that keep secrets: `docker-credential-NAME get|store|erase`, one question each.
//!
//! The question is the server (or, to store, a JSON object) on standard input; the answer a JSON
//! object on standard output. A helper that fails says why on standard output, too. It may ask its
//! user something, so it has all the time it wants.

use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use serde_json::{Value, json};

use crate::account::{Account, Secret};
use crate::error::CredentialsError;

/// An answer is a few hundred bytes; a token may have some thousands.
const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// What a helper says when it has nothing for a server.
const NOT_FOUND: &str = "credentials not found in native keychain";

/// The account name under which an identity token is kept.
const TOKEN: &str = "<token>";

/// One program.
#[derive(Debug)]
pub(crate) struct Helper {
    program: String,
}

impl Helper {
    pub(crate) fn new(name: &str) -> Helper {
        Helper { program: format!("docker-credential-{name}") }
    }

    /// The helper that Docker takes when nothing is configured: that of `pass` where `pass` is,
    /// else that of the secret service; if it is there.
    pub(crate) fn detected() -> Option<Helper> {
        let name = if found("pass").is_some() { "pass" } else { "secretservice" };
        let helper = Helper::new(name);
        found(&helper.program).map(|_| helper)
    }

    pub(crate) fn get(&self, server: &str) -> Result<Option<Account>, CredentialsError> {
        let (status, output) = self.ask("get", "getting", server.as_bytes())?;
        if !status.success() {
            let words = String::from_utf8_lossy(&output);
            return match words.trim() {
                NOT_FOUND => Ok(None),
                words => Err(failed("getting", status, words)),
            };
        }
        let answer = |cause: io::Error| CredentialsError::HelperAnswer {
            program: self.program.clone(),
            cause,
        };
        // What serde says of it could quote the secret.
        let none = || io::Error::new(io::ErrorKind::InvalidData, "it is not an object of texts");
        let value: Value = serde_json::from_slice(&output).map_err(|_| answer(none()))?;
        let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        let (Some(username), Some(secret)) = (text("Username"), text("Secret")) else {
            return Err(answer(none()));
        };
        Ok(Some(match username.as_str() {
            TOKEN => Account { username: String::new(), secret: Secret::IdentityToken(secret) },
            _ => Account { username, secret: Secret::Password(secret) },
        }))
    }

    pub(crate) fn store(&self, server: &str, account: &Account) -> Result<(), CredentialsError> {
        let (username, secret) = match &account.secret {
            Secret::Password(password) => (account.username.as_str(), password),
            Secret::IdentityToken(token) => (TOKEN, token),
        };
        let question = json!({ "ServerURL": server, "Username": username, "Secret": secret });
        self.tell("store", "storing", question.to_string().as_bytes())
    }

    pub(crate) fn erase(&self, server: &str) -> Result<(), CredentialsError> {
        self.tell("erase", "erasing", server.as_bytes())
    }

    fn tell(
        &self,
        verb: &str,
        action: &'static str,
        question: &[u8],
    ) -> Result<(), CredentialsError> {
        let (status, output) = self.ask(verb, action, question)?;
        match status.success() {
            true => Ok(()),
            false => Err(failed(action, status, String::from_utf8_lossy(&output).trim())),
        }
    }

    fn ask(
        &self,
        verb: &str,
        action: &'static str,
        question: &[u8],
    ) -> Result<(ExitStatus, Vec<u8>), CredentialsError> {
        let no_helper = |cause: String| CredentialsError::NoHelper { action, cause };
        let Some(program) = found(&self.program) else {
            let name = &self.program;
            return Err(no_helper(format!("exec: \"{name}\": executable file not found in $PATH")));
        };
        let run = || -> io::Result<(ExitStatus, Vec<u8>)> {
            let mut child = Command::new(&program)
                .arg(verb)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()?;
            if let Some(mut input) = child.stdin.take() {
                match input.write_all(question) {
                    // It did not want to know; its exit code tells what that means.
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
                    written => written?,
                }
            }
            let mut answer = Vec::new();
            if let Some(output) = child.stdout.take() {
                output.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
            }
            Ok((child.wait()?, answer))
        };
        run().map_err(|error| no_helper(format!("fork/exec {}: {error}", program.display())))
    }
}

fn failed(action: &'static str, status: ExitStatus, output: &str) -> CredentialsError {
    let status = match status.code() {
        Some(code) => format!("exit status {code}"),
        None => status.to_string(),
    };
    CredentialsError::Helper { action, status, output: output.to_owned() }
}

/// A program of the path. Relative directories are left out: who sits in a foreign directory must
/// not run what lies there.
fn found(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let is_program = |file: &Path| {
        let found = std::fs::metadata(file);
        found.is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    std::env::split_paths(&path)
        .filter(|directory| directory.is_absolute())
        .map(|directory| directory.join(name))
        .find(|file| is_program(file))
}
