//! What rules are made of.

use std::net::IpAddr;

use super::value::{Type, Value};

/// What a rule looks at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Field {
    /// Link by which the packet came; of a bridge table the port.
    LinkIn,
    /// Link by which it leaves.
    LinkOut,
    /// Family of the packet, in an `inet` table.
    NfProto,
    /// TCP, UDP, ...
    Protocol,
    /// Mark of the packet.
    Mark,
    /// Hardware address of the sender.
    EtherSource,
    /// What the Ethernet frame carries.
    EtherType,
    /// IPv4 source.
    Ip4Source,
    /// IPv4 destination.
    Ip4Destination,
    /// IPv6 source.
    Ip6Source,
    /// IPv6 destination.
    Ip6Destination,
    /// Hardware address that an ARP message claims.
    ArpSourceEther,
    /// IPv4 address that an ARP message claims.
    ArpSourceIp,
    /// Port of the sender, of any protocol that has ports.
    SourcePort,
    /// Port of the receiver.
    DestinationPort,
    /// Kind of an ICMPv6 message.
    Icmp6Type,
    /// Address that an ICMPv6 neighbor message is about.
    Icmp6Target,
    /// State of the connection.
    CtState,
    /// What happened to the connection.
    CtStatus,
    /// Whether the destination is this machine's.
    DestinationKind,
}

/// Where the bytes of a field come from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Source {
    /// `NFT_META_*`.
    Meta(u32),
    /// Base (0 link layer, 1 network, 2 transport) and offset.
    Payload(u32, u32),
    /// `NFT_CT_*`.
    Ct(u32),
    /// `NFT_FIB_RESULT_*` and `NFTA_FIB_F_*`.
    Fib(u32, u32),
}

pub(crate) struct FieldRow {
    pub(crate) field: Field,
    pub(crate) of: Type,
    pub(crate) source: Source,
    /// As `nft` calls it.
    pub(crate) name: &'static str,
}

const fn row(field: Field, of: Type, source: Source, name: &'static str) -> FieldRow {
    FieldRow { field, of, source, name }
}

pub(crate) const FIELDS: [FieldRow; 20] = [
    row(Field::LinkIn, Type::LinkName, Source::Meta(6), "iifname"),
    row(Field::LinkOut, Type::LinkName, Source::Meta(7), "oifname"),
    row(Field::NfProto, Type::NfProto, Source::Meta(15), "meta nfproto"),
    row(Field::Protocol, Type::Protocol, Source::Meta(16), "meta l4proto"),
    row(Field::Mark, Type::Mark, Source::Meta(3), "meta mark"),
    row(Field::EtherSource, Type::Mac, Source::Payload(0, 6), "ether saddr"),
    row(Field::EtherType, Type::EtherType, Source::Payload(0, 12), "ether type"),
    row(Field::Ip4Source, Type::Ip4, Source::Payload(1, 12), "ip saddr"),
    row(Field::Ip4Destination, Type::Ip4, Source::Payload(1, 16), "ip daddr"),
    row(Field::Ip6Source, Type::Ip6, Source::Payload(1, 8), "ip6 saddr"),
    row(Field::Ip6Destination, Type::Ip6, Source::Payload(1, 24), "ip6 daddr"),
    row(Field::ArpSourceEther, Type::Mac, Source::Payload(1, 8), "arp saddr ether"),
    row(Field::ArpSourceIp, Type::Ip4, Source::Payload(1, 14), "arp saddr ip"),
    row(Field::SourcePort, Type::Port, Source::Payload(2, 0), "th sport"),
    row(Field::DestinationPort, Type::Port, Source::Payload(2, 2), "th dport"),
    row(Field::Icmp6Type, Type::Icmp6Type, Source::Payload(2, 0), "icmpv6 type"),
    row(Field::Icmp6Target, Type::Ip6, Source::Payload(2, 8), "icmpv6 taddr"),
    row(Field::CtState, Type::CtState, Source::Ct(0), "ct state"),
    row(Field::CtStatus, Type::CtStatus, Source::Ct(2), "ct status"),
    row(Field::DestinationKind, Type::AddressType, Source::Fib(3, 2), "fib daddr type"),
];

impl Field {
    pub(crate) fn row(self) -> &'static FieldRow {
        let row = FIELDS.iter().find(|row| row.field == self);
        row.expect("every field has a row")
    }

    /// The type of its values.
    pub fn of(self) -> Type {
        self.row().of
    }
}

/// A part of a rule. A condition that does not hold ends the rule.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Statement {
    /// The field has the value.
    Is(Field, Value),
    /// It has another.
    IsNot(Field, Value),
    /// An address has this prefix of so many bits.
    InPrefix(Field, Value, u8),
    /// It has another.
    NotInPrefix(Field, Value, u8),
    /// At least one of the bits is set.
    HasAny(Field, u32),
    /// None of the bits is set.
    HasNone(Field, u32),
    /// The fields are in the set.
    In(Vec<Field>, String),
    /// They are not.
    NotIn(Vec<Field>, String),
    /// The verdict that the map has for the fields, if it has one.
    VerdictBy(Vec<Field>, String),
    /// Counts packets and bytes.
    Counter,
    /// A verdict.
    Do(Verdict),
    /// Answers that there is no way.
    Reject,
    /// The source becomes the address of the link by which the packet leaves.
    Masquerade,
    /// The destination becomes what the map has for the fields: address and port. The first is
    /// whether the addresses are IPv6.
    DestinationBy(bool, Vec<Field>, String),
    /// The destination becomes this.
    Destination(IpAddr, u16),
    /// The source becomes this.
    Source(IpAddr, u16),
    /// Something that this crate does not write.
    Unknown(String),
}

/// What happens to a packet.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Verdict {
    /// It goes on to the next chain of the same point, or on its way.
    Accept,
    /// It is gone.
    Drop,
    /// Back to where the chain was called from.
    Return,
    /// To a chain, and back.
    Jump(String),
    /// To a chain, and not back.
    Goto(String),
}
