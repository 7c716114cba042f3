//! Ports of this machine that lead to containers.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::os::fd::OwnedFd;

use serde::{Deserialize, Serialize};
use stdx::Kind;
use sys::rustix::io::Errno;
use sys::rustix::net::sockopt::{set_ipv6_v6only, set_socket_reuseaddr};
use sys::rustix::net::{
    AddressFamily, SocketFlags, SocketType, bind, ipproto, listen, socket_with,
};

use crate::error::{NetworkError, Result};

/// Protocols with ports.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl Protocol {
    /// IANA's number.
    pub fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        })
    }
}

/// A port to be published.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PortSpec {
    /// Its protocol.
    pub protocol: Protocol,
    /// The container's port.
    pub container_port: u16,
    /// The address of this machine; all of them if none.
    pub host_ip: Option<IpAddr>,
    /// One of these ports of this machine; any free one if none.
    pub host_ports: Option<RangeInclusive<u16>>,
}

/// A published port.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct PublishedPort {
    /// Its protocol.
    pub protocol: Protocol,
    /// The container's port.
    pub container_port: u16,
    /// The address of this machine, or the unspecified one.
    pub host_ip: IpAddr,
    /// The port of this machine; zero if packets come to the container's own address instead.
    pub host_port: u16,
}

impl PublishedPort {
    /// Where it is on this machine.
    pub fn host(&self) -> SocketAddr {
        SocketAddr::new(self.host_ip, self.host_port)
    }

    /// Whether both cannot be published at a time.
    pub(crate) fn collides(&self, other: &PublishedPort) -> bool {
        let (a, b) = (self.host_ip, other.host_ip);
        let same_ip =
            a.is_ipv4() == b.is_ipv4() && (a == b || a.is_unspecified() || b.is_unspecified());
        let same_port = (self.protocol, self.host_port) == (other.protocol, other.host_port);
        same_port && same_ip && self.host_port != 0
    }
}

/// A published port and the socket that holds it. Of SCTP there is none where the kernel has none.
#[derive(Debug)]
pub struct Reserved {
    /// The port.
    pub port: PublishedPort,
    /// Bound, and with TCP listening.
    pub socket: Option<OwnedFd>,
}

/// Connections that wait to be accepted: the kernel's own usual limit.
const BACKLOG: i32 = 4096;

/// Finds ports of this machine for all of `wished`, and binds them, in the network namespace of the
/// calling thread. `taken` are those that other endpoints have.
///
/// A port for which no address was said is bound at `binding` and, if that is all addresses, at all
/// of IPv6 too where this machine has it. Where `is_routed` says so of an address nothing is bound:
/// packets for the container come to its own address.
///
/// # Errors
/// In Docker's words, when a port is taken; then none is bound.
pub fn reserve(
    wished: &[PortSpec],
    binding: Ipv4Addr,
    taken: &[PublishedPort],
    dynamic: RangeInclusive<u16>,
    is_routed: impl Fn(IpAddr) -> bool,
) -> Result<Vec<Reserved>> {
    let mut reserved: Vec<Reserved> = Vec::new();
    for spec in wished {
        let (routed, addresses): (Vec<IpAddr>, Vec<IpAddr>) =
            addresses(spec, binding).into_iter().partition(|address| is_routed(*address));
        let published = |host_ip: &IpAddr, host_port| PublishedPort {
            protocol: spec.protocol,
            container_port: spec.container_port,
            host_ip: *host_ip,
            host_port,
        };
        let direct = routed.iter().map(|host_ip| published(host_ip, 0));
        reserved.extend(direct.map(|port| Reserved { port, socket: None }));
        if addresses.is_empty() {
            continue;
        }
        let ports = spec.host_ports.clone().unwrap_or(dynamic.clone());
        let mut failure = None;
        let found = in_turn(spec, &ports).find_map(|port| {
            let mut all = Vec::new();
            for host_ip in &addresses {
                let port = published(host_ip, port);
                let mut others = taken.iter().chain(reserved.iter().map(|one| &one.port));
                let bound = match others.any(|other| other.collides(&port)) {
                    true => Err(taken_by_container(&port)),
                    false => hold(&port),
                };
                match bound {
                    Ok(socket) => all.push(Reserved { port, socket }),
                    Err(error) => {
                        failure.get_or_insert(error);
                        return None;
                    }
                }
            }
            Some(all)
        });
        match (found, failure) {
            (Some(all), _) => reserved.extend(all),
            (None, Some(error)) => return Err(error),
            (None, None) => return Err(NetworkError::invalid("no host port is wished")),
        }
    }
    Ok(reserved)
}

/// Without a wish the search begins anywhere: the next container would else try all those before.
fn in_turn(spec: &PortSpec, ports: &RangeInclusive<u16>) -> impl Iterator<Item = u16> + use<> {
    let (start, end) = (u32::from(*ports.start()), u32::from(*ports.end()));
    let count = (end + 1).saturating_sub(start);
    let from = match spec.host_ports {
        Some(_) => 0,
        None => u32::from_str_radix(&stdx::id::random_hex::<4>(), 16).unwrap_or(0) % count.max(1),
    };
    (0..count).map(move |step| (start + (from + step) % count) as u16)
}

fn addresses(spec: &PortSpec, binding: Ipv4Addr) -> Vec<IpAddr> {
    match spec.host_ip {
        Some(address) => vec![address],
        None if binding.is_unspecified() && has_ipv6() => {
            vec![binding.into(), Ipv6Addr::UNSPECIFIED.into()]
        }
        None => vec![binding.into()],
    }
}

fn has_ipv6() -> bool {
    socket_with(AddressFamily::INET6, SocketType::DGRAM, SocketFlags::CLOEXEC, None).is_ok()
}

/// Binds a published port again, for a forwarder that has lost its own.
///
/// # Errors
/// In Docker's words.
pub fn hold(port: &PublishedPort) -> Result<Option<OwnedFd>> {
    match bound(port) {
        Ok(socket) => Ok(Some(socket)),
        // SCTP is a module that few machines load, and nothing in the kernel needs it to forward.
        Err(Errno::PROTONOSUPPORT | Errno::SOCKTNOSUPPORT) if port.protocol == Protocol::Sctp => {
            Ok(None)
        }
        Err(error) => {
            let kind = match error {
                Errno::ADDRINUSE => Kind::Conflict,
                Errno::ADDRNOTAVAIL => Kind::Invalid,
                _ => Kind::Internal,
            };
            let reason = match error {
                Errno::ADDRINUSE => "address already in use".to_owned(),
                Errno::ADDRNOTAVAIL => "cannot assign requested address".to_owned(),
                other => std::io::Error::from(other).to_string(),
            };
            let (host, protocol) = (port.host(), port.protocol);
            let text = format!("failed to bind host port for {host}/{protocol}: {reason}");
            Err(NetworkError::Refused { kind, text })
        }
    }
}

fn bound(port: &PublishedPort) -> std::result::Result<OwnedFd, Errno> {
    let family = if port.host_ip.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let (kind, protocol) = match port.protocol {
        Protocol::Tcp => (SocketType::STREAM, Some(ipproto::TCP)),
        Protocol::Udp => (SocketType::DGRAM, Some(ipproto::UDP)),
        Protocol::Sctp => (SocketType::STREAM, Some(ipproto::SCTP)),
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, kind, flags, protocol)?;
    if port.host_ip.is_ipv6() {
        set_ipv6_v6only(&socket, true)?;
    }
    if port.protocol != Protocol::Udp {
        // Connections that are over but not forgotten do not matter.
        set_socket_reuseaddr(&socket, true)?;
    }
    bind(&socket, &port.host())?;
    if port.protocol != Protocol::Udp {
        listen(&socket, BACKLOG)?;
    }
    Ok(socket)
}

fn taken_by_container(port: &PublishedPort) -> NetworkError {
    let text = format!("Bind for {} failed: port is already allocated", port.host());
    NetworkError::conflict(text)
}
