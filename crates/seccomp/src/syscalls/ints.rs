//! Arguments that the kernel declares as 32 bits wide or less, also on 64-bit architectures.
//!
//! The kernel drops the upper half of such a register before it looks, and so must a filter:
//! `socket(0x1_0000_0026, ..)` opens the family 0x26, but as 64 bits it is not 0x26. Only calls
//! whose arguments are worth filtering stand here; the others are compared as 64 bits.

/// Name, then one bit an argument, the first argument lowest (`linux/syscalls.h`). `clone` takes
/// a long and uses its low half. Sorted by name.
#[rustfmt::skip]
pub(super) static ROWS: [(&str, u8); 116] = [
    ("accept", 0b000001), ("accept4", 0b001001), ("add_key", 0b010000), ("arch_prctl", 0b000001),
    ("bind", 0b000101), ("bpf", 0b000101), ("clone", 0b000001), ("close_range", 0b000111),
    ("connect", 0b000101), ("delete_module", 0b000010), ("dup3", 0b000111),
    ("epoll_create1", 0b000001), ("epoll_ctl", 0b000111), ("eventfd2", 0b000011),
    ("execveat", 0b010001), ("faccessat2", 0b001101), ("fallocate", 0b000011),
    ("fanotify_init", 0b000011), ("fchmod", 0b000011), ("fchmodat", 0b000101),
    ("fchmodat2", 0b001101), ("fcntl", 0b000011), ("finit_module", 0b000101), ("flock", 0b000011),
    ("fsconfig", 0b010011), ("fsmount", 0b000111), ("fsopen", 0b000010), ("futex", 0b100110),
    ("getpriority", 0b000011), ("getrlimit", 0b000001), ("getsockopt", 0b000111),
    ("inotify_init1", 0b000001), ("io_uring_enter", 0b001111), ("io_uring_register", 0b001011),
    ("io_uring_setup", 0b000001), ("ioctl", 0b000011), ("ioperm", 0b000100), ("iopl", 0b000001),
    ("ioprio_set", 0b000111), ("kcmp", 0b000111), ("keyctl", 0b000001), ("kill", 0b000011),
    ("landlock_create_ruleset", 0b000100), ("landlock_restrict_self", 0b000011),
    ("listen", 0b000011), ("lseek", 0b000101), ("madvise", 0b000100), ("memfd_create", 0b000010),
    ("memfd_secret", 0b000001), ("mknod", 0b000110), ("mknodat", 0b001101), ("mlock2", 0b000100),
    ("mlockall", 0b000001), ("modify_ldt", 0b000001), ("mount_setattr", 0b000101),
    ("move_mount", 0b010101), ("msgctl", 0b000011), ("open", 0b000110),
    ("open_by_handle_at", 0b000101), ("open_tree", 0b000101), ("openat", 0b001101),
    ("perf_event_open", 0b001110), ("personality", 0b000001), ("pidfd_getfd", 0b000111),
    ("pidfd_open", 0b000011), ("pidfd_send_signal", 0b001011), ("pipe2", 0b000010),
    ("pkey_mprotect", 0b001000), ("prctl", 0b000001), ("prlimit64", 0b000011),
    ("process_madvise", 0b011001), ("process_vm_readv", 0b000001), ("process_vm_writev", 0b000001),
    ("quotactl", 0b000101), ("reboot", 0b000111), ("recvfrom", 0b001001), ("recvmsg", 0b000101),
    ("renameat2", 0b010101), ("request_key", 0b001000), ("sched_setattr", 0b000101),
    ("sched_setscheduler", 0b000011), ("seccomp", 0b000011), ("semctl", 0b000111),
    ("sendmsg", 0b000101), ("sendto", 0b101001), ("set_mempolicy", 0b000001),
    ("setfsgid", 0b000001), ("setfsuid", 0b000001), ("setgid", 0b000001), ("setns", 0b000011),
    ("setpriority", 0b000111), ("setregid", 0b000011), ("setresgid", 0b000111),
    ("setresuid", 0b000111), ("setreuid", 0b000011), ("setrlimit", 0b000001),
    ("setsockopt", 0b010111), ("setuid", 0b000001), ("shmctl", 0b000011), ("shmget", 0b000101),
    ("shutdown", 0b000011), ("signalfd4", 0b001001), ("socket", 0b000111), ("socketpair", 0b000111),
    ("splice", 0b100101), ("statx", 0b001101), ("swapon", 0b000010), ("sync_file_range", 0b001001),
    ("syslog", 0b000101), ("tgkill", 0b000111), ("timerfd_create", 0b000011), ("tkill", 0b000011),
    ("umount2", 0b000010), ("unlinkat", 0b000101), ("userfaultfd", 0b000001),
    ("vmsplice", 0b001001),
];
