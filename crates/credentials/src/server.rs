//! Which server an account is for.

/// Docker's Hub, by the address that it had first: the key of its accounts everywhere.
pub const INDEX_SERVER: &str = "https://index.docker.io/v1/";

/// The server for the domain of an image's name.
pub fn of_domain(domain: &str) -> &str {
    if domain == "docker.io" { INDEX_SERVER } else { domain }
}

/// `host[:port]` of what may be a whole address.
pub fn host_of(server: &str) -> &str {
    let rest = ["http://", "https://"].iter().find_map(|scheme| server.strip_prefix(scheme));
    rest.unwrap_or(server).split('/').next().unwrap_or_default()
}
