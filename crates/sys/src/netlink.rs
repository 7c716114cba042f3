//! Sockets to the kernel's network configuration.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::net::netlink::{NETFILTER, SocketAddrNetlink};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};

use crate::check;

/// Which part of the kernel answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Protocol {
    /// Links, addresses, routes: rtnetlink(7).
    Route,
    /// nf_tables, in `linux/netfilter/nfnetlink.h`.
    Netfilter,
}

/// The kernel answers within the call; who waits this long has asked wrongly.
const ANSWER_DEADLINE: Duration = Duration::from_secs(10);

/// `socket(AF_NETLINK)`, netlink(7), in the network namespace of the calling thread, connected to
/// the kernel: nobody else's messages arrive. Errors come with the kernel's explanation
/// (`NETLINK_EXT_ACK`, Linux 4.12), and without a copy of the request (`NETLINK_CAP_ACK`, 4.3).
pub fn open(protocol: Protocol) -> io::Result<OwnedFd> {
    let protocol = match protocol {
        // `NETLINK_ROUTE` is zero, the default.
        Protocol::Route => None,
        Protocol::Netfilter => Some(NETFILTER),
    };
    let flags = SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, protocol)?;
    connect(&socket, &SocketAddrNetlink::new(0, 0))?;
    set_socket_timeout(&socket, Timeout::Recv, Some(ANSWER_DEADLINE))?;
    for option in [libc::NETLINK_EXT_ACK, libc::NETLINK_CAP_ACK] {
        set_option(socket.as_fd(), libc::SOL_NETLINK, option, 1)?;
    }
    Ok(socket)
}

/// `getsockname(2)`: the number by which the kernel knows the socket, its "port".
pub fn number(socket: BorrowedFd<'_>) -> io::Result<u32> {
    let name = rustix::net::getsockname(socket)?;
    Ok(SocketAddrNetlink::try_from(name)?.pid())
}

/// `setsockopt(NETLINK_ADD_MEMBERSHIP)`, netlink(7), Linux 2.6.14: notices of a group arrive, too.
pub fn subscribe(socket: BorrowedFd<'_>, group: u32) -> io::Result<()> {
    let group = group.cast_signed();
    set_option(socket, libc::SOL_NETLINK, libc::NETLINK_ADD_MEMBERSHIP, group)
}

/// Lets one message of `bytes` be sent and as much be waiting to be read: `SO_SNDBUFFORCE` and
/// `SO_RCVBUFFORCE`, socket(7), or what an ordinary user may have.
pub fn make_room(socket: BorrowedFd<'_>, bytes: usize) -> io::Result<()> {
    let bytes = i32::try_from(bytes).unwrap_or(i32::MAX);
    let pairs = [(libc::SO_SNDBUFFORCE, libc::SO_SNDBUF), (libc::SO_RCVBUFFORCE, libc::SO_RCVBUF)];
    for (forced, asked) in pairs {
        set_option(socket, libc::SOL_SOCKET, forced, bytes)
            .or_else(|_| set_option(socket, libc::SOL_SOCKET, asked, bytes))?;
    }
    Ok(())
}

fn set_option(socket: BorrowedFd<'_>, level: i32, option: i32, value: i32) -> io::Result<()> {
    // SAFETY: pointer and length are of `value`, which lives over the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            (&raw const value).cast(),
            size_of::<i32>() as libc::socklen_t,
        )
    };
    check(result.into()).map(drop)
}
