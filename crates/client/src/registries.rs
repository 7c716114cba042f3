//! Calls that the engine passes on to registries.

use docker_api::{AuthConfig, AuthResponse, Filters, JsonMessage, SearchResult};

use crate::body::JsonLines;
use crate::connection::{Call, Client};
use crate::error::ClientError;
use crate::images::platform_json;
use crate::params::Target;

/// What is pulled.
#[derive(Clone, Debug, Default)]
pub struct PullOptions {
    /// Domain and path.
    pub repository: String,
    /// Tag or digest; empty: all tags.
    pub tag: String,
    /// `os[/architecture[/variant]]`; empty: the engine's own.
    pub platform: String,
}

/// What is pushed.
#[derive(Clone, Debug, Default)]
pub struct PushOptions {
    /// Domain and path.
    pub repository: String,
    /// Tag; empty: all tags.
    pub tag: String,
    /// `os[/architecture[/variant]]`; empty: everything that the name stands for.
    pub platform: String,
}

/// What is searched for.
#[derive(Clone, Debug, Default)]
pub struct SearchOptions {
    /// Term, perhaps behind a registry.
    pub term: String,
    /// Most results; 0 leaves it to the engine.
    pub limit: i64,
    /// Those that match.
    pub filters: Filters,
}

impl Client {
    /// Brings images from a registry. Returns when the registry was found to have them.
    pub async fn image_pull(
        &self,
        options: &PullOptions,
        account: &AuthConfig,
    ) -> Result<JsonLines<JsonMessage>, ClientError> {
        let target = Target::new(&["/images/create"])
            .with("fromImage", &options.repository)
            .with_some("tag", &options.tag)
            .with_some("platform", &options.platform.to_lowercase());
        self.lines(Call::post(target).account(account)).await
    }

    /// Sends images to a registry.
    pub async fn image_push(
        &self,
        options: &PushOptions,
        account: &AuthConfig,
    ) -> Result<JsonLines<JsonMessage>, ClientError> {
        let target = Target::new(&["/images/", &options.repository, "/push"])
            .with_some("tag", &options.tag)
            .with_some("platform", &platform_json(&options.platform));
        self.lines(Call::post(target).account(account)).await
    }

    /// Searches a registry.
    pub async fn image_search(
        &self,
        options: &SearchOptions,
        account: &AuthConfig,
    ) -> Result<Vec<SearchResult>, ClientError> {
        let limit = if options.limit > 0 { options.limit.to_string() } else { String::new() };
        let target = Target::new(&["/images/search"])
            .with("term", &options.term)
            .with_some("limit", &limit)
            .with_filters(&options.filters);
        self.fetch(Call::get(target).account(account)).await
    }

    /// Checks an account with its registry.
    pub async fn registry_login(&self, account: &AuthConfig) -> Result<AuthResponse, ClientError> {
        self.fetch(Call::post(Target::new(&["/auth"])).json(account)).await
    }
}
