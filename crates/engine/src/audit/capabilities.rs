//! What each capability allows, capabilities(7), and how grave it is in a container.

/// Severity in the host's user namespace, and what it allows.
pub(super) fn meaning(name: &str) -> (&'static str, &'static str) {
    let row = TABLE.iter().find(|(known, _, _)| *known == name);
    row.map_or(("medium", "what this version does not know"), |(_, severity, allows)| {
        (severity, allows)
    })
}

const TABLE: [(&str, &str, &str); 41] = [
    ("CAP_CHOWN", "low", "give files to any owner"),
    ("CAP_DAC_OVERRIDE", "low", "read, write and execute files whatever their mode is"),
    ("CAP_DAC_READ_SEARCH", "high", "open any file of a file system by its handle"),
    ("CAP_FOWNER", "low", "act as the owner of any file"),
    ("CAP_FSETID", "low", "keep set-id bits when a file changes"),
    ("CAP_KILL", "low", "signal processes of any user"),
    ("CAP_SETGID", "low", "become any group"),
    ("CAP_SETUID", "low", "become any user"),
    ("CAP_SETPCAP", "low", "pass its own capabilities on to programs"),
    ("CAP_LINUX_IMMUTABLE", "medium", "set and clear the immutable flag of files"),
    ("CAP_NET_BIND_SERVICE", "low", "listen on ports below 1024"),
    ("CAP_NET_BROADCAST", "low", "nothing that kernels of today ask for"),
    ("CAP_NET_ADMIN", "medium", "configure links, routes and firewall of its network"),
    ("CAP_NET_RAW", "medium", "forge packets on its network"),
    ("CAP_IPC_LOCK", "low", "lock memory beyond its limit"),
    ("CAP_IPC_OWNER", "medium", "use System V objects of any owner"),
    ("CAP_SYS_MODULE", "high", "load code into the kernel"),
    ("CAP_SYS_RAWIO", "high", "access ports, memory and disks past the kernel"),
    ("CAP_SYS_CHROOT", "low", "change its root directory"),
    ("CAP_SYS_PTRACE", "high", "read and change any process that it sees"),
    ("CAP_SYS_PACCT", "medium", "switch process accounting"),
    ("CAP_SYS_ADMIN", "high", "mount file systems and much else that only an administrator does"),
    ("CAP_SYS_BOOT", "high", "restart the machine"),
    ("CAP_SYS_NICE", "medium", "take processor time before others"),
    ("CAP_SYS_RESOURCE", "medium", "go beyond resource limits"),
    ("CAP_SYS_TIME", "high", "set the clock of the machine"),
    ("CAP_SYS_TTY_CONFIG", "medium", "hang up terminals"),
    ("CAP_MKNOD", "medium", "make device nodes"),
    ("CAP_LEASE", "low", "take leases on files of any owner"),
    ("CAP_AUDIT_WRITE", "low", "write to the kernel's audit log"),
    ("CAP_AUDIT_CONTROL", "high", "switch the kernel's audit off"),
    ("CAP_SETFCAP", "low", "give capabilities to files"),
    ("CAP_MAC_OVERRIDE", "high", "ignore mandatory access control"),
    ("CAP_MAC_ADMIN", "high", "change mandatory access control"),
    ("CAP_SYSLOG", "high", "read the kernel's log and addresses"),
    ("CAP_WAKE_ALARM", "low", "wake the machine up"),
    ("CAP_BLOCK_SUSPEND", "low", "keep the machine from sleeping"),
    ("CAP_AUDIT_READ", "medium", "read the kernel's audit log"),
    ("CAP_PERFMON", "high", "observe the whole machine"),
    ("CAP_BPF", "high", "load programs into the kernel"),
    ("CAP_CHECKPOINT_RESTORE", "medium", "choose process ids, read other processes' files"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_capability_has_a_row() {
        let names: Vec<String> = seccomp::CapSet::ALL.names().collect();
        let rows: Vec<&str> = TABLE.iter().map(|(name, _, _)| *name).collect();
        assert_eq!(names, rows);
    }
}
