//! How a verb ends when it does not end well.

use std::fmt;

/// What a verb ends with: the exit code.
pub type Outcome = Result<i32, Failure>;

/// An exit code and what standard error is told.
#[derive(Debug)]
pub struct Failure {
    /// Printed on a line of its own; empty: nothing.
    pub text: String,
    /// Exit code of the program.
    pub code: i32,
}

impl Failure {
    /// Exit code 1.
    pub fn new(text: impl Into<String>) -> Failure {
        Failure { text: text.into(), code: 1 }
    }

    /// Any exit code.
    pub fn with_code(code: i32, text: impl Into<String>) -> Failure {
        Failure { text: text.into(), code }
    }

    /// An exit code alone.
    pub fn silent(code: i32) -> Failure {
        Failure { text: String::new(), code }
    }

    /// As `run` and `create` present it: with a pointer to the help, exit code 125.
    pub fn with_help(self, verb: &str) -> Failure {
        let text = format!(
            "wharf: {}\n\nRun 'wharf {verb} --help' for more information",
            self.text.trim_end()
        );
        Failure { text, code: 125 }
    }

    /// The same, with the exit code that it has.
    pub fn with_help_and_code(self, verb: &str) -> Failure {
        let code = self.code;
        Failure { code, ..self.with_help(verb) }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Failure {
        Failure::new(crate::body::env::plain(&error))
    }
}

impl From<show::list::ShowError> for Failure {
    fn from(error: show::list::ShowError) -> Failure {
        let code = if matches!(error, show::list::ShowError::Template(_)) { 64 } else { 1 };
        Failure::with_code(code, error.to_string())
    }
}

impl From<client::ClientError> for Failure {
    fn from(error: client::ClientError) -> Failure {
        match &error {
            client::ClientError::Connect { host, cause }
                if cause.kind() == std::io::ErrorKind::PermissionDenied =>
            {
                Failure::new(format!(
                    "permission denied while trying to connect to the engine at {host}\n\n\
                     Its socket belongs to root: try sudo."
                ))
            }
            client::ClientError::Connect { .. } | client::ClientError::Api(_) => {
                Failure::new(error.to_string())
            }
            _ => Failure::new(stdx::error::chain(&error).to_string()),
        }
    }
}
