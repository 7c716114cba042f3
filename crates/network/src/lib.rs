//! Networks of containers: bridges, endpoints, addresses, the packet filter, published ports.
//!
//! # Glossary
//! - *network*: a bridge on this machine, with a subnet of each IP version that it has.
//! - *endpoint*: a container's place in a network: a pair of links, one end a port of the bridge,
//!   the other in the container's network namespace. It is first *leased* (its addresses are
//!   known), then *attached* (its links exist), and so it can be shown before it is there.
//! - *published port*: a port of this machine that leads to one of a container.
//! - *reserved*: a published port's own socket, bound on this machine, so that nobody else takes
//!   the port; it serves what comes from loopback addresses.
//!
//! Networks are kept on disk, endpoints until the next boot, as the kernel keeps links: a new
//! engine finds all of them, and no connection is lost.
//!
//! # What this crate does not know
//! Containers, other than as ids with a network namespace; names in requests; clients.

mod addresses;
mod bridge;
mod endpoints;
mod error;
pub mod firewall;
mod networks;
pub mod pools;
pub mod ports;
mod record;
mod restore;
mod spec;
mod subnet;
mod watch;

pub use endpoints::{Attached, EndpointSpec, Place};
pub use error::NetworkError;
pub use networks::{Config, Networks};
pub use record::{EndpointRecord, NetworkRecord};
pub use spec::{BridgeOptions, GatewayMode, NetworkSpec, Pool, PoolSpec};
pub use subnet::{Subnet, SubnetError};
pub use watch::Watching;

#[cfg(test)]
mod tests;
