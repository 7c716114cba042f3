//! Accounts at registries, as the Docker CLI keeps them: in its `config.json`, or by the programs
//! (`docker-credential-*`) that this file names.
//!
//! Glossary:
//! - *server*: what an account is for: `host[:port]`, and [`INDEX_SERVER`] for Docker's Hub.
//! - *identity token*: what a token server gave instead of the password at login.
//! - *helper*: a program that keeps secrets, spoken to over its standard streams.
//!
//! Secrets go to helpers by standard input and are never part of an error, a log line or a `Debug`
//! form. This crate knows nothing of registries' protocols, terminals or the Engine API.

mod account;
mod config;
mod error;
mod program;
mod server;

pub use account::{Account, Secret};
pub use config::{ClientConfig, Kept};
pub use error::CredentialsError;
pub use server::{INDEX_SERVER, host_of, of_domain};
