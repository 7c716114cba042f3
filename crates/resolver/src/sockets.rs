//! What questions arrive at.
//!
//! Programs ask port 53, which a name server in the container may want for itself, on all
//! addresses. So ours are other ports, and inside of the container's network namespace a table of
//! nf_tables leads from the one to the other, as Docker does it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use netlink::NetlinkError;
use netlink::namespace::inside;
use netlink::nft::{
    Batch, ChainKind, ChainSpec, Family, Field, Hook, Nft, Point, Statement, TableName, Value,
};

/// Where containers ask.
pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 11);
const PORT: u16 = 53;

/// Inside of the container's network namespace.
const TABLE: TableName<'static> = TableName { family: Family::Ip, name: "wharf-dns" };
/// `dstnat`.
const DESTINATIONS: i32 = -100;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// The sockets of a container.
#[derive(Debug)]
pub struct Sockets {
    /// UDP, bound.
    pub udp: OwnedFd,
    /// TCP, listening.
    pub tcp: OwnedFd,
}

/// The sockets cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum SocketsError {
    /// There is no such address in the container, or no port.
    #[error("failed to open the sockets of a container's name server")]
    Open(#[source] io::Error),
    /// Port 53 cannot be led to them.
    #[error("failed to lead a container's questions to its name server")]
    Lead(#[source] NetlinkError),
}

impl Sockets {
    /// Opens them in a network namespace whose loopback link is up, and leads port 53 to them.
    /// Sockets of before are no longer asked then.
    ///
    /// # Errors
    /// [`SocketsError`].
    pub fn open(namespace: BorrowedFd<'_>) -> Result<Sockets, SocketsError> {
        let address = SocketAddr::new(IpAddr::V4(ADDRESS), 0);
        let bound = || -> io::Result<_> {
            let (udp, tcp) = (UdpSocket::bind(address)?, TcpListener::bind(address)?);
            udp.set_nonblocking(true)?;
            tcp.set_nonblocking(true)?;
            let ports = (udp.local_addr()?.port(), tcp.local_addr()?.port());
            Ok((udp, tcp, ports))
        };
        let (udp, tcp, ports) =
            inside(namespace, bound).map_err(SocketsError::Lead)?.map_err(SocketsError::Open)?;
        lead(namespace, ports).map_err(SocketsError::Lead)?;
        Ok(Sockets { udp: udp.into(), tcp: tcp.into() })
    }

    /// Copies, for somebody else to hold.
    ///
    /// # Errors
    /// [`SocketsError::Open`].
    pub fn try_clone(&self) -> Result<Sockets, SocketsError> {
        let copy = |fd: &OwnedFd| fd.as_fd().try_clone_to_owned().map_err(SocketsError::Open);
        Ok(Sockets { udp: copy(&self.udp)?, tcp: copy(&self.tcp)? })
    }
}

fn lead(namespace: BorrowedFd<'_>, (udp, tcp): (u16, u16)) -> Result<(), NetlinkError> {
    let hook =
        Hook { kind: ChainKind::Nat, point: Point::Output, priority: DESTINATIONS, accepts: true };
    let mut batch = Batch::new();
    // Removing what is not there is an error, making what is there is none.
    batch.add_table(TABLE);
    batch.delete_table(TABLE);
    batch.add_table(TABLE);
    batch.add_chain(TABLE, &ChainSpec { name: "output".to_owned(), hook: Some(hook) });
    for (protocol, port) in [(UDP, udp), (TCP, tcp)] {
        let rule = [
            Statement::Is(Field::Ip4Destination, Value::Ip4(ADDRESS)),
            Statement::Is(Field::Protocol, Value::Byte(protocol)),
            Statement::Is(Field::DestinationPort, Value::Short(PORT)),
            Statement::Destination(ADDRESS.into(), port),
        ];
        batch.add_rule(TABLE, "output", &rule);
    }
    Nft::open_in(namespace)?.commit(batch)
}
