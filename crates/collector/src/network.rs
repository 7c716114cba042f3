//! Counters of a network namespace, by `/proc/PID/net/dev` of a process that is in it.
//!
//! The descriptor keeps the namespace alive, and no thread of the engine ever enters it.

use std::os::fd::OwnedFd;

use sys::rustix::fs::{AtFlags, Mode, OFlags, open, openat, stat, statat};
use sys::rustix::io::{Errno, pread};

/// A container that may make interfaces may make thousands; nobody looks at them one by one.
const INTERFACES_MAX: usize = 64;
/// A line has less than 256 bytes; the kernel gives whole lines, a page at most.
const PAGE_BYTES: usize = 4096;
const LINE_BYTES_MAX: usize = 256;

/// What the kernel puts into every new namespace when a module for tunnels is loaded. Docker does
/// not count them, nor the loopback interface.
const NOT_COUNTED: [&[u8]; 10] = [
    b"lo",
    b"tunl0",
    b"gre0",
    b"gretap0",
    b"erspan0",
    b"ip_vti0",
    b"ip6_vti0",
    b"sit0",
    b"ip6tnl0",
    b"ip6gre0",
];

/// One network interface.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Interface {
    /// Its name inside.
    pub name: Box<str>,
    /// What it received.
    pub received: Traffic,
    /// What it sent.
    pub sent: Traffic,
}

/// One direction.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Traffic {
    /// Bytes.
    pub bytes: u64,
    /// Packets.
    pub packets: u64,
    /// Packets with errors.
    pub errors: u64,
    /// Packets that were dropped.
    pub dropped: u64,
}

/// The open file.
#[derive(Debug)]
pub(crate) struct NetDev(OwnedFd);

impl NetDev {
    /// Opens that of a process, known by its number and field 22 of its `/proc/PID/stat`. `None`
    /// when it is in the namespace of this process: that is the machine's traffic.
    pub fn open(pid: i32, start_ticks: u64) -> Result<Option<NetDev>, Errno> {
        let path = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let process = open(format!("/proc/{pid}"), path, Mode::empty())?;
        let read = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = openat(&process, "stat", read, Mode::empty())?;
        let mut text = [0; 1024];
        let length = pread(file, &mut text[..], 0)?;
        // The directory is that of one process for ever, so what is opened below it is, too.
        if start_of(text.get(..length).unwrap_or_default()) != Some(start_ticks) {
            return Err(Errno::SRCH);
        }
        let theirs = statat(&process, "ns/net", AtFlags::empty())?;
        let ours = stat("/proc/self/ns/net")?;
        if (theirs.st_dev, theirs.st_ino) == (ours.st_dev, ours.st_ino) {
            return Ok(None);
        }
        openat(&process, "net/dev", read, Mode::empty()).map(|file| Some(NetDev(file)))
    }

    /// Reads the counters in the place of the old ones.
    pub fn read(&self, interfaces: &mut Vec<Interface>, buffer: &mut Vec<u8>) -> Result<(), Errno> {
        let length = self.text(buffer)?;
        let lines = buffer[..length].split(|byte| *byte == b'\n').skip(2).filter_map(line);
        let mut count = 0;
        for (name, received, sent) in lines.take(INTERFACES_MAX) {
            match interfaces.get_mut(count) {
                Some(known) if known.name.as_bytes() == name => {
                    (known.received, known.sent) = (received, sent);
                }
                _ => {
                    interfaces.truncate(count);
                    let name = String::from_utf8_lossy(name).into();
                    interfaces.push(Interface { name, received, sent });
                }
            }
            count += 1;
        }
        interfaces.truncate(count);
        Ok(())
    }

    fn text(&self, buffer: &mut Vec<u8>) -> Result<usize, Errno> {
        let bytes_max = (INTERFACES_MAX + NOT_COUNTED.len() + 2) * LINE_BYTES_MAX;
        if buffer.len() < bytes_max + PAGE_BYTES {
            buffer.resize(bytes_max + PAGE_BYTES, 0);
        }
        let mut length = 0;
        while length < bytes_max {
            let count = pread(&self.0, &mut buffer[length..], length as u64)?;
            length += count;
            // What ends before the page does is the end.
            if count < PAGE_BYTES - LINE_BYTES_MAX {
                break;
            }
        }
        Ok(length)
    }
}

/// `  eth0: 1 2 ... 16`.
fn line(line: &[u8]) -> Option<(&[u8], Traffic, Traffic)> {
    let line = line.trim_ascii();
    let colon = line.iter().position(|byte| *byte == b':')?;
    let name = &line[..colon];
    if NOT_COUNTED.contains(&name) {
        return None;
    }
    let words = line[colon + 1..].split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let mut numbers = [0; 16];
    let mut count = 0;
    for (slot, word) in numbers.iter_mut().zip(words) {
        *slot = std::str::from_utf8(word).ok()?.parse().ok()?;
        count += 1;
    }
    let traffic = |at: usize| Traffic {
        bytes: numbers[at],
        packets: numbers[at + 1],
        errors: numbers[at + 2],
        dropped: numbers[at + 3],
    };
    (count == 16).then(|| (name, traffic(0), traffic(8)))
}

/// Field 22; the second one is a name in parentheses, which may hold anything.
fn start_of(stat: &[u8]) -> Option<u64> {
    let stat = String::from_utf8_lossy(stat);
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests;
