//! Archives: streams, their compression, what is in them, and what becomes of it in a directory.
//!
//! Glossary:
//! - *member*: one file, directory or link of an archive.
//! - *layer*: an archive of changes; unpacked, a directory that overlay takes as a lower one.
//! - *recipe*: what a layer's archive held besides the contents of files.
//!
//! Everything here reads foreign bytes: what two common readers would take differently is an
//! error, everything has a limit, and paths are walked by descriptors only. It knows nothing of
//! images, registries or the store.

pub mod compress;
pub mod decompress;
pub mod pack;
pub mod recipe;
pub mod tar;
pub mod unpack;

pub use recipe::LayerStream;
pub use unpack::{DeviceNode, LayerFacts, UnpackError, UnpackLimits, Unpacker, unpack_worker_main};

/// The tests' common part names this crate as other crates do.
#[cfg(test)]
extern crate self as archive;
#[cfg(test)]
mod testing;
