//! Datagrams that are answered from the address that they were sent to.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::check;

/// A datagram that came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Arrived {
    /// How many bytes are in the buffer.
    pub bytes: usize,
    /// Who sent it.
    pub peer: SocketAddr,
    /// The address that it was sent to, if the socket was told to say.
    pub to: Option<IpAddr>,
}

/// Room for one control message of either version.
const CONTROL_WORDS: usize = 16;

/// `setsockopt(IP_PKTINFO)`, ip(7), Linux 2.2, or `IPV6_RECVPKTINFO`, ipv6(7), Linux 2.6.14: each
/// datagram comes with the address that it was sent to.
pub fn tell_destination(socket: BorrowedFd<'_>, ipv6: bool) -> io::Result<()> {
    let (level, option) = match ipv6 {
        false => (libc::IPPROTO_IP, libc::IP_PKTINFO),
        true => (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO),
    };
    let on: libc::c_int = 1;
    // SAFETY: pointer and length are of `on`, which lives over the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            (&raw const on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    check(result.into()).map(drop)
}

/// `recvmsg(2)`: a datagram of IPv4 or IPv6. Never blocks.
pub fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Arrived> {
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    let mut control = [0u64; CONTROL_WORDS];
    // SAFETY: sockaddr_storage and msghdr are plain data, for which zero is valid.
    let (mut name, mut message): (libc::sockaddr_storage, libc::msghdr) =
        unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
    message.msg_name = (&raw mut name).cast();
    message.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control) as _;
    // SAFETY: all pointers in `message` are to live buffers of the lengths given.
    let result = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, libc::MSG_DONTWAIT) };
    let bytes = check(result as libc::c_long)? as usize;
    let mut to = None;
    // SAFETY: the kernel filled the control buffer with whole headers up to msg_controllen, and
    // their payloads are of the types that level and kind say.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(&raw const message);
        while !header.is_null() {
            let data = libc::CMSG_DATA(header);
            match ((*header).cmsg_level, (*header).cmsg_type) {
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    let told: libc::in_pktinfo = data.cast::<libc::in_pktinfo>().read_unaligned();
                    to = Some(Ipv4Addr::from_bits(u32::from_be(told.ipi_addr.s_addr)).into());
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    let told: libc::in6_pktinfo = data.cast::<libc::in6_pktinfo>().read_unaligned();
                    to = Some(Ipv6Addr::from(told.ipi6_addr.s6_addr).into());
                }
                _ => {}
            }
            header = libc::CMSG_NXTHDR(&raw const message, header);
        }
    }
    Ok(Arrived { bytes, peer: address(&name)?, to })
}

fn address(name: &libc::sockaddr_storage) -> io::Result<SocketAddr> {
    match i32::from(name.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says that this is what the kernel wrote; storage is larger.
            let four = unsafe { &*(&raw const *name).cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from_bits(u32::from_be(four.sin_addr.s_addr));
            Ok(SocketAddrV4::new(ip, u16::from_be(four.sin_port)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: as above.
            let six = unsafe { &*(&raw const *name).cast::<libc::sockaddr_in6>() };
            let ip = Ipv6Addr::from(six.sin6_addr.s6_addr);
            let port = u16::from_be(six.sin6_port);
            Ok(SocketAddrV6::new(ip, port, six.sin6_flowinfo, six.sin6_scope_id).into())
        }
        _ => Err(io::Error::from_raw_os_error(libc::EAFNOSUPPORT)),
    }
}

/// `sendmsg(2)`: a datagram to `peer` with the source `from`, or the kernel's choice. Never blocks.
pub fn send(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    peer: SocketAddr,
    from: Option<IpAddr>,
) -> io::Result<()> {
    let mut part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    let mut control = [0u64; CONTROL_WORDS];
    let (mut four, mut six);
    // SAFETY: these are plain data, for which zero is valid.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    match peer {
        SocketAddr::V4(peer) => {
            // SAFETY: as above.
            four = unsafe { std::mem::zeroed::<libc::sockaddr_in>() };
            four.sin_family = libc::AF_INET as libc::sa_family_t;
            four.sin_port = peer.port().to_be();
            four.sin_addr.s_addr = peer.ip().to_bits().to_be();
            message.msg_name = (&raw mut four).cast();
            message.msg_namelen = size_of_val(&four) as libc::socklen_t;
        }
        SocketAddr::V6(peer) => {
            // SAFETY: as above.
            six = unsafe { std::mem::zeroed::<libc::sockaddr_in6>() };
            six.sin6_family = libc::AF_INET6 as libc::sa_family_t;
            six.sin6_port = peer.port().to_be();
            six.sin6_flowinfo = peer.flowinfo();
            six.sin6_scope_id = peer.scope_id();
            six.sin6_addr.s6_addr = peer.ip().octets();
            message.msg_name = (&raw mut six).cast();
            message.msg_namelen = size_of_val(&six) as libc::socklen_t;
        }
    }
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    if let Some(from) = from {
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = size_of_val(&control) as _;
        put_source(&mut message, from);
    }
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: all pointers in `message` are to live buffers of the lengths given.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, flags) };
    check(sent as libc::c_long).map(drop)
}

/// Writes one control message; `message` has room for it.
fn put_source(message: &mut libc::msghdr, from: IpAddr) {
    // SAFETY: in_pktinfo and in6_pktinfo are plain data, for which zero is valid.
    let (mut four, mut six): (libc::in_pktinfo, libc::in6_pktinfo) =
        unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
    let (level, kind, length) = match from {
        IpAddr::V4(from) => {
            four.ipi_spec_dst.s_addr = from.to_bits().to_be();
            (libc::IPPROTO_IP, libc::IP_PKTINFO, size_of_val(&four) as u32)
        }
        IpAddr::V6(from) => {
            six.ipi6_addr.s6_addr = from.octets();
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, size_of_val(&six) as u32)
        }
    };
    // SAFETY: the control buffer is aligned, and has room for one header and the larger payload.
    unsafe {
        let header = libc::CMSG_FIRSTHDR(&raw const *message);
        (*header).cmsg_level = level;
        (*header).cmsg_type = kind;
        (*header).cmsg_len = libc::CMSG_LEN(length) as _;
        match from {
            IpAddr::V4(_) => {
                libc::CMSG_DATA(header).cast::<libc::in_pktinfo>().write_unaligned(four)
            }
            IpAddr::V6(_) => {
                libc::CMSG_DATA(header).cast::<libc::in6_pktinfo>().write_unaligned(six)
            }
        }
        message.msg_controllen = libc::CMSG_SPACE(length) as _;
    }
}
