//! The meaning of a profile, read rule by rule, without intervals, trees or halves.

use std::collections::HashMap;

use seccomp::{
    Action, Arch, Comparison, IntArguments, LinuxSeccomp, NewerSyscalls, Operator, Options,
    SyscallRule, Verdict,
};

use crate::machine::Call;

/// A profile, its rules sorted only by the calls they name.
pub struct Reading<'a> {
    profile: &'a LinuxSeccomp,
    options: Options,
    rules: HashMap<(Arch, u32), Vec<(&'a SyscallRule, &'a str)>>,
    newest: HashMap<Arch, u32>,
}

impl<'a> Reading<'a> {
    pub fn new(profile: &'a LinuxSeccomp, options: Options) -> Reading<'a> {
        let mut rules: HashMap<_, Vec<_>> = HashMap::new();
        let mut newest = HashMap::new();
        let names = |rule: &'a SyscallRule| rule.names.iter().map(move |name| (rule, name));
        for (rule, name) in profile.syscalls.iter().flat_map(names) {
            for arch in Arch::ALL {
                let Some(nr) = seccomp::number(arch, name) else { continue };
                rules.entry((arch, nr)).or_default().push((rule, name.as_ref()));
                if !is_private(arch, nr) {
                    let known = newest.entry(arch).or_insert(nr);
                    *known = nr.max(*known);
                }
            }
            if let Some((nr, _, _)) = door(name) {
                rules.entry((Arch::X86, nr)).or_default().push((rule, name.as_ref()));
            }
        }
        Reading { profile, options, rules, newest }
    }

    pub fn evaluate(&self, call: &Call) -> u32 {
        let options = &self.options;
        let Some(arch) = arch_of(self.profile, options, call) else {
            return options.foreign.bits();
        };
        let default = verdict(self.profile.default_action, self.profile.default_errno_ret);
        let mut unconditional = None;
        let mut strictest: Option<Verdict> = None;
        let mut is_ruled = false;
        for &(rule, name) in self.rules.get(&(arch, call.nr)).map_or(&[][..], Vec::as_slice) {
            let verdict = verdict(rule.action, rule.errno_ret);
            if verdict == default {
                continue;
            }
            is_ruled = true;
            let is_stricter = strictness(verdict) > strictness(default);
            match matches(rule, name, options, arch, call, is_stricter) {
                Match::No => {}
                Match::Always => unconditional = unconditional.or(Some(verdict)),
                Match::This => {
                    let stricter = |held: Verdict| strictness(verdict) > strictness(held);
                    if strictest.is_none_or(stricter) {
                        strictest = Some(verdict);
                    }
                }
            }
        }
        let fallback = if is_ruled { default } else { self.background(arch, call, default) };
        unconditional.or(strictest).unwrap_or(fallback).bits()
    }

    fn background(&self, arch: Arch, call: &Call, default: Verdict) -> Verdict {
        let stops = strictness(default) > strictness(Verdict::trace(0));
        let skipped_by_tracer = arch == Arch::X86_64 && call.nr == u32::MAX;
        let x32_is_foreign = !self.profile.architectures.contains(&Arch::X32.scmp());
        if self.options.newer == NewerSyscalls::DefaultAction
            || !stops
            || is_private(arch, call.nr)
            || skipped_by_tracer && x32_is_foreign
        {
            return default;
        }
        match self.newest.get(&arch) {
            Some(&newest) if call.nr > newest => Verdict::errno(38),
            _ => default,
        }
    }
}

fn is_private(arch: Arch, nr: u32) -> bool {
    arch == Arch::Arm && nr >= 0xf0000
}

fn arch_of(profile: &LinuxSeccomp, options: &Options, call: &Call) -> Option<Arch> {
    let covers = |arch: Arch| {
        arch == options.native
            || options.native.siblings().contains(&arch)
                && profile.architectures.contains(&arch.scmp())
    };
    let has_bit = call.nr >= 0x4000_0000;
    let arch = Arch::ALL.into_iter().find(|arch| arch.audit_token() == call.token)?;
    match arch {
        Arch::X86_64 if has_bit && covers(Arch::X32) => Some(Arch::X32),
        Arch::X86_64 if has_bit && call.nr != u32::MAX => None,
        _ => covers(arch).then_some(arch),
    }
}

enum Match {
    No,
    Always,
    This,
}

fn matches(
    rule: &SyscallRule,
    name: &str,
    options: &Options,
    arch: Arch,
    call: &Call,
    is_stricter: bool,
) -> Match {
    if seccomp::number(arch, name) == Some(call.nr) {
        let repeats = (0..6).any(|i| rule.args.iter().filter(|arg| arg.index == i).count() > 1);
        let vacuous = |arg: &Comparison| {
            let mask = if is_32_bit(arch) { arg.value & 0xffff_ffff } else { arg.value };
            arg.op == Operator::MaskedEqual && mask == 0
        };
        let always =
            if repeats { rule.args.iter().any(vacuous) } else { rule.args.iter().all(vacuous) };
        if always {
            return Match::Always;
        }
        let mut results = rule.args.iter().map(|arg| holds(arg, name, options, arch, call));
        let all = if repeats { results.any(|held| held) } else { results.all(|held| held) };
        return if all { Match::This } else { Match::No };
    }
    match door(name) {
        Some((nr, mask, sub_call))
            if arch == Arch::X86 && nr == call.nr && call.args[0] & mask == sub_call =>
        {
            if rule.args.is_empty() || is_stricter { Match::This } else { Match::No }
        }
        _ => Match::No,
    }
}

fn holds(arg: &Comparison, name: &str, options: &Options, arch: Arch, call: &Call) -> bool {
    let wide = arg.value > 0xffff_ffff || arg.value_two & arg.value > 0xffff_ffff;
    let as_int =
        options.int_arguments == IntArguments::AsKernel && is_int(name, arg.index) && !wide;
    let low = is_32_bit(arch) || as_int;
    let cut = |value: u64| if low { value & 0xffff_ffff } else { value };
    let (actual, value, two) =
        (cut(call.args[arg.index as usize]), cut(arg.value), cut(arg.value_two));
    match arg.op {
        Operator::NotEqual => actual != value,
        Operator::Less => actual < value,
        Operator::LessOrEqual => actual <= value,
        Operator::Equal => actual == value,
        Operator::GreaterOrEqual => actual >= value,
        Operator::Greater => actual > value,
        Operator::MaskedEqual => actual & value == two & value,
    }
}

fn is_32_bit(arch: Arch) -> bool {
    matches!(arch, Arch::X86 | Arch::Arm)
}

/// The calls in [`crate::random`] with 32-bit arguments, from their manual pages.
fn is_int(name: &str, index: u32) -> bool {
    let ints: &[u32] = match name {
        "socket" | "socketpair" | "dup3" | "kcmp" | "tgkill" | "epoll_ctl" => &[0, 1, 2],
        "personality" | "clone" | "prctl" | "keyctl" | "memfd_secret" | "set_mempolicy" => &[0],
        "ioctl" | "fcntl" | "kill" | "setns" | "flock" => &[0, 1],
        "openat" | "faccessat2" => &[0, 2, 3],
        "setsockopt" => &[0, 1, 2, 4],
        _ => &[],
    };
    ints.contains(&index)
}

/// `socketcall` or `ipc` of x86: its number, the mask of its first argument, what that must be.
pub fn door(name: &str) -> Option<(u32, u64, u64)> {
    const SOCKET: [&str; 20] = [
        "socket",
        "bind",
        "connect",
        "listen",
        "accept",
        "getsockname",
        "getpeername",
        "socketpair",
        "send",
        "recv",
        "sendto",
        "recvfrom",
        "shutdown",
        "setsockopt",
        "getsockopt",
        "sendmsg",
        "recvmsg",
        "accept4",
        "recvmmsg",
        "sendmmsg",
    ];
    const IPC: [[&str; 4]; 3] = [
        ["semop", "semget", "semctl", "semtimedop"],
        ["msgsnd", "msgrcv", "msgget", "msgctl"],
        ["shmat", "shmdt", "shmget", "shmctl"],
    ];
    if let Some(at) = SOCKET.iter().position(|&other| other == name) {
        return Some((102, 0xffff_ffff, at as u64 + 1));
    }
    let (tens, row) = IPC.iter().enumerate().find(|(_, row)| row.contains(&name))?;
    let ones = row.iter().position(|&other| other == name)?;
    Some((117, 0xffff, 10 * tens as u64 + ones as u64 + 1))
}

fn verdict(action: Action, number: Option<u32>) -> Verdict {
    let number = number.unwrap_or(1) as u16;
    match action {
        Action::Kill | Action::KillThread => Verdict::KILL_THREAD,
        Action::KillProcess => Verdict::KILL_PROCESS,
        Action::Trap => Verdict::TRAP,
        Action::Errno => Verdict::errno(number),
        Action::Trace => Verdict::trace(number),
        Action::Allow => Verdict::ALLOW,
        Action::Log => Verdict::LOG,
        Action::Notify => Verdict::NOTIFY,
    }
}

/// seccomp(2), "Filter return values ... in decreasing order of precedence".
fn strictness(verdict: Verdict) -> usize {
    let order = [
        Verdict::ALLOW,
        Verdict::LOG,
        Verdict::trace(0),
        Verdict::NOTIFY,
        Verdict::errno(0),
        Verdict::TRAP,
        Verdict::KILL_THREAD,
        Verdict::KILL_PROCESS,
    ];
    let action = verdict.bits() & 0xffff_0000;
    order.iter().position(|other| other.bits() == action).expect("one of the eight")
}
