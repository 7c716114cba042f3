//! The `linux.seccomp` object of the OCI runtime specification.
//!
//! Keys that the specification does not know are ignored, as it demands; `null` stands for an
//! absent key, as programs written in Go print it.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize};

use crate::arch::ScmpArch;
use crate::error::CompileError;
use crate::verdict::Verdict;

/// Larger profiles are refused unread. Docker's own has 14 KiB, machine-made ones about 100.
pub const PROFILE_BYTES_MAX: usize = 1 << 20;

/// What happens to a call.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum Action {
    /// The thread dies; the older name of [`Action::KillThread`].
    #[serde(rename = "SCMP_ACT_KILL")]
    Kill,
    /// The process dies.
    #[serde(rename = "SCMP_ACT_KILL_PROCESS")]
    KillProcess,
    /// The thread dies.
    #[serde(rename = "SCMP_ACT_KILL_THREAD")]
    KillThread,
    /// The thread gets SIGSYS.
    #[serde(rename = "SCMP_ACT_TRAP")]
    Trap,
    /// The call fails with `errnoRet`, or EPERM.
    #[serde(rename = "SCMP_ACT_ERRNO")]
    Errno,
    /// A tracer decides; it is told `errnoRet`, or 1.
    #[serde(rename = "SCMP_ACT_TRACE")]
    Trace,
    /// The call runs.
    #[serde(rename = "SCMP_ACT_ALLOW")]
    Allow,
    /// The call runs and is logged.
    #[serde(rename = "SCMP_ACT_LOG")]
    Log,
    /// The listener at `listenerPath` decides.
    #[serde(rename = "SCMP_ACT_NOTIFY")]
    Notify,
}

/// How an argument is compared; all comparisons are unsigned.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum Operator {
    #[serde(rename = "SCMP_CMP_NE")]
    NotEqual,
    #[serde(rename = "SCMP_CMP_LT")]
    Less,
    #[serde(rename = "SCMP_CMP_LE")]
    LessOrEqual,
    #[serde(rename = "SCMP_CMP_EQ")]
    Equal,
    #[serde(rename = "SCMP_CMP_GE")]
    GreaterOrEqual,
    #[serde(rename = "SCMP_CMP_GT")]
    Greater,
    /// `argument & value == valueTwo & value`: the mask comes first.
    #[serde(rename = "SCMP_CMP_MASKED_EQ")]
    MaskedEqual,
}

/// How the filter is loaded.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum Flag {
    /// All threads at once. Ignored: a runtime loads the filter in a process of one thread.
    #[serde(rename = "SECCOMP_FILTER_FLAG_TSYNC")]
    Tsync,
    /// Log what is not allowed.
    #[serde(rename = "SECCOMP_FILTER_FLAG_LOG")]
    Log,
    /// Leave speculative store bypass on.
    #[serde(rename = "SECCOMP_FILTER_FLAG_SPEC_ALLOW")]
    SpecAllow,
    /// Only fatal signals interrupt a call that waits for the listener.
    #[serde(rename = "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV")]
    WaitKillableRecv,
}

/// One comparison of an argument.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// Which argument, 0 to 5.
    pub index: u32,
    /// What to compare with; the mask of [`Operator::MaskedEqual`].
    pub value: u64,
    /// What the masked argument must be.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "is_zero")]
    pub value_two: u64,
    /// How to compare.
    pub op: Operator,
}

/// One rule: what happens to calls of these names when all comparisons hold. Comparisons of
/// which two are of the same argument are alternatives instead: one that holds is enough.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SyscallRule {
    /// Names of system calls; unknown ones are ignored.
    pub names: Vec<Cow<'static, str>>,
    /// What happens.
    pub action: Action,
    /// The error number, or the tracer's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errno_ret: Option<u32>,
    /// When it happens; always if empty.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<Comparison>,
}

/// A resolved profile.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LinuxSeccomp {
    /// What happens to calls without a rule.
    pub default_action: Action,
    /// Its error number, or the tracer's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_errno_ret: Option<u32>,
    /// Architectures beside the host's own.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub architectures: Vec<ScmpArch>,
    /// How to load the filter. None, unlike an empty list, means [`Flag::SpecAllow`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flags: Option<Vec<Flag>>,
    /// The Unix socket to which the runtime sends the descriptor of [`Action::Notify`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listener_path: Option<String>,
    /// Opaque text sent along.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listener_metadata: Option<String>,
    /// The rules.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub syscalls: Vec<SyscallRule>,
}

impl LinuxSeccomp {
    /// The verdict on calls without a rule.
    pub(crate) fn default_verdict(&self) -> Result<Verdict, CompileError> {
        verdict(self.default_action, self.default_errno_ret)
    }

    /// Whether any rule asks the listener.
    pub fn notifies(&self) -> bool {
        self.syscalls.iter().any(|rule| rule.action == Action::Notify)
    }

    /// Finds what a type cannot forbid.
    pub(crate) fn check(&self) -> Result<(), CompileError> {
        self.default_verdict()?;
        if self.default_action == Action::Notify {
            return Err(CompileError::NotifyDefault);
        }
        for (position, rule) in self.syscalls.iter().enumerate() {
            rule.check(position)?;
        }
        let nobody_listens = self.listener_path.as_ref().is_none_or(String::is_empty);
        if self.notifies() && nobody_listens {
            return Err(CompileError::NotifyWithoutListener);
        }
        Ok(())
    }
}

impl SyscallRule {
    /// The verdict on calls that match.
    pub(crate) fn verdict(&self) -> Result<Verdict, CompileError> {
        verdict(self.action, self.errno_ret)
    }

    /// Whether one comparison that holds is enough.
    pub(crate) fn is_any_of(&self) -> bool {
        let repeats = |(position, one): (usize, &Comparison)| {
            self.args.iter().take(position).any(|other| other.index == one.index)
        };
        self.args.iter().enumerate().take(7).any(repeats)
    }

    fn check(&self, position: usize) -> Result<(), CompileError> {
        self.verdict()?;
        if self.names.is_empty() || self.names.iter().any(|name| name.is_empty()) {
            return Err(CompileError::NoNames { rule: position });
        }
        if let Some(bad) = self.args.iter().find(|comparison| comparison.index > 5) {
            return Err(CompileError::ArgumentIndex { rule: position, index: bad.index });
        }
        if self.action == Action::Notify && self.names.iter().any(|name| name == "write") {
            return Err(CompileError::NotifyWrite);
        }
        Ok(())
    }
}

/// EPERM when a profile names none; also what tracers are told then.
const EPERM: u32 = 1;

fn verdict(action: Action, number: Option<u32>) -> Result<Verdict, CompileError> {
    // The kernel cuts larger error numbers to 4095 (MAX_ERRNO); the return value has 16 bits.
    let max = match action {
        Action::Errno => 4095,
        Action::Trace => u32::from(u16::MAX),
        _ => match number {
            None | Some(0) => return Ok(Verdict::new(action, 0)),
            Some(number) => return Err(CompileError::ErrnoUnused { number }),
        },
    };
    let number = number.unwrap_or(EPERM);
    match u16::try_from(number) {
        Ok(short) if number <= max => Ok(Verdict::new(action, short)),
        _ => Err(CompileError::ErrnoRange { number, max }),
    }
}

/// Reads `null` like an absent key.
pub(crate) fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

fn is_zero(value: &u64) -> bool {
    *value == 0
}
