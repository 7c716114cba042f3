//! Links: rtnetlink(7), `linux/if_link.h`.

use std::fmt;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::str::FromStr;

use crate::Rtnl;
use crate::error::NetlinkError;
use crate::message::{Attributes, CREATE, EXCLUSIVE, Message, attributes, native32};

const NEW_LINK: u16 = 16;
const DELETE_LINK: u16 = 17;
const GET_LINK: u16 = 18;
const SET_LINK: u16 = 19;

const ADDRESS: u16 = 1;
const NAME: u16 = 3;
const MTU: u16 = 4;
const PARENT: u16 = 5;
const MASTER: u16 = 10;
const PROTOCOL_DATA: u16 = 12;
const LINK_DETAILS: u16 = 18;
const NAMESPACE_FD: u16 = 28;
const EXTENSION_MASK: u16 = 29;
const DETAILS_KIND: u16 = 1;
const DETAILS_VALUES: u16 = 2;
const VETH_PEER: u16 = 1;
/// The only value of each that we set.
const MACVLAN_MODE: u16 = 1;
const IPVLAN_MODE: u16 = 1;
const IPVLAN_FLAGS: u16 = 2;
const VLAN_ID: u16 = 1;
const BRIDGE_FORWARD_DELAY: u16 = 1;
const PORT_HAIRPIN: u16 = 4;
const PORT_LEARNING: u16 = 8;
const PORT_UNICAST_FLOOD: u16 = 9;
const PORT_ISOLATED: u16 = 33;

/// `RTEXT_FILTER_SKIP_STATS`: lists are long enough without counters.
const WITHOUT_COUNTERS: u32 = 8;

/// `IFF_UP`.
const UP: u32 = 1;

/// `IFNAMSIZ` less the zero byte.
const NAME_BYTES_MAX: usize = 15;

/// A hardware address.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Mac(pub [u8; 6]);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl FromStr for Mac {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Mac, Self::Err> {
        let mut bytes = [0; 6];
        // Whatever is too short, too long or no number is no address.
        let parts: Vec<&str> = text.split([':', '-']).collect();
        let parts = if parts.len() == 6 { parts } else { vec!["x"; 6] };
        for (byte, part) in bytes.iter_mut().zip(parts) {
            let part = if part.len() == 2 { part } else { "x" };
            *byte = u8::from_str_radix(part, 16)?;
        }
        Ok(Mac(bytes))
    }
}

/// A link to be made.
#[derive(Clone, Debug)]
pub struct LinkSpec<'a> {
    /// At most 15 bytes.
    pub name: &'a str,
    /// What it is.
    pub kind: LinkKind<'a>,
    /// The kernel's choice if none.
    pub mac: Option<Mac>,
    /// The kernel's choice if none.
    pub mtu: Option<u32>,
    /// The index of the bridge that it becomes a port of.
    pub master: Option<u32>,
    /// Whether it is brought up at once.
    pub up: bool,
    /// The network namespace in which it appears, if not that of the connection.
    pub namespace: Option<BorrowedFd<'a>>,
}

impl<'a> LinkSpec<'a> {
    /// Of this name and kind, down, with the kernel's choices.
    pub fn new(name: &'a str, kind: LinkKind<'a>) -> LinkSpec<'a> {
        LinkSpec { name, kind, mac: None, mtu: None, master: None, up: false, namespace: None }
    }
}

/// The kinds of links that can be made.
#[derive(Clone, Debug)]
pub enum LinkKind<'a> {
    /// Takes everything and does nothing with it.
    Dummy,
    /// Its ports see each other.
    Bridge(BridgeSpec),
    /// One end of a pair.
    Veth(PeerSpec<'a>),
    /// Shares another link, with a hardware address of its own.
    Macvlan {
        /// The other link's index.
        parent: u32,
        /// Who sees whom.
        mode: MacvlanMode,
    },
    /// Shares another link and its hardware address.
    Ipvlan {
        /// The other link's index.
        parent: u32,
        /// Which packets it gets.
        mode: IpvlanMode,
        /// `IPVLAN_F_PRIVATE` (1), `IPVLAN_F_VEPA` (2), or neither.
        flags: u16,
    },
    /// The packets of another link that have this tag.
    Vlan {
        /// The other link's index.
        parent: u32,
        /// 1 to 4094.
        id: u16,
    },
}

/// What a bridge can be told when it is made.
#[derive(Clone, Copy, Debug, Default)]
pub struct BridgeSpec {
    /// How long a new port listens before it forwards, in hundredths of a second; the kernel uses
    /// it only together with the spanning tree protocol.
    pub forward_delay_centiseconds: Option<u32>,
}

/// The other end of a pair. It begins down: the kernel cannot bring it up before both are there.
#[derive(Clone, Debug)]
pub struct PeerSpec<'a> {
    /// At most 15 bytes.
    pub name: &'a str,
    /// The kernel's choice if none.
    pub mac: Option<Mac>,
    /// The kernel's choice if none.
    pub mtu: Option<u32>,
    /// The network namespace in which it appears, if not that of the connection.
    pub namespace: Option<BorrowedFd<'a>>,
}

/// Modes of macvlan.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MacvlanMode {
    /// Links of one parent do not see each other.
    Private = 1,
    /// They do by way of the switch behind the parent.
    Vepa = 2,
    /// They do directly.
    Bridge = 4,
    /// The only link of its parent.
    Passthru = 8,
}

/// Modes of ipvlan.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum IpvlanMode {
    /// As a switch.
    L2 = 0,
    /// As a router.
    L3 = 1,
    /// As a router that packet filters see.
    L3s = 2,
}

/// A link that is there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Link {
    /// Its number.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// `bridge`, `veth`, ...; empty for hardware and the loopback link.
    pub kind: String,
    /// Its hardware address, if it has one of six bytes.
    pub mac: Option<Mac>,
    /// Largest packet in bytes.
    pub mtu: u32,
    /// The bridge that it is a port of.
    pub master: Option<u32>,
    /// The other end of a pair, or the link that it shares; an index that may be of another
    /// namespace.
    pub parent: Option<u32>,
    /// Whether somebody brought it up.
    pub up: bool,
}

/// What a port of a bridge may do; `None` leaves it as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct PortFlags {
    /// Packets may leave by the port they came from.
    pub hairpin: Option<bool>,
    /// Isolated ports do not see each other, only those that are not: Linux 4.18.
    pub isolated: Option<bool>,
    /// Addresses behind the port are noted.
    pub learning: Option<bool>,
    /// Packets for unknown addresses leave here, too.
    pub unicast_flood: Option<bool>,
}

impl Rtnl {
    /// Makes a link; with [`LinkKind::Veth`] both ends.
    ///
    /// # Errors
    /// [`NetlinkError::Refused`] when there is one of that name, and [`NetlinkError::Invalid`].
    pub fn create(&mut self, spec: &LinkSpec<'_>) -> Result<(), NetlinkError> {
        let request = || format!("make link `{}`", spec.name);
        check_name(spec.name, request)?;
        if let LinkKind::Veth(peer) = &spec.kind {
            check_name(peer.name, request)?;
        }
        let mut message = Message::new(NEW_LINK, CREATE | EXCLUSIVE, &header(0, spec.up));
        describe(&mut message, spec.name, spec.mac, spec.mtu, spec.namespace);
        if let Some(master) = spec.master {
            message.native32(MASTER, master);
        }
        if let Some(parent) = spec.kind.parent() {
            message.native32(PARENT, parent);
        }
        message.nested(LINK_DETAILS, |message| {
            message.text(DETAILS_KIND, spec.kind.name());
            message.nested(DETAILS_VALUES, |message| spec.kind.values(message));
        });
        self.socket.request(message, request)
    }

    /// All links.
    ///
    /// # Errors
    /// [`NetlinkError::Refused`].
    pub fn links(&mut self) -> Result<Vec<Link>, NetlinkError> {
        let mut message = Message::new(GET_LINK, 0, &header(0, false));
        message.native32(EXTENSION_MASK, WITHOUT_COUNTERS);
        self.socket.list(
            &message,
            || "list links".to_owned(),
            Vec::new,
            |links, body| links.extend(parse(body)),
        )
    }

    /// The link of a name, if there is one.
    ///
    /// # Errors
    /// [`NetlinkError::Refused`].
    pub fn link(&mut self, name: &str) -> Result<Option<Link>, NetlinkError> {
        let request = || format!("look for link `{name}`");
        check_name(name, request)?;
        let mut message = Message::new(GET_LINK, 0, &header(0, false));
        message.text(NAME, name).native32(EXTENSION_MASK, WITHOUT_COUNTERS);
        match self.socket.get(message, request) {
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error),
            Ok(body) => match parse(&body) {
                Some(link) => Ok(Some(link)),
                None => Err(NetlinkError::Answer { request: request() }),
            },
        }
    }

    /// Brings a link up or down.
    ///
    /// # Errors
    /// [`NetlinkError::Refused`].
    pub fn set_up(&mut self, index: u32, up: bool) -> Result<(), NetlinkError> {
        let mut fixed = header(index, up);
        fixed[12..16].copy_from_slice(&UP.to_ne_bytes());
        let verb = if up { "up" } else { "down" };
        let message = Message::new(SET_LINK, 0, &fixed);
        self.socket.request(message, || format!("bring link {index} {verb}"))
    }

    /// Makes a link a port of a bridge, or frees it.
    ///
    /// # Errors
    /// [`NetlinkError::Refused`].
    pub fn set_master(&mut self, index: u32, master: Option<u32>) -> Result<(), NetlinkError> {
        let mut message = Message::new(SET_LINK, 0, &header(index, false));
        message.native32(MASTER, master.unwrap_or(0));
        self.socket.request(message, || format!("change the bridge of link {index}"))
    }

    /// Changes the hardware address; of some kinds only while the link is down.
    ///
    /// # Errors
    /// [`NetlinkError::Refused`].
    pub fn set_mac(&mut self, index: u32, mac: Mac) -> Result<(), NetlinkError> {
        let mut message = Message::new(SET_LINK, 0, &header(index, false));
        message.attribute(ADDRESS, &mac.0);
        self.socket.request(message, || format!("give link {index} the address {mac}"))
    }

    /// Changes the size of the largest packet.
    ///
    /// # Errors
    /// [`NetlinkError::Refused`].
    pub fn set_mtu(&mut self, index: u32, mtu: u32) -> Result<(), NetlinkError> {
        let mut message = Message::new(SET_LINK, 0, &header(index, false));
        message.native32(MTU, mtu);
        self.socket.request(message, || format!("give link {index} the MTU {mtu}"))
    }

    /// Renames a link; before Linux 6.2 only while it is down.
    ///
    /// # Errors
    /// [`NetlinkError::Refused`], [`NetlinkError::Invalid`].
    pub fn rename(&mut self, index: u32, name: &str) -> Result<(), NetlinkError> {
        let request = || format!("rename link {index} to `{name}`");
        check_name(name, request)?;
        let mut message = Message::new(SET_LINK, 0, &header(index, false));
        message.text(NAME, name);
        self.socket.request(message, request)
    }

    /// Moves a link to another network namespace, where it is down and has no addresses.
    ///
    /// # Errors
    /// [`NetlinkError::Refused`].
    pub fn move_to(&mut self, index: u32, namespace: BorrowedFd<'_>) -> Result<(), NetlinkError> {
        let mut message = Message::new(SET_LINK, 0, &header(index, false));
        message.native32(NAMESPACE_FD, namespace.as_raw_fd().cast_unsigned());
        self.socket.request(message, || format!("move link {index} to another namespace"))
    }

    /// Removes a link; with one end of a pair goes the other.
    ///
    /// # Errors
    /// [`NetlinkError::Refused`].
    pub fn delete(&mut self, index: u32) -> Result<(), NetlinkError> {
        let message = Message::new(DELETE_LINK, 0, &header(index, false));
        self.socket.request(message, || format!("remove link {index}"))
    }

    /// Changes what a port of a bridge may do.
    ///
    /// # Errors
    /// [`NetlinkError::Refused`].
    pub fn set_port(&mut self, index: u32, flags: PortFlags) -> Result<(), NetlinkError> {
        let mut fixed = header(index, false);
        fixed[0] = sys::libc::AF_BRIDGE as u8;
        let mut message = Message::new(SET_LINK, 0, &fixed);
        message.nested(PROTOCOL_DATA, |message| {
            for (kind, flag) in [
                (PORT_HAIRPIN, flags.hairpin),
                (PORT_ISOLATED, flags.isolated),
                (PORT_LEARNING, flags.learning),
                (PORT_UNICAST_FLOOD, flags.unicast_flood),
            ] {
                if let Some(flag) = flag {
                    message.attribute(kind, &[u8::from(flag)]);
                }
            }
        });
        self.socket.request(message, || format!("change bridge port {index}"))
    }
}

impl LinkKind<'_> {
    fn name(&self) -> &'static str {
        match self {
            Self::Dummy => "dummy",
            Self::Bridge(_) => "bridge",
            Self::Veth(_) => "veth",
            Self::Macvlan { .. } => "macvlan",
            Self::Ipvlan { .. } => "ipvlan",
            Self::Vlan { .. } => "vlan",
        }
    }

    fn parent(&self) -> Option<u32> {
        match self {
            Self::Macvlan { parent, .. }
            | Self::Ipvlan { parent, .. }
            | Self::Vlan { parent, .. } => Some(*parent),
            Self::Dummy | Self::Bridge(_) | Self::Veth(_) => None,
        }
    }

    fn values(&self, message: &mut Message) {
        match self {
            Self::Dummy => {}
            Self::Bridge(spec) => {
                if let Some(delay) = spec.forward_delay_centiseconds {
                    message.native32(BRIDGE_FORWARD_DELAY, delay);
                }
            }
            Self::Veth(peer) => {
                message.nested(VETH_PEER, |message| {
                    message.raw(&header(0, false));
                    describe(message, peer.name, peer.mac, peer.mtu, peer.namespace);
                });
            }
            Self::Macvlan { mode, .. } => {
                message.native32(MACVLAN_MODE, *mode as u32);
            }
            Self::Ipvlan { mode, flags, .. } => {
                message.attribute(IPVLAN_MODE, &(*mode as u16).to_ne_bytes());
                message.attribute(IPVLAN_FLAGS, &flags.to_ne_bytes());
            }
            Self::Vlan { id, .. } => {
                message.attribute(VLAN_ID, &id.to_ne_bytes());
            }
        }
    }
}

/// `struct ifinfomsg`.
fn header(index: u32, up: bool) -> [u8; 16] {
    let mut fixed = [0; 16];
    fixed[4..8].copy_from_slice(&index.to_ne_bytes());
    if up {
        fixed[8..12].copy_from_slice(&UP.to_ne_bytes());
        fixed[12..16].copy_from_slice(&UP.to_ne_bytes());
    }
    fixed
}

fn describe(
    message: &mut Message,
    name: &str,
    mac: Option<Mac>,
    mtu: Option<u32>,
    namespace: Option<BorrowedFd<'_>>,
) {
    message.text(NAME, name);
    if let Some(mac) = mac {
        message.attribute(ADDRESS, &mac.0);
    }
    if let Some(mtu) = mtu {
        message.native32(MTU, mtu);
    }
    if let Some(namespace) = namespace {
        message.native32(NAMESPACE_FD, namespace.as_raw_fd().cast_unsigned());
    }
}

fn parse(body: &[u8]) -> Option<Link> {
    let values = attributes(body.get(16..)?);
    let details = values.nested(LINK_DETAILS);
    let mac = values.find(ADDRESS).and_then(|value| value.try_into().ok()).map(Mac);
    Some(Link {
        index: native32(body.get(4..8)?)?,
        name: values.text(NAME)?,
        kind: details
            .and_then(|details: Attributes<'_>| details.text(DETAILS_KIND))
            .unwrap_or_default(),
        mac,
        mtu: values.native32(MTU)?,
        master: values.native32(MASTER),
        parent: values.native32(PARENT),
        up: native32(body.get(8..12)?)? & UP != 0,
    })
}

/// Whether a link can be called so: others the kernel would cut, or take for a pattern.
pub fn is_link_name(name: &str) -> bool {
    let fits = (1..=NAME_BYTES_MAX).contains(&name.len());
    let plain = name.bytes().all(|byte| byte.is_ascii_graphic() && !b"/:%".contains(&byte));
    fits && plain && !matches!(name, "." | "..")
}

fn check_name(name: &str, request: impl Fn() -> String) -> Result<(), NetlinkError> {
    match is_link_name(name) {
        true => Ok(()),
        false => Err(NetlinkError::Invalid {
            request: request(),
            reason: "a name of a link has 1 to 15 visible characters without `/`, `:` and `%`",
        }),
    }
}
