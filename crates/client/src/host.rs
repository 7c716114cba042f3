//! Where an engine listens.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::error::ClientError;

/// Longest path of a Unix socket, by the kernel's `sockaddr_un` less the final zero.
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// Where an engine listens. Displays as `unix:///path`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Host {
    path: PathBuf,
}

impl Host {
    /// Reads `unix:///path`. Other ways than Unix sockets are refused by name.
    pub fn parse(text: &str) -> Result<Host, ClientError> {
        let refuse = |reason| Err(ClientError::Host { host: text.to_owned(), reason });
        let Some((scheme, path)) = text.split_once("://") else {
            return refuse("it must have the form `unix:///path`");
        };
        match scheme {
            "unix" if path.len() > SOCKET_PATH_BYTES_MAX => refuse("the path is too long"),
            "unix" if path.starts_with('/') => Ok(Host { path: PathBuf::from(path) }),
            "unix" => refuse("the path must be absolute, as in `unix:///path`"),
            "tcp" | "http" | "https" => {
                refuse("TCP is not supported yet; use `unix:///path`, for example through `ssh -L`")
            }
            "ssh" => refuse("SSH is not supported yet; use `unix:///path` through `ssh -L`"),
            _ => refuse("only `unix:///path` is supported"),
        }
    }

    /// Path of the socket.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unix://{}", self.path.display())
    }
}
