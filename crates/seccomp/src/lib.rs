//! OCI and Docker seccomp profiles to classic BPF.
//!
//! A container's system call filter is written as JSON, in one of two dialects, and loaded into
//! the kernel as a program for its packet filter machine. This crate reads both dialects, decides
//! which rules hold on this host, and writes the program.
//!
//! ```text
//! bytes ─from_json─▶ DockerProfile ─resolve(Host)─▶ LinuxSeccomp ─compile(Options)─▶ Filter
//! ```
//!
//! - *profile*: [`DockerProfile`], what `--security-opt seccomp=FILE` names: rules that may depend
//!   on capabilities, architecture and kernel.
//! - *resolved profile*: [`LinuxSeccomp`], the `linux.seccomp` object of the OCI runtime
//!   specification: rules without conditions.
//! - *rule*: names, comparisons of arguments, an [`Action`].
//! - *verdict*: what the filter returns for one call, in the kernel's encoding; [`Verdict`].
//! - *architecture*: one system call table; a kernel runs several ([`Arch::siblings`]).
//! - *foreign*: a call through a table that the profile does not cover.
//!
//! Which rule counts, when several name one call: an unconditional rule before all others (the
//! first of them), else the strictest of those whose comparisons all hold, by the kernel's own
//! order of verdicts, else the default action. [`compile`](fn@compile) says where this departs from
//! libseccomp.
//!
//! This crate makes no system call: it neither loads a filter nor asks the kernel what it is. It
//! does not know containers, users, or where profiles are kept.

mod arch;
mod bpf;
mod caps;
mod compile;
mod default;
mod docker;
mod errno;
mod error;
mod reach;
mod spec;
mod syscalls;
mod verdict;

pub use arch::{Arch, ScmpArch};
pub use bpf::{INSTRUCTIONS_MAX, Instruction, Program};
pub use caps::CapSet;
pub use compile::{Filter, IntArguments, NewerSyscalls, Options, compile};
pub use default::{ArchScope, compile_default, default_profile};
pub use docker::{ArchMapEntry, Condition, DockerProfile, DockerRule, Host, KernelVersion};
pub use error::{CompileError, ProfileError};
pub use reach::{Reach, names, narrowed, reach};
pub use spec::{Action, Comparison, Flag, LinuxSeccomp, Operator, PROFILE_BYTES_MAX, SyscallRule};
pub use syscalls::{is_known, number};
pub use verdict::Verdict;
