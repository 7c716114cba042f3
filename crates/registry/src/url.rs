//! Addresses of servers, as far as registries need them.

use std::fmt;
use std::net::IpAddr;

/// Longest address that is used; longer ones are an attack or a mistake.
pub const URL_BYTES_MAX: usize = 8 << 10;

/// `http` or `https`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Scheme {
    /// Readable by everybody on the way.
    Http,
    /// With TLS.
    Https,
}

/// An absolute `http` or `https` address without account and fragment.
///
/// Displays without its query when a server made it up: signed queries are secrets.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Url {
    /// Scheme.
    pub scheme: Scheme,
    /// Host name in lower case, or an address without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Begins with a slash; with the query.
    pub target: String,
    is_foreign: bool,
}

impl Scheme {
    /// As in an address.
    pub fn name(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }

    /// The port that is meant when none is written.
    pub fn default_port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }
}

impl Url {
    /// Reads an absolute address.
    pub fn parse(text: &str) -> Option<Url> {
        let (name, rest) = text.split_once("://")?;
        let scheme = match name.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return None,
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at_checked(end)?;
        Url::of(scheme, authority, target)
    }

    /// Reads an absolute address that a server made up.
    pub fn parse_foreign(text: &str) -> Option<Url> {
        Url::parse(text).map(|url| Url { is_foreign: true, ..url })
    }

    /// From its parts: `host[:port]` and what follows.
    pub fn of(scheme: Scheme, authority: &str, target: &str) -> Option<Url> {
        let (host, port) = split_authority(authority)?;
        let target = target.split('#').next().unwrap_or_default();
        let target = match target.starts_with('/') {
            true => target.to_owned(),
            false => format!("/{target}"),
        };
        let is_sound = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte);
        if target.len() > URL_BYTES_MAX || !target.bytes().all(is_sound) {
            return None;
        }
        let port = port.unwrap_or_else(|| scheme.default_port());
        Some(Url { scheme, host, port, target, is_foreign: false })
    }

    /// What a server means by `Location` or `Link`: absolute, or relative to this address.
    pub fn join(&self, location: &str) -> Option<Url> {
        let location = location.trim();
        let joined = if let Some(rest) = location.strip_prefix("//") {
            Url::parse(&format!("{}://{rest}", self.scheme.name()))
        } else if location.contains("://") && !location.starts_with(['/', '?']) {
            Url::parse(location)
        } else {
            let path = self.path();
            let target = match location.chars().next() {
                None => self.target.clone(),
                Some('/') => location.to_owned(),
                Some('?') => format!("{path}{location}"),
                Some(_) => {
                    let end = path.rfind('/').unwrap_or_default();
                    format!("{}/{location}", path.get(..end).unwrap_or_default())
                }
            };
            Url::of(self.scheme, &self.authority(), &target)
        };
        joined.map(|url| Url { is_foreign: true, ..url })
    }

    /// With another path (and query) on the same server.
    pub fn with_target(&self, target: String) -> Url {
        Url { target, ..self.clone() }
    }

    /// With one more value in the query; the name and value must be encoded.
    pub fn with_query(mut self, name: &str, value: &str) -> Url {
        self.target.push(if self.target.contains('?') { '&' } else { '?' });
        self.target.push_str(&format!("{name}={value}"));
        self
    }

    /// Without the query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// Host and port, as `Host` headers and dialers want it: the default port is not written.
    pub fn authority(&self) -> String {
        let host = match self.host.contains(':') {
            true => format!("[{}]", self.host),
            false => self.host.clone(),
        };
        match self.port == self.scheme.default_port() {
            true => host,
            false => format!("{host}:{}", self.port),
        }
    }

    /// Whether it is the same server, for whom the same secrets are.
    pub fn is_same_origin(&self, other: &Url) -> bool {
        (self.scheme, &self.host, self.port) == (other.scheme, &other.host, other.port)
    }
}

/// Whether a host name or address is this machine.
pub fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = if self.is_foreign { self.path() } else { &self.target };
        write!(f, "{}://{}{target}", self.scheme.name(), self.authority())
    }
}

/// Splits `host[:port]`; the host without brackets and in lower case.
pub fn split_authority(authority: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let is_sound = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
    if host.is_empty() || host.len() > 255 || !host.bytes().all(is_sound) {
        return None;
    }
    let port = match port {
        Some(port) => Some(port.parse().ok().filter(|port| *port != 0)?),
        None => None,
    };
    Some((host.to_ascii_lowercase(), port))
}

/// A value for a query, encoded.
pub fn encode(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                text.push(char::from(byte));
            }
            other => text.push_str(&format!("%{other:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests;
