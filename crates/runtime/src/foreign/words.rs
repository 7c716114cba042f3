//! What runtimes say when they fail, and what Docker makes of it.

use std::path::Path;

use serde::Deserialize;
use sys::process::Exit;

use super::command::Verb;
use crate::failure::{Failure, FailureKind, plain};

#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    level: String,
    #[serde(default)]
    msg: String,
}

/// The message of the last line that is an error.
pub(super) fn last_error(log: &[u8]) -> String {
    let lines = log.split(|byte| *byte == b'\n');
    let mut errors = lines
        .filter_map(|line| serde_json::from_slice::<Line>(line).ok())
        .filter(|line| matches!(line.level.as_str(), "error" | "fatal"));
    errors.next_back().map_or_else(String::new, |line| line.msg.trim().to_owned())
}

/// The failure that an error is.
pub(super) fn failure(verb: Verb, error: &str, exit: Exit) -> Failure {
    let said = match (error, exit) {
        ("", Exit::Code(code)) => format!("the runtime ended with code {code}"),
        ("", Exit::Signal(signal)) => format!("the runtime was ended by signal {signal}"),
        (text, _) => text.to_owned(),
    };
    let message = format!("OCI runtime {} failed: {said}", verb.name());
    Failure { kind: kind(&message), message }
}

/// The runtime's program itself could not be executed.
pub(super) fn not_executed(verb: Verb, program: &Path) -> Failure {
    let why = match std::fs::metadata(program) {
        Ok(_) => "permission denied, or not a program".to_owned(),
        Err(error) => plain(&error),
    };
    let (verb, program) = (verb.name(), program.display());
    let message = format!("OCI runtime {verb} failed: fork/exec {program}: {why}");
    Failure { kind: kind(&message), message }
}

/// As dockerd tells them apart: by the words.
fn kind(message: &str) -> FailureKind {
    let text = message.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if has(&["executable file not found", "no such file or directory", "not found in $path"]) {
        FailureKind::CommandNotFound
    } else if has(&["permission denied", "is a directory", "not a directory"]) {
        FailureKind::CommandNotExecutable
    } else {
        FailureKind::Internal
    }
}
