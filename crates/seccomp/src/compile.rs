//! From a resolved profile to a program.
//!
//! 1. [`policy`]: each architecture's rules become a map from number to [`policy::Decision`].
//! 2. [`intervals`]: the map becomes a list of runs of numbers with one decision each.
//! 3. [`emit`]: the runs become a balanced tree of comparisons. The kernel walks it once for each
//!    number when the filter is loaded (Linux 5.11, to skip the filter for calls that it always
//!    allows), so that a shallow tree also makes loading fast.

mod emit;
mod intervals;
mod policy;

use self::policy::NamedRule;
use crate::arch::Arch;
use crate::bpf::Program;
use crate::error::CompileError;
use crate::spec::{Flag, LinuxSeccomp};
use crate::verdict::Verdict;

/// What a profile leaves open.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Options {
    /// The kernel's architecture; always covered.
    pub native: Arch,
    /// The verdict on calls through a table that the profile does not cover. It does not follow
    /// the profile's default action: where that is to allow, `int 0x80` would be a way around
    /// every rule.
    pub foreign: Verdict,
    /// What happens to calls that are newer than the profile.
    pub newer: NewerSyscalls,
    /// How arguments of 32 bits are compared on 64-bit architectures.
    pub int_arguments: IntArguments,
}

impl Options {
    /// EPERM for foreign calls, ENOSYS for newer ones, arguments compared as the kernel sees them.
    pub const fn new(native: Arch) -> Options {
        Options {
            native,
            foreign: Verdict::errno(1),
            newer: NewerSyscalls::Enosys,
            int_arguments: IntArguments::AsKernel,
        }
    }
}

/// What happens to calls with a number above all those that the profile has a rule for.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum NewerSyscalls {
    /// They fail with ENOSYS, if the default action would stop them: a C library that tries a new
    /// call then falls back to the old one. This is what runc does.
    Enosys,
    /// They get the default action.
    DefaultAction,
}

/// How arguments are compared that the kernel reads as 32 bits from a register of 64.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum IntArguments {
    /// By their low halves, where the rule's values fit in 32 bits: the upper half of the register
    /// is the caller's to choose, and must not choose the verdict.
    AsKernel,
    /// By the whole register, as libseccomp does.
    WholeRegister,
}

/// A program and how to load it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Filter {
    /// What to load.
    pub program: Program,
    /// `SECCOMP_FILTER_FLAG_*` for seccomp(2), without NEW_LISTENER and TSYNC.
    pub flags: u32,
    /// Whether some verdict is [`Verdict::NOTIFY`]: load with NEW_LISTENER.
    pub notifies: bool,
    /// Names in the profile that no architecture with a table has: calls of other architectures,
    /// of later kernels, or mistakes. Their rules have no effect.
    pub unknown_names: Vec<String>,
}

/// Compiles a resolved profile. The same input gives the same program.
///
/// Differences from libseccomp 2.5 driven by runc, all on purpose:
/// - rules whose comparisons hold together: the strictest counts, not an accident of sorting;
/// - a rule with comparisons that would loosen a call of x86 does not loosen `socketcall` or `ipc`
///   with it, whose filter cannot see that call's arguments;
/// - `ipc` is recognized whatever version the caller writes above its number;
/// - arguments of x32 are whole registers; see also [`IntArguments`];
/// - foreign calls fail instead of killing the thread.
pub fn compile(profile: &LinuxSeccomp, options: &Options) -> Result<Filter, CompileError> {
    profile.check()?;
    let default = profile.default_verdict()?;
    let rules: Vec<NamedRule> =
        profile.syscalls.iter().map(NamedRule::new).collect::<Result<_, _>>()?;
    let architectures = covered(profile, options.native);
    let mut tokens: Vec<u32> = architectures.iter().map(|arch| arch.audit_token()).collect();
    tokens.dedup();

    let mut decisions = policy::Decisions::default();
    let mut sections = Vec::with_capacity(tokens.len());
    for token in tokens {
        let tables = architectures.iter().copied().filter(|arch| arch.audit_token() == token);
        let runs = intervals::runs(&rules, default, options, tables, &mut decisions)?;
        sections.push(emit::Section { token, runs });
    }
    Ok(Filter {
        program: emit::program(&sections, &decisions, options.foreign)?,
        flags: flags(profile),
        notifies: profile.notifies(),
        unknown_names: unknown_names(&rules),
    })
}

/// For each number of the native architecture: whether a call may run, and whether that depends
/// on its arguments.
pub(crate) fn call_verdicts(
    profile: &LinuxSeccomp,
    options: &Options,
) -> Result<impl Fn(u32) -> (bool, bool) + use<>, CompileError> {
    profile.check()?;
    let default = profile.default_verdict()?;
    let rules: Vec<NamedRule> =
        profile.syscalls.iter().map(NamedRule::new).collect::<Result<_, _>>()?;
    let table = policy::table(&rules, default, options, options.native)?;
    Ok(move |number| {
        let Some(decision) = table.decisions.get(&number) else {
            return (default.lets_through(), false);
        };
        let verdicts = decision.alternatives.iter().map(|alternative| alternative.verdict);
        let mut verdicts = verdicts.chain([decision.otherwise]).map(Verdict::lets_through);
        let first = verdicts.next().expect("there is always the last");
        verdicts.fold((first, false), |(any, mixed), lets| (any || lets, mixed || lets != first))
    })
}

/// The native architecture, then those asked for that its kernel can run. x32 stands beside
/// x86_64, whose token it shares.
fn covered(profile: &LinuxSeccomp, native: Arch) -> Vec<Arch> {
    let asked = |arch: &Arch| profile.architectures.contains(&arch.scmp());
    let mut all = vec![native];
    all.extend(native.siblings().iter().copied().filter(asked));
    all.sort_by_key(|arch| arch.audit_token() != native.audit_token());
    all
}

/// runc's default when a profile has no list: leave speculation alone, for speed.
fn flags(profile: &LinuxSeccomp) -> u32 {
    let bit = |flag: &Flag| match flag {
        Flag::Tsync => 0,
        Flag::Log => 1 << 1,
        Flag::SpecAllow => 1 << 2,
        // Without a listener the kernel refuses this one, seccomp(2).
        Flag::WaitKillableRecv => u32::from(profile.notifies()) << 5,
    };
    let listed = profile.flags.as_deref().unwrap_or(&[Flag::SpecAllow]);
    listed.iter().map(bit).fold(0, |all, bit| all | bit)
}

fn unknown_names(rules: &[NamedRule]) -> Vec<String> {
    let mut unknown: Vec<&str> = rules.iter().flat_map(NamedRule::unknown_names).collect();
    unknown.sort_unstable();
    unknown.dedup();
    unknown.into_iter().map(String::from).collect()
}
