//! The profile of containers whose user names none.
//!
//! It allows what Docker's default profile allows, for the same capabilities and kernel, except:
//!
//! - Only the native architecture is covered, unless all are asked for ([`ArchScope`]). The tables
//!   of 32-bit programs are the kernel's least tested part, and `socketcall` cannot be filtered:
//!   through it, address families that `socket` refuses could still be opened.
//! - Rules for architectures without a table here (s390, ppc, mips) are left out.
//! - Arguments of 32 bits are compared as the kernel reads them
//!   ([`crate::IntArguments::AsKernel`]), so that the refused address families cannot be opened
//!   by setting the unused half of the register.

mod always;

use std::borrow::Cow;

use crate::arch::{Arch, ScmpArch};
use crate::compile::{Filter, Options, compile};
use crate::docker::{ArchMapEntry, Condition, DockerProfile, DockerRule, Host, KernelVersion};
use crate::spec::{Action, Comparison, Operator};

const EPERM: u32 = 1;
const ENOSYS: u32 = 38;

/// Which architectures of a host the default profile covers.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum ArchScope {
    /// The host's own; programs of others fail at their first system call.
    #[default]
    NativeOnly,
    /// All that the host's kernel can run, as Docker does.
    AllArches,
}

/// The default profile.
pub fn default_profile(scope: ArchScope) -> DockerProfile {
    let mut syscalls = vec![rule(always::ALWAYS.iter().copied().flatten().copied())];
    syscalls.extend(sockets());
    syscalls.extend(personalities());
    syscalls.extend(clones());
    syscalls.extend(by_architecture());
    // Kernels before 4.8 let a tracer change a call after the filter had seen it.
    syscalls.push(DockerRule {
        includes: Condition {
            min_kernel: Some(KernelVersion { major: 4, minor: 8 }),
            ..Condition::default()
        },
        ..rule(["process_vm_readv", "process_vm_writev", "ptrace"])
    });
    syscalls.extend(
        BY_CAPABILITY
            .iter()
            .map(|(cap, names)| DockerRule { includes: caps(cap), ..rule(names.iter().copied()) }),
    );
    DockerProfile {
        default_action: Action::Errno,
        default_errno_ret: Some(EPERM),
        default_errno: None,
        architectures: Vec::new(),
        arch_map: match scope {
            ArchScope::NativeOnly => Vec::new(),
            ArchScope::AllArches => arch_map(),
        },
        flags: None,
        listener_path: None,
        listener_metadata: None,
        syscalls,
    }
}

/// The default profile's filter. Depends on nothing but its arguments, which can be the key of a
/// cache.
pub fn compile_default(host: &Host, scope: ArchScope) -> Filter {
    let resolved = default_profile(scope).resolve(host).expect("our own profile is well-formed");
    compile(&resolved, &Options::new(host.arch)).expect("our own profile compiles")
}

/// A new address family is a new attack surface of the kernel, but only two have to be kept out:
/// AF_ALG (38), whose holes crossed containers, and AF_VSOCK (40), which no namespace bounds and
/// which leads to the hypervisor.
fn sockets() -> Vec<DockerRule> {
    const AF_ALG: u64 = 38;
    const AF_VSOCK: u64 = 40;
    let families =
        [(Operator::Less, AF_ALG), (Operator::Equal, AF_ALG + 1), (Operator::Greater, AF_VSOCK)];
    families.map(|(op, value)| rule_if("socket", 0, op, value, 0)).into()
}

/// Execution domains: Linux (0), its 32-bit face (8), either with uname(2) showing 2.6
/// (0x20000), and the question which one it is. Others switch protections off.
fn personalities() -> Vec<DockerRule> {
    const PER_LINUX32: u64 = 0x8;
    const UNAME26: u64 = 0x2_0000;
    const ASK: u64 = 0xffff_ffff;
    let domains = [0, PER_LINUX32, UNAME26, UNAME26 | PER_LINUX32, ASK];
    domains.map(|value| rule_if("personality", 0, Operator::Equal, value, 0)).into()
}

/// New threads and processes, but no new namespaces without CAP_SYS_ADMIN. The flags of clone3(2)
/// are in memory, where a filter cannot see them: it fails as if the kernel were older than it,
/// and C libraries fall back to clone(2).
fn clones() -> [DockerRule; 2] {
    const CLONE_NEWNS: u64 = 0x0002_0000;
    const CLONE_NEWCGROUP: u64 = 0x0200_0000;
    const CLONE_NEWUTS: u64 = 0x0400_0000;
    const CLONE_NEWIPC: u64 = 0x0800_0000;
    const CLONE_NEWUSER: u64 = 0x1000_0000;
    const CLONE_NEWPID: u64 = 0x2000_0000;
    const CLONE_NEWNET: u64 = 0x4000_0000;
    let namespaces = CLONE_NEWNS
        | CLONE_NEWCGROUP
        | CLONE_NEWUTS
        | CLONE_NEWIPC
        | CLONE_NEWUSER
        | CLONE_NEWPID
        | CLONE_NEWNET;
    let clone = rule_if("clone", 0, Operator::MaskedEqual, namespaces, 0);
    [
        DockerRule { excludes: caps("CAP_SYS_ADMIN"), ..clone },
        DockerRule {
            action: Action::Errno,
            errno_ret: Some(ENOSYS),
            excludes: caps("CAP_SYS_ADMIN"),
            ..rule(["clone3"])
        },
    ]
}

/// Calls by which programs of one architecture set up their own processor state.
fn by_architecture() -> [DockerRule; 4] {
    let on = |arches: &[&'static str], names: &[&'static str]| DockerRule {
        includes: Condition {
            arches: arches.iter().copied().map(Cow::Borrowed).collect(),
            ..Condition::default()
        },
        ..rule(names.iter().copied())
    };
    [
        on(&["amd64", "x32"], &["arch_prctl"]),
        on(&["amd64", "x32", "x86"], &["modify_ldt"]),
        on(
            &["arm", "arm64"],
            &[
                "arm_fadvise64_64",
                "arm_sync_file_range",
                "breakpoint",
                "cacheflush",
                "set_tls",
                "sync_file_range2",
            ],
        ),
        on(&["riscv64"], &["riscv_flush_icache"]),
    ]
}

/// Calls that the kernel lets nobody make without the capability, or that are dangerous without
/// it. Where the kernel checks the capability too, the filter still hides the code before the
/// check.
const BY_CAPABILITY: [(&str, &[&str]); 14] = [
    ("CAP_DAC_READ_SEARCH", &["open_by_handle_at"]),
    (
        "CAP_SYS_ADMIN",
        &[
            "bpf",
            "clone",
            "clone3",
            "fanotify_init",
            "fsconfig",
            "fsmount",
            "fsopen",
            "fspick",
            "lookup_dcookie",
            "lsm_get_self_attr",
            "lsm_list_modules",
            "lsm_set_self_attr",
            "mount",
            "mount_setattr",
            "move_mount",
            "open_tree",
            "perf_event_open",
            "quotactl",
            "quotactl_fd",
            "setdomainname",
            "sethostname",
            "setns",
            "syslog",
            "umount",
            "umount2",
            "unshare",
        ],
    ),
    ("CAP_SYS_BOOT", &["reboot"]),
    ("CAP_SYS_CHROOT", &["chroot"]),
    ("CAP_SYS_MODULE", &["delete_module", "finit_module", "init_module"]),
    ("CAP_SYS_PACCT", &["acct"]),
    (
        "CAP_SYS_PTRACE",
        &[
            "kcmp",
            "pidfd_getfd",
            "process_madvise",
            "process_vm_readv",
            "process_vm_writev",
            "ptrace",
        ],
    ),
    ("CAP_SYS_RAWIO", &["ioperm", "iopl"]),
    ("CAP_SYS_TIME", &["clock_settime", "clock_settime64", "settimeofday", "stime"]),
    ("CAP_SYS_TTY_CONFIG", &["vhangup"]),
    ("CAP_SYS_NICE", &["get_mempolicy", "mbind", "set_mempolicy", "set_mempolicy_home_node"]),
    ("CAP_SYSLOG", &["syslog"]),
    ("CAP_BPF", &["bpf"]),
    ("CAP_PERFMON", &["perf_event_open"]),
];

fn arch_map() -> Vec<ArchMapEntry> {
    let entry = |arch: Arch| ArchMapEntry {
        architecture: arch.scmp(),
        sub_architectures: arch
            .siblings()
            .iter()
            .map(|other| other.scmp())
            .collect::<Vec<ScmpArch>>(),
    };
    Arch::ALL.map(entry).into()
}

/// Allows these calls.
fn rule(names: impl IntoIterator<Item = &'static str>) -> DockerRule {
    DockerRule {
        name: String::new(),
        names: names.into_iter().map(Cow::Borrowed).collect(),
        action: Action::Allow,
        errno_ret: None,
        errno: None,
        args: Vec::new(),
        comment: String::new(),
        includes: Condition::default(),
        excludes: Condition::default(),
    }
}

/// Allows one call when one of its arguments is as said.
fn rule_if(name: &'static str, index: u32, op: Operator, value: u64, value_two: u64) -> DockerRule {
    DockerRule { args: vec![Comparison { index, value, value_two, op }], ..rule([name]) }
}

fn caps(cap: &'static str) -> Condition {
    Condition { caps: vec![Cow::Borrowed(cap)], ..Condition::default() }
}
