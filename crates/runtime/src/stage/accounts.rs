//! Docker's `USER[:GROUP]`, looked up in the container's own files.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::fd::BorrowedFd;
use std::path::Path;

use sys::rustix::fs::{FileType, OFlags};

use super::paths::{self, Links};
use crate::failure::Failure;

/// Larger account files are refused: an image must not keep the start busy.
const ACCOUNT_FILE_BYTES_MAX: u64 = 10 << 20;

/// The largest id, as in runc; larger ones cannot be mapped.
const ID_MAX: u32 = i32::MAX as u32;

/// Who a process runs as.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Account {
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// Further group ids, ascending, none twice.
    pub groups: Vec<u32>,
    /// Home directory.
    pub home: String,
}

/// The lines of `/etc/passwd` and `/etc/group` of a container.
#[derive(Debug, Default)]
pub struct AccountFiles {
    pub(crate) passwd: Vec<Vec<String>>,
    pub(crate) group: Vec<Vec<String>>,
}

impl AccountFiles {
    /// Reads them; missing ones are empty.
    pub(crate) fn read(root: BorrowedFd<'_>) -> Result<AccountFiles, Failure> {
        Ok(AccountFiles {
            passwd: read_lines(root, Path::new("/etc/passwd"))?,
            group: read_lines(root, Path::new("/etc/group"))?,
        })
    }

    /// From the text of both.
    ///
    /// # Errors
    /// One is larger than 10 MiB.
    pub fn parse(passwd: &[u8], group: &[u8]) -> Result<AccountFiles, Failure> {
        Ok(AccountFiles {
            passwd: lines(passwd, Path::new("/etc/passwd"))?,
            group: lines(group, Path::new("/etc/group"))?,
        })
    }
}

fn read_lines(root: BorrowedFd<'_>, path: &Path) -> Result<Vec<Vec<String>>, Failure> {
    // Opened for reference first: opening a FIFO or a device would block or do things.
    let Ok(reference) = paths::reference(root, path, Links::Inside) else {
        return Ok(Vec::new());
    };
    let stat = sys::rustix::fs::fstat(&reference).map_err(Failure::at("look at a file"))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        let text = format!("`{}` is not a regular file", path.display());
        return Err(Failure::invalid(text));
    }
    let Ok(file) = paths::open(root, path, OFlags::RDONLY | OFlags::NONBLOCK, Links::Inside) else {
        return Ok(Vec::new());
    };
    lines(File::from(file), path)
}

fn lines(file: impl Read, path: &Path) -> Result<Vec<Vec<String>>, Failure> {
    let reader = BufReader::new(file.take(ACCOUNT_FILE_BYTES_MAX + 1));
    let mut lines = Vec::new();
    let mut bytes = 0;
    for line in reader.split(b'\n') {
        let line = line.map_err(Failure::at(format!("read `{}`", path.display())))?;
        bytes += line.len() as u64 + 1;
        if bytes > ACCOUNT_FILE_BYTES_MAX {
            let text = format!("`{}` is larger than 10 MiB", path.display());
            return Err(Failure::invalid(text));
        }
        let line = String::from_utf8_lossy(&line);
        let line = line.trim();
        if !line.is_empty() && !line.starts_with('#') {
            lines.push(line.split(':').map(str::to_owned).collect());
        }
    }
    Ok(lines)
}

/// Resolves `user` (`""`, `name`, `1000`, `name:group`, `1000:1000`).
///
/// Digits are always a number, never a name: an image cannot make `1000` mean root.
///
/// # Errors
/// A name that is not there, a number that cannot be mapped.
pub fn resolve(
    user: &str,
    additional: &[String],
    files: &AccountFiles,
) -> Result<Account, Failure> {
    let (user, group) = match user.split_once(':') {
        Some((user, group)) => (user, Some(group).filter(|group| !group.is_empty())),
        None => (user, None),
    };
    let field = |entry: &[String], index: usize| entry.get(index).cloned().unwrap_or_default();
    let number_at = |entry: &[String], index| field(entry, index).parse::<u32>().ok();
    let (uid, entry) = match (user, parse_id(user)?) {
        ("", _) => (0, find(&files.passwd, |entry| number_at(entry, 2) == Some(0))),
        (_, Some(uid)) => (uid, find(&files.passwd, |entry| number_at(entry, 2) == Some(uid))),
        (name, None) => {
            let entry = find(&files.passwd, |entry| field(entry, 0) == name);
            let uid = entry.and_then(|entry| number_at(entry, 2)).ok_or_else(|| {
                Failure::invalid(format!(
                    "unable to find user {name}: no matching entries in passwd file"
                ))
            })?;
            (uid, entry)
        }
    };
    let name = entry.map(|entry| field(entry, 0));
    let gid = match group {
        Some(group) => group_id(group, files)?,
        None => entry.and_then(|entry| number_at(entry, 3)).unwrap_or(0),
    };
    // Naming a group means that group only; otherwise all that list the user.
    let mut groups: Vec<u32> = match (group, name) {
        (None, Some(name)) => files
            .group
            .iter()
            .filter(|entry| field(entry, 3).split(',').any(|member| member == name))
            .filter_map(|entry| number_at(entry, 2))
            .collect(),
        _ => Vec::new(),
    };
    groups.retain(|other| *other != gid);
    // Those that are asked for are given exactly: callers name the primary group too, so that a
    // set-group-id program cannot shed it (CVE-2022-36109).
    for group in additional {
        groups.push(group_id(group, files)?);
    }
    groups.sort_unstable();
    groups.dedup();
    if uid > ID_MAX || gid > ID_MAX {
        return Err(Failure::invalid(format!("uids and gids must be in range 0-{ID_MAX}")));
    }
    // The kernel would refuse all of them together and not say which.
    if let Some(large) = groups.iter().find(|group| **group > ID_MAX) {
        return Err(Failure::invalid(format!(
            "group {large} of the image's `/etc/group` is larger than {ID_MAX}: choose the groups \
             by number, with --user USER:GROUP and --group-add"
        )));
    }
    let home = entry.map(|entry| field(entry, 5)).filter(|home| !home.is_empty());
    Ok(Account { uid, gid, groups, home: home.unwrap_or_else(|| "/".to_owned()) })
}

fn find(lines: &[Vec<String>], matches: impl Fn(&[String]) -> bool) -> Option<&[String]> {
    lines.iter().map(Vec::as_slice).find(|entry| matches(entry))
}

fn group_id(group: &str, files: &AccountFiles) -> Result<u32, Failure> {
    if let Some(gid) = parse_id(group)? {
        return Ok(gid);
    }
    find(&files.group, |entry| entry.first().is_some_and(|name| name == group))
        .and_then(|entry| entry.get(2)?.parse().ok())
        .ok_or_else(|| {
            Failure::invalid(format!(
                "unable to find group {group}: no matching entries in group file"
            ))
        })
}

/// A number, or `None` for a name. Numbers out of range are refused, not looked up as names.
fn parse_id(text: &str) -> Result<Option<u32>, Failure> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    match text.parse::<u32>() {
        Ok(id) if id <= ID_MAX => Ok(Some(id)),
        _ => Err(Failure::invalid(format!("uids and gids must be in range 0-{ID_MAX}"))),
    }
}
