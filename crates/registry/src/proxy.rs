//! Which requests go through which proxy, by the rules of Go's `httpproxy`, which Docker follows.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::address::AddressRange;
use crate::error::RegistryError;
use crate::spec::ProxySpec;
use crate::url::{Scheme, Url, is_loopback};

/// A proxy.
#[derive(Clone, Eq, PartialEq)]
pub struct Proxy {
    /// Where it listens.
    pub url: Url,
    /// `Proxy-Authorization`, if it wants one.
    pub authorization: Option<String>,
}

/// All that is configured about proxies.
#[derive(Clone, Default)]
pub struct Proxies {
    http: Option<Proxy>,
    https: Option<Proxy>,
    rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
enum Rule {
    Everything,
    Range(AddressRange),
    Name { suffix: String, is_exact_too: bool, port: Option<u16> },
    Address { address: IpAddr, port: Option<u16> },
}

impl Proxies {
    /// Reads the configuration.
    pub fn parse(spec: &ProxySpec) -> Result<Proxies, RegistryError> {
        let rules = spec.none.split(',').filter_map(|word| rule(word.trim())).collect();
        Ok(Proxies { http: proxy(&spec.http)?, https: proxy(&spec.https)?, rules })
    }

    /// The proxy for an address, if it needs one.
    pub fn of(&self, url: &Url) -> Option<&Proxy> {
        let proxy = match url.scheme {
            Scheme::Http => self.http.as_ref(),
            Scheme::Https => self.https.as_ref(),
        };
        proxy.filter(|_| !is_loopback(&url.host) && !self.is_exempt(&url.host, url.port))
    }

    fn is_exempt(&self, host: &str, port: u16) -> bool {
        let address: Option<IpAddr> = host.parse().ok();
        self.rules.iter().any(|rule| match rule {
            Rule::Everything => true,
            Rule::Range(range) => address.is_some_and(|address| range.contains(address)),
            Rule::Address { address: exempt, port: only } => {
                address == Some(*exempt) && only.is_none_or(|only| only == port)
            }
            Rule::Name { suffix, is_exact_too, port: only } => {
                let is_meant = host.ends_with(suffix.as_str())
                    || (*is_exact_too && Some(host) == suffix.strip_prefix('.'));
                is_meant && only.is_none_or(|only| only == port)
            }
        })
    }
}

fn rule(word: &str) -> Option<Rule> {
    let word = word.to_ascii_lowercase();
    match word.as_str() {
        "" => return None,
        "*" => return Some(Rule::Everything),
        _ => {}
    }
    if let Some(range) = AddressRange::parse(&word) {
        return Some(Rule::Range(range));
    }
    if let Ok(address) = word.parse() {
        return Some(Rule::Address { address, port: None });
    }
    let (host, port) = match word.rsplit_once(':') {
        Some((host, port)) => (host.to_owned(), Some(port.parse().ok()?)),
        None => (word, None),
    };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse() {
        return Some(Rule::Address { address, port });
    }
    let host = host.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(&host);
    match host.starts_with('.') {
        true => Some(Rule::Name { suffix: host.to_owned(), is_exact_too: false, port }),
        false => Some(Rule::Name { suffix: format!(".{host}"), is_exact_too: true, port }),
    }
}

/// `[http[s]://][account[:password]@]host[:port]`; empty for none.
fn proxy(text: &str) -> Result<Option<Proxy>, RegistryError> {
    if text.is_empty() {
        return Ok(None);
    }
    let bad = || {
        // The text may hold a password: only its end is shown.
        let place = text.rsplit('@').next().unwrap_or_default();
        RegistryError::configuration(place, "it is no address of an `http` or `https` proxy")
    };
    let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let authority = rest.get(..end).ok_or_else(bad)?;
    let (account, authority) = match authority.rsplit_once('@') {
        Some((account, authority)) => (Some(account), authority),
        None => (None, authority),
    };
    let url = Url::parse(&format!("{scheme}://{authority}")).ok_or_else(bad)?;
    let authorization = account.map(|account| {
        let (name, password) = account.split_once(':').unwrap_or((account, ""));
        let mut plain = decode(name);
        plain.push(b':');
        plain.extend(decode(password));
        format!("Basic {}", BASE64.encode(plain))
    });
    Ok(Some(Proxy { url, authorization }))
}

/// Decodes `%41`.
fn decode(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let decoded = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (first, decoded) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests;
