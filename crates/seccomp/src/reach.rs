//! What a filter leaves open, call by call, and a profile that leaves less open.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::arch::{Arch, ScmpArch};
use crate::compile::{Options, call_verdicts};
use crate::docker::{Condition, DockerProfile, DockerRule};
use crate::error::CompileError;
use crate::spec::{Action, LinuxSeccomp, SyscallRule};
use crate::syscalls;

/// How far a call gets through a filter.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reach {
    /// It runs, whatever its arguments are.
    Always,
    /// It depends on its arguments.
    Sometimes,
    /// It never runs.
    Never,
}

/// All calls of an architecture by name, in the order of the names, with what a profile leaves
/// of each.
///
/// # Errors
/// Those of [`compile`](fn@crate::compile).
pub fn reach(
    profile: &LinuxSeccomp,
    arch: Arch,
) -> Result<Vec<(&'static str, Reach)>, CompileError> {
    let verdicts = call_verdicts(profile, &Options::new(arch))?;
    let of = |number: u32| match verdicts(number) {
        (true, true) => Reach::Sometimes,
        (true, false) => Reach::Always,
        (false, _) => Reach::Never,
    };
    Ok(names(arch).map(|(name, number)| (name, of(number))).collect())
}

/// All calls of an architecture, by name, with their numbers as [`crate::number`] gives them.
pub fn names(arch: Arch) -> impl Iterator<Item = (&'static str, u32)> {
    syscalls::all().filter_map(move |(name, numbers)| Some((name, numbers.on(arch)?)))
}

/// The part of a profile that is needed for these calls of its host's own architecture: its rules
/// that let them through, with their conditions on arguments, and its rules that refuse something.
/// Without a profile, or where the profile lets through what no rule names, they are simply let
/// through.
pub fn narrowed(profile: Option<&LinuxSeccomp>, calls: &BTreeSet<&str>) -> DockerProfile {
    let rules = profile.map_or(&[][..], |profile| &profile.syscalls);
    let is_used = |name: &&Cow<'static, str>| calls.contains(name.as_ref());
    let mut kept: Vec<DockerRule> = Vec::new();
    let mut named = BTreeSet::new();
    for rule in rules {
        let names: Vec<Cow<'static, str>> = match lets_through(rule.action) {
            true => rule.names.iter().filter(is_used).cloned().collect(),
            false => rule.names.clone(),
        };
        if names.is_empty() {
            continue;
        }
        named.extend(names.iter().map(|name| name.to_string()));
        kept.push(with_names(rule, names));
    }
    let is_closed = profile.is_some_and(|profile| !lets_through(profile.default_action));
    if !is_closed {
        let rest = calls.iter().filter(|name| !named.contains(**name));
        let rest: Vec<Cow<'static, str>> =
            rest.map(|name| Cow::Owned((*name).to_owned())).collect();
        if !rest.is_empty() {
            kept.push(allow(rest));
        }
    }
    let closed = profile.filter(|_| is_closed);
    DockerProfile {
        default_action: closed.map_or(Action::Errno, |profile| profile.default_action),
        default_errno_ret: closed.map_or(Some(1), |profile| profile.default_errno_ret),
        default_errno: None,
        architectures: Vec::<ScmpArch>::new(),
        arch_map: Vec::new(),
        flags: profile.and_then(|profile| profile.flags.clone()),
        listener_path: profile.and_then(|profile| profile.listener_path.clone()),
        listener_metadata: profile.and_then(|profile| profile.listener_metadata.clone()),
        syscalls: kept,
    }
}

fn lets_through(action: Action) -> bool {
    matches!(action, Action::Allow | Action::Log | Action::Notify | Action::Trace)
}

fn allow(names: Vec<Cow<'static, str>>) -> DockerRule {
    let rule =
        SyscallRule { names: Vec::new(), action: Action::Allow, errno_ret: None, args: Vec::new() };
    with_names(&rule, names)
}

fn with_names(rule: &SyscallRule, names: Vec<Cow<'static, str>>) -> DockerRule {
    DockerRule {
        name: String::new(),
        names,
        action: rule.action,
        errno_ret: rule.errno_ret,
        errno: None,
        args: rule.args.clone(),
        comment: String::new(),
        includes: Condition::default(),
        excludes: Condition::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ArchScope, CapSet, Host, KernelVersion, compile, default_profile};

    fn default() -> LinuxSeccomp {
        let kernel = KernelVersion { major: 6, minor: 1 };
        let host = Host { arch: Arch::X86_64, caps: CapSet::EMPTY, kernel };
        default_profile(ArchScope::NativeOnly).resolve(&host).unwrap()
    }

    fn of(profile: &LinuxSeccomp, name: &str) -> Reach {
        let all = reach(profile, Arch::X86_64).unwrap();
        all.iter().find(|(known, _)| *known == name).unwrap().1
    }

    #[test]
    fn of_the_default_profile() {
        let profile = default();
        for (name, expected) in [
            ("read", Reach::Always),
            ("socket", Reach::Sometimes),
            ("clone", Reach::Sometimes),
            ("clone3", Reach::Never),
            ("mount", Reach::Never),
            ("keyctl", Reach::Never),
        ] {
            assert_eq!(of(&profile, name), expected, "{name}");
        }
    }

    #[test]
    fn of_a_profile_that_allows_by_default() {
        let json = r#"{"defaultAction":"SCMP_ACT_ALLOW",
            "syscalls":[{"names":["mount"],"action":"SCMP_ACT_ERRNO"}]}"#;
        let profile: LinuxSeccomp = serde_json::from_str(json).unwrap();
        assert_eq!(of(&profile, "mount"), Reach::Never);
        assert_eq!(of(&profile, "keyctl"), Reach::Always);
    }

    #[test]
    fn narrowed_keeps_conditions_and_refusals_and_nothing_else() {
        let used = BTreeSet::from(["read", "clone", "socket", "no_such_call"]);
        let narrow = narrowed(Some(&default()), &used);
        let host = Host {
            arch: Arch::X86_64,
            caps: CapSet::ALL,
            kernel: KernelVersion { major: 6, minor: 1 },
        };
        // As a user would: through JSON.
        let json = serde_json::to_vec(&narrow).unwrap();
        let again = DockerProfile::from_json(&json).unwrap().resolve(&host).unwrap();
        compile(&again, &Options::new(Arch::X86_64)).unwrap();
        assert_eq!(of(&again, "read"), Reach::Always);
        assert_eq!(of(&again, "clone"), Reach::Sometimes);
        assert_eq!(of(&again, "socket"), Reach::Sometimes);
        for refused in ["write", "clone3", "mount", "personality"] {
            assert_eq!(of(&again, refused), Reach::Never, "{refused}");
        }
        let errno = again.syscalls.iter().find(|rule| rule.names.iter().any(|n| n == "clone3"));
        assert_eq!(errno.unwrap().errno_ret, Some(38), "C libraries must fall back");
    }

    #[test]
    fn narrowed_from_nothing_is_a_list() {
        let narrow = narrowed(None, &BTreeSet::from(["read", "mount"]));
        assert_eq!(narrow.default_action, Action::Errno);
        let names: Vec<&str> = narrow.syscalls[0].names.iter().map(AsRef::as_ref).collect();
        assert_eq!(names, ["mount", "read"]);
    }
}
