//! The rules of `cp` about paths, as Docker has them. Pure.

use crate::CopyError;

#[cfg(test)]
mod tests;

/// One of the two arguments.
#[derive(Debug, Eq, PartialEq)]
pub enum Side<'a> {
    /// A container, and a path in it.
    Container(&'a str, &'a str),
    /// A path here, or `-`.
    Local(&'a str),
}

impl<'a> Side<'a> {
    /// `container:path`; what begins with `/` or `.` is local, so that any name can be written.
    pub fn parse(text: &'a str) -> Side<'a> {
        match text.split_once(':') {
            Some(("", _)) | None => Side::Local(text),
            Some(_) if text.starts_with('/') => Side::Local(text),
            Some((container, _)) if container.starts_with('.') => Side::Local(text),
            Some((container, path)) => Side::Container(container, path),
        }
    }
}

/// What is copied.
#[derive(Debug)]
pub struct Ends {
    /// The name of the archive's topmost entry.
    pub base: String,
    /// What it is.
    pub is_directory: bool,
}

/// Where it is copied to.
#[derive(Debug)]
pub struct Target {
    /// The path.
    pub path: String,
    /// Whether there is a directory; `None`: nothing is there.
    pub is_directory: Option<bool>,
}

/// Without `.`, `..` and needless slashes.
pub fn clean(path: &str) -> String {
    let is_absolute = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            ".." if is_absolute => {}
            part => parts.push(part),
        }
    }
    match (is_absolute, parts.is_empty()) {
        (true, _) => format!("/{}", parts.join("/")),
        (false, true) => ".".to_owned(),
        (false, false) => parts.join("/"),
    }
}

/// The last component; `/` of the root.
pub fn base(path: &str) -> &str {
    match path.trim_end_matches('/').rsplit('/').next() {
        Some("") | None if path.is_empty() => ".",
        Some("") | None => "/",
        Some(name) => name,
    }
}

/// Directory and entry; an end of `/.` stays an entry of its own.
pub fn split(path: &str) -> (String, String) {
    let mut clean = clean(path);
    if asks_for_contents(path) && clean != "." {
        clean = format!("{}/.", clean.trim_end_matches('/'));
    }
    let name = base(&clean).to_owned();
    let parent = match clean.rsplit_once('/') {
        Some(("", _)) => "/".to_owned(),
        Some((parent, _)) => parent.to_owned(),
        None => ".".to_owned(),
    };
    (parent, name)
}

fn asks_for_contents(path: &str) -> bool {
    base(path) == "." && !path.ends_with('/')
}

/// Whether it is said to be a directory.
fn is_said_to_be_directory(path: &str) -> bool {
    path.ends_with('/') || asks_for_contents(path)
}

/// Where a link beside `path` leads.
pub fn beside(path: &str, target: &str) -> String {
    match target.starts_with('/') {
        true => target.to_owned(),
        false => clean(&format!("{}/{target}", split(path).0)),
    }
}

/// `resolved` with the end that `path` has, and the name under which it was asked for if that is
/// another one.
pub fn rebase(path: &str, resolved: &str) -> (String, Option<String>) {
    let mut resolved = resolved.to_owned();
    if asks_for_contents(path) && !asks_for_contents(&resolved) {
        resolved.push_str("/.");
    }
    if path.ends_with('/') && !resolved.ends_with('/') {
        resolved.push('/');
    }
    let renamed = (base(path) != base(&resolved)).then(|| base(path).to_owned());
    (resolved, renamed)
}

/// The directory in which the archive is taken apart, and what its topmost entry is called instead
/// of what.
///
/// # Errors
/// Docker's words where the two do not fit.
pub fn place(
    source: &Ends,
    target: &Target,
) -> Result<(String, Option<(String, String)>), CopyError> {
    let (parent, name) = split(&target.path);
    match target.is_directory {
        Some(true) => return Ok((target.path.clone(), None)),
        Some(false) if source.is_directory => {
            return Err(CopyError::refused("cannot copy directory"));
        }
        None if !source.is_directory && is_said_to_be_directory(&target.path) => {
            return Err(CopyError::refused("no such directory"));
        }
        _ => {}
    }
    Ok((parent, Some((source.base.clone(), name))))
}
