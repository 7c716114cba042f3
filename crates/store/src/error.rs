//! What can go wrong.

use std::error::Error;
use std::path::PathBuf;

use oci::{Digest, ReferenceError};
use stdx::Kind;
use stdx::fs::PathError;

use crate::ingest::IngestError;
use archive::unpack::UnpackError;
use change::ChangeError;

/// Why the store did not do something. Texts that Docker's clients see are Docker's own.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file or directory of the store could not be used.
    #[error("use the store")]
    Disk(#[source] PathError),
    /// Another process has the store open.
    #[error("open the store `{}`: another engine is using it", root.display())]
    Locked {
        /// The store's directory.
        root: PathBuf,
    },
    /// The store was written by another version.
    #[error("open the store `{}`: it has format `{found}`, this engine knows 2", root.display())]
    Version {
        /// The store's directory.
        root: PathBuf,
        /// What it says.
        found: String,
    },
    /// No image has this name or id.
    #[error("No such image: {reference}")]
    NoSuchImage {
        /// As people write it.
        reference: String,
    },
    /// The image is for another platform.
    #[error("no suitable export target found for platform {platform}")]
    NoSuchPlatform {
        /// What was asked for.
        platform: String,
    },
    /// A text is not a name of an image.
    #[error("{0}")]
    Reference(ReferenceError),
    /// The image's state forbids it; the text is Docker's.
    #[error("conflict: {text}")]
    Conflict {
        /// What stands against it.
        text: String,
    },
    /// What came in is no image, or not a sound one.
    #[error("{text}")]
    BadImage {
        /// For the client.
        text: String,
        /// What was found wrong, if another part found it.
        #[source]
        cause: Option<Box<dyn Error + Send + Sync>>,
    },
    /// A layer could not be unpacked.
    #[error("process the layer")]
    Unpack(#[source] UnpackError),
    /// A blob did not come in.
    #[error("{0}")]
    Ingest(IngestError),
    /// An instruction of `--change` is wrong.
    #[error("{0}")]
    Change(ChangeError),
    /// A layer of the image is not on disk.
    #[error("find the layer `{diff_id}`: it is damaged or gone; load or pull the image again")]
    MissingLayer {
        /// Which.
        diff_id: Digest,
    },
    /// The container has no root file system here.
    #[error("find the root file system of the container `{container}`")]
    NoSuchRootfs {
        /// Its id.
        container: String,
    },
    /// The container has a root file system already.
    #[error("create the root file system of the container `{container}`: it exists")]
    RootfsExists {
        /// Its id.
        container: String,
    },
}

impl StoreError {
    /// What sort of failure this is.
    pub fn kind(&self) -> Kind {
        match self {
            StoreError::Disk(error) => match error.cause.kind() {
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                    Kind::Exhausted
                }
                _ => Kind::Internal,
            },
            StoreError::Locked { .. } => Kind::Unavailable,
            StoreError::Version { .. } => Kind::Unsupported,
            StoreError::NoSuchImage { .. }
            | StoreError::NoSuchRootfs { .. }
            | StoreError::NoSuchPlatform { .. } => Kind::NotFound,
            StoreError::Reference(_) | StoreError::BadImage { .. } | StoreError::Change(_) => {
                Kind::Invalid
            }
            StoreError::Conflict { .. } | StoreError::RootfsExists { .. } => Kind::Conflict,
            StoreError::Unpack(error) => error.kind(),
            StoreError::Ingest(error) => error.kind(),
            StoreError::MissingLayer { .. } => Kind::Internal,
        }
    }

    /// A bad image, with nothing more to say.
    pub(crate) fn bad_image(text: impl Into<String>) -> StoreError {
        StoreError::BadImage { text: text.into(), cause: None }
    }

    /// A bad image, with what was found.
    pub(crate) fn bad_image_of(
        text: &str,
        cause: impl Error + Send + Sync + 'static,
    ) -> StoreError {
        StoreError::BadImage { text: text.to_owned(), cause: Some(Box::new(cause)) }
    }
}
