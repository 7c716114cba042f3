//! Which servers serve a registry, in the order in which they are asked.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use tokio_rustls::rustls::RootCertStore;

use crate::address::AddressRange;
use crate::error::RegistryError;
use crate::hosts::toml::{Capabilities, HOSTS_BYTES_MAX, HostEntry};
use crate::hosts::{self, toml};
use crate::proxy::Proxy;
use crate::resolver;
use crate::spec::NetworkSpec;
use crate::tls::{self, Tls, TlsSpec};
use crate::url::{Scheme, Url, split_authority};

/// Docker's own registry.
pub const HUB: &str = "docker.io";
/// Where it is.
const HUB_SERVER: &str = "registry-1.docker.io";

/// One server.
pub struct Endpoint {
    /// Base address, without slash at its end; the scheme is the one that is tried first.
    pub base: Url,
    /// Whether plain HTTP will do when TLS does not.
    pub may_be_plain: bool,
    /// How it is reached with TLS.
    pub tls: Tls,
    /// How long a connection to it may take, if not as long as others.
    pub dial_timeout: Option<Duration>,
    /// Sent with every request.
    pub headers: HeaderMap,
    /// The registry it is asked for, if it is another's mirror.
    pub namespace: Option<String>,
    /// What it may be asked for.
    pub can: Capabilities,
    /// Whether the registry's credentials are meant for it.
    pub takes_credentials: bool,
    /// It could not be reached a moment ago: others are asked first.
    pub is_down: AtomicBool,
}

/// What is configured, read where it can be read at once.
pub struct Endpoints {
    directories: Vec<PathBuf>,
    mirrors: Vec<Url>,
    insecure: Vec<Insecure>,
    default_registry: Option<String>,
    system: OnceLock<RootCertStore>,
}

/// How a server is reached.
pub struct Way<'a> {
    /// Of the server itself.
    pub tls: Tls,
    /// Through which proxy.
    pub proxy: Option<&'a Proxy>,
    /// Of a proxy that is itself reached with TLS.
    pub proxy_tls: Option<Tls>,
    /// How long a connection may take, if not as long as others.
    pub connect: Option<Duration>,
}

enum Insecure {
    Range(AddressRange),
    /// `host[:port]`.
    Authority(String),
}

impl Endpoints {
    /// Checks the configuration.
    pub fn new(spec: &NetworkSpec) -> Result<Endpoints, RegistryError> {
        let mirrors = spec.mirrors.iter().map(|text| mirror(text)).collect::<Result<_, _>>()?;
        if let Some(host) = &spec.default_registry
            && split_authority(host).is_none()
        {
            return Err(RegistryError::configuration(host, "it is no `host[:port]` of a registry"));
        }
        Ok(Endpoints {
            directories: spec.certificate_directories.clone(),
            mirrors,
            insecure: spec.insecure.iter().map(|text| insecure(text)).collect::<Result<_, _>>()?,
            default_registry: spec.default_registry.clone(),
            system: OnceLock::new(),
        })
    }

    /// The servers for names of `domain`, read anew: an edited file counts for the next pull.
    pub fn of(&self, domain: &str) -> Result<Vec<Arc<Endpoint>>, RegistryError> {
        let (key, server) = match (domain, &self.default_registry) {
            (HUB, Some(host)) => (host.as_str(), host.as_str()),
            (HUB, None) => (HUB, HUB_SERVER),
            _ => (domain, domain),
        };
        let mut endpoints = Vec::new();
        let entries = self.hosts_toml(key)?;
        let has_server = entries.iter().any(|entry| entry.is_server);
        for entry in entries {
            endpoints.push(Arc::new(self.configured(entry, key, server)?));
        }
        if domain == HUB && endpoints.is_empty() {
            for base in &self.mirrors {
                endpoints.push(Arc::new(self.mirror(base)?));
            }
        }
        if !has_server {
            endpoints.push(Arc::new(self.own(server)?));
        }
        Ok(endpoints)
    }

    /// How the registry itself is reached, or another server that it sends us to: as its own
    /// directory says, else with the authorities of the registry, but neither with its identity nor
    /// with its laxness.
    pub fn way<'a>(
        &self,
        url: &Url,
        endpoint: &Endpoint,
        proxy: Option<&'a Proxy>,
    ) -> Result<Way<'a>, RegistryError> {
        let is_own = url.host == endpoint.base.host && url.port == endpoint.base.port;
        let tls = match is_own {
            true => endpoint.tls.clone(),
            false => self.tls_elsewhere(url, endpoint)?,
        };
        let is_secure = |proxy: &&Proxy| proxy.url.scheme == Scheme::Https;
        let proxy_tls = proxy.filter(is_secure).map(|proxy| self.tls_of_proxy(&proxy.url));
        Ok(Way {
            tls,
            proxy,
            proxy_tls: proxy_tls.transpose()?,
            connect: endpoint.dial_timeout.filter(|_| is_own),
        })
    }

    /// As the proxy's own directory says: what a registry is allowed is nothing to it.
    fn tls_of_proxy(&self, url: &Url) -> Result<Tls, RegistryError> {
        tls::load(&self.certificates(&url.authority())?, self.system())
    }

    fn tls_elsewhere(&self, url: &Url, endpoint: &Endpoint) -> Result<Tls, RegistryError> {
        let mut spec = self.certificates(&url.authority())?;
        if spec == TlsSpec::default() {
            spec.authorities = self.certificates(&endpoint.base.authority())?.authorities;
        }
        spec.skip_verify = self.is_insecure(&url.host, url.port);
        tls::load(&spec, self.system())
    }

    /// Whether a server may have a bad certificate, or none. Loopback addresses always may.
    pub fn is_insecure(&self, host: &str, port: u16) -> bool {
        let addresses = || -> Vec<IpAddr> {
            match host.parse() {
                Ok(address) => vec![address],
                Err(_) => resolver::hosts_file(host),
            }
        };
        if addresses().iter().any(IpAddr::is_loopback) || host == "localhost" {
            return true;
        }
        self.insecure.iter().any(|insecure| match insecure {
            Insecure::Range(range) => addresses().iter().any(|address| range.contains(*address)),
            Insecure::Authority(text) => match split_authority(text) {
                Some((name, None)) => name == host,
                Some((name, Some(only))) => name == host && only == port,
                None => false,
            },
        })
    }

    fn system(&self) -> &RootCertStore {
        self.system.get_or_init(tls::system_authorities)
    }

    fn hosts_toml(&self, domain: &str) -> Result<Vec<HostEntry>, RegistryError> {
        let directory = hosts::directory(&self.directories, domain);
        let Some(directory) = directory else { return Ok(Vec::new()) };
        let path = directory.join("hosts.toml");
        let bytes = match stdx::fs::read(&path, HOSTS_BYTES_MAX) {
            Err(error) if error.is_not_found() => return Ok(Vec::new()),
            other => other.map_err(|error| {
                RegistryError::configuration(path.display(), stdx::error::chain(&error))
            })?,
        };
        toml::parse(&String::from_utf8_lossy(&bytes), &directory)
    }

    fn certificates(&self, authority: &str) -> Result<TlsSpec, RegistryError> {
        match hosts::directory(&self.directories, authority) {
            Some(directory) => hosts::certificates(&directory),
            None => Ok(TlsSpec::default()),
        }
    }

    /// A server of `hosts.toml`.
    fn configured(
        &self,
        entry: HostEntry,
        domain: &str,
        server: &str,
    ) -> Result<Endpoint, RegistryError> {
        let mut spec = self.certificates(&entry.base.authority())?;
        spec.authorities.extend(entry.authorities);
        spec.identity = entry.identity.or(spec.identity);
        spec.skip_verify = entry.skip_verify;
        let is_own = entry.is_server || entry.base.authority() == server;
        Ok(Endpoint {
            tls: tls::load(&spec, self.system())?,
            may_be_plain: false,
            headers: headers(&entry.headers, &entry.base)?,
            namespace: (!is_own).then(|| domain.to_owned()),
            can: entry.can,
            takes_credentials: is_own,
            dial_timeout: entry.dial_timeout,
            base: entry.base,
            is_down: AtomicBool::new(false),
        })
    }

    /// A server of `registry-mirrors`.
    fn mirror(&self, base: &Url) -> Result<Endpoint, RegistryError> {
        let mut spec = self.certificates(&base.authority())?;
        let is_insecure = self.is_insecure(&base.host, base.port);
        spec.skip_verify = is_insecure;
        Ok(Endpoint {
            base: base.clone(),
            dial_timeout: None,
            may_be_plain: is_insecure,
            tls: tls::load(&spec, self.system())?,
            headers: HeaderMap::new(),
            namespace: Some(HUB.to_owned()),
            can: Capabilities { pull: true, resolve: true, push: false },
            takes_credentials: false,
            is_down: AtomicBool::new(false),
        })
    }

    /// What serves names without a host, if it is not Docker's own.
    pub fn default_registry(&self) -> Option<&str> {
        self.default_registry.as_deref()
    }

    /// The registry itself.
    pub fn own(&self, server: &str) -> Result<Endpoint, RegistryError> {
        let base = Url::of(Scheme::Https, server, "/v2");
        let base = base.ok_or_else(|| RegistryError::configuration(server, "it is no host"))?;
        let mut spec = self.certificates(server)?;
        let is_insecure = self.is_insecure(&base.host, base.port);
        spec.skip_verify = is_insecure;
        Ok(Endpoint {
            tls: tls::load(&spec, self.system())?,
            dial_timeout: None,
            may_be_plain: is_insecure,
            headers: HeaderMap::new(),
            namespace: None,
            can: Capabilities::ALL,
            takes_credentials: true,
            is_down: AtomicBool::new(false),
            base,
        })
    }
}

impl Endpoint {
    /// The address of something below it, with what a mirror must know.
    pub fn url(&self, scheme: Scheme, rest: &str) -> Url {
        let mut url = self.base.with_target(format!("{}{rest}", self.base.target));
        if self.base.scheme != scheme {
            url.scheme = scheme;
            if self.base.port == self.base.scheme.default_port() {
                url.port = scheme.default_port();
            }
        }
        match &self.namespace {
            Some(namespace) => url.with_query("ns", &crate::url::encode(namespace)),
            None => url,
        }
    }
}

/// `https://host[:port][/path]`.
fn mirror(text: &str) -> Result<Url, RegistryError> {
    let url = Url::parse(text).filter(|url| !url.target.contains('?'));
    let Some(url) = url else {
        let reason = format!("invalid mirror: \"{}\" is no address of a server", shown(text));
        return Err(RegistryError::configuration("registry-mirrors", reason));
    };
    let path = format!("{}/v2", url.path().trim_end_matches('/'));
    Ok(url.with_target(path))
}

fn shown(text: &str) -> &str {
    text.rsplit('@').next().unwrap_or_default()
}

fn insecure(text: &str) -> Result<Insecure, RegistryError> {
    let text = text.strip_prefix("http://").or(text.strip_prefix("https://")).unwrap_or(text);
    if let Some(range) = AddressRange::parse(text) {
        return Ok(Insecure::Range(range));
    }
    match split_authority(text) {
        Some(_) => Ok(Insecure::Authority(text.to_ascii_lowercase())),
        None => {
            let reason = format!("insecure registry {text} is not valid: it is no `host[:port]`");
            Err(RegistryError::configuration("insecure-registries", reason))
        }
    }
}

fn headers(pairs: &[(String, String)], base: &Url) -> Result<HeaderMap, RegistryError> {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let name = HeaderName::from_bytes(name.as_bytes()).ok();
        let value = HeaderValue::from_str(value).ok();
        match (name, value) {
            (Some(name), Some(value)) => drop(headers.append(name, value)),
            _ => return Err(RegistryError::configuration(base, "a header of it is malformed")),
        }
    }
    Ok(headers)
}

#[cfg(test)]
mod tests;
