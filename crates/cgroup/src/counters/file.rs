//! One file of counters that stays open.

use std::os::fd::OwnedFd;

use stdx::fs::PathError;
use sys::rustix::io::{Errno, pread};

use super::parse;
use crate::limits::Limit;
use crate::mount::Node;

/// Most files have less than a page; `io.stat` and `cpuacct.usage_percpu` of large machines more.
const BUFFER_BYTES: usize = 8 << 10;
/// A line of `io.stat` has some 100 bytes, and no machine has so many devices.
const FILE_BYTES_MAX: usize = 4 << 20;

/// A file that could not be read, or not be understood.
#[derive(Debug)]
pub(super) enum Fault {
    Read { file: &'static str, errno: Errno },
    Malformed { file: &'static str, text: String },
}

/// A file that could not be opened.
#[derive(Debug)]
pub(super) struct OpenFault(pub PathError);

#[derive(Debug)]
pub(super) struct File {
    fd: OwnedFd,
    name: &'static str,
}

impl File {
    pub fn open(node: &Node<'_>, name: &'static str) -> Result<File, OpenFault> {
        Ok(File { fd: node.open(name).map_err(OpenFault)?, name })
    }

    /// `None` when this kernel has no such file.
    pub fn open_if_present(node: &Node<'_>, name: &'static str) -> Result<Option<File>, OpenFault> {
        match File::open(node, name) {
            Err(OpenFault(cause)) if cause.is_not_found() => Ok(None),
            other => other.map(Some),
        }
    }

    /// The whole text. The kernel gives it at once when there is room, so the call that fills the
    /// buffer is the only one that is not the last.
    pub fn text<'b>(&self, buffer: &'b mut Vec<u8>) -> Result<&'b [u8], Fault> {
        if buffer.len() < BUFFER_BYTES {
            buffer.resize(BUFFER_BYTES, 0);
        }
        loop {
            match pread(&self.fd, &mut buffer[..], 0) {
                Ok(count) if count < buffer.len() => return Ok(&buffer[..count]),
                Ok(_) if buffer.len() >= FILE_BYTES_MAX => return Err(self.refused(Errno::FBIG)),
                Ok(_) => buffer.resize(buffer.len() * 2, 0),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(self.refused(errno)),
            }
        }
    }

    pub fn number(&self, buffer: &mut Vec<u8>) -> Result<u64, Fault> {
        let text = self.text(buffer)?;
        parse::number(text.trim_ascii()).ok_or_else(|| self.malformed(text))
    }

    /// A number or `max`.
    pub fn limit(&self, buffer: &mut Vec<u8>) -> Result<Limit, Fault> {
        match self.text(buffer)?.trim_ascii() {
            b"max" => Ok(Limit::Unlimited),
            text => parse::number(text).map(Limit::At).ok_or_else(|| self.malformed(text)),
        }
    }

    fn refused(&self, errno: Errno) -> Fault {
        Fault::Read { file: self.name, errno }
    }

    fn malformed(&self, text: &[u8]) -> Fault {
        let text = String::from_utf8_lossy(text).chars().take(80).collect();
        Fault::Malformed { file: self.name, text }
    }
}
