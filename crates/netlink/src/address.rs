//! Addresses of links: rtnetlink(7), `linux/if_addr.h`.

use std::net::IpAddr;

use crate::Rtnl;
use crate::error::NetlinkError;
use crate::message::{CREATE, EXCLUSIVE, Message, attributes, native32};

const NEW_ADDRESS: u16 = 20;
const DELETE_ADDRESS: u16 = 21;
const GET_ADDRESS: u16 = 22;

const ADDRESS: u16 = 1;
const LOCAL: u16 = 2;
const BROADCAST: u16 = 4;

/// `IFA_F_NODAD`.
const WITHOUT_DETECTION: u8 = 2;

/// An address of a link.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Address {
    /// The link.
    pub index: u32,
    /// The address.
    pub address: IpAddr,
    /// Bits that the whole link has in common.
    pub prefix: u8,
}

/// An address to be added to a link.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AddressSpec {
    /// The address.
    pub address: IpAddr,
    /// Bits that the whole link has in common.
    pub prefix: u8,
    /// IPv6 only: whether it is usable at once, without asking whether somebody else has it.
    pub at_once: bool,
}

impl Rtnl {
    /// Adds an address; IPv4 with the broadcast address of its prefix.
    ///
    /// # Errors
    /// [`NetlinkError::Refused`], also when the link has it.
    pub fn add_address(&mut self, index: u32, spec: AddressSpec) -> Result<(), NetlinkError> {
        let mut message = message(NEW_ADDRESS, CREATE | EXCLUSIVE, index, spec);
        if let IpAddr::V4(address) = spec.address
            && spec.prefix < 31
        {
            let host_bits = u32::MAX.checked_shr(spec.prefix.into()).unwrap_or(0);
            message.attribute(BROADCAST, &(address.to_bits() | host_bits).to_be_bytes());
        }
        let (address, prefix) = (spec.address, spec.prefix);
        self.socket.request(message, || format!("add address {address}/{prefix} to link {index}"))
    }

    /// Removes an address.
    ///
    /// # Errors
    /// [`NetlinkError::Refused`].
    pub fn delete_address(&mut self, index: u32, spec: AddressSpec) -> Result<(), NetlinkError> {
        let message = message(DELETE_ADDRESS, 0, index, spec);
        let (address, prefix) = (spec.address, spec.prefix);
        self.socket
            .request(message, || format!("remove address {address}/{prefix} from link {index}"))
    }

    /// All addresses of all links.
    ///
    /// # Errors
    /// [`NetlinkError::Refused`].
    pub fn addresses(&mut self) -> Result<Vec<Address>, NetlinkError> {
        let message = Message::new(GET_ADDRESS, 0, &[0; 8]);
        self.socket.list(
            &message,
            || "list addresses".to_owned(),
            Vec::new,
            |list, body| list.extend(parse(body)),
        )
    }
}

fn message(kind: u16, flags: u16, index: u32, spec: AddressSpec) -> Message {
    let mut fixed = [0; 8];
    fixed[0] = family(spec.address);
    fixed[1] = spec.prefix;
    if spec.at_once && spec.address.is_ipv6() {
        fixed[2] = WITHOUT_DETECTION;
    }
    fixed[4..8].copy_from_slice(&index.to_ne_bytes());
    let mut message = Message::new(kind, flags, &fixed);
    let bytes = octets(spec.address);
    message.attribute(LOCAL, &bytes).attribute(ADDRESS, &bytes);
    message
}

fn parse(body: &[u8]) -> Option<Address> {
    let values = attributes(body.get(8..)?);
    // Without a peer both are the same, and IPv6 has the second only.
    let address = values.find(LOCAL).or(values.find(ADDRESS))?;
    Some(Address {
        index: native32(body.get(4..8)?)?,
        address: read(address)?,
        prefix: *body.get(1)?,
    })
}

pub(crate) fn family(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => sys::libc::AF_INET as u8,
        IpAddr::V6(_) => sys::libc::AF_INET6 as u8,
    }
}

pub(crate) fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

pub(crate) fn read(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => Some(IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?)),
        16 => Some(IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?)),
        _ => None,
    }
}
