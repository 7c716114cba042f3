//! Which engine the client verbs talk to.

use client::Host;

use crate::failure::Failure;

/// Where root's engine listens when nothing else is said.
const DEFAULT: &str = "/run/wharf/wharf.sock";

/// Root's engine, and for others their own where root's cannot be reached.
fn default() -> Result<String, Failure> {
    let is_root = sys::rustix::process::geteuid().is_root();
    if is_root || std::os::unix::net::UnixStream::connect(DEFAULT).is_ok() {
        return Ok(format!("unix://{DEFAULT}"));
    }
    let run = rootless::Home::run_of_caller().map_err(|error| Failure::new(error.to_string()))?;
    Ok(format!("unix://{}", run.join("wharf.sock").display()))
}

/// The flag, then `WHARF_HOST`, then `DOCKER_HOST`, then the default.
pub fn choose(flags: &[String]) -> Result<Host, Failure> {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let text = match flags {
        [] => variable("WHARF_HOST").or_else(|| variable("DOCKER_HOST")),
        [flag] => Some(flag.clone()),
        _ => return Err(Failure::new("specify only one --host")),
    };
    let text = text.map_or_else(default, Ok)?;
    Ok(Host::parse(&text)?)
}
