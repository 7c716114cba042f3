//! Checking credentials with a registry.

use std::sync::{Arc, OnceLock};

use hyper::{Method, StatusCode};

use crate::auth::scope::Scopes;
use crate::credentials::Credentials;
use crate::endpoint::HUB;
use crate::error::RegistryError;
use crate::network::{Ask, Identity, Network};

/// Addresses that mean Docker's own registry.
const HUB_ADDRESSES: [&str; 3] = ["", "index.docker.io", HUB];

impl Network {
    /// Checks credentials with a registry, named as people and Docker's clients do: `host[:port]`,
    /// an address of it, or nothing for Docker's own. Gives the refresh token that stands for the
    /// password from now on, if there is one.
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub async fn login(
        self: &Arc<Network>,
        server: &str,
        credentials: &Credentials,
    ) -> Result<Option<String>, RegistryError> {
        let registry = self.registry(domain_of(server), Some(credentials.clone()))?;
        let (refresh, scopes) = (OnceLock::new(), Scopes::none());
        let own = registry.endpoints.iter().rfind(|endpoint| endpoint.takes_credentials);
        let endpoint = own.ok_or_else(|| {
            RegistryError::configuration(server, "no server of it takes credentials")
        })?;
        let mut ask = Ask::new(Method::GET, "/", &scopes);
        ask.identity = Identity::Login(&refresh);
        let answer = registry.ask(endpoint, &ask).await?;
        match answer.status {
            StatusCode::OK => Ok(refresh.into_inner()),
            status => Err(RegistryError::Login {
                url: answer.url.to_string(),
                status: status.as_u16(),
                status_line: status.to_string(),
            }),
        }
    }
}

/// The registry that an address means.
fn domain_of(server: &str) -> &str {
    let rest = server.split_once("://").map_or(server, |(_, rest)| rest);
    let host = rest.split('/').next().unwrap_or_default();
    match HUB_ADDRESSES.contains(&host) {
        true => HUB,
        false => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_named_as_people_do() {
        for (server, domain) in [
            ("", "docker.io"),
            ("https://index.docker.io/v1/", "docker.io"),
            ("docker.io", "docker.io"),
            ("https://127.0.0.1:5000/v1/", "127.0.0.1:5000"),
            ("reg.example.com", "reg.example.com"),
        ] {
            assert_eq!(domain_of(server), domain);
        }
    }
}
