//! What callers read errors from: a file of one JSON object a line, or of text.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
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
    debug: bool,
}

impl Log {
    pub(super) fn none() -> Log {
        Log { path: None, json: false, debug: false }
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
        Ok(Log { path: parsed.path("log"), json, debug: parsed.is_set("debug") })
    }

    /// Appends an error. A log that cannot be written is no reason to fail once more.
    pub(super) fn error(&self, text: &str) {
        if let Some(path) = &self.path {
            self.append(path, "error", text);
        }
    }

    /// Says what is done, when asked to.
    pub(super) fn debug(&self, text: &str) {
        match &self.path {
            _ if !self.debug => {}
            Some(path) => self.append(path, "debug", text),
            None => eprintln!("{}", self.line("debug", text)),
        }
    }

    fn line(&self, level: &str, text: &str) -> String {
        let time = clock::rfc3339(SystemTime::now());
        match self.json {
            true => json!({"level": level, "msg": text, "time": time}).to_string(),
            false => format!("time={time:?} level={level} msg={text:?}"),
        }
    }

    fn append(&self, path: &Path, level: &str, text: &str) {
        let line = self.line(level, text);
        let opened = OpenOptions::new().append(true).create(true).open(path);
        let _ = opened.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()));
    }
}
