//! What can go wrong. Texts that users of Docker know are Docker's.

use oci::{Digest, Platform, Reference};
use registry::{ErrorCode, RegistryError};
use stdx::Kind;
use store::StoreError;

/// A pull, a push or a question to a registry failed.
#[derive(Debug, thiserror::Error)]
pub enum DistributionError {
    /// The registry says there is none, or that this account may not have it.
    #[error("{}", pull_text(reference, cause))]
    Pull {
        /// What was asked for.
        reference: Box<Reference>,
        /// What the registry said.
        cause: Box<RegistryError>,
    },
    /// The registry or the way to it failed.
    #[error("{0}")]
    Registry(Box<RegistryError>),
    /// The store failed.
    #[error("{0}")]
    Store(#[source] StoreError),
    /// An index has nothing for the platform.
    #[error("no matching manifest for {platform} in the manifest list entries")]
    NoPlatform {
        /// What was wished.
        platform: Platform,
    },
    /// It is no image of a container, but something else that registries keep.
    #[error("{}", artifact_text(reference, media_type))]
    NoImage {
        /// What was asked for.
        reference: Box<Reference>,
        /// The media type of its configuration.
        media_type: String,
    },
    /// Manifest, configuration and layers do not belong together.
    #[error("failed to pull `{reference}`: {reason}")]
    Mismatch {
        /// What was asked for.
        reference: String,
        /// What does not fit.
        reason: String,
    },
    /// There is nothing to push under this name.
    #[error("An image does not exist locally with the tag: {name}")]
    NoSuchTag {
        /// Without tag.
        name: String,
    },
    /// A request that makes no sense.
    #[error("{text}")]
    Invalid {
        /// For the client.
        text: String,
    },
    /// A task of ours ended before its time.
    #[error("failed to finish the transfer of `{digest}`: it was cut off")]
    Cancelled {
        /// Of which blob.
        digest: Digest,
    },
}

impl DistributionError {
    /// What sort of failure it is.
    pub fn kind(&self) -> Kind {
        match self {
            DistributionError::Pull { cause, .. } => match cause.code() {
                // What may not be seen does not exist, as Docker has it.
                Some(ErrorCode::Denied) => Kind::NotFound,
                _ => cause.kind(),
            },
            DistributionError::Registry(error) => error.kind(),
            DistributionError::Store(error) => error.kind(),
            DistributionError::NoPlatform { .. } | DistributionError::NoSuchTag { .. } => {
                Kind::NotFound
            }
            DistributionError::NoImage { .. }
            | DistributionError::Mismatch { .. }
            | DistributionError::Invalid { .. } => Kind::Invalid,
            DistributionError::Cancelled { .. } => Kind::Unavailable,
        }
    }
}

/// Docker's three ways to say that an image cannot be had.
fn pull_text(reference: &Reference, cause: &RegistryError) -> String {
    match cause.code() {
        Some(ErrorCode::Denied) => format!(
            "pull access denied for {}, repository does not exist or may require 'docker login': \
             {cause}",
            reference.familiar_name()
        ),
        Some(ErrorCode::ManifestUnknown) => {
            format!("manifest for {} not found: {cause}", reference.familiar())
        }
        Some(ErrorCode::NameUnknown) => {
            format!("repository {} not found: {cause}", reference.familiar_name())
        }
        _ => cause.to_string(),
    }
}

fn artifact_text(reference: &Reference, media_type: &str) -> String {
    let media_type = media_type.escape_default();
    format!(
        "encountered remote \"{media_type}\"(unknown) when fetching {}: it is no container image",
        reference.familiar()
    )
}
