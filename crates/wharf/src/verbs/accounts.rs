//! The user's accounts at registries, for calls that the engine passes on.

use credentials::{Account, ClientConfig, Secret};
use docker_api::AuthConfig;
use oci::Reference;

use crate::failure::Failure;

/// The user's file of accounts. One that cannot be understood is told of, and counts as empty.
pub fn config() -> Result<ClientConfig, Failure> {
    let config = ClientConfig::load(&ClientConfig::directory()).map_err(failed)?;
    if let Some(why) = config.malformed() {
        eprintln!("WARNING: Error parsing config file ({}): {why}", config.path().display());
    }
    Ok(config)
}

/// The account for the registry of an image, if there is one.
pub fn of_image(image: &Reference) -> Result<AuthConfig, Failure> {
    of_server(credentials::of_domain(image.domain()))
}

/// The account for a server, if there is one. As with Docker, a helper that fails has none: most
/// images are for everybody.
pub fn of_server(server: &str) -> Result<AuthConfig, Failure> {
    let account = config()?.get(server).unwrap_or_default();
    Ok(account.map(|account| of_account(server, &account)).unwrap_or_default())
}

/// An account as the engine takes it.
pub fn of_account(server: &str, account: &Account) -> AuthConfig {
    let (username, serveraddress) = (account.username.clone(), server.to_owned());
    let auth = AuthConfig { username, serveraddress, ..AuthConfig::default() };
    match account.secret.clone() {
        Secret::Password(password) => AuthConfig { password, ..auth },
        Secret::IdentityToken(identitytoken) => AuthConfig { identitytoken, ..auth },
    }
}

/// Accounts could not be read or kept.
pub fn failed(error: credentials::CredentialsError) -> Failure {
    Failure::new(stdx::error::chain(&error).to_string())
}
