//! `hosts.toml`, as containerd defines it: which servers serve a registry's names, in which order.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::error::RegistryError;
use crate::url::{Url, is_loopback, split_authority};

/// Largest file; honest ones have a dozen lines.
pub const HOSTS_BYTES_MAX: u64 = 256 << 10;

/// One server of a file, in the order in which they are tried.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HostEntry {
    /// Base address: what goes before `/NAME/manifests/...`, without slash at its end.
    pub base: Url,
    /// What it may be asked for.
    pub can: Capabilities,
    /// Files of authorities.
    pub authorities: Vec<PathBuf>,
    /// A file with certificate and key, or one each.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Nobody need vouch for it.
    pub skip_verify: bool,
    /// Sent with every request.
    pub headers: Vec<(String, String)>,
    /// For a connection.
    pub dial_timeout: Option<Duration>,
    /// It is the registry's own server, not a mirror.
    pub is_server: bool,
}

/// What a server may be asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Capabilities {
    /// Content by digest.
    pub pull: bool,
    /// What a tag stands for.
    pub resolve: bool,
    /// Writing.
    pub push: bool,
}

impl Capabilities {
    /// Everything.
    pub const ALL: Capabilities = Capabilities { pull: true, resolve: true, push: true };
}

#[derive(Deserialize)]
struct File {
    server: Option<String>,
    #[serde(flatten)]
    own: Table,
    #[serde(default)]
    host: toml::map::Map<String, toml::Value>,
}

#[derive(Default, Deserialize)]
struct Table {
    capabilities: Option<Vec<String>>,
    ca: Option<Paths>,
    client: Option<Clients>,
    #[serde(default)]
    skip_verify: bool,
    #[serde(default)]
    override_path: bool,
    #[serde(default)]
    header: std::collections::BTreeMap<String, Words>,
    dial_timeout: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Paths {
    One(PathBuf),
    Many(Vec<PathBuf>),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Words {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Clients {
    One(PathBuf),
    Many(Vec<PathBuf>),
    Pairs(Vec<Vec<PathBuf>>),
}

/// Reads a file's text; paths in it are relative to `directory`. The registry's own server comes
/// last, if the file names one.
pub fn parse(text: &str, directory: &Path) -> Result<Vec<HostEntry>, RegistryError> {
    let place = directory.join("hosts.toml");
    let bad = |reason: String| RegistryError::configuration(place.display(), reason);
    let file: File = toml::from_str(text).map_err(|cause| bad(cause.to_string()))?;
    let mut entries = Vec::new();
    for (address, value) in file.host {
        let table: Table = value.try_into().map_err(|cause: toml::de::Error| {
            bad(format!("host \"{address}\": {}", cause.message()))
        })?;
        entries.push(entry(&address, table, directory, false).map_err(&bad)?);
    }
    if let Some(server) = file.server {
        entries.push(entry(&server, file.own, directory, true).map_err(&bad)?);
    }
    Ok(entries)
}

fn entry(
    address: &str,
    table: Table,
    directory: &Path,
    is_server: bool,
) -> Result<HostEntry, String> {
    let base = base(address, table.override_path)
        .ok_or_else(|| format!("\"{address}\" is no address of a server"))?;
    let under = |path: PathBuf| directory.join(path);
    let authorities = match table.ca {
        None => Vec::new(),
        Some(Paths::One(path)) => vec![under(path)],
        Some(Paths::Many(paths)) => paths.into_iter().map(under).collect(),
    };
    let headers = table.header.into_iter().flat_map(|(name, words)| {
        let words = match words {
            Words::One(word) => vec![word],
            Words::Many(words) => words,
        };
        words.into_iter().map(move |word| (name.clone(), word))
    });
    Ok(HostEntry {
        base,
        can: capabilities(table.capabilities)?,
        authorities,
        identity: identity(table.client)?.map(|(one, two)| (under(one), under(two))),
        skip_verify: table.skip_verify,
        headers: headers.collect(),
        dial_timeout: table.dial_timeout.as_deref().map(duration).transpose()?,
        is_server,
    })
}

/// The address that names follow: with `/v2` unless the path is to be taken as it is.
fn base(address: &str, is_whole: bool) -> Option<Url> {
    let url = match address.contains("://") {
        true => Url::parse(address)?,
        false => {
            let authority = address.split('/').next()?;
            let (host, _) = split_authority(authority)?;
            let scheme = if is_loopback(&host) { "http" } else { "https" };
            Url::parse(&format!("{scheme}://{address}"))?
        }
    };
    let path = url.path().trim_end_matches('/');
    let path = match is_whole || path.ends_with("/v2") {
        true => path.to_owned(),
        false => format!("{path}/v2"),
    };
    Some(url.with_target(path))
}

fn capabilities(words: Option<Vec<String>>) -> Result<Capabilities, String> {
    let Some(words) = words else { return Ok(Capabilities::ALL) };
    let mut can = Capabilities { pull: false, resolve: false, push: false };
    for word in words {
        match word.as_str() {
            "pull" => can.pull = true,
            "resolve" => can.resolve = true,
            "push" => can.push = true,
            "referrers" => {}
            _ => return Err(format!("unknown capability {word}")),
        }
    }
    Ok(can)
}

/// The first certificate that is given.
fn identity(clients: Option<Clients>) -> Result<Option<(PathBuf, PathBuf)>, String> {
    let both = |path: PathBuf| (path.clone(), path);
    let pair = |mut pair: Vec<PathBuf>| match (pair.len(), pair.pop(), pair.pop()) {
        (1, Some(one), _) => Ok(both(one)),
        (2, Some(key), Some(certificate)) => match key.as_os_str().is_empty() {
            true => Ok(both(certificate)),
            false => Ok((certificate, key)),
        },
        _ => Err("`client` needs a certificate and a key".to_owned()),
    };
    match clients {
        None => Ok(None),
        Some(Clients::One(path)) => Ok(Some(both(path))),
        Some(Clients::Many(paths)) => Ok(paths.into_iter().next().map(both)),
        Some(Clients::Pairs(pairs)) => pairs.into_iter().next().map(pair).transpose(),
    }
}

/// Go's way to write a duration, as far as time-outs need it: `500ms`, `5s`, `2m`.
fn duration(text: &str) -> Result<Duration, String> {
    let bad = || format!("\"{text}\" is no duration");
    let end = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
    let (number, unit) = text.split_at(end);
    let number: u64 = number.parse().map_err(|_| bad())?;
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        _ => return Err(bad()),
    };
    Ok(Duration::from_millis(number.saturating_mul(unit_ms)))
}
