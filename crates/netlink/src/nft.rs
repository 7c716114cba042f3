//! nf_tables: the kernel's packet filter, `linux/netfilter/nf_tables.h`.
//!
//! What is written is read back by [`Nft::table`], from the kernel's own form, and prints as
//! `nft list table` does: that is what the golden documents of the firewall are made of.

mod batch;
mod decode;
mod encode;
mod list;
mod rule;
mod text;
mod value;
mod watch;

pub use batch::Batch;
pub use list::{Chain, Rule, Set, Table};
pub use rule::{Field, Statement, Verdict};
pub use value::{Type, Value};
pub use watch::{Seen, Watch};

use std::os::fd::BorrowedFd;

use crate::error::NetlinkError;
use crate::namespace;
use crate::socket::Socket;

/// `NFNL_SUBSYS_NFTABLES`, the upper byte of the kinds of messages.
pub(crate) const SUBSYSTEM: u16 = 10 << 8;

/// A connection for nf_tables.
#[derive(Debug)]
pub struct Nft {
    pub(crate) socket: Socket,
}

/// Which packets a table sees.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Family {
    /// IPv4 and IPv6.
    Inet = 1,
    /// IPv4.
    Ip = 2,
    /// What bridges forward, with its hardware addresses.
    Bridge = 7,
    /// IPv6.
    Ip6 = 10,
}

/// Names a table.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct TableName<'a> {
    /// Tables of different families may have the same name.
    pub family: Family,
    /// Its name.
    pub name: &'a str,
}

/// A chain to be made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ChainSpec {
    /// Its name.
    pub name: String,
    /// Where packets enter it; without, only by rules that name it.
    pub hook: Option<Hook>,
}

/// Where packets enter a chain.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Hook {
    /// What its rules can do.
    pub kind: ChainKind,
    /// At which point of a packet's way.
    pub point: Point,
    /// Chains at one point are passed in the order of this.
    pub priority: i32,
    /// Whether packets that reach the end go on; a drop elsewhere is final in either case.
    pub accepts: bool,
}

/// What the rules of a chain can do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ChainKind {
    /// Let through or not.
    Filter,
    /// Translate addresses, once for each connection.
    Nat,
}

/// Points of a packet's way; the numbers are the same in all families that we use.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Point {
    /// Just arrived.
    Prerouting = 0,
    /// For this machine.
    Input = 1,
    /// For somebody else.
    Forward = 2,
    /// From this machine.
    Output = 3,
    /// About to leave.
    Postrouting = 4,
}

/// A set or map to be made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SetSpec {
    /// Its name.
    pub name: String,
    /// What an element is made of.
    pub key: Vec<Type>,
    /// What a map leads to.
    pub data: DataSpec,
    /// Whether an element may be a range.
    pub ranges: bool,
}

/// What elements lead to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum DataSpec {
    /// It is a set.
    Nothing,
    /// It is a map to verdicts.
    Verdict,
    /// It is a map to values of these types.
    Values(Vec<Type>),
}

/// An element of a set or map.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Element {
    /// One value for each type.
    pub key: Vec<Value>,
    /// The last one of a range.
    pub to: Option<Vec<Value>>,
    /// What it leads to.
    pub data: ElementData,
}

/// What an element leads to.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum ElementData {
    /// It is one of a set.
    Nothing,
    /// A verdict.
    Verdict(Verdict),
    /// One value for each type.
    Values(Vec<Value>),
}

impl Element {
    /// Of a set.
    pub fn of(key: Vec<Value>) -> Element {
        Element { key, to: None, data: ElementData::Nothing }
    }

    /// Of a set with ranges.
    pub fn range(from: Vec<Value>, to: Vec<Value>) -> Element {
        Element { key: from, to: Some(to), data: ElementData::Nothing }
    }

    /// Of a map to values.
    pub fn to_values(key: Vec<Value>, values: Vec<Value>) -> Element {
        Element { key, to: None, data: ElementData::Values(values) }
    }

    /// Of a map to verdicts.
    pub fn to_verdict(key: Vec<Value>, verdict: Verdict) -> Element {
        Element { key, to: None, data: ElementData::Verdict(verdict) }
    }
}

impl Nft {
    /// In the network namespace of the calling thread.
    ///
    /// # Errors
    /// [`NetlinkError::Open`].
    pub fn open() -> Result<Nft, NetlinkError> {
        Ok(Nft { socket: Socket::open(sys::netlink::Protocol::Netfilter)? })
    }

    /// In another network namespace.
    ///
    /// # Errors
    /// [`NetlinkError::Open`], [`NetlinkError::Join`].
    pub fn open_in(namespace: BorrowedFd<'_>) -> Result<Nft, NetlinkError> {
        namespace::inside(namespace, Nft::open)?
    }

    /// Makes the changes, all or none.
    ///
    /// # Errors
    /// [`NetlinkError::Refused`] for the first that the kernel does not take.
    pub fn commit(&mut self, batch: Batch) -> Result<(), NetlinkError> {
        if batch.is_empty() {
            return Ok(());
        }
        self.socket.transaction(batch.into_steps())
    }
}
