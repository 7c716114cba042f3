//! Versions of the Engine API and their negotiation.

use std::fmt;

/// A version of the Engine API: `1.51`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ApiVersion {
    major: u16,
    minor: u16,
}

/// A client's version is not served. The texts are what Docker's users know.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum VersionError {
    /// It is not a version.
    #[error("failed to parse API version `{text}`")]
    Malformed {
        /// The text.
        text: String,
    },
    /// Newer than this engine.
    #[error("client version {asked} is too new. Maximum supported API version is {max}",
        max = ApiVersion::MAX)]
    TooNew {
        /// As the client wrote it.
        asked: ApiVersion,
    },
    /// Too old. This one answer is plain text, not JSON.
    #[error("client version {asked} is too old. Minimum supported API version is {min}, \
        please upgrade your client to a newer version", min = ApiVersion::MIN)]
    TooOld {
        /// As the client wrote it.
        asked: ApiVersion,
    },
}

impl ApiVersion {
    /// Oldest that is served.
    pub const MIN: ApiVersion = ApiVersion::new(1, 24);
    /// Newest that is served; also what paths without a version mean.
    pub const MAX: ApiVersion = ApiVersion::new(1, 51);

    /// `major.minor`.
    pub const fn new(major: u16, minor: u16) -> ApiVersion {
        ApiVersion { major, minor }
    }

    /// Reads `1.51` or `v1.51`, served or not.
    pub fn parse(text: &str) -> Result<ApiVersion, VersionError> {
        let malformed = || VersionError::Malformed { text: text.to_owned() };
        let number = |part: &str| match part.bytes().all(|b| b.is_ascii_digit()) {
            true => part.parse().map_err(|_| malformed()),
            false => Err(malformed()),
        };
        let bare = text.strip_prefix('v').unwrap_or(text);
        let (major, minor) = bare.split_once('.').ok_or_else(malformed)?;
        Ok(ApiVersion { major: number(major)?, minor: number(minor)? })
    }

    /// Reads a version that must be served.
    pub fn negotiate(text: &str) -> Result<ApiVersion, VersionError> {
        let asked = ApiVersion::parse(text)?;
        match asked {
            _ if asked > ApiVersion::MAX => Err(VersionError::TooNew { asked }),
            _ if asked < ApiVersion::MIN => Err(VersionError::TooOld { asked }),
            _ => Ok(asked),
        }
    }

    /// Takes `/v1.51` off the front of a path. A path without a version is returned whole.
    pub fn split_path(path: &str) -> (Option<&str>, &str) {
        let rest = path.strip_prefix("/v").unwrap_or_default();
        let end = rest.find('/').unwrap_or(rest.len());
        let (version, tail) = rest.split_at(end);
        let is_version = version.starts_with(|c: char| c.is_ascii_digit())
            && version.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        match is_version {
            true => (Some(version), if tail.is_empty() { "/" } else { tail }),
            false => (None, path),
        }
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests;
