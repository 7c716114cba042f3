//! OCI images and runtimes on paper: references, digests, manifests, image configurations,
//! platforms, and the runtime specification's `config.json` and state.
//!
//! Glossary:
//! - *reference*: a name of an image, as people write it (`busybox`) or in full
//!   (`docker.io/library/busybox:latest`).
//! - *digest*: `algorithm:hex`, the name that content has by itself.
//! - *descriptor*: media type, digest and size of some content.
//! - *diff id*: digest of an unpacked layer; *chain id*: digest of a stack of them.
//!
//! All of it comes from strangers: sizes and depths are limited, what two readers could understand
//! differently is refused, nothing here panics on foreign bytes. The bytes themselves are the
//! truth: whoever needs the digest of a document keeps the bytes it was read from.
//!
//! This crate knows nothing of files, networks or Docker's API.

pub mod digest;
pub mod image_config;
pub mod json;
pub mod manifest;
pub mod platform;
pub mod reference;
pub mod runtime_spec;

pub use digest::{Algorithm, Digest, DigestError, Hasher, HashingReader, HashingWriter, chain_id};
pub use image_config::{HealthCheck, HistoryEntry, ImageConfig, ImageDefaults, RootFs};
pub use json::JsonError;
pub use manifest::{Descriptor, Document, Index, Manifest, ManifestError, media_type};
pub use platform::{Platform, PlatformError};
pub use reference::{AnyReference, Reference, ReferenceError};
