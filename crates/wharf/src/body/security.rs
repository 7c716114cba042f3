//! `--security-opt`, with the seccomp profiles read from files.

use std::collections::BTreeSet;

use serde::de::IgnoredAny;

use super::env::{open_error, plain};
use crate::flags::number::quote;

/// What the options say.
pub struct Security {
    /// What the engine gets; `None` when the flag was not given.
    pub options: Option<Vec<String>>,
    /// Masked and read-only paths: empty lists for `systempaths=unconfined`.
    pub system_paths: Option<Vec<String>>,
}

/// `--cap-add` or `--cap-drop` in the kernel's words, in order, each once.
pub fn capabilities(values: &[String]) -> Vec<String> {
    let name = |text: &String| match text.trim().to_ascii_uppercase() {
        name if name == "ALL" || name.starts_with("CAP_") => name,
        name => format!("CAP_{name}"),
    };
    values.iter().map(name).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Reads the options.
pub fn options(values: &[String]) -> Result<Security, String> {
    let mut security =
        Security { options: (!values.is_empty()).then(Vec::new), system_paths: None };
    for value in values {
        if value == "systempaths=unconfined" {
            security.system_paths = Some(Vec::new());
            continue;
        }
        let option = option(value)?;
        security.options.get_or_insert_default().push(option);
    }
    Ok(security)
}

fn option(value: &str) -> Result<String, String> {
    let split = value.split_once('=').or_else(|| value.split_once(':'));
    match split {
        Some(("seccomp", "unconfined" | "builtin")) => Ok(value.to_owned()),
        Some(("seccomp", path)) => Ok(format!("seccomp={}", profile(path)?)),
        Some(_) => Ok(value.to_owned()),
        None if value == "no-new-privileges" => Ok(value.to_owned()),
        None => Err(format!("Invalid --security-opt: {}", quote(value))),
    }
}

/// The profile in a file, without blanks.
fn profile(path: &str) -> Result<String, String> {
    let text = std::fs::read_to_string(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::InvalidData => {
            format!("opening seccomp profile ({path}) failed: {}", plain(&error))
        }
        _ => format!("opening seccomp profile ({path}) failed: {}", open_error(path, &error)),
    })?;
    serde_json::from_str::<IgnoredAny>(&text).map_err(|error| {
        let why = match error.is_eof() {
            true => "unexpected end of JSON input".to_owned(),
            false => error.to_string(),
        };
        format!("compacting json for seccomp profile ({path}) failed: {why}")
    })?;
    Ok(compact(&text))
}

/// Valid JSON without the blanks outside of strings.
fn compact(text: &str) -> String {
    let (mut inside, mut escaped) = (false, false);
    let mut keep = |c: char| {
        if inside {
            inside = escaped || c != '"';
            escaped = !escaped && c == '\\';
            return true;
        }
        inside = c == '"';
        !c.is_ascii_whitespace()
    };
    text.chars().filter(|c| keep(*c)).collect()
}
