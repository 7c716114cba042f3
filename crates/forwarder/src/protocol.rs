//! What an engine and the forwarder say to each other.
//!
//! Messages of JSON over a socket that keeps their boundaries (`SOCK_SEQPACKET`); each request has
//! one answer. With `Add` comes the port's socket. Fields that one side does not know it ignores.

use std::net::{IpAddr, SocketAddr};
use std::sync::{PoisonError, RwLock};

use network::Subnet;
use network::ports::Protocol;
use serde::{Deserialize, Serialize};

/// Version of the messages.
pub(crate) const VERSION: u32 = 1;

/// The longest message is a list of owners, in pieces; a request has a few subnets.
pub(crate) const MESSAGE_BYTES_MAX: usize = 64 << 10;

/// A published port of this machine.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Port {
    /// The endpoint that it was published for.
    pub owner: String,
    /// TCP or UDP; of SCTP the socket is only held.
    pub protocol: Protocol,
    /// Where it leads.
    pub target: SocketAddr,
    /// Whose traffic is carried.
    pub reach: Reach,
}

/// Whose traffic is carried.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// That from loopback addresses, and from networks of ours that are not internal: see
    /// `Control::set_neighbors`.
    Near,
    /// Everybody's but internal networks': the packet filter cannot do it.
    Everybody,
}

/// A subnet of a network of ours.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Neighbor {
    /// The subnet.
    pub subnet: Subnet,
    /// Whether nothing goes in or out: then its traffic is never carried.
    pub internal: bool,
}

/// The subnets of our networks, which do not overlap.
#[derive(Debug, Default)]
pub(crate) struct Neighbors(RwLock<Vec<Neighbor>>);

impl Neighbors {
    /// Whether traffic from this address is carried.
    pub(crate) fn reach(&self, reach: Reach, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        match all.iter().find(|neighbor| neighbor.subnet.contains(peer)) {
            Some(neighbor) => !neighbor.internal,
            None => reach == Reach::Everybody || peer.is_loopback(),
        }
    }

    pub(crate) fn set(&self, anew: bool, more: Vec<Neighbor>) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if anew {
            all.clear();
        }
        all.extend(more);
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Request {
    Hello {
        version: u32,
    },
    /// With a socket.
    Add(Port),
    /// All of an owner's ports; established connections go on.
    Remove {
        owner: String,
    },
    /// The subnets of our networks, in pieces: the first one is `anew`.
    Neighbors {
        anew: bool,
        neighbors: Vec<Neighbor>,
    },
    /// Owners behind this one in their order, and how many ports each has.
    List {
        after: String,
    },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    Done,
    Owners(Vec<(String, usize)>),
    Refused(String),
}
