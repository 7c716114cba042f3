//! What is configured about registries and the way to them.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// How registries are found and reached.
#[derive(Clone, Debug)]
pub struct NetworkSpec {
    /// `registry-mirrors`: base URLs that are asked first for names of `docker.io`.
    pub mirrors: Vec<String>,
    /// `insecure-registries`: `host`, `host:port` or a network (`10.0.0.0/8`), which may have a
    /// certificate that nobody vouches for, or none. Loopback addresses always may.
    pub insecure: Vec<String>,
    /// `default-registry`: the `host[:port]` that serves names without a host, in the place of
    /// Docker's own.
    pub default_registry: Option<String>,
    /// Directories with one directory a host: `hosts.toml`, `*.crt`, `*.cert`, `*.key`. The first
    /// that has the host's directory counts.
    pub certificate_directories: Vec<PathBuf>,
    /// Proxies.
    pub proxies: ProxySpec,
    /// `User-Agent` header.
    pub user_agent: String,
    /// How long is waited for what.
    pub timeouts: Timeouts,
}

/// Proxies, as the environment variables of the same names say. Who vouches for one with TLS is
/// said in its own directory of certificates; none may lack a sound one. Their addresses may hold
/// passwords: the `Debug` form is silent on them.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct ProxySpec {
    /// `HTTP_PROXY`: for `http` addresses; empty for none.
    pub http: String,
    /// `HTTPS_PROXY`: for `https` addresses; empty for none.
    pub https: String,
    /// `NO_PROXY`: comma-separated hosts, domains, addresses and networks that need none.
    pub none: String,
}

impl fmt::Debug for ProxySpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProxySpec(none for {:?})", self.none)
    }
}

/// How long is waited for what.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Timeouts {
    /// For a connection, with its TLS handshake.
    pub connect: Duration,
    /// For the head of an answer.
    pub head: Duration,
    /// For the next byte of a body, either way.
    pub stall: Duration,
}

impl Default for Timeouts {
    /// Docker waits 30 seconds for a connection. Registries may think for a while when they put a
    /// large upload together; a body in which nothing moves for a minute is dead.
    fn default() -> Timeouts {
        Timeouts {
            connect: Duration::from_secs(30),
            head: Duration::from_secs(120),
            stall: Duration::from_secs(60),
        }
    }
}

impl Default for NetworkSpec {
    fn default() -> NetworkSpec {
        NetworkSpec {
            mirrors: Vec::new(),
            insecure: Vec::new(),
            default_registry: None,
            certificate_directories: vec![
                PathBuf::from("/etc/wharf/certs.d"),
                PathBuf::from("/etc/docker/certs.d"),
            ],
            proxies: ProxySpec::default(),
            user_agent: concat!("wharf/", env!("CARGO_PKG_VERSION")).to_owned(),
            timeouts: Timeouts::default(),
        }
    }
}

impl ProxySpec {
    /// What the environment says, in Go's order: upper case first.
    pub fn of_environment(variable: impl Fn(&str) -> Option<String>) -> ProxySpec {
        let either = |name: &str| {
            let value = variable(name).filter(|value| !value.is_empty());
            value.or_else(|| variable(&name.to_ascii_lowercase())).unwrap_or_default()
        };
        ProxySpec {
            http: either("HTTP_PROXY"),
            https: either("HTTPS_PROXY"),
            none: either("NO_PROXY"),
        }
    }
}
