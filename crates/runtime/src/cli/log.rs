//! What callers read errors from: a file of one JSON object a line, or of text.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::time::SystemTime;

use serde_json::json;

use super::clock;
use super::error::CliError;
use super::flags::Parsed;

/// Where errors go beside the standard error stream.
#[derive(Debug)]
pub(super) struct Log {
    path: Option<PathBuf>,
    json: bool,
}

impl Log {
    pub(super) fn none() -> Log {
        Log { path: None, json: false }
    }

    /// As the global flags say.
    pub(super) fn of(parsed: &Parsed) -> Result<Log, CliError> {
        let json = match parsed.text("log-format")? {
            None | Some("" | "text") => false,
            Some("json") => true,
            Some(other) => {
                return Err(CliError::usage(format!("unknown log-format {other:?}")));
            }
        };
        Ok(Log { path: parsed.path("log"), json })
    }

    /// Appends an error. A log that cannot be written is no reason to fail once more.
    pub(super) fn error(&self, text: &str) {
        let Some(path) = &self.path else { return };
        let time = clock::rfc3339(SystemTime::now());
        let line = match self.json {
            true => json!({"level": "error", "msg": text, "time": time}).to_string(),
            false => format!("time={time:?} level=error msg={text:?}"),
        };
        let opened = OpenOptions::new().append(true).create(true).open(path);
        let _ = opened.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()));
    }
}
