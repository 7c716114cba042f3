//! The files that the engine gives a container: its names and resolvers.

use std::path::Path;

use docker_api::{ContainerConfig, HostConfig};
use stdx::fs::{Durability, PathError};

/// The host's own are small; anything larger is somebody's block list.
const HOST_FILE_BYTES_MAX: u64 = 1 << 20;

/// Writes `hostname`, `hosts` and `resolv.conf` into `dir`.
pub fn write(dir: &Path, config: &ContainerConfig, host: &HostConfig) -> Result<(), PathError> {
    let read = |path: &str| {
        let bytes = stdx::fs::read(Path::new(path), HOST_FILE_BYTES_MAX).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let own = |name: &str, text: &str| {
        stdx::fs::replace(&dir.join(name), text.as_bytes(), 0o644, Durability::Process)
    };
    let host_network = host.network_mode == "host";
    own("hostname", &format!("{}\n", config.hostname))?;
    let base = if host_network { read("/etc/hosts") } else { LOOPBACK.to_owned() };
    own("hosts", &hosts(&base, host.extra_hosts.as_deref().unwrap_or_default()))?;
    own("resolv.conf", &resolv_conf(&read("/etc/resolv.conf"), host))
}

const LOOPBACK: &str = "127.0.0.1\tlocalhost\n\
    ::1\tlocalhost ip6-localhost ip6-loopback\n\
    fe00::\tip6-localnet\n\
    ff00::\tip6-mcastprefix\n\
    ff02::1\tip6-allnodes\n\
    ff02::2\tip6-allrouters\n";

fn hosts(base: &str, extra: &[String]) -> String {
    let mut text = base.to_owned();
    for entry in extra {
        let pair = entry.split_once(':').or_else(|| entry.split_once('='));
        // Checked at creation.
        if let Some((name, address)) = pair {
            let address = address.trim_start_matches('[').trim_end_matches(']');
            text.push_str(&format!("{address}\t{name}\n"));
        }
    }
    text
}

/// The host's, with what the user says in place of its parts.
fn resolv_conf(base: &str, host: &HostConfig) -> String {
    let list = |list: &Option<Vec<String>>| list.clone().unwrap_or_default();
    let (servers, search, options) =
        (list(&host.dns), list(&host.dns_search), list(&host.dns_options));
    if servers.is_empty() && search.is_empty() && options.is_empty() {
        return base.to_owned();
    }
    let kept = |line: &&str| {
        let word = line.split_whitespace().next().unwrap_or_default();
        match word {
            "nameserver" => servers.is_empty(),
            "search" | "domain" => search.is_empty(),
            "options" => options.is_empty(),
            _ => true,
        }
    };
    let mut text: String = base.lines().filter(kept).flat_map(|line| [line, "\n"]).collect();
    for server in &servers {
        text.push_str(&format!("nameserver {server}\n"));
    }
    // A lone dot means: search nowhere.
    if !search.is_empty() && search != ["."] {
        text.push_str(&format!("search {}\n", search.join(" ")));
    }
    if !options.is_empty() {
        text.push_str(&format!("options {}\n", options.join(" ")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolvers() {
        let base = "# c\nnameserver 10.0.0.1\nsearch a b\noptions ndots:2\n";
        let words = |words: &[&str]| Some(words.iter().map(|w| (*w).to_owned()).collect());
        assert_eq!(resolv_conf(base, &HostConfig::default()), base);
        let host = HostConfig { dns: words(&["1.1.1.1", "::1"]), ..HostConfig::default() };
        assert_eq!(
            resolv_conf(base, &host),
            "# c\nsearch a b\noptions ndots:2\nnameserver 1.1.1.1\nnameserver ::1\n"
        );
        let host = HostConfig { dns_search: words(&["."]), ..HostConfig::default() };
        assert_eq!(resolv_conf(base, &host), "# c\nnameserver 10.0.0.1\noptions ndots:2\n");
    }

    #[test]
    fn names() {
        let extra = ["db:10.0.0.2".to_owned(), "six:[::2]".to_owned()];
        assert_eq!(hosts("x\n", &extra), "x\n10.0.0.2\tdb\n::2\tsix\n");
    }
}
