//! What a container could still do, what of that it used, and options that take the rest away.
//!
//! What it could do is read from its start plan, which is what the kernel gets; what it used, from
//! what its monitor noted ([`crate::container::observation`]) and from what it wrote. Where nothing
//! was noted nothing is guessed.

use std::collections::BTreeSet;
use std::path::PathBuf;

use docker_api::{AuditFinding, AuditObservation, AuditSyscalls, ContainerAudit};
use runtime::plan::{LaunchPlan, UserNamespace};
use seccomp::{LinuxSeccomp, Reach};

use crate::container::observation::Observation;
use crate::container::record::ContainerRecord;
use crate::error::{EngineError, Result};
use plan::security::{SeccompCache, SeccompWish, SecurityWish};

mod capabilities;
mod findings;
mod proposal;

/// Everything that a report is made of.
pub struct Facts<'a> {
    /// What was asked for.
    pub record: &'a ContainerRecord,
    /// What its next start would be, which its last one was.
    pub plan: &'a LaunchPlan,
    /// Its security options.
    pub wish: &'a SecurityWish,
    /// Its seccomp rules; `None`: no filter.
    pub rules: Option<&'a LinuxSeccomp>,
    /// What it was seen to use.
    pub observed: &'a Observation,
    /// Whether it is being watched now.
    pub is_watched: bool,
    /// Paths that it wrote on its root file system; `None` when there are too many to look at.
    pub written: Option<&'a [PathBuf]>,
    /// Files of the engine that are mounted into every container.
    pub own_files: &'a [PathBuf],
    /// The engine's sockets.
    pub sockets: &'a [PathBuf],
}

/// Words of [`AuditFinding::used`].
const USED: &str = "used";
const NEVER_USED: &str = "never used";
const NOT_OBSERVED: &str = "not observed";

/// Makes the report.
///
/// # Errors
/// A seccomp profile that does not compile any more.
pub fn report(facts: &Facts<'_>, filters: &SeccompCache) -> Result<ContainerAudit> {
    let syscalls = syscalls(facts, filters)?;
    let mut found = findings::all(facts);
    found.push(filter_finding(facts, &syscalls));
    let grave = |finding: &AuditFinding| match finding.severity.as_str() {
        "high" => 0,
        "medium" => 1,
        "low" => 2,
        _ => 3,
    };
    found.sort_by_key(grave);
    let proposal = match facts.observed.is_empty() {
        true => None,
        false => Some(proposal::proposal(facts, &syscalls)?),
    };
    Ok(ContainerAudit {
        id: facts.record.id.clone(),
        name: format!("/{}", facts.record.name),
        image: facts.record.config.image.clone(),
        state: facts.record.state.state.name().to_owned(),
        observation: observation(facts),
        findings: found,
        syscalls,
        proposal,
    })
}

/// Whether root inside is nobody outside.
fn has_own_ids(facts: &Facts<'_>) -> bool {
    !matches!(facts.plan.user_namespace, UserNamespace::Host)
}

/// Calls cannot be told by their numbers when some were of another architecture.
fn calls_are_known(facts: &Facts<'_>) -> bool {
    !facts.observed.is_empty() && !facts.observed.foreign_calls
}

fn observation(facts: &Facts<'_>) -> AuditObservation {
    let seen = facts.observed;
    let mut notes: Vec<String> = seen.problems.iter().cloned().collect();
    if seen.is_empty() {
        notes.push(
            "nothing was observed: start it with --security-opt audit=record, or watch it while \
             it runs with `wharf audit --watch 1m`"
                .to_owned(),
        );
    } else {
        if !seen.from_start {
            notes.push("a part of what it did was not watched, its start among it".to_owned());
        }
        if seen.capabilities.is_none() {
            notes.push("capabilities are not told by this kernel (Linux 6.13 does)".to_owned());
        }
    }
    if seen.foreign_calls {
        notes.push(
            "it made system calls of another architecture, so that its calls are not known by \
             name"
                .to_owned(),
        );
    }
    AuditObservation {
        status: match (facts.is_watched, seen.is_empty()) {
            (true, _) => "running",
            (false, false) => "ended",
            (false, true) => "none",
        }
        .to_owned(),
        from_start: seen.from_start,
        runs: seen.parts,
        since: seen.since,
        until: seen.until,
        syscalls: calls_are_known(facts),
        capabilities: seen.capabilities.is_some(),
        notes,
    }
}

fn syscalls(facts: &Facts<'_>, filters: &SeccompCache) -> Result<AuditSyscalls> {
    let arch = filters.arch();
    let used = |number: &u32| facts.observed.calls.contains(number);
    let known = calls_are_known(facts);
    let names = |keep: &dyn Fn(&'static str, u32) -> bool| -> Vec<String> {
        let all = seccomp::names(arch).filter(|(name, number)| keep(name, *number));
        all.map(|(name, _)| name.to_owned()).collect()
    };
    let Some(rules) = facts.rules else {
        return Ok(AuditSyscalls {
            filter: "unconfined".to_owned(),
            allowed: names(&|_, _| true),
            used: names(&|_, number| known && used(&number)),
            ..AuditSyscalls::default()
        });
    };
    let reach = seccomp::reach(rules, arch).map_err(|error| {
        EngineError::internal("failed to read the container's seccomp profile", error)
    })?;
    let of = |wanted: Reach| -> Vec<String> {
        let calls = reach.iter().filter(|(_, reach)| *reach == wanted);
        calls.map(|(name, _)| (*name).to_owned()).collect()
    };
    Ok(AuditSyscalls {
        filter: match facts.wish.seccomp {
            SeccompWish::Profile(_) => "custom",
            SeccompWish::Default | SeccompWish::Unconfined => "default",
        }
        .to_owned(),
        allowed: of(Reach::Always),
        conditional: of(Reach::Sometimes),
        refused: of(Reach::Never),
        used: names(&|_, number| known && used(&number)),
    })
}

fn filter_finding(facts: &Facts<'_>, calls: &AuditSyscalls) -> AuditFinding {
    let open: BTreeSet<&String> = calls.allowed.iter().chain(&calls.conditional).collect();
    let used = calls.used.iter().filter(|name| open.contains(name)).count();
    let (severity, allows) = match (facts.rules.is_some(), has_own_ids(facts)) {
        (true, _) => ("low", format!("{} system calls of the kernel", open.len())),
        (false, true) => ("medium", "every system call of the kernel".to_owned()),
        (false, false) => ("high", "every system call of the kernel, as root".to_owned()),
    };
    AuditFinding {
        severity: severity.to_owned(),
        area: "syscalls".to_owned(),
        subject: format!("seccomp {}", calls.filter),
        allows,
        used: match calls_are_known(facts) {
            true => format!("{used} used, {} never used", open.len() - used),
            false => NOT_OBSERVED.to_owned(),
        },
    }
}

fn finding(
    severity: &str,
    area: &str,
    subject: impl Into<String>,
    allows: impl Into<String>,
    used: impl Into<String>,
) -> AuditFinding {
    AuditFinding {
        severity: severity.to_owned(),
        area: area.to_owned(),
        subject: subject.into(),
        allows: allows.into(),
        used: used.into(),
    }
}
