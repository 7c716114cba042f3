//! Being told of changes that others make.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use sys::netlink::Protocol;
use sys::rustix::event::{PollFd, PollFlags, poll};
use sys::rustix::io::Errno;
use sys::rustix::net::{RecvFlags, recv};

use super::{Nft, SUBSYSTEM};
use crate::error::NetlinkError;
use crate::message::{self, attributes};
use crate::namespace;

/// `NFNLGRP_NFTABLES`.
const GROUP: u32 = 7;
/// `struct nfgenmsg`, before the attributes.
const FIXED: usize = 4;
/// `NFT_MSG_NEWTABLE` to `NFT_MSG_DELSETELEM`: of all of them the first attribute names the table.
const NAMES_ITS_TABLE: std::ops::RangeInclusive<u16> = SUBSYSTEM..=(SUBSYSTEM | 14);
/// A notice is at most a message long.
const NOTICE_BYTES_MAX: usize = 128 << 10;

/// Notices of all changes of nf_tables in a network namespace.
#[derive(Debug)]
pub struct Watch {
    socket: OwnedFd,
    buffer: Vec<u8>,
}

/// What a [`Watch`] has seen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Seen {
    /// Somebody else changed the table.
    Change,
    /// So much changed that notices were lost.
    Lost,
    /// The other descriptor became readable.
    Stop,
}

impl Nft {
    /// The number by which the kernel tells who changed something.
    ///
    /// # Errors
    /// [`NetlinkError::Open`].
    pub fn number(&self) -> Result<u32, NetlinkError> {
        self.socket.number()
    }
}

impl Watch {
    /// In the network namespace of the calling thread.
    ///
    /// # Errors
    /// [`NetlinkError::Open`].
    pub fn open() -> Result<Watch, NetlinkError> {
        let opened = || -> io::Result<OwnedFd> {
            let socket = sys::netlink::open(Protocol::Netfilter)?;
            sys::netlink::subscribe(socket.as_fd(), GROUP)?;
            Ok(socket)
        };
        let socket = opened().map_err(NetlinkError::Open)?;
        Ok(Watch { socket, buffer: vec![0; NOTICE_BYTES_MAX] })
    }

    /// In another network namespace.
    ///
    /// # Errors
    /// [`NetlinkError::Open`], [`NetlinkError::Join`].
    pub fn open_in(namespace: BorrowedFd<'_>) -> Result<Watch, NetlinkError> {
        namespace::inside(namespace, Watch::open)?
    }

    /// Waits until somebody else than `own` (an [`Nft::number`]) changes tables of this name, of
    /// any family, or until `stop` is readable.
    ///
    /// # Errors
    /// [`NetlinkError::Refused`].
    pub fn wait(
        &mut self,
        table: &str,
        own: u32,
        stop: BorrowedFd<'_>,
    ) -> Result<Seen, NetlinkError> {
        let failed = |cause: io::Error| NetlinkError::Refused {
            request: "wait for changes of the packet filter".to_owned(),
            explanation: String::new(),
            cause,
        };
        loop {
            let mut fds = [
                PollFd::new(&self.socket, PollFlags::IN),
                PollFd::from_borrowed_fd(stop, PollFlags::IN),
            ];
            match poll(&mut fds, None) {
                Err(Errno::INTR) => continue,
                other => other.map_err(|error| failed(error.into()))?,
            };
            if !fds[1].revents().is_empty() {
                return Ok(Seen::Stop);
            }
            match recv(&self.socket, &mut self.buffer[..], RecvFlags::DONTWAIT) {
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(Errno::NOBUFS) => return Ok(Seen::Lost),
                Err(error) => return Err(failed(error.into())),
                Ok((length, _)) if others(&self.buffer[..length], table, own) => {
                    return Ok(Seen::Change);
                }
                Ok(_) => {}
            }
        }
    }
}

/// Whether one of the messages is a change of the table by somebody else.
fn others(mut bytes: &[u8], table: &str, own: u32) -> bool {
    while let Some(notice) = message::next(&mut bytes) {
        let values = attributes(notice.body.get(FIXED..).unwrap_or_default());
        let named = || values.text(1).is_some_and(|name| name == table);
        if NAMES_ITS_TABLE.contains(&notice.kind) && notice.sender != own && named() {
            return true;
        }
    }
    false
}
