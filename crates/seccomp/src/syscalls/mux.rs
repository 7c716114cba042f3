//! The two calls of 32-bit x86 that carry many others: `socketcall` and `ipc`.
//!
//! A filter that forbids `socket` and leaves `socketcall` alone forbids nothing, so rules for the
//! one also count for the other.

/// How else, on x86, a call can be entered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Door {
    /// `socketcall` or `ipc`.
    pub(crate) syscall: &'static str,
    /// Its first argument says which call is meant, under this mask.
    pub(crate) mask: u32,
    /// What the masked argument then is.
    pub(crate) call: u32,
}

/// The other door of a call, if it has one (`linux/net.h` SYS_*, `linux/ipc.h`).
pub(crate) fn second_door(name: &str) -> Option<Door> {
    let of = |table: &[(&str, u32)]| table.iter().find(|row| row.0 == name).map(|row| row.1);
    if let Some(call) = of(&SOCKETCALL) {
        return Some(Door { syscall: "socketcall", mask: u32::MAX, call });
    }
    // The kernel keeps a version in the upper half of the number: ipc(2), `call >> 16`.
    of(&IPC).map(|call| Door { syscall: "ipc", mask: 0xffff, call })
}

const SOCKETCALL: [(&str, u32); 20] = [
    ("socket", 1),
    ("bind", 2),
    ("connect", 3),
    ("listen", 4),
    ("accept", 5),
    ("getsockname", 6),
    ("getpeername", 7),
    ("socketpair", 8),
    ("send", 9),
    ("recv", 10),
    ("sendto", 11),
    ("recvfrom", 12),
    ("shutdown", 13),
    ("setsockopt", 14),
    ("getsockopt", 15),
    ("sendmsg", 16),
    ("recvmsg", 17),
    ("accept4", 18),
    ("recvmmsg", 19),
    ("sendmmsg", 20),
];

const IPC: [(&str, u32); 12] = [
    ("semop", 1),
    ("semget", 2),
    ("semctl", 3),
    ("semtimedop", 4),
    ("msgsnd", 11),
    ("msgrcv", 12),
    ("msgget", 13),
    ("msgctl", 14),
    ("shmat", 21),
    ("shmdt", 22),
    ("shmget", 23),
    ("shmctl", 24),
];
