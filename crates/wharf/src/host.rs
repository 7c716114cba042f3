//! Which engine the client verbs talk to.

use client::Host;

use crate::failure::Failure;

/// Where the engine listens when nothing else is said.
pub const DEFAULT: &str = "unix:///run/wharf/wharf.sock";

/// The flag, then `WHARF_HOST`, then `DOCKER_HOST`, then the default.
pub fn choose(flags: &[String]) -> Result<Host, Failure> {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let text = match flags {
        [] => variable("WHARF_HOST").or_else(|| variable("DOCKER_HOST")),
        [flag] => Some(flag.clone()),
        _ => return Err(Failure::new("specify only one --host")),
    };
    Ok(Host::parse(text.as_deref().unwrap_or(DEFAULT))?)
}
