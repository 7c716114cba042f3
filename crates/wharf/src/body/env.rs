//! Environment variables, labels, and the files they are read from.

use std::collections::BTreeMap;

/// Files first, then flags; of flags with one name the last one counts.
pub fn variables(files: &[String], flags: &[String]) -> Result<Vec<String>, String> {
    let mut all = Vec::new();
    for file in files {
        all.extend(read(file)?);
    }
    let name = |variable: &String| variable.split('=').next().unwrap_or_default().to_owned();
    for (at, variable) in flags.iter().enumerate() {
        let later = flags.iter().rposition(|other| name(other) == name(variable));
        if later == Some(at) {
            all.push(variable.clone());
        }
    }
    Ok(all)
}

/// Labels of files, overridden by flags.
pub fn labels(files: &[String], flags: &[String]) -> Result<BTreeMap<String, String>, String> {
    let mut all = Vec::new();
    for file in files {
        all.extend(lines(file)?.into_iter().filter(|line| line.contains('=')));
    }
    all.extend(flags.iter().cloned());
    Ok(map(&all))
}

/// `key=value` texts as a map; without `=` the value is empty.
pub fn map(pairs: &[String]) -> BTreeMap<String, String> {
    let pair = |text: &String| {
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        (key.to_owned(), value.to_owned())
    };
    pairs.iter().map(pair).collect()
}

/// The variables of a file; a name alone takes our own environment's value, if there is one.
fn read(path: &str) -> Result<Vec<String>, String> {
    let resolve = |line: String| match line.contains('=') {
        true => Some(line),
        false => std::env::var(&line).ok().map(|value| format!("{line}={value}")),
    };
    Ok(lines(path)?.into_iter().filter_map(resolve).collect())
}

/// The lines of a file that are neither empty nor comments.
fn lines(path: &str) -> Result<Vec<String>, String> {
    let bytes = std::fs::read(path).map_err(|error| open_error(path, &error))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
        format!("env file {path} contains invalid utf8 bytes at line {line}")
    })?;
    let mut lines = Vec::new();
    for line in text.trim_start_matches('\u{feff}').lines() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let name = line.split('=').next().unwrap_or_default();
        if name.is_empty() {
            return Err(format!("no variable name on line '{line}'"));
        }
        if name.contains(char::is_whitespace) {
            return Err(format!("variable '{name}' contains whitespaces"));
        }
        lines.push(line.to_owned());
    }
    Ok(lines)
}

/// `open PATH: no such file or directory`, as Go says it.
pub fn open_error(path: &str, error: &std::io::Error) -> String {
    format!("open {path}: {}", plain(error))
}

/// The operating system's words alone, in lower case.
pub fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut chars = text.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}
