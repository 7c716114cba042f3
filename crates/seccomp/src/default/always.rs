//! The calls that every container may make, by what they are for.

/// All groups.
pub(super) const ALWAYS: &[&[&str]] = &[
    OPEN,
    DESCRIPTORS,
    METADATA,
    WAITING,
    AIO,
    MEMORY,
    PROCESSES,
    FUTEXES,
    SIGNALS,
    IDENTITY,
    TIME,
    SCHEDULING,
    SOCKETS,
    IPC,
];

/// Opening, making and naming files. Permissions and mounts decide what can be reached.
#[rustfmt::skip]
const OPEN: &[&str] = &[
    "access", "chdir", "creat", "faccessat", "faccessat2", "fchdir", "getcwd", "link", "linkat",
    "mkdir", "mkdirat", "mknod", "mknodat", "name_to_handle_at", "open", "openat", "openat2",
    "readlink", "readlinkat", "rename", "renameat", "renameat2", "rmdir", "symlink",
    "symlinkat", "umask", "unlink", "unlinkat",
];

/// Reading, writing and steering open descriptors.
#[rustfmt::skip]
const DESCRIPTORS: &[&str] = &[
    "_llseek", "close", "close_range", "copy_file_range", "dup", "dup2", "dup3", "fadvise64",
    "fadvise64_64", "fallocate", "fcntl", "fcntl64", "fdatasync", "flock", "fsync", "ftruncate",
    "ftruncate64", "ioctl", "lseek", "pipe", "pipe2", "pread64", "preadv", "preadv2",
    "pwrite64", "pwritev", "pwritev2", "read", "readahead", "readv", "sendfile", "sendfile64",
    "splice", "sync", "sync_file_range", "syncfs", "tee", "truncate", "truncate64", "vmsplice",
    "write", "writev",
];

/// Asking and changing what is known of files: owners, modes, times, attributes, mounts.
#[rustfmt::skip]
const METADATA: &[&str] = &[
    "chmod", "chown", "chown32", "fchmod", "fchmodat", "fchmodat2", "fchown", "fchown32",
    "fchownat", "fgetxattr", "flistxattr", "fremovexattr", "fsetxattr", "fstat", "fstat64",
    "fstatat64", "fstatfs", "fstatfs64", "futimesat", "getdents", "getdents64", "getxattr",
    "getxattrat", "lchown", "lchown32", "lgetxattr", "listmount", "listxattr", "listxattrat",
    "llistxattr", "lremovexattr", "lsetxattr", "lstat", "lstat64", "newfstatat", "removexattr",
    "removexattrat", "setxattr", "setxattrat", "stat", "stat64", "statfs", "statfs64",
    "statmount", "statx", "utime", "utimensat", "utimensat_time64", "utimes",
];

/// Waiting for descriptors, and descriptors made to be waited for.
#[rustfmt::skip]
const WAITING: &[&str] = &[
    "_newselect", "epoll_create", "epoll_create1", "epoll_ctl", "epoll_ctl_old", "epoll_pwait",
    "epoll_pwait2", "epoll_wait", "epoll_wait_old", "eventfd", "eventfd2", "fanotify_mark",
    "inotify_add_watch", "inotify_init", "inotify_init1", "inotify_rm_watch", "poll", "ppoll",
    "ppoll_time64", "pselect6", "pselect6_time64", "select", "signalfd", "signalfd4",
    "timerfd_create", "timerfd_gettime", "timerfd_gettime64", "timerfd_settime",
    "timerfd_settime64",
];

/// The older asynchronous input and output. io_uring is left out: its kernel code had too many
/// holes.
#[rustfmt::skip]
const AIO: &[&str] = &[
    "io_cancel", "io_destroy", "io_getevents", "io_pgetevents", "io_pgetevents_time64",
    "io_setup", "io_submit",
];

/// A program's own memory.
#[rustfmt::skip]
const MEMORY: &[&str] = &[
    "brk", "madvise", "map_shadow_stack", "membarrier", "memfd_create", "memfd_secret",
    "mincore", "mlock", "mlock2", "mlockall", "mmap", "mmap2", "mprotect", "mremap", "mseal",
    "msync", "munlock", "munlockall", "munmap", "pkey_alloc", "pkey_free", "pkey_mprotect",
    "remap_file_pages",
];

/// Programs, threads and their ends. clone(2) has rules of its own.
#[rustfmt::skip]
const PROCESSES: &[&str] = &[
    "execve", "execveat", "exit", "exit_group", "fork", "get_thread_area", "getpgid", "getpgrp",
    "getpid", "getppid", "getsid", "gettid", "landlock_add_rule", "landlock_create_ruleset",
    "landlock_restrict_self", "pidfd_open", "pidfd_send_signal", "prctl", "process_mrelease",
    "restart_syscall", "riscv_hwprobe", "rseq", "seccomp", "set_thread_area", "set_tid_address",
    "setpgid", "setsid", "uretprobe", "vfork", "wait4", "waitid", "waitpid",
];

/// Locks between threads.
#[rustfmt::skip]
const FUTEXES: &[&str] = &[
    "futex", "futex_requeue", "futex_time64", "futex_wait", "futex_waitv", "futex_wake",
    "get_robust_list", "set_robust_list",
];

/// Signals.
#[rustfmt::skip]
const SIGNALS: &[&str] = &[
    "kill", "pause", "rt_sigaction", "rt_sigpending", "rt_sigprocmask", "rt_sigqueueinfo",
    "rt_sigreturn", "rt_sigsuspend", "rt_sigtimedwait", "rt_sigtimedwait_time64",
    "rt_tgsigqueueinfo", "sigaltstack", "sigprocmask", "sigreturn", "tgkill", "tkill",
];

/// Users, groups and capabilities. The bounding set and the user namespace decide what is
/// possible.
#[rustfmt::skip]
const IDENTITY: &[&str] = &[
    "capget", "capset", "getegid", "getegid32", "geteuid", "geteuid32", "getgid", "getgid32",
    "getgroups", "getgroups32", "getresgid", "getresgid32", "getresuid", "getresuid32",
    "getuid", "getuid32", "setfsgid", "setfsgid32", "setfsuid", "setfsuid32", "setgid",
    "setgid32", "setgroups", "setgroups32", "setregid", "setregid32", "setresgid",
    "setresgid32", "setresuid", "setresuid32", "setreuid", "setreuid32", "setuid", "setuid32",
];

/// Clocks and timers. Setting the clock asks for a capability that the kernel checks.
#[rustfmt::skip]
const TIME: &[&str] = &[
    "adjtimex", "alarm", "clock_adjtime", "clock_adjtime64", "clock_getres",
    "clock_getres_time64", "clock_gettime", "clock_gettime64", "clock_nanosleep",
    "clock_nanosleep_time64", "getitimer", "gettimeofday", "nanosleep", "setitimer", "time",
    "timer_create", "timer_delete", "timer_getoverrun", "timer_gettime", "timer_gettime64",
    "timer_settime", "timer_settime64", "times",
];

/// Shares of the machine, limits, and what the machine is.
#[rustfmt::skip]
const SCHEDULING: &[&str] = &[
    "cachestat", "getcpu", "getpriority", "getrandom", "getrlimit", "getrusage", "ioprio_get",
    "ioprio_set", "prlimit64", "sched_get_priority_max", "sched_get_priority_min",
    "sched_getaffinity", "sched_getattr", "sched_getparam", "sched_getscheduler",
    "sched_rr_get_interval", "sched_rr_get_interval_time64", "sched_setaffinity",
    "sched_setattr", "sched_setparam", "sched_setscheduler", "sched_yield", "setpriority",
    "setrlimit", "sysinfo", "ugetrlimit", "uname",
];

/// Sockets once made. socket(2) has rules of its own.
#[rustfmt::skip]
const SOCKETS: &[&str] = &[
    "accept", "accept4", "bind", "connect", "getpeername", "getsockname", "getsockopt",
    "listen", "recv", "recvfrom", "recvmmsg", "recvmmsg_time64", "recvmsg", "send", "sendmmsg",
    "sendmsg", "sendto", "setsockopt", "shutdown", "socketcall", "socketpair",
];

/// System V and POSIX queues, semaphores and shared memory; the ipc namespace keeps them apart.
#[rustfmt::skip]
const IPC: &[&str] = &[
    "ipc", "mq_getsetattr", "mq_notify", "mq_open", "mq_timedreceive", "mq_timedreceive_time64",
    "mq_timedsend", "mq_timedsend_time64", "mq_unlink", "msgctl", "msgget", "msgrcv", "msgsnd",
    "semctl", "semget", "semop", "semtimedop", "semtimedop_time64", "shmat", "shmctl", "shmdt",
    "shmget",
];
