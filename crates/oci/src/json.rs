//! Reading foreign JSON within limits.

use serde::de::{Deserialize, DeserializeOwned, Deserializer};
use stdx::Kind;

/// No manifest, configuration or bundle of honest people nests deeper.
pub const DEPTH_MAX: usize = 64;

/// A JSON document cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// It is larger than its kind may be.
    #[error("failed to read a document of `{bytes}` bytes: at most `{bytes_max}` are allowed")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// Its arrays and objects nest too deep.
    #[error("failed to read a document: it nests deeper than `{DEPTH_MAX}` levels")]
    TooDeep,
    /// It is a list or a single value where an object belongs.
    #[error("failed to read a document: it is not an object")]
    NoObject,
    /// It is not JSON, or not of the expected shape.
    #[error("failed to read a document as JSON")]
    Malformed(#[source] serde_json::Error),
}

impl JsonError {
    /// What sort of failure it is.
    pub fn kind(&self) -> Kind {
        Kind::Invalid
    }
}

/// Reads a document of at most `bytes_max` bytes. Unknown keys are ignored, repeated ones refused.
pub fn read<T: DeserializeOwned>(bytes: &[u8], bytes_max: usize) -> Result<T, JsonError> {
    if bytes.len() > bytes_max {
        return Err(JsonError::TooLarge { bytes: bytes.len(), bytes_max });
    }
    if depth(bytes) > DEPTH_MAX {
        return Err(JsonError::TooDeep);
    }
    serde_json::from_slice(bytes).map_err(JsonError::Malformed)
}

/// Like [`read`], for documents that must be objects: a struct would also be read from a list.
pub fn read_object<T: DeserializeOwned>(bytes: &[u8], bytes_max: usize) -> Result<T, JsonError> {
    match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{') | None => read(bytes, bytes_max),
        Some(_) => Err(JsonError::NoObject),
    }
}

/// The deepest nesting of brackets outside strings.
fn depth(bytes: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0usize, 0);
    let (mut in_string, mut escaped) = (false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Reads a value; `null` is its default.
pub(crate) fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests;
