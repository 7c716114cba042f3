//! What file and flags say about registries.

use engine::{NetworkSpec, ProxySpec, RegistriesSpec};
use serde::Deserialize;

use crate::failure::Failure;
use crate::flags::parse::Parsed;

/// The keys of the file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RegistryKeys {
    registry_mirrors: Vec<String>,
    insecure_registries: Vec<String>,
    default_registry: Option<String>,
    max_concurrent_downloads: Option<i64>,
    max_concurrent_uploads: Option<i64>,
    max_download_attempts: Option<i64>,
    proxies: Option<ProxyKeys>,
}

/// Proxies in the file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct ProxyKeys {
    http_proxy: String,
    https_proxy: String,
    no_proxy: String,
}

impl RegistryKeys {
    /// Keys, whether the file has them, and the flags that say the same.
    pub(super) fn given(&self) -> [(&'static str, bool, &'static str); 9] {
        let proxy = |of: fn(&ProxyKeys) -> &String| {
            self.proxies.as_ref().is_some_and(|proxies| !of(proxies).is_empty())
        };
        [
            ("registry-mirrors", !self.registry_mirrors.is_empty(), "registry-mirror"),
            ("insecure-registries", !self.insecure_registries.is_empty(), "insecure-registry"),
            ("default-registry", self.default_registry.is_some(), "default-registry"),
            (
                "max-concurrent-downloads",
                self.max_concurrent_downloads.is_some(),
                "max-concurrent-downloads",
            ),
            (
                "max-concurrent-uploads",
                self.max_concurrent_uploads.is_some(),
                "max-concurrent-uploads",
            ),
            (
                "max-download-attempts",
                self.max_download_attempts.is_some(),
                "max-download-attempts",
            ),
            ("http-proxy", proxy(|proxies| &proxies.http_proxy), "http-proxy"),
            ("https-proxy", proxy(|proxies| &proxies.https_proxy), "https-proxy"),
            ("no-proxy", proxy(|proxies| &proxies.no_proxy), "no-proxy"),
        ]
    }

    /// File and flags together; proxies that neither names are those of the environment.
    pub(super) fn with(self, flags: &Parsed) -> Result<RegistriesSpec, Failure> {
        let default = RegistriesSpec::default();
        let both = |file: Vec<String>, flag: &str| [file, flags.list(flag).to_vec()].concat();
        let mirrors = both(self.registry_mirrors, "registry-mirror");
        let insecure = both(self.insecure_registries, "insecure-registry");
        let given = flags.text("default-registry");
        let default_registry = match given.is_empty() {
            true => self.default_registry.filter(|host| !host.is_empty()),
            false => Some(given.to_owned()),
        };
        let number = |file: Option<i64>, flag: &str, default: i64| -> Result<i64, Failure> {
            let number = if flags.is_set(flag) { flags.int(flag) } else { file.unwrap_or(default) };
            match number {
                1..=NUMBER_MAX => Ok(number),
                _ => Err(Failure::new(format!(
                    "invalid {flag} {number}: it must be from 1 to {NUMBER_MAX}"
                ))),
            }
        };
        let size = |number: i64| usize::try_from(number).unwrap_or(1);
        let downloads = number(self.max_concurrent_downloads, "max-concurrent-downloads", 3)?;
        let uploads = number(self.max_concurrent_uploads, "max-concurrent-uploads", 5)?;
        let attempts = number(self.max_download_attempts, "max-download-attempts", 5)?;
        Ok(RegistriesSpec {
            network: NetworkSpec {
                mirrors: mirrors.iter().map(|url| mirror(url)).collect::<Result<_, _>>()?,
                insecure: insecure.iter().map(|name| host(name)).collect::<Result<_, _>>()?,
                default_registry: default_registry.map(|name| host(&name)).transpose()?,
                proxies: proxies(self.proxies.unwrap_or_default(), flags),
                ..default.network
            },
            downloads_max: size(downloads),
            uploads_max: size(uploads),
            attempts_max: u32::try_from(attempts).unwrap_or(1),
            ..default
        })
    }
}

/// More at a time than anybody's network has use for.
const NUMBER_MAX: i64 = 1000;

/// A mirror's address, in the words of Docker when it is none.
fn mirror(url: &str) -> Result<String, Failure> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    match rest {
        Some(rest) if !rest.is_empty() && !rest.starts_with('/') => Ok(url.to_owned()),
        Some(_) => Err(Failure::new(format!("invalid mirror: {url:?} has no host"))),
        None => Err(Failure::new(format!(
            "invalid mirror: no scheme specified for {url:?}: must use either 'https://' or \
             'http://'"
        ))),
    }
}

/// `host`, `host:port` or a network.
fn host(name: &str) -> Result<String, Failure> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._:/[]".contains(c);
    match name.is_empty() || name.contains("//") || !name.chars().all(is_plain) {
        true => Err(Failure::new(format!(
            "invalid registry {name:?}: HOST, HOST:PORT or a network is expected, without scheme"
        ))),
        false => Ok(name.to_owned()),
    }
}

fn proxies(file: ProxyKeys, flags: &Parsed) -> ProxySpec {
    let environment = ProxySpec::of_environment(|name| std::env::var(name).ok());
    let first = |flag: &str, file: String, environment: String| {
        let given = flags.text(flag).to_owned();
        [given, file, environment].into_iter().find(|text| !text.is_empty()).unwrap_or_default()
    };
    ProxySpec {
        http: first("http-proxy", file.http_proxy, environment.http),
        https: first("https-proxy", file.https_proxy, environment.https),
        none: first("no-proxy", file.no_proxy, environment.none),
    }
}

#[cfg(test)]
mod tests;
