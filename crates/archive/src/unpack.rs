//! One layer's stream to one directory.
//!
//! The directory holds exactly the layer's own changes, ready to be a lower directory of overlay
//! mounted with `userxattr`: whiteouts are character devices 0:0, opaque directories carry
//! `user.overlay.opaque`. Owners are the archive's own numbers.
//!
//! Every path is resolved from the directory's descriptor by `openat2` without symbolic links, so
//! that a hostile layer can damage itself at most; [`Unpacker`] runs this in a jail all the same.

mod apply;
pub mod attributes;
pub mod path;
mod tree;
mod worker;

#[cfg(test)]
pub mod tests;

use std::io;

use serde::{Deserialize, Serialize};
use stdx::Kind;

use crate::tar::TarError;

pub use apply::unpack;
pub use apply::unpack_recorded;
pub(crate) use attributes::set_times;
pub use worker::{UnpackError, Unpacker, unpack_worker_main};

/// What one layer may be at most.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct UnpackLimits {
    /// Bytes of the stream once decompressed, and sizes of all files together.
    pub bytes_max: u64,
    /// Members of the archive.
    pub entries_max: u64,
}

/// What is known of a layer once it is unpacked.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct LayerFacts {
    /// `sha256:` and the digest of the uncompressed stream.
    pub diff_id: String,
    /// Sizes of all files together, and lengths of symbolic links, as Docker counts.
    pub size: u64,
    /// Bytes of the uncompressed stream; 0 where an earlier version unpacked it.
    #[serde(default)]
    pub stream_bytes: u64,
    /// Members of the archive.
    pub entries: u64,
    /// Largest owner seen.
    pub largest_uid: u32,
    /// Largest group seen.
    pub largest_gid: u32,
    /// Whether a file has the set-user-id or set-group-id bit.
    pub has_set_id: bool,
    /// Whether a file has `security.capability`.
    pub has_file_capabilities: bool,
    /// Whether a file is a 32-bit ELF.
    pub has_elf32: bool,
    /// Whether the layer hides everything below it.
    pub is_opaque: bool,
    /// What the archive says about the root directory, if it does.
    pub root: Option<RootAttributes>,
    /// Device nodes in the archive; they are not made.
    pub devices: Vec<DeviceNode>,
    /// Extended attributes that were left out.
    pub xattrs_dropped: u64,
}

/// Mode and owner of a layer's root directory.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct RootAttributes {
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// A device node that an archive asks for.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct DeviceNode {
    /// Path inside the layer; bytes that are not UTF-8 are replaced.
    pub path: String,
    /// Whether it is a block device; a character device otherwise.
    pub is_block: bool,
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// Why a layer was not unpacked.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// The archive cannot be read.
    #[error("read the layer")]
    Archive(#[source] TarError),
    /// The stream's start cannot be read.
    #[error("read the layer's start")]
    Stream(#[source] io::Error),
    /// A member asks for what is not done.
    #[error("unpack `{path}`: {reason}")]
    Refused {
        /// The member's path, printable.
        path: String,
        /// Why not.
        reason: &'static str,
    },
    /// The file system refused.
    #[error("{operation} `{path}` in the layer")]
    System {
        /// What was tried.
        operation: &'static str,
        /// The member's path, printable.
        path: String,
        /// The kernel's answer.
        #[source]
        cause: io::Error,
    },
    /// A limit is passed.
    #[error("unpack the layer: more than {limit} {what}")]
    Limit {
        /// Of what there is too much.
        what: &'static str,
        /// How much is taken.
        limit: u64,
    },
}

impl LayerError {
    /// What sort of failure this is.
    pub fn kind(&self) -> Kind {
        match self {
            LayerError::Archive(_) | LayerError::Stream(_) | LayerError::Refused { .. } => {
                Kind::Invalid
            }
            LayerError::Limit { .. } => Kind::Exhausted,
            LayerError::System { cause, .. } => of_system(cause),
        }
    }
}

/// What sort of failure the kernel's answer is.
fn of_system(cause: &io::Error) -> Kind {
    match cause.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Kind::Exhausted,
        _ => Kind::Internal,
    }
}

/// Foreign bytes in a form that can be printed.
pub fn printable(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}
