//! Images, and the root file systems of containers, on disk.
//!
//! Glossary:
//! - *blob*: a configuration or manifest, stored by its digest.
//! - *layer*: one archive of an image, unpacked into one directory of its own changes. Its name is
//!   its *diff id*, the digest of the uncompressed archive. Layers are immutable and shared.
//! - *image*: a configuration and the layers that it names; its *id* is the configuration's digest.
//! - *name*: a full reference (`docker.io/library/busybox:latest`) that stands for an image.
//! - *lease*: keeps layers that no image stands on yet.
//! - *root file system*: an image's layers and a container's own changes. This crate prepares the
//!   directories; it mounts nothing.
//! - *trash*: what was taken out of view and is deleted later by [`Store::sweep`].
//!
//! The layout on disk is known here only; `docs/formats/store.md` has it. What is visible there is
//! whole and durable: the process may be killed at any moment.
//!
//! This crate is synchronous and blocks on disks. It knows nothing of mounts, running containers,
//! registries or HTTP.

mod blob;
mod commit;
mod diff;
mod disk;
mod error;
pub mod failpoint;
mod image;
mod import;
mod ingest;
mod layer;
mod lease;
mod load;
mod named;
mod push;
mod record;
mod remove;
mod rootfs;
mod save;
mod store;
mod tag;
mod usage;

pub use commit::CommitSpec;
pub use diff::{Change, ChangeKind};
pub use error::StoreError;
pub use image::{Image, ImageFlags};
pub use import::ImportSpec;
pub use ingest::{Ingest, IngestError};
pub use layer::{LayerStream, PendingLayer};
pub use lease::Lease;
pub use load::{LoadProgress, Loaded};
pub use named::{ManifestKind, TargetManifest};
pub use record::{BlobRecord, LayerRecord};
pub use remove::{ImageUser, RemoveSpec, Removed};
pub use rootfs::{Rootfs, RootfsPaths, RootfsSize};
pub use save::SavePlan;
pub use store::Store;
pub use usage::LayerUsage;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
