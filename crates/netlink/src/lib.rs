//! The kernel's network configuration: links, addresses, routes, neighbors, parameters, and
//! nf_tables. Messages to the kernel only: no program is executed.
//!
//! # Glossary
//! - *link*: what `ip link` shows; it has an index that is unique in its network namespace.
//! - *port*: a link that is part of a bridge.
//! - *transaction*: changes of nf_tables that packets see all at once or, if one is wrong, not at
//!   all: [`nft::Batch`].
//!
//! [`Rtnl`] and [`nft::Nft`] are connections to the network namespace in which they were opened,
//! for as long as they live; [`namespace::inside`] opens them in another.
//!
//! # What this crate does not know
//! Containers, networks, names of links, which rules are good. Messages are written and read here,
//! some forty attributes in all: the crates that do it carry the whole of rtnetlink, change their
//! interface with every version, and know neither address translation nor `fib` of nf_tables.

mod address;
mod error;
mod link;
mod message;
pub mod namespace;
mod neighbor;
pub mod nft;
mod route;
mod socket;
pub mod sysctl;

pub use address::{Address, AddressSpec};
pub use error::NetlinkError;
pub use link::{
    BridgeSpec, IpvlanMode, Link, LinkKind, LinkSpec, Mac, MacvlanMode, PeerSpec, PortFlags,
    is_link_name,
};
pub use neighbor::Neighbor;
pub use route::{Route, RouteSpec};

use std::os::fd::BorrowedFd;

use socket::Socket;

/// A connection for links, addresses, routes and neighbors.
#[derive(Debug)]
pub struct Rtnl {
    socket: Socket,
}

impl Rtnl {
    /// In the network namespace of the calling thread.
    ///
    /// # Errors
    /// [`NetlinkError::Open`].
    pub fn open() -> Result<Rtnl, NetlinkError> {
        Ok(Rtnl { socket: Socket::open(sys::netlink::Protocol::Route)? })
    }

    /// In another network namespace.
    ///
    /// # Errors
    /// [`NetlinkError::Open`], [`NetlinkError::Join`].
    pub fn open_in(namespace: BorrowedFd<'_>) -> Result<Rtnl, NetlinkError> {
        namespace::inside(namespace, Rtnl::open)?
    }
}

#[cfg(test)]
mod tests;
