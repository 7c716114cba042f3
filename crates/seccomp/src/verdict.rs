//! What a filter returns for one call.

use crate::spec::Action;

/// What a filter returns for one call, as `SECCOMP_RET_*` of `linux/seccomp.h`: the action in the
/// upper half, its number in the lower.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Verdict(u32);

impl Verdict {
    /// The call runs.
    pub const ALLOW: Verdict = Verdict(0x7fff_0000);
    /// The call runs and the kernel logs it.
    pub const LOG: Verdict = Verdict(0x7ffc_0000);
    /// The call waits for the holder of the listener descriptor.
    pub const NOTIFY: Verdict = Verdict(0x7fc0_0000);
    /// The thread gets SIGSYS, which it may catch.
    pub const TRAP: Verdict = Verdict(0x0003_0000);
    /// The thread dies.
    pub const KILL_THREAD: Verdict = Verdict(0);
    /// The process dies.
    pub const KILL_PROCESS: Verdict = Verdict(0x8000_0000);

    /// The call fails with this error number.
    pub const fn errno(number: u16) -> Verdict {
        Verdict(0x0005_0000 | number as u32)
    }

    /// A tracer is told this number and decides; the call fails with ENOSYS if there is none.
    pub const fn trace(number: u16) -> Verdict {
        Verdict(0x7ff0_0000 | number as u32)
    }

    /// The verdict of a rule. `number` is for [`Action::Errno`] and [`Action::Trace`].
    pub(crate) const fn new(action: Action, number: u16) -> Verdict {
        match action {
            Action::Allow => Verdict::ALLOW,
            Action::Log => Verdict::LOG,
            Action::Notify => Verdict::NOTIFY,
            Action::Trace => Verdict::trace(number),
            Action::Errno => Verdict::errno(number),
            Action::Trap => Verdict::TRAP,
            Action::Kill | Action::KillThread => Verdict::KILL_THREAD,
            Action::KillProcess => Verdict::KILL_PROCESS,
        }
    }

    /// The kernel's encoding.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Less is stricter. The kernel's own order when several filters are loaded, seccomp(2):
    /// the upper half as a signed number.
    pub(crate) const fn leniency(self) -> i32 {
        (self.0 & 0xffff_0000) as i32
    }

    /// Whether the call can run: under a tracer, the tracer is trusted to handle what is new.
    pub(crate) const fn lets_through(self) -> bool {
        self.leniency() >= Verdict::trace(0).leniency()
    }
}
