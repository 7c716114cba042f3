//! What a process can find out about its own isolation.
//!
//! `None` means that it cannot be seen from here: a file system that is not mounted, a file that
//! is hidden, a kernel that does not tell.

mod cgroup;
mod paths;

use alloc::borrow::ToOwned;
use alloc::ffi::CString;
use alloc::string::String;
use alloc::vec::Vec;
use core::ffi::CStr;

use crate::kernel;

pub use cgroup::{Cgroup, Limit};
pub use paths::{Exposure, Mode, exposures, modes};

pub struct Report {
    pub host_name: Option<String>,
    pub kernel: Option<String>,
    pub pid: u32,
    pub uid: u32,
    pub gid: u32,
    pub uid_map: Option<Vec<IdRange>>,
    pub gid_map: Option<Vec<IdRange>>,
    pub namespaces: Vec<Namespace>,
    pub privileges: Privileges,
    pub cgroup: Cgroup,
    pub exposures: Vec<(&'static str, Exposure)>,
    pub modes: Vec<(&'static str, Mode)>,
    pub interfaces: Option<Vec<String>>,
}

/// `count` ids from `inside` on are, outside, those from `outside` on.
pub struct IdRange {
    pub inside: u64,
    pub outside: u64,
    pub count: u64,
}

pub struct Namespace {
    pub name: &'static str,
    pub inode: Option<u64>,
    pub owner: Option<Owner>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    Own,
    Host,
}

#[derive(Default)]
pub struct Privileges {
    pub effective: Option<u64>,
    pub bounding: Option<u64>,
    pub no_new_privileges: Option<bool>,
    pub seccomp: Option<Seccomp>,
    pub seccomp_filters: Option<u64>,
}

#[derive(Clone, Copy)]
pub enum Seccomp {
    Off,
    Strict,
    Filter,
}

/// Reads everything; fails in nothing.
pub fn gather() -> Report {
    let uid_map = read(c"/proc/self/uid_map").map(|text| id_ranges(&text));
    let isolated_users = uid_map.as_deref().map(|map| !is_whole(map));
    let names = kernel::uname().ok();
    Report {
        host_name: names.as_ref().and_then(|names| uname_field(names, 1)),
        kernel: names.as_ref().and_then(|names| uname_field(names, 2)),
        pid: kernel::pid(),
        uid: kernel::uid(),
        gid: kernel::gid(),
        gid_map: read(c"/proc/self/gid_map").map(|text| id_ranges(&text)),
        uid_map,
        namespaces: NAMESPACES.iter().map(|kind| namespace(kind, isolated_users)).collect(),
        privileges: read(c"/proc/self/status").map(|text| privileges(&text)).unwrap_or_default(),
        cgroup: cgroup::gather(),
        exposures: exposures(),
        modes: modes(),
        interfaces: read(c"/proc/self/net/dev").map(|text| interfaces(&text)),
    }
}

impl Report {
    /// Whether ids here are not the host's; `None` where the map cannot be read.
    pub fn users_are_isolated(&self) -> Option<bool> {
        self.uid_map.as_deref().map(|map| !is_whole(map))
    }

    /// What an id here is outside; `None` if nothing is.
    pub fn outside(map: &[IdRange], id: u64) -> Option<u64> {
        let range = map.iter().find(|r| id >= r.inside && id - r.inside < r.count)?;
        range.outside.checked_add(id - range.inside)
    }
}

/// At most this much of a file is read; the largest one wanted, `net/dev`, has 120 bytes for
/// each network interface.
const FILE_BYTES_MAX: usize = 64 * 1024;

/// The beginning of a file, as text; `None` if it cannot be read.
fn read(path: &CStr) -> Option<String> {
    let file = kernel::open(path).ok()?;
    let mut bytes = Vec::new();
    let mut piece = [0_u8; 4096];
    while bytes.len() < FILE_BYTES_MAX {
        match kernel::read(&file, &mut piece) {
            Ok(0) => break,
            Ok(count) => bytes.extend_from_slice(piece.get(..count)?),
            Err(_) => return None,
        }
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// A path as the kernel wants it.
fn path(text: &str) -> Option<CString> {
    CString::new(text).ok()
}

fn uname_field(names: &[u8; 390], index: usize) -> Option<String> {
    let field = names.get(index * 65..(index + 1) * 65)?;
    let text = CStr::from_bytes_until_nul(field).ok()?;
    Some(text.to_string_lossy().into_owned())
}

fn id_ranges(text: &str) -> Vec<IdRange> {
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_ascii_whitespace().map(str::parse);
            let mut number = || words.next()?.ok();
            Some(IdRange { inside: number()?, outside: number()?, count: number()? })
        })
        .collect()
}

/// Whether the map is that of the host's own user namespace: every id is itself.
fn is_whole(map: &[IdRange]) -> bool {
    matches!(map, [IdRange { inside: 0, outside: 0, count }] if *count >= u64::from(u32::MAX))
}

struct NamespaceKind {
    name: &'static str,
    path: &'static CStr,
    /// The inode of the host's own one, a constant of the kernel (linux/nsfs.h).
    host_inode: u64,
    /// Since which kernel it is that constant: `None` for all that Wharf runs on.
    since: Option<(u64, u64)>,
}

const NAMESPACES: [NamespaceKind; 8] = [
    NamespaceKind {
        name: "user",
        path: c"/proc/self/ns/user",
        host_inode: 0xEFFF_FFFD,
        since: None,
    },
    NamespaceKind { name: "pid", path: c"/proc/self/ns/pid", host_inode: 0xEFFF_FFFC, since: None },
    NamespaceKind {
        name: "mnt",
        path: c"/proc/self/ns/mnt",
        host_inode: 0xEFFF_FFF8,
        since: Some((6, 18)),
    },
    NamespaceKind {
        name: "net",
        path: c"/proc/self/ns/net",
        host_inode: 0xEFFF_FFF9,
        since: Some((6, 18)),
    },
    NamespaceKind { name: "ipc", path: c"/proc/self/ns/ipc", host_inode: 0xEFFF_FFFF, since: None },
    NamespaceKind { name: "uts", path: c"/proc/self/ns/uts", host_inode: 0xEFFF_FFFE, since: None },
    NamespaceKind {
        name: "cgroup",
        path: c"/proc/self/ns/cgroup",
        host_inode: 0xEFFF_FFFB,
        since: None,
    },
    NamespaceKind {
        name: "time",
        path: c"/proc/self/ns/time",
        host_inode: 0xEFFF_FFFA,
        since: None,
    },
];

fn namespace(kind: &NamespaceKind, isolated_users: Option<bool>) -> Namespace {
    let mut target = [0_u8; 64];
    let inode = kernel::readlink(kind.path, &mut target).ok().and_then(|count| {
        let text = core::str::from_utf8(target.get(..count)?).ok()?;
        text.split(['[', ']']).nth(1)?.parse().ok()
    });
    let owner = inode.and_then(|inode| owner(kind, inode, isolated_users));
    Namespace { name: kind.name, inode, owner }
}

/// Whose namespace it is. Where the inode says nothing, the user namespace that owns it does: one
/// that belongs to ours was made for us, one that does not was there before.
fn owner(kind: &NamespaceKind, inode: u64, isolated_users: Option<bool>) -> Option<Owner> {
    if inode == kind.host_inode {
        return Some(Owner::Host);
    }
    let constant = kind.since.is_none_or(|since| kernel_version() >= Some(since));
    if constant {
        return Some(Owner::Own);
    }
    if isolated_users != Some(true) {
        return None;
    }
    let namespace = kernel::open(kind.path).ok()?;
    let owned = kernel::is_owned_here(&namespace).ok()?;
    Some(if owned { Owner::Own } else { Owner::Host })
}

fn kernel_version() -> Option<(u64, u64)> {
    let release = uname_field(&kernel::uname().ok()?, 2)?;
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn privileges(status: &str) -> Privileges {
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.strip_prefix(':').map(str::trim)
    };
    let mask = |name| u64::from_str_radix(field(name)?, 16).ok();
    let number = |name| field(name)?.parse::<u64>().ok();
    Privileges {
        effective: mask("CapEff"),
        bounding: mask("CapBnd"),
        no_new_privileges: number("NoNewPrivs").map(|value| value != 0),
        seccomp: number("Seccomp").and_then(|mode| match mode {
            0 => Some(Seccomp::Off),
            1 => Some(Seccomp::Strict),
            2 => Some(Seccomp::Filter),
            _ => None,
        }),
        seccomp_filters: number("Seccomp_filters"),
    }
}

fn interfaces(text: &str) -> Vec<String> {
    let lines = text.lines().skip(2); // two lines of headings
    lines.filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned())).collect()
}

/// Names of capabilities by number, without `CAP_` (linux/capability.h).
const CAPABILITIES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// The names in a set of capabilities; one that is newer than this program has none.
pub fn capability_names(set: u64) -> impl Iterator<Item = &'static str> {
    CAPABILITIES.iter().enumerate().filter(move |(bit, _)| set >> bit & 1 == 1).map(|(_, n)| *n)
}
