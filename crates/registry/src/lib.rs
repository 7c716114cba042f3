//! Client of registries, without a store: which hosts serve a name, how they are reached (TLS,
//! proxies, mirrors), who is asking (Basic, tokens), and the calls of the distribution protocol.
//!
//! Glossary:
//! - *registry*: what stands before the first slash of a name (`docker.io`, `localhost:5000`).
//! - *endpoint*: one base URL that serves (part of) a registry: a mirror, or the registry itself.
//! - *challenge*: what a server's 401 asks for; *realm*: the address of its token server.
//! - *scope*: what a token is good for (`repository:a/b:pull`).
//!
//! Whatever a server sends is a stranger's: bodies, headers, redirects and times are limited, and a
//! credential is seen by nobody but the registry it is for and the token server that it names.
//!
//! This crate knows nothing of layers, images, files of credentials or the Engine API.

mod address;
mod answer;
mod auth;
mod credentials;
mod endpoint;
mod error;
mod hosts;
mod login;
mod network;
mod proxy;
mod repository;
mod resolver;
mod search;
mod spec;
mod tls;
mod transport;
mod url;

pub use credentials::Credentials;
pub use error::{ErrorCode, RegistryError};
pub use network::{Network, Registry};
pub use repository::{BlobStream, Opened, RemoteManifest, Repository, Upload, Which};
pub use search::{FoundRepository, SearchQuery};
pub use spec::{NetworkSpec, ProxySpec, Timeouts};

/// Parsers of what servers and files say, for those who try them with anything.
pub mod parse {
    pub use crate::answer::{parse_content_range, parse_error, parse_link};
    pub use crate::auth::challenge::{Challenge, parse as challenges};
    pub use crate::auth::scope::Scopes;
    pub use crate::auth::{Token, parse_token};
    pub use crate::hosts::toml::{Capabilities, HostEntry, parse as hosts_toml};
    pub use crate::resolver::Config as ResolverConfig;
    pub use crate::resolver::message::{Answer, Question, RecordType};
    pub use crate::url::{Scheme, Url};
}
