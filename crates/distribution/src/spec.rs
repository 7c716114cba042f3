//! What is wished, and what came of it.

use std::time::Duration;

use oci::{Descriptor, Digest, Platform, Reference};
use registry::{Credentials, NetworkSpec};

/// How an engine deals with registries.
#[derive(Clone, Debug)]
pub struct RegistriesSpec {
    /// Which, and the way to them.
    pub network: NetworkSpec,
    /// `max-concurrent-downloads`: blobs that arrive at a time, for the whole engine.
    pub downloads_max: usize,
    /// `max-concurrent-uploads`: blobs that leave at a time, for the whole engine.
    pub uploads_max: usize,
    /// `max-download-attempts`: how often a blob is tried for before the pull fails.
    pub attempts_max: u32,
    /// The wait after a first failure; after a second one it is twice that, and so on.
    pub retry_step: Duration,
    /// What images are chosen for when nothing is said: the engine's own platform.
    pub platform: Platform,
}

impl Default for RegistriesSpec {
    /// Docker's numbers.
    fn default() -> RegistriesSpec {
        RegistriesSpec {
            network: NetworkSpec::default(),
            downloads_max: 3,
            uploads_max: 5,
            attempts_max: 5,
            retry_step: Duration::from_secs(5),
            platform: Platform::host(),
        }
    }
}

/// A pull that is wished.
#[derive(Clone, Debug)]
pub struct PullSpec {
    /// A name with a tag or a digest; without either, all tags are pulled.
    pub reference: Reference,
    /// Instead of the engine's own.
    pub platform: Option<Platform>,
    /// Who asks.
    pub credentials: Option<Credentials>,
}

/// One image that was pulled.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pulled {
    /// Its name, with a tag or a digest.
    pub reference: Reference,
    /// The image's id.
    pub id: Digest,
    /// The digest of what the name stands for: an index, or a manifest.
    pub digest: Digest,
    /// Whether the name did not stand for that before.
    pub is_newer: bool,
}

/// A push that is wished.
#[derive(Clone, Debug)]
pub struct PushSpec {
    /// A name with a tag; without one, all tags of that name are pushed.
    pub reference: Reference,
    /// Only this platform of an image that has several.
    pub platform: Option<Platform>,
    /// Who asks.
    pub credentials: Option<Credentials>,
}

/// What was pushed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pushed {
    /// In the order of the push.
    pub tags: Vec<PushedTag>,
}

/// One name that was pushed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PushedTag {
    /// Its tag.
    pub tag: String,
    /// Digest of the manifest or index.
    pub digest: Digest,
    /// Bytes of the manifest or index.
    pub size: u64,
}

/// A login that succeeded.
#[derive(Clone, Eq, PartialEq)]
pub struct Login {
    /// A refresh token that the token server gave instead of the password.
    pub identity_token: Option<String>,
}

/// What a name stands for at its registry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DistributionInspect {
    /// Manifest or index.
    pub descriptor: Descriptor,
    /// For what there are images in it.
    pub platforms: Vec<Platform>,
}

/// A search that is wished.
#[derive(Clone, Debug)]
pub struct SearchSpec {
    /// `nginx`, or `registry.example.com/nginx`.
    pub term: String,
    /// How many results the registry gives; Docker's default is 25, the most 100.
    pub limit: u32,
    /// Only official repositories, or only others.
    pub is_official: Option<bool>,
    /// Only repositories with so many stars.
    pub stars_min: u64,
    /// Who asks.
    pub credentials: Option<Credentials>,
}

/// One repository that was found.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SearchResult {
    /// Its name.
    pub name: String,
    /// In one line.
    pub description: String,
    /// How many like it.
    pub star_count: u64,
    /// Whether it is curated.
    pub is_official: bool,
}
