//! The registries of one engine.

use std::sync::Arc;

use oci::Reference;
use registry::Credentials;
use store::Store;

use crate::error::DistributionError;
use crate::progress::Progress;
use crate::spec::{
    DistributionInspect, Login, PullSpec, Pulled, PushSpec, Pushed, RegistriesSpec, SearchResult,
    SearchSpec,
};

/// One per engine: configuration, connections, tokens, and the transfers that are going on.
pub struct Registries {
    spec: RegistriesSpec,
    store: Arc<Store>,
}

impl Registries {
    /// For this store. Nothing is read or sent yet.
    pub fn new(spec: RegistriesSpec, store: Arc<Store>) -> Registries {
        Registries { spec, store }
    }

    /// Pulls one tag or digest, or all tags of a name without either. Dropping the future stops
    /// what nobody else waits for; what arrived is kept for the next time.
    ///
    /// # Errors
    /// In Docker's words; see [`DistributionError`].
    pub async fn pull(
        &self,
        _spec: PullSpec,
        _progress: &Progress,
    ) -> Result<Vec<Pulled>, DistributionError> {
        Err(self.unsupported("pull"))
    }

    /// Pushes one tag, or all tags of a name without one.
    ///
    /// # Errors
    /// In Docker's words; see [`DistributionError`].
    pub async fn push(
        &self,
        _spec: PushSpec,
        _progress: &Progress,
    ) -> Result<Pushed, DistributionError> {
        Err(self.unsupported("push"))
    }

    /// Checks credentials with a registry: `host[:port]`, or Docker's own address for its Hub.
    ///
    /// # Errors
    /// In Docker's words.
    pub async fn login(
        &self,
        _server: &str,
        _credentials: &Credentials,
    ) -> Result<Login, DistributionError> {
        Err(self.unsupported("login"))
    }

    /// What a name stands for at its registry.
    ///
    /// # Errors
    /// In Docker's words.
    pub async fn inspect(
        &self,
        _reference: &Reference,
        _credentials: Option<&Credentials>,
    ) -> Result<DistributionInspect, DistributionError> {
        Err(self.unsupported("distribution inspect"))
    }

    /// Repositories that a registry finds for a term.
    ///
    /// # Errors
    /// In Docker's words.
    pub async fn search(&self, _spec: SearchSpec) -> Result<Vec<SearchResult>, DistributionError> {
        Err(self.unsupported("search"))
    }

    /// All tags of a name.
    ///
    /// # Errors
    /// In Docker's words.
    pub async fn tags(
        &self,
        _repository: &Reference,
        _credentials: Option<&Credentials>,
    ) -> Result<Vec<String>, DistributionError> {
        Err(self.unsupported("list tags"))
    }

    fn unsupported(&self, operation: &'static str) -> DistributionError {
        tracing::debug!(platform = %self.spec.platform, images = self.store.images().len());
        DistributionError::Unsupported { operation }
    }
}
