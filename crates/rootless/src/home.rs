//! Where an ordinary user's engine keeps its things.

use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use sys::rustix::process::geteuid;

/// The directories of a user's engine.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Home {
    /// Images, containers, volumes: `$XDG_DATA_HOME/wharf`, or else `~/.local/share/wharf`.
    pub root: PathBuf,
    /// Sockets: `$XDG_RUNTIME_DIR/wharf`, or else `/run/user/UID/wharf`, or else one below `/tmp`.
    pub run: PathBuf,
    /// Its configuration file: `$XDG_CONFIG_HOME/wharf/engine.json`, or else below `~/.config`.
    pub config_file: PathBuf,
}

/// There is no place for a user's engine.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// The environment does not tell.
    #[error(
        "failed to find a directory for images and containers: neither XDG_DATA_HOME nor HOME is \
         set\n\nGive one with --root."
    )]
    NoHome,
    /// Somebody else could reach the run directory.
    #[error(
        "failed to use `{path}` for sockets: it must be a directory of yours that nobody else can \
         enter\n\nSet XDG_RUNTIME_DIR, or remove it."
    )]
    NotPrivate {
        /// Which.
        path: String,
    },
}

impl Home {
    /// Those of the caller; `None` for root, whose are the machine's.
    ///
    /// # Errors
    /// [`HomeError::NoHome`]; [`HomeError::NotPrivate`] when the fall-back below `/tmp` is
    /// somebody else's.
    pub fn of_caller() -> Result<Option<Home>, HomeError> {
        let uid = geteuid();
        if uid.is_root() {
            return Ok(None);
        }
        let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
        let home = Home::from(&variable).ok_or(HomeError::NoHome)?;
        let run = Home::run_of_caller()?;
        Ok(Some(Home { run, ..home }))
    }

    /// The caller's run directory alone: what clients need.
    ///
    /// # Errors
    /// [`HomeError::NotPrivate`].
    pub fn run_of_caller() -> Result<PathBuf, HomeError> {
        if let Some(given) = absolute(std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from)) {
            return Ok(given.join("wharf"));
        }
        let uid = geteuid().as_raw();
        let session = PathBuf::from(format!("/run/user/{uid}"));
        if is_private(&session, uid) {
            return Ok(session.join("wharf"));
        }
        below_tmp(Path::new("/tmp"), uid)
    }

    fn from(variable: &dyn Fn(&str) -> Option<PathBuf>) -> Option<Home> {
        let below = |name: &str, default: &str| {
            absolute(variable(name))
                .or_else(|| Some(absolute(variable("HOME"))?.join(default)))
                .map(|dir| dir.join("wharf"))
        };
        Some(Home {
            root: below("XDG_DATA_HOME", ".local/share")?,
            config_file: below("XDG_CONFIG_HOME", ".config")
                .unwrap_or_default()
                .join("engine.json"),
            run: PathBuf::new(),
        })
    }
}

/// The XDG specification has relative paths ignored.
fn absolute(path: Option<PathBuf>) -> Option<PathBuf> {
    path.filter(|path| path.is_absolute())
}

/// A directory, no link to one, of this user, closed to all others.
fn is_private(path: &Path, uid: u32) -> bool {
    let found = std::fs::symlink_metadata(path);
    found.is_ok_and(|it| it.is_dir() && it.uid() == uid && it.mode() & 0o077 == 0)
}

/// Made by us before anybody else can, or not used.
fn below_tmp(tmp: &Path, uid: u32) -> Result<PathBuf, HomeError> {
    let path = tmp.join(format!("wharf-{uid}"));
    // It may be there: then whose it is decides.
    drop(std::fs::DirBuilder::new().mode(0o700).create(&path));
    match is_private(&path, uid) {
        true => Ok(path),
        false => Err(HomeError::NotPrivate { path: path.display().to_string() }),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn places_by_the_environment() {
        let of = |pairs: &[(&str, &str)]| {
            let find = |name: &str| {
                pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| PathBuf::from(value))
            };
            Home::from(&find)
        };
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[("HOME", "relative")]), None);
        let plain = of(&[("HOME", "/home/u"), ("XDG_DATA_HOME", "relative")]).unwrap();
        assert_eq!(plain.root, Path::new("/home/u/.local/share/wharf"));
        assert_eq!(plain.config_file, Path::new("/home/u/.config/wharf/engine.json"));
        let own = of(&[("HOME", "/home/u"), ("XDG_DATA_HOME", "/data")]).unwrap();
        assert_eq!(own.root, Path::new("/data/wharf"));
    }

    #[test]
    fn the_directory_below_tmp_is_ours_alone() {
        let dir = tempfile::tempdir().unwrap();
        let uid = geteuid().as_raw();
        let made = below_tmp(dir.path(), uid).unwrap();
        assert_eq!(below_tmp(dir.path(), uid).unwrap(), made);
        assert!(below_tmp(dir.path(), uid + 1).is_err(), "somebody else's");
        std::fs::set_permissions(&made, std::fs::Permissions::from_mode(0o750)).unwrap();
        assert!(below_tmp(dir.path(), uid).is_err(), "open to a group");
        std::fs::remove_dir(&made).unwrap();
        std::os::unix::fs::symlink("/root", &made).unwrap();
        assert!(below_tmp(dir.path(), uid).is_err(), "a link");
    }
}
