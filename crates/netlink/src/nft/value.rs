//! Values and their types.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::link::Mac;

/// Types of values. The kernel keeps the number for `nft`, and does not look at it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Type {
    /// `nf_proto`: which family a packet of an `inet` table is of.
    NfProto = 2,
    /// `ipv4_addr`.
    Ip4 = 7,
    /// `ipv6_addr`.
    Ip6 = 8,
    /// `ether_addr`.
    Mac = 9,
    /// `ether_type`.
    EtherType = 10,
    /// `inet_proto`: TCP and its sisters.
    Protocol = 12,
    /// `inet_service`: a port.
    Port = 13,
    /// `mark`.
    Mark = 19,
    /// `ct_state`, bits.
    CtState = 26,
    /// `ct_status`, bits.
    CtStatus = 28,
    /// `icmpv6_type`.
    Icmp6Type = 29,
    /// `fib_addrtype`.
    AddressType = 38,
    /// `ifname`.
    LinkName = 41,
}

const TYPES: [(Type, &str, usize); 13] = [
    (Type::NfProto, "nf_proto", 1),
    (Type::Ip4, "ipv4_addr", 4),
    (Type::Ip6, "ipv6_addr", 16),
    (Type::Mac, "ether_addr", 6),
    (Type::EtherType, "ether_type", 2),
    (Type::Protocol, "inet_proto", 1),
    (Type::Port, "inet_service", 2),
    (Type::Mark, "mark", 4),
    (Type::CtState, "ct_state", 4),
    (Type::CtStatus, "ct_status", 4),
    (Type::Icmp6Type, "icmpv6_type", 1),
    (Type::AddressType, "fib_addrtype", 4),
    (Type::LinkName, "ifname", 16),
];

/// `nft` packs the types of a key into one number, six bits each.
const TYPE_BITS: u32 = 6;

/// A value.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Value {
    /// Name of a link.
    Link(String),
    /// IPv4 address.
    Ip4(Ipv4Addr),
    /// IPv6 address.
    Ip6(Ipv6Addr),
    /// Hardware address.
    Mac(Mac),
    /// A number of one byte: protocol, family, ICMPv6 type.
    Byte(u8),
    /// A number of two bytes that packets carry: port, type of an Ethernet frame.
    Short(u16),
    /// A number of four bytes that the kernel made: mark, state, kind of address.
    Word(u32),
}

impl Value {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Link(name) => {
                let mut bytes = name.as_bytes().to_vec();
                bytes.resize(16, 0);
                bytes
            }
            Self::Ip4(address) => address.octets().to_vec(),
            Self::Ip6(address) => address.octets().to_vec(),
            Self::Mac(mac) => mac.0.to_vec(),
            Self::Byte(byte) => vec![*byte],
            Self::Short(short) => short.to_be_bytes().to_vec(),
            Self::Word(word) => word.to_ne_bytes().to_vec(),
        }
    }

    /// As `nft` prints it.
    pub(crate) fn text(&self, of: Type) -> String {
        match (of, self) {
            (_, Self::Link(name)) => format!("\"{name}\""),
            (_, Self::Ip4(address)) => address.to_string(),
            (_, Self::Ip6(address)) => address.to_string(),
            (_, Self::Mac(mac)) => mac.to_string(),
            (Type::CtState, Self::Word(bits)) => names(*bits, CT_STATES),
            (Type::CtStatus, Self::Word(bits)) => names(*bits, CT_STATUSES),
            (Type::Mark, Self::Word(mark)) => format!("0x{mark:08x}"),
            (_, Self::Byte(byte)) => named(of, u32::from(*byte)),
            (_, Self::Short(short)) => named(of, u32::from(*short)),
            (_, Self::Word(word)) => named(of, *word),
        }
    }
}

/// `IPS_*` bits, the position is the power of two.
const CT_STATUSES: &[&str] = &["expected", "seen-reply", "assured", "confirmed", "snat", "dnat"];
/// `NF_CT_STATE_BIT`.
const CT_STATES: &[&str] = &["invalid", "established", "related", "new"];

const NAMES: &[(Type, u32, &str)] = &[
    (Type::NfProto, 2, "ipv4"),
    (Type::NfProto, 10, "ipv6"),
    (Type::Protocol, 1, "icmp"),
    (Type::Protocol, 6, "tcp"),
    (Type::Protocol, 17, "udp"),
    (Type::Protocol, 58, "ipv6-icmp"),
    (Type::Protocol, 132, "sctp"),
    (Type::EtherType, 0x0800, "ip"),
    (Type::EtherType, 0x0806, "arp"),
    (Type::EtherType, 0x86dd, "ip6"),
    (Type::AddressType, 2, "local"),
    (Type::Icmp6Type, 134, "nd-router-advert"),
    (Type::Icmp6Type, 136, "nd-neighbor-advert"),
    (Type::Icmp6Type, 137, "nd-redirect"),
];

fn named(of: Type, number: u32) -> String {
    let found = NAMES.iter().find(|(kind, value, _)| (*kind, *value) == (of, number));
    found.map_or_else(|| number.to_string(), |(_, _, name)| (*name).to_owned())
}

fn names(bits: u32, names: &[&str]) -> String {
    let set = names.iter().enumerate().filter(|(bit, _)| bits & (1 << bit) != 0);
    set.map(|(_, name)| *name).collect::<Vec<_>>().join(",")
}

impl Type {
    pub(crate) fn bytes(self) -> usize {
        self.row().2
    }

    fn row(self) -> &'static (Type, &'static str, usize) {
        let row = TYPES.iter().find(|(of, _, _)| *of == self);
        row.expect("every type has a row")
    }

    /// The value whose bytes these are.
    pub(crate) fn read(self, bytes: &[u8]) -> Option<Value> {
        let bytes = bytes.get(..self.bytes())?;
        Some(match self {
            Self::LinkName => Value::Link(crate::message::text(bytes)),
            Self::Ip4 => Value::Ip4(<[u8; 4]>::try_from(bytes).ok()?.into()),
            Self::Ip6 => Value::Ip6(<[u8; 16]>::try_from(bytes).ok()?.into()),
            Self::Mac => Value::Mac(Mac(bytes.try_into().ok()?)),
            Self::NfProto | Self::Protocol | Self::Icmp6Type => Value::Byte(*bytes.first()?),
            Self::Port | Self::EtherType => {
                Value::Short(u16::from_be_bytes(bytes.try_into().ok()?))
            }
            Self::Mark | Self::CtState | Self::CtStatus | Self::AddressType => {
                Value::Word(u32::from_ne_bytes(bytes.try_into().ok()?))
            }
        })
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.row().1)
    }
}

/// The bytes of several values: of one its own, of more each padded to four bytes.
pub(crate) fn join(values: &[Value]) -> Vec<u8> {
    if let [one] = values {
        return one.bytes();
    }
    let mut bytes = Vec::new();
    for value in values {
        bytes.extend(value.bytes());
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}

/// The inverse of [`join`].
pub(crate) fn split(types: &[Type], mut bytes: &[u8]) -> Option<Vec<Value>> {
    let mut values = Vec::new();
    for of in types {
        values.push(of.read(bytes)?);
        bytes = bytes.get(of.bytes().next_multiple_of(4)..).unwrap_or_default();
    }
    Some(values)
}

/// Length of what [`join`] makes.
pub(crate) fn length(types: &[Type]) -> usize {
    match types {
        [one] => one.bytes(),
        more => more.iter().map(|of| of.bytes().next_multiple_of(4)).sum(),
    }
}

/// The number that `nft` knows the types by.
pub(crate) fn packed(types: &[Type]) -> u32 {
    types.iter().fold(0, |packed, of| (packed << TYPE_BITS) | *of as u32)
}

/// The inverse of [`packed`].
pub(crate) fn unpacked(mut packed: u32) -> Option<Vec<Type>> {
    let mut types = Vec::new();
    while packed != 0 {
        let number = packed & ((1 << TYPE_BITS) - 1);
        types.push(TYPES.iter().find(|(of, _, _)| *of as u32 == number)?.0);
        packed >>= TYPE_BITS;
    }
    types.reverse();
    Some(types)
}
