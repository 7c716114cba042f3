//! What can go wrong. Everything here is the profile's fault, not the machine's.

use stdx::Kind;
use thiserror::Error;

use crate::bpf::INSTRUCTIONS_MAX;
use crate::spec::PROFILE_BYTES_MAX;

/// Why a profile was not understood. Where Docker has words for the fault, they are used.
#[derive(Debug, Error)]
pub enum ProfileError {
    /// The text is larger than [`PROFILE_BYTES_MAX`].
    #[error("read seccomp profile: {bytes} bytes are more than {PROFILE_BYTES_MAX}")]
    TooLarge {
        /// Size of the text.
        bytes: usize,
    },
    /// The text is not JSON, or not a profile.
    #[error("decode seccomp profile")]
    Decode {
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// Both ways to name architectures.
    #[error(
        "'architectures' and 'archMap' were specified in the seccomp profile, use either \
         'architectures' or 'archMap'"
    )]
    ArchitecturesTwice,
    /// Both ways to name system calls in one rule.
    #[error(
        "'name' and 'names' were specified in the seccomp profile, use either 'name' or 'names'"
    )]
    NamesTwice,
    /// `errno` is no error name, or disagrees with `errnoRet`.
    #[error("read seccomp profile: bad `errno` `{name}` (beside errnoRet {number:?})")]
    ErrnoName {
        /// As written.
        name: String,
        /// `errnoRet`, if given.
        number: Option<u32>,
    },
    /// A capability in `includes` or `excludes` that does not look like one.
    #[error("read seccomp profile: bad capability name `{name}`")]
    CapabilityName {
        /// As written.
        name: String,
    },
}

impl ProfileError {
    /// What sort of failure this is.
    pub fn kind(&self) -> Kind {
        Kind::Invalid
    }
}

/// Why a resolved profile could not be made into a filter.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum CompileError {
    /// A rule names no system call.
    #[error("compile seccomp profile: rule {rule} names no system call")]
    NoNames {
        /// Which rule, from 0.
        rule: usize,
    },
    /// A rule compares an argument that does not exist.
    #[error("compile seccomp profile: rule {rule} compares argument {index}, the last is 5")]
    ArgumentIndex {
        /// Which rule, from 0.
        rule: usize,
        /// As written.
        index: u32,
    },
    /// The error or trace number is larger than the kernel can return.
    #[error("compile seccomp profile: errno {number} is larger than {max}")]
    ErrnoRange {
        /// As written.
        number: u32,
        /// The largest there is: 4095 for errors, 65535 for tracers.
        max: u32,
    },
    /// `errnoRet` with an action that returns no number.
    #[error("compile seccomp profile: an action other than ERRNO and TRACE has errno {number}")]
    ErrnoUnused {
        /// As written.
        number: u32,
    },
    /// Notification as default action: the listener itself could not be handed over.
    #[error("compile seccomp profile: SCMP_ACT_NOTIFY cannot be used as default action")]
    NotifyDefault,
    /// Notification of `write`: the runtime hands the listener over with it.
    #[error("compile seccomp profile: SCMP_ACT_NOTIFY cannot be used for the write syscall")]
    NotifyWrite,
    /// Notifications, but nobody to send them to: the first such call would wait for ever.
    #[error("compile seccomp profile: SCMP_ACT_NOTIFY needs `listenerPath`")]
    NotifyWithoutListener,
    /// The program would be larger than the kernel takes.
    #[error("compile seccomp profile: the filter needs more than {INSTRUCTIONS_MAX} instructions")]
    TooLong,
}

impl CompileError {
    /// What sort of failure this is.
    pub fn kind(&self) -> Kind {
        Kind::Invalid
    }
}
