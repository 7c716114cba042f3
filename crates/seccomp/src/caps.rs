//! Sets of capabilities.

/// Capability names without their `CAP_`, by number (`linux/capability.h`, up to Linux 5.9's
/// CHECKPOINT_RESTORE; none was added since).
const NAMES: [&str; 41] = [
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

/// A set of capabilities, one bit each, as the kernel keeps them.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct CapSet(u64);

impl CapSet {
    /// No capability.
    pub const EMPTY: CapSet = CapSet(0);

    /// Every capability this crate knows.
    pub const ALL: CapSet = CapSet((1 << NAMES.len()) - 1);

    /// From a mask whose bit `n` is capability number `n`, as in `/proc/PID/status`.
    pub const fn from_bits(bits: u64) -> CapSet {
        CapSet(bits)
    }

    /// The mask.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// With one more, by its name (`CAP_SYS_ADMIN`, any case, `CAP_` may be missing); None if
    /// there is no such capability.
    #[must_use]
    pub fn with(self, name: &str) -> Option<CapSet> {
        bit(name).map(|bit| CapSet(self.0 | bit))
    }

    /// Their names, with `CAP_`, by number; those unknown here are left out.
    pub fn names(self) -> impl Iterator<Item = String> {
        let held = NAMES.iter().enumerate().filter(move |(number, _)| self.0 >> number & 1 == 1);
        held.map(|(_, name)| format!("CAP_{name}"))
    }

    /// Whether the set holds the capability of this name. Unknown ones are never held.
    pub fn contains(self, name: &str) -> bool {
        bit(name).is_some_and(|bit| self.0 & bit != 0)
    }
}

fn bit(name: &str) -> Option<u64> {
    let short = match name.get(..4) {
        Some(prefix) if prefix.eq_ignore_ascii_case("CAP_") => &name[4..],
        _ => name,
    };
    NAMES.iter().position(|known| known.eq_ignore_ascii_case(short)).map(|number| 1 << number)
}
