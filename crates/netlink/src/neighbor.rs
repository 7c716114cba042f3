//! Neighbors: which hardware address an address has. rtnetlink(7), `linux/neighbour.h`.

use std::net::IpAddr;

use crate::Rtnl;
use crate::address::{family, octets, read};
use crate::error::NetlinkError;
use crate::link::Mac;
use crate::message::{CREATE, Message, REPLACE, attributes, native32};

const NEW_NEIGHBOR: u16 = 28;
const DELETE_NEIGHBOR: u16 = 29;
const GET_NEIGHBOR: u16 = 30;

const DESTINATION: u16 = 1;
const HARDWARE: u16 = 2;

/// `NUD_PERMANENT`.
const PERMANENT: u16 = 0x80;

/// A neighbor on a link.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Neighbor {
    /// The link.
    pub index: u32,
    /// Its address.
    pub address: IpAddr,
    /// Its hardware address, if it is known.
    pub mac: Option<Mac>,
    /// Whether somebody set it, and it is never asked for.
    pub permanent: bool,
}

impl Rtnl {
    /// Sets a neighbor for good.
    ///
    /// # Errors
    /// [`NetlinkError::Refused`].
    pub fn set_neighbor(
        &mut self,
        index: u32,
        address: IpAddr,
        mac: Mac,
    ) -> Result<(), NetlinkError> {
        let mut message = message(NEW_NEIGHBOR, CREATE | REPLACE, index, address);
        message.attribute(HARDWARE, &mac.0);
        self.socket.request(message, || format!("set neighbor {address} of link {index}"))
    }

    /// Forgets a neighbor.
    ///
    /// # Errors
    /// [`NetlinkError::Refused`].
    pub fn delete_neighbor(&mut self, index: u32, address: IpAddr) -> Result<(), NetlinkError> {
        let message = message(DELETE_NEIGHBOR, 0, index, address);
        self.socket.request(message, || format!("forget neighbor {address} of link {index}"))
    }

    /// All neighbors.
    ///
    /// # Errors
    /// [`NetlinkError::Refused`].
    pub fn neighbors(&mut self) -> Result<Vec<Neighbor>, NetlinkError> {
        let message = Message::new(GET_NEIGHBOR, 0, &[0; 12]);
        self.socket.list(
            &message,
            || "list neighbors".to_owned(),
            Vec::new,
            |list, body| list.extend(parse(body)),
        )
    }
}

fn message(kind: u16, flags: u16, index: u32, address: IpAddr) -> Message {
    let mut fixed = [0; 12];
    fixed[0] = family(address);
    fixed[4..8].copy_from_slice(&index.to_ne_bytes());
    fixed[8..10].copy_from_slice(&PERMANENT.to_ne_bytes());
    let mut message = Message::new(kind, flags, &fixed);
    message.attribute(DESTINATION, &octets(address));
    message
}

fn parse(body: &[u8]) -> Option<Neighbor> {
    let values = attributes(body.get(12..)?);
    let state = u16::from_ne_bytes(body.get(8..10)?.try_into().ok()?);
    Some(Neighbor {
        index: native32(body.get(4..8)?)?,
        address: values.find(DESTINATION).and_then(read)?,
        mac: values.find(HARDWARE).and_then(|value| value.try_into().ok()).map(Mac),
        permanent: state & PERMANENT != 0,
    })
}
