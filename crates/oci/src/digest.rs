//! Digests and hashing.

use std::fmt;
use std::io::{self, Read, Write};
use std::str::FromStr;

use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize, Serializer};
use sha2::{Digest as _, Sha256, Sha512};
use stdx::Kind;

/// A hash function that digests may use.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Algorithm {
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl Algorithm {
    /// As in front of the colon.
    pub const fn name(self) -> &'static str {
        match self {
            Algorithm::Sha256 => "sha256",
            Algorithm::Sha512 => "sha512",
        }
    }

    const fn hex_length(self) -> usize {
        match self {
            Algorithm::Sha256 => 64,
            Algorithm::Sha512 => 128,
        }
    }
}

/// `algorithm:hex` with a known algorithm and exactly its number of lower-case digits. Safe as a
/// file name once the colon is replaced.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Digest {
    algorithm: Algorithm,
    hex: String,
}

/// A text is not a digest, or content does not have the digest it should have.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum DigestError {
    /// There is no `algorithm:hex`.
    #[error("invalid checksum digest format")]
    Format,
    /// The algorithm is not known.
    #[error("unsupported digest algorithm")]
    Algorithm,
    /// The algorithm has another number of digits.
    #[error("invalid checksum digest length")]
    Length,
    /// Content is not what was promised.
    #[error("failed to verify content: it has digest `{found}`, expected `{expected}`")]
    Mismatch {
        /// What was promised.
        expected: Digest,
        /// What came.
        found: Digest,
    },
    /// Content is not as long as was promised.
    #[error("failed to verify content: it has `{found}` bytes, expected `{expected}`")]
    Size {
        /// What was promised.
        expected: u64,
        /// What came.
        found: u64,
    },
}

impl DigestError {
    /// What sort of failure it is.
    pub fn kind(&self) -> Kind {
        Kind::Invalid
    }
}

impl Digest {
    /// The SHA-256 digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Digest {
        let mut hasher = Hasher::new();
        hasher.update(bytes);
        hasher.finish()
    }

    /// A SHA-256 digest by its 64 lower-case digits.
    pub fn from_sha256_hex(hex: &str) -> Result<Digest, DigestError> {
        Digest::checked(Algorithm::Sha256, hex)
    }

    /// Reads `algorithm:hex`.
    pub fn parse(text: &str) -> Result<Digest, DigestError> {
        let (name, hex) = text.split_once(':').ok_or(DigestError::Format)?;
        if !is_algorithm_name(name) || hex.is_empty() {
            return Err(DigestError::Format);
        }
        let algorithm = match name {
            "sha256" => Algorithm::Sha256,
            "sha512" => Algorithm::Sha512,
            _ => return Err(DigestError::Algorithm),
        };
        Digest::checked(algorithm, hex)
    }

    fn checked(algorithm: Algorithm, hex: &str) -> Result<Digest, DigestError> {
        if hex.len() != algorithm.hex_length() {
            return Err(DigestError::Length);
        }
        match hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            true => Ok(Digest { algorithm, hex: hex.to_owned() }),
            false => Err(DigestError::Format),
        }
    }

    /// Its algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Its digits.
    pub fn hex(&self) -> &str {
        &self.hex
    }

    /// Its first twelve digits, as Docker prints image ids.
    pub fn short(&self) -> &str {
        self.hex.get(..12).unwrap_or(&self.hex)
    }

    /// Checks that `bytes` have this digest, whatever its algorithm.
    pub fn verify(&self, bytes: &[u8]) -> Result<(), DigestError> {
        let mut hasher = Hasher::with(self.algorithm);
        hasher.update(bytes);
        hasher.finish_as(self)
    }
}

fn is_algorithm_name(name: &str) -> bool {
    let parts = name.split(['+', '.', '_', '-']);
    let is_part = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    parts.into_iter().all(is_part)
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.name(), self.hex)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Digest, DigestError> {
        Digest::parse(text)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Digest::parse(&text).map_err(D::Error::custom)
    }
}

/// The digest of a stack of layers: the first diff id, then the hash of "chain, blank, diff id" for
/// every further one (image-spec config.md#layer-chainid). `None` for no layers.
pub fn chain_id(diff_ids: &[Digest]) -> Option<Digest> {
    let (first, rest) = diff_ids.split_first()?;
    let extend = |chain: Digest, next: &Digest| Digest::of(format!("{chain} {next}").as_bytes());
    Some(rest.iter().fold(first.clone(), extend))
}

/// Hashes and counts bytes as they come.
#[derive(Clone)]
pub struct Hasher {
    state: State,
    bytes: u64,
}

#[derive(Clone)]
enum State {
    Sha256(Sha256),
    Sha512(Box<Sha512>),
}

impl Default for Hasher {
    fn default() -> Hasher {
        Hasher::new()
    }
}

impl Hasher {
    /// With SHA-256.
    pub fn new() -> Hasher {
        Hasher::with(Algorithm::Sha256)
    }

    /// With any algorithm.
    pub fn with(algorithm: Algorithm) -> Hasher {
        let state = match algorithm {
            Algorithm::Sha256 => State::Sha256(Sha256::new()),
            Algorithm::Sha512 => State::Sha512(Box::new(Sha512::new())),
        };
        Hasher { state, bytes: 0 }
    }

    /// Takes more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        match &mut self.state {
            State::Sha256(state) => state.update(bytes),
            State::Sha512(state) => state.update(bytes),
        }
    }

    /// How many bytes came.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The digest of all that came.
    pub fn finish(self) -> Digest {
        let (algorithm, hex) = match self.state {
            State::Sha256(state) => (Algorithm::Sha256, stdx::id::hex(&state.finalize())),
            State::Sha512(state) => (Algorithm::Sha512, stdx::id::hex(&state.finalize())),
        };
        Digest { algorithm, hex }
    }

    /// Checks that all that came has digest `expected`.
    pub fn finish_as(self, expected: &Digest) -> Result<(), DigestError> {
        let found = self.finish();
        match found == *expected {
            true => Ok(()),
            false => Err(DigestError::Mismatch { expected: expected.clone(), found }),
        }
    }
}

/// Passes bytes on to a writer and hashes what it took.
pub struct HashingWriter<W> {
    inner: W,
    hasher: Hasher,
}

impl<W: Write> HashingWriter<W> {
    /// With SHA-256.
    pub fn new(inner: W) -> HashingWriter<W> {
        HashingWriter { inner, hasher: Hasher::new() }
    }

    /// With the algorithm of the digest that is expected.
    pub fn expecting(inner: W, digest: &Digest) -> HashingWriter<W> {
        HashingWriter { inner, hasher: Hasher::with(digest.algorithm()) }
    }

    /// How many bytes were written.
    pub fn bytes(&self) -> u64 {
        self.hasher.bytes()
    }

    /// The writer, the digest and the number of bytes.
    pub fn finish(self) -> (W, Digest, u64) {
        let bytes = self.hasher.bytes();
        (self.inner, self.hasher.finish(), bytes)
    }

    /// The writer, if exactly the promised content was written.
    pub fn finish_as(self, digest: &Digest, bytes: u64) -> Result<W, DigestError> {
        let found = self.hasher.bytes();
        if found != bytes {
            return Err(DigestError::Size { expected: bytes, found });
        }
        self.hasher.finish_as(digest).map(|()| self.inner)
    }
}

impl<W: Write> Write for HashingWriter<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let taken = self.inner.write(buffer)?;
        self.hasher.update(buffer.get(..taken).unwrap_or(buffer));
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Passes bytes on from a reader and hashes what it gave.
pub struct HashingReader<R> {
    inner: R,
    hasher: Hasher,
}

impl<R: Read> HashingReader<R> {
    /// With SHA-256.
    pub fn new(inner: R) -> HashingReader<R> {
        HashingReader { inner, hasher: Hasher::new() }
    }

    /// With the algorithm of the digest that is expected.
    pub fn expecting(inner: R, digest: &Digest) -> HashingReader<R> {
        HashingReader { inner, hasher: Hasher::with(digest.algorithm()) }
    }

    /// The reader, the digest and the number of bytes so far.
    pub fn finish(self) -> (R, Digest, u64) {
        let bytes = self.hasher.bytes();
        (self.inner, self.hasher.finish(), bytes)
    }
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let given = self.inner.read(buffer)?;
        self.hasher.update(buffer.get(..given).unwrap_or_default());
        Ok(given)
    }
}

#[cfg(test)]
mod tests;
