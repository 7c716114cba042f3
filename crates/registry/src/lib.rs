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

mod credentials;
mod error;
mod spec;

pub use credentials::Credentials;
pub use error::{ErrorCode, RegistryError};
pub use spec::{NetworkSpec, ProxySpec, Timeouts};
