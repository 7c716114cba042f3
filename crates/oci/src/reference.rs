//! Names of images, by the rules of the distribution project.
//!
//! The grammar, in full form: `domain/path[:tag][@digest]`. What people write is shorter: without
//! a domain it is `docker.io`, and there a path of one component is below `library/`.

use std::fmt;
use std::str::FromStr;

use stdx::Kind;

use crate::digest::{Digest, DigestError};

mod glob;

/// The domain that is meant when none is written.
const DEFAULT_DOMAIN: &str = "docker.io";
/// Its old name.
const LEGACY_DOMAIN: &str = "index.docker.io";
/// Where its images without an owner are.
const OFFICIAL: &str = "library/";
/// The tag that is meant when none is written.
const DEFAULT_TAG: &str = "latest";
/// Longest path.
const PATH_BYTES_MAX: usize = 255;
/// Longest tag.
const TAG_BYTES_MAX: usize = 128;

/// A full, valid name of an image. Displays in full: `docker.io/library/busybox:latest`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Reference {
    domain: String,
    path: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// What may stand where Docker takes a name or an id.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AnyReference {
    /// `sha256:...`, or 64 digits alone.
    Digest(Digest),
    /// A name.
    Name(Reference),
}

/// A text is not a name of an image. The texts are what Docker's users know.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ReferenceError {
    /// It does not have the form.
    #[error("invalid reference format")]
    Format,
    /// Paths are lower-case.
    #[error("invalid reference format: repository name ({path}) must be lowercase")]
    Uppercase {
        /// The path as it would be.
        path: String,
    },
    /// It could not be told from an id.
    #[error("invalid repository name ({text}), cannot specify 64-byte hexadecimal strings")]
    LooksLikeId {
        /// The text.
        text: String,
    },
    /// The path is too long.
    #[error("repository name must not be more than {PATH_BYTES_MAX} characters")]
    TooLong,
    /// The tag does not have the form.
    #[error("invalid tag format")]
    Tag,
    /// The digest after `@` is none.
    #[error("{0}")]
    Digest(DigestError),
}

impl ReferenceError {
    /// What sort of failure it is.
    pub fn kind(&self) -> Kind {
        Kind::Invalid
    }
}

impl Reference {
    /// Reads a name as people write it.
    pub fn parse(text: &str) -> Result<Reference, ReferenceError> {
        if is_id(text) {
            return Err(ReferenceError::LooksLikeId { text: text.to_owned() });
        }
        let (domain, remainder) = split_domain(text);
        let remote = remainder.split(':').next().unwrap_or_default();
        if remote.chars().any(char::is_uppercase) {
            return Err(ReferenceError::Uppercase { path: remote.to_owned() });
        }
        let (name, digest) = match remainder.split_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (remainder.as_str(), None),
        };
        let (path, tag) = match name.split_once(':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (name, None),
        };
        if !is_domain(&domain) || !is_path(path) || !tag.is_none_or(is_tag) {
            return Err(ReferenceError::Format);
        }
        let digest = digest.map(parse_digest).transpose()?;
        if path.len() > PATH_BYTES_MAX {
            return Err(ReferenceError::TooLong);
        }
        Ok(Reference { domain, path: path.to_owned(), tag: tag.map(str::to_owned), digest })
    }

    /// Registry: a host name and perhaps a port.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// Path within the registry.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Tag.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// Digest.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// Domain and path: `docker.io/library/busybox`.
    pub fn repository(&self) -> String {
        format!("{}/{}", self.domain, self.path)
    }

    /// Domain and path as people write them: `busybox`.
    pub fn familiar_name(&self) -> String {
        if self.domain != DEFAULT_DOMAIN {
            return self.repository();
        }
        match self.path.strip_prefix(OFFICIAL) {
            Some(short) if !short.contains('/') => short.to_owned(),
            _ => self.path.clone(),
        }
    }

    /// The whole as people write it: `busybox:latest`.
    pub fn familiar(&self) -> String {
        self.append_rest(self.familiar_name())
    }

    /// Whether neither tag nor digest are written.
    pub fn is_name_only(&self) -> bool {
        self.tag.is_none() && self.digest.is_none()
    }

    /// With `latest` if neither tag nor digest are written.
    pub fn with_default_tag(mut self) -> Reference {
        if self.is_name_only() {
            self.tag = Some(DEFAULT_TAG.to_owned());
        }
        self
    }

    /// With this tag, and without digest.
    pub fn with_tag(&self, tag: &str) -> Result<Reference, ReferenceError> {
        match is_tag(tag) {
            true => Ok(Reference { tag: Some(tag.to_owned()), digest: None, ..self.clone() }),
            false => Err(ReferenceError::Tag),
        }
    }

    /// With this digest, and without tag.
    pub fn with_digest(&self, digest: Digest) -> Reference {
        Reference { tag: None, digest: Some(digest), ..self.clone() }
    }

    /// Without tag and digest.
    pub fn name_only(&self) -> Reference {
        Reference { tag: None, digest: None, ..self.clone() }
    }

    /// Whether a pattern of the `reference` filter (`busy*`, `*/*:1.?`) means it: `*` and `?` stop
    /// at slashes; with or without the tag. `None` when the pattern is malformed.
    pub fn matches(&self, pattern: &str) -> Option<bool> {
        let whole = glob::matches(pattern, &self.familiar())?;
        Some(whole || glob::matches(pattern, &self.familiar_name())?)
    }

    fn append_rest(&self, mut text: String) -> String {
        if let Some(tag) = &self.tag {
            text.push(':');
            text.push_str(tag);
        }
        if let Some(digest) = &self.digest {
            text.push('@');
            text.push_str(&digest.to_string());
        }
        text
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.append_rest(self.repository()))
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Reference, ReferenceError> {
        Reference::parse(text)
    }
}

impl AnyReference {
    /// Reads an id, a digest or a name. Shortened ids read as names; only a store can tell.
    pub fn parse(text: &str) -> Result<AnyReference, ReferenceError> {
        if is_id(text) {
            let digest = Digest::from_sha256_hex(text).map_err(ReferenceError::Digest)?;
            return Ok(AnyReference::Digest(digest));
        }
        match Digest::parse(text) {
            Ok(digest) => Ok(AnyReference::Digest(digest)),
            Err(_) => Reference::parse(text).map(AnyReference::Name),
        }
    }
}

fn is_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// The first component is a domain if it has a dot, a colon or an upper-case letter, or is
/// `localhost`.
fn split_domain(text: &str) -> (String, String) {
    let is_written = |first: &str| {
        first.contains(['.', ':']) || first == "localhost" || first.chars().any(char::is_uppercase)
    };
    let (domain, path) = match text.split_once('/') {
        Some((first, rest)) if is_written(first) => (first, rest),
        _ => (DEFAULT_DOMAIN, text),
    };
    let domain = if domain == LEGACY_DOMAIN { DEFAULT_DOMAIN } else { domain };
    let path = match domain == DEFAULT_DOMAIN && !path.contains('/') {
        true => format!("{OFFICIAL}{path}"),
        false => path.to_owned(),
    };
    (domain.to_owned(), path)
}

fn is_domain(domain: &str) -> bool {
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    if let Some(rest) = domain.strip_prefix('[') {
        let Some((address, rest)) = rest.split_once(']') else { return false };
        let is_address =
            !address.is_empty() && address.bytes().all(|b| b.is_ascii_hexdigit() || b == b':');
        return is_address && (rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port));
    }
    let (host, port) = match domain.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (domain, None),
    };
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    host.split('.').all(is_label) && port.is_none_or(is_port)
}

fn is_path(path: &str) -> bool {
    path.split('/').all(is_path_component)
}

/// Lower-case letters and digits; between them one dot, one or two underscores, or any dashes.
fn is_path_component(component: &str) -> bool {
    let is_plain = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = component.as_bytes();
    if !bytes.first().is_some_and(is_plain) || !bytes.last().is_some_and(is_plain) {
        return false;
    }
    let is_separator = |run: &[u8]| match run {
        b"" | b"." | b"_" | b"__" => true,
        dashes => dashes.iter().all(|b| *b == b'-'),
    };
    bytes.split(is_plain).all(is_separator)
}

fn is_tag(tag: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    tag.len() <= TAG_BYTES_MAX
        && tag.bytes().next().is_some_and(is_word)
        && tag.bytes().all(|b| is_word(b) || b == b'.' || b == b'-')
}

/// What has not even the form of a digest makes the whole reference malformed.
fn parse_digest(text: &str) -> Result<Digest, ReferenceError> {
    let has_form = text.split_once(':').is_some_and(|(name, hex)| {
        !name.is_empty() && hex.len() >= 32 && hex.bytes().all(|b| b.is_ascii_hexdigit())
    });
    match has_form {
        true => Digest::parse(text).map_err(ReferenceError::Digest),
        false => Err(ReferenceError::Format),
    }
}

#[cfg(test)]
mod tests;
