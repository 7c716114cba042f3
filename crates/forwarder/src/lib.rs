//! One process that holds the published ports of this machine, so that nobody else takes them, and
//! carries what arrives at their sockets. It is not the engine, and lives on without it.
//!
//! The packet filter sends nearly everything to containers before it is at a socket. What is left:
//! connections from this machine to its loopback addresses, from a container to its own published
//! port, or between neighbors that do not see each other; and from IPv6 to a container that has
//! none. See `docs/firewall.md`.
//!
//! # Glossary
//! - *port*: a published port's socket, and where it leads.
//! - *owner*: the endpoint that it was published for; its ports go together.
//! - *reach*: whose traffic is carried. Whoever is beyond should have met the packet filter; that
//!   he did not, means that somebody emptied or overruled it, and he is refused.
//!
//! # What this crate does not know
//! The packet filter, networks, which ports there should be. An engine tells it, and asks it
//! after a restart what it holds.

mod control;
mod datagrams;
mod process;
mod protocol;
mod streams;

pub use control::{Control, ControlError};
pub use process::run;
pub use protocol::{Neighbor, Port, Reach};

/// What the forwarder is to hold for an endpoint that was just attached, with the sockets.
pub fn ports(attached: network::Attached) -> Vec<(Port, std::os::fd::OwnedFd)> {
    let owner = attached.record.id;
    let reserved = attached.reserved.into_iter();
    let port = |(reserved, target): (network::ports::Reserved, std::net::SocketAddr)| {
        // The packet filter turns no version into the other.
        let reach = match reserved.port.host_ip.is_ipv4() == target.is_ipv4() {
            true => Reach::Near,
            false => Reach::Everybody,
        };
        let protocol = reserved.port.protocol;
        Some((Port { owner: owner.clone(), protocol, target, reach }, reserved.socket?))
    };
    reserved.filter_map(port).collect()
}

#[cfg(test)]
mod tests;
