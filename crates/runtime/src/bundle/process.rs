//! `process`.

use oci::runtime_spec::{Capabilities as Names, Process, Rlimit as NamedLimit};
use seccomp::CapSet;
use sys::libc;

use super::BundleError;
use crate::plan::{BundleProcess, Capabilities, ProcessPlan, Rlimit, SeccompPlan, TerminalSize};

/// Resource limits by name (getrlimit(2)).
const RESOURCES: [(&str, u32); 16] = [
    ("RLIMIT_AS", libc::RLIMIT_AS),
    ("RLIMIT_CORE", libc::RLIMIT_CORE),
    ("RLIMIT_CPU", libc::RLIMIT_CPU),
    ("RLIMIT_DATA", libc::RLIMIT_DATA),
    ("RLIMIT_FSIZE", libc::RLIMIT_FSIZE),
    ("RLIMIT_LOCKS", libc::RLIMIT_LOCKS),
    ("RLIMIT_MEMLOCK", libc::RLIMIT_MEMLOCK),
    ("RLIMIT_MSGQUEUE", libc::RLIMIT_MSGQUEUE),
    ("RLIMIT_NICE", libc::RLIMIT_NICE),
    ("RLIMIT_NOFILE", libc::RLIMIT_NOFILE),
    ("RLIMIT_NPROC", libc::RLIMIT_NPROC),
    ("RLIMIT_RSS", libc::RLIMIT_RSS),
    ("RLIMIT_RTPRIO", libc::RLIMIT_RTPRIO),
    ("RLIMIT_RTTIME", libc::RLIMIT_RTTIME),
    ("RLIMIT_SIGPENDING", libc::RLIMIT_SIGPENDING),
    ("RLIMIT_STACK", libc::RLIMIT_STACK),
];

/// Reads it; `at` is its name in the document.
pub(super) fn plan(
    process: &Process,
    at: &str,
    seccomp: Option<SeccompPlan>,
    bundle: BundleProcess,
) -> Result<ProcessPlan, BundleError> {
    let field = |name: &str| format!("{at}.{name}");
    refuse_unknown(process, at)?;
    if process.args.is_empty() {
        return Err(BundleError::invalid(field("args"), "it must not be empty"));
    }
    if !process.cwd.starts_with('/') {
        let reason = format!("`{}` is not an absolute path", process.cwd);
        return Err(BundleError::invalid(field("cwd"), reason));
    }
    let user = &process.user;
    let empty = Names::default();
    let capabilities = process.capabilities.as_ref().unwrap_or(&empty);
    Ok(ProcessPlan {
        args: process.args.clone(),
        env: environment(&process.env),
        cwd: process.cwd.clone(),
        create_cwd: true,
        user: format!("{}:{}", user.uid, user.gid),
        keep_primary_group: false,
        additional_groups: user.additional_gids.iter().map(u32::to_string).collect(),
        capabilities: plan_capabilities(capabilities),
        no_new_privileges: process.no_new_privileges,
        rlimits: plan_limits(&process.rlimits, &field("rlimits"))?,
        oom_score_adj: process.oom_score_adj,
        umask: user.umask,
        seccomp,
        terminal: process.terminal.then(|| size(process)),
        bundle,
    })
}

/// Each variable once, with its last value. An empty `HOME` is none: the user's is taken.
fn environment(lines: &[String]) -> Vec<String> {
    let name = |line: &str| line.split_once('=').map_or(line.len(), |(name, _)| name.len());
    let is_last = |(index, line): &(usize, &String)| {
        let own = &line[..name(line)];
        !lines[index + 1..].iter().any(|other| &other[..name(other)] == own)
    };
    let lines = lines.iter().enumerate().filter(is_last).map(|(_, line)| line);
    lines.filter(|line| *line != "HOME=").cloned().collect()
}

fn refuse_unknown(process: &Process, at: &str) -> Result<(), BundleError> {
    let profile = process.apparmor_profile.as_str();
    for (name, is_set) in [
        ("apparmorProfile", !["", "unconfined"].contains(&profile)),
        ("selinuxLabel", !process.selinux_label.is_empty()),
    ] {
        if is_set {
            let reason = "this runtime does not know it";
            return Err(BundleError::unsupported(format!("{at}.{name}"), reason));
        }
    }
    Ok(())
}

fn size(process: &Process) -> TerminalSize {
    let size = process.console_size.clone().unwrap_or_default();
    let clip = |cells: u32| u16::try_from(cells).unwrap_or(u16::MAX);
    TerminalSize { height: clip(size.height), width: clip(size.width) }
}

fn plan_capabilities(names: &Names) -> Capabilities {
    let set = |names: &[String]| {
        names.iter().fold(CapSet::EMPTY, |set, name| known_capability(set, name).unwrap_or(set))
    };
    let inheritable = set(&names.inheritable).bits();
    let permitted = set(&names.permitted).bits();
    Capabilities {
        bounding: set(&names.bounding).bits(),
        effective: set(&names.effective).bits() & permitted,
        // The kernel lets nothing be ambient that is not both (capabilities(7)).
        ambient: set(&names.ambient).bits() & permitted & inheritable,
        inheritable,
        permitted,
    }
}

fn known_capability(set: CapSet, name: &str) -> Option<CapSet> {
    set.with(name).filter(|_| name.starts_with("CAP_"))
}

/// Names of capabilities that are left out because nobody knows them: as specified, a warning
/// (runtime-spec config.md#linux-process).
pub(super) fn unknown_capabilities(process: &Process) -> Vec<String> {
    let Some(names) = &process.capabilities else { return Vec::new() };
    let mut unknown: Vec<String> =
        [&names.bounding, &names.effective, &names.inheritable, &names.permitted, &names.ambient]
            .into_iter()
            .flatten()
            .filter(|name| known_capability(CapSet::EMPTY, name).is_none())
            .cloned()
            .collect();
    unknown.sort_unstable();
    unknown.dedup();
    unknown
}

fn plan_limits(limits: &[NamedLimit], at: &str) -> Result<Vec<Rlimit>, BundleError> {
    let mut planned: Vec<Rlimit> = Vec::new();
    for (index, limit) in limits.iter().enumerate() {
        let refused = |reason: String| BundleError::invalid(format!("{at}[{index}]"), reason);
        let resource = RESOURCES
            .iter()
            .find(|(name, _)| *name == limit.kind)
            .map(|(_, number)| *number)
            .ok_or_else(|| refused(format!("unknown resource limit `{}`", limit.kind)))?;
        if planned.iter().any(|other| other.resource == resource) {
            return Err(refused(format!("`{}` is there twice", limit.kind)));
        }
        if limit.soft > limit.hard {
            return Err(refused(format!("{} is more than {}", limit.soft, limit.hard)));
        }
        planned.push(Rlimit { resource, soft: limit.soft, hard: limit.hard });
    }
    Ok(planned)
}
