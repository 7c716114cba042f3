//! Pull and push: images between registries and the store.
//!
//! Glossary:
//! - *target*: the manifest or index that a name stands for at a registry.
//! - *transfer*: one blob on its way, in either direction; however many ask for the same blob, it
//!   travels once.
//! - *progress*: what happens meanwhile, as typed events; who reads slowly misses numbers, never
//!   results.
//!
//! Everything is verified by digest while it arrives; nothing is visible in the store before all
//! of it is there. This crate keeps no passwords, and knows nothing of the Engine API's texts
//! except those of errors.

mod blocking;
mod download;
mod error;
mod progress;
mod pull;
mod push;
mod registries;
mod retry;
mod spec;
mod turns;
mod upload;

pub use error::DistributionError;
pub use progress::{LayerStatus, Progress, ProgressEvent, ProgressReader};
pub use registries::Registries;
pub use registry::{Credentials, ErrorCode, NetworkSpec, ProxySpec, RegistryError, Timeouts};
pub use spec::{
    DistributionInspect, Login, PullSpec, Pulled, PushSpec, Pushed, PushedTag, RegistriesSpec,
    SearchResult, SearchSpec,
};

#[cfg(test)]
mod tests;
