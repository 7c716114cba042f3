//! Paths of this machine, as `cp` takes them.

use std::fs::Metadata;
use std::path::{Path, PathBuf};

use super::path::{Ends, Target, base, clean, rebase, split};
use crate::CopyError;

/// Links that are followed before a path is one too many.
const LINKS_MAX: usize = 10;

/// What is copied from here.
pub struct Source {
    /// The directory that it is in.
    pub directory: PathBuf,
    /// Its name there.
    pub entry: String,
    /// How the archive calls it.
    pub ends: Ends,
}

/// From the root on, with the `/` or `/.` that it ends in.
pub fn absolute(path: &str) -> Result<String, CopyError> {
    let mut whole = match path.starts_with('/') {
        true => path.to_owned(),
        false => format!("{}/{path}", std::env::current_dir().map_err(CopyError::Here)?.display()),
    };
    whole = clean(&whole);
    if base(path) == "." && !path.ends_with('/') {
        whole.push_str("/.");
    } else if path.ends_with('/') && !whole.ends_with('/') {
        whole.push('/');
    }
    Ok(whole)
}

/// Whether something can be copied there at all.
pub fn verify_output(path: &str) -> Result<(), CopyError> {
    let cleaned = clean(path);
    let parent = split(&cleaned).0;
    if parent != "." && missing(std::fs::metadata(&parent)) {
        return Err(CopyError::refused(format!(
            "invalid output path: directory \"{parent}\" does not exist"
        )));
    }
    match std::fs::metadata(path) {
        Ok(found) if !found.is_dir() && !found.is_file() => Err(CopyError::refused(format!(
            "invalid output path: \"{path}\" must be a directory or a regular file"
        ))),
        _ => Ok(()),
    }
}

fn missing(found: std::io::Result<Metadata>) -> bool {
    found.is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}

/// The destination, links followed: also a link that leads nowhere yet.
pub fn destination(path: &str) -> Result<Target, CopyError> {
    let mut now = path.to_owned();
    for _ in 0..=LINKS_MAX {
        match std::fs::symlink_metadata(&now) {
            Ok(found) if found.is_symlink() => {
                let target = std::fs::read_link(&now).map_err(CopyError::Here)?;
                now = super::path::beside(&now, &target.to_string_lossy());
            }
            Ok(found) => {
                return Ok(Target { path: now, is_directory: Some(found.is_dir()) });
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let parent = split(&now).0;
                return match std::fs::metadata(&parent) {
                    Ok(found) if found.is_dir() => Ok(Target { path: now, is_directory: None }),
                    Ok(_) => Err(CopyError::refused("not a directory")),
                    Err(error) => Err(failed("stat", &parent, &error)),
                };
            }
            Err(error) => return Err(failed("stat", &now, &error)),
        }
    }
    Err(CopyError::refused(format!("too many symlinks in {path}")))
}

/// What is copied: a link itself, or with `follow` what it leads to.
pub fn source(path: &str, follow: bool) -> Result<Source, CopyError> {
    let real = |path: &str| {
        let found = Path::new(path).canonicalize();
        found.map(|found| found.to_string_lossy().into_owned())
    };
    let (resolved, renamed) = match follow {
        true => {
            let target = real(path).map_err(|error| failed("lstat", path, &error))?;
            rebase(path, &target)
        }
        false => {
            let at = path.rfind('/').map_or(0, |at| at + 1);
            let (parent, entry) = path.split_at(at);
            let parent = real(if parent.is_empty() { "." } else { parent });
            let parent = parent.map_err(|error| failed("lstat", path, &error))?;
            let resolved = format!("{}/{entry}", parent.trim_end_matches('/'));
            let renamed = path.ends_with('/') && base(path) != base(&resolved);
            (resolved, renamed.then(|| base(path).to_owned()))
        }
    };
    let found = std::fs::symlink_metadata(&resolved);
    let found = found.map_err(|error| failed("lstat", &resolved, &error))?;
    let (directory, entry) = split(&resolved);
    // The root is in itself.
    let entry = if entry == "/" { ".".to_owned() } else { entry };
    let name = renamed.unwrap_or_else(|| entry.clone());
    let ends = Ends { base: name, is_directory: found.is_dir() };
    Ok(Source { directory: PathBuf::from(directory), entry, ends })
}

fn failed(call: &str, path: &str, error: &std::io::Error) -> CopyError {
    CopyError::refused(format!("{call} {path}: {}", plain(error)))
}

/// The operating system's words alone, in lower case.
pub fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut chars = text.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}
