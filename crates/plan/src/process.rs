//! The processes of a container: environment, limits, user.

use docker_api::{ContainerConfig, ExecConfig, HostConfig, Ulimit};
use runtime::plan::{BundleProcess, ProcessPlan, Rlimit, SeccompPlan, TerminalSize};
use seccomp::CapSet;

use super::capabilities::process_sets;
use crate::error::{PlanError, Result};

/// Docker's, when neither image nor user say one.
const PATH_DEFAULT: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What the processes of a container have in common.
#[derive(Clone, Debug)]
pub struct Confinement {
    /// Capabilities.
    pub caps: CapSet,
    /// Filter.
    pub seccomp: Option<SeccompPlan>,
    /// Set `no_new_privs`.
    pub no_new_privileges: bool,
}

/// The first process of a container.
pub fn first(
    config: &ContainerConfig,
    host: &HostConfig,
    hostname: &str,
    confinement: Confinement,
) -> Result<ProcessPlan> {
    let mut args: Vec<String> = config.entrypoint.iter().flatten().cloned().collect();
    args.extend(config.cmd.iter().flatten().cloned());
    if host.init == Some(true) {
        args.splice(0..0, [super::INIT_PATH.to_owned(), "--".to_owned()]);
    }
    let size = terminal(config.tty, host.console_size);
    Ok(ProcessPlan {
        bundle: BundleProcess::default(),
        args,
        env: environment(config.tty, hostname, config.env.as_deref().unwrap_or_default()),
        cwd: directory(&config.working_dir),
        create_cwd: true,
        user: config.user.clone(),
        keep_primary_group: true,
        additional_groups: host.group_add.clone().unwrap_or_default(),
        capabilities: process_sets(confinement.caps),
        no_new_privileges: confinement.no_new_privileges,
        rlimits: rlimits(host.resources.ulimits.as_deref().unwrap_or_default())?,
        oom_score_adj: Some(host.oom_score_adj)
            .filter(|adjustment| *adjustment != 0)
            .and_then(|adjustment| i32::try_from(adjustment).ok()),
        umask: None,
        seccomp: confinement.seccomp,
        terminal: size,
    })
}

/// A further process. It differs from the first where the wish says so.
pub fn further(first: &ProcessPlan, wish: &ExecConfig, hostname: &str) -> ProcessPlan {
    let inherited: Vec<String> = first.env.clone();
    let mut env = replace(inherited, wish.env.as_deref().unwrap_or_default());
    if wish.tty && !env.iter().any(|entry| entry.starts_with("TERM=")) {
        env.push("TERM=xterm".to_owned());
    }
    if !env.iter().any(|entry| entry.starts_with("HOSTNAME=")) {
        env.insert(0, format!("HOSTNAME={hostname}"));
    }
    let privileged = wish.privileged;
    ProcessPlan {
        bundle: BundleProcess::default(),
        args: wish.cmd.clone().unwrap_or_default(),
        env,
        cwd: match wish.working_dir.as_str() {
            "" => first.cwd.clone(),
            own => own.to_owned(),
        },
        create_cwd: false,
        user: match wish.user.as_str() {
            "" => first.user.clone(),
            own => own.to_owned(),
        },
        capabilities: match privileged {
            true => process_sets(CapSet::ALL),
            false => first.capabilities,
        },
        no_new_privileges: first.no_new_privileges && !privileged,
        seccomp: first.seccomp.clone().filter(|_| !privileged),
        terminal: terminal(wish.tty, wish.console_size),
        ..first.clone()
    }
}

/// Docker's order: its own variables, then the image's and the user's, each replacing.
fn environment(tty: bool, hostname: &str, wished: &[String]) -> Vec<String> {
    let mut env = vec![PATH_DEFAULT.to_owned(), format!("HOSTNAME={hostname}")];
    if tty {
        env.push("TERM=xterm".to_owned());
    }
    replace(env, wished)
}

/// Sets variables; a bare `NAME` takes the variable away.
pub(crate) fn replace(mut env: Vec<String>, wished: &[String]) -> Vec<String> {
    for wish in wished {
        let (name, has_value) = match wish.split_once('=') {
            Some((name, _)) => (name, true),
            None => (wish.as_str(), false),
        };
        let place = env.iter().position(|old| old.split('=').next() == Some(name));
        match (place, has_value) {
            (Some(index), true) => wish.clone_into(&mut env[index]),
            (Some(index), false) => drop(env.remove(index)),
            (None, true) => env.push(wish.clone()),
            (None, false) => {}
        }
    }
    env
}

fn directory(wish: &str) -> String {
    if wish.is_empty() { "/".to_owned() } else { wish.to_owned() }
}

fn terminal(tty: bool, size: [u32; 2]) -> Option<TerminalSize> {
    let clamp = |number: u32| u16::try_from(number).unwrap_or(u16::MAX);
    tty.then(|| TerminalSize { height: clamp(size[0]), width: clamp(size[1]) })
}

/// The kernel's names, in the order of their numbers.
const RLIMITS: [&str; 16] = [
    "cpu",
    "fsize",
    "data",
    "stack",
    "core",
    "rss",
    "nproc",
    "nofile",
    "memlock",
    "as",
    "locks",
    "sigpending",
    "msgqueue",
    "nice",
    "rtprio",
    "rttime",
];

/// Limits of `--ulimit`.
pub fn rlimits(wishes: &[Ulimit]) -> Result<Vec<Rlimit>> {
    wishes.iter().map(rlimit).collect()
}

fn rlimit(wish: &Ulimit) -> Result<Rlimit> {
    let number = RLIMITS
        .iter()
        .position(|name| *name == wish.name)
        .ok_or_else(|| PlanError::invalid(format!("invalid ulimit type: {}", wish.name)))?;
    let value = |number: i64| u64::try_from(number).unwrap_or(u64::MAX);
    let (soft, hard) = (value(wish.soft), value(wish.hard));
    if soft > hard {
        return Err(PlanError::invalid(format!(
            "ulimit soft limit must be less than or equal to hard limit: {} > {}",
            wish.soft, wish.hard
        )));
    }
    Ok(Rlimit { resource: number as u32, soft, hard })
}

/// Refuses limits above those of this process, when it may not raise its own.
pub fn check_rlimits(wishes: &[Ulimit]) -> Result<()> {
    const SYS_RESOURCE: u64 = 1 << 24;
    let own = sys::credentials::capabilities().map(|sets| sets.effective).unwrap_or(0);
    for (wish, limit) in wishes.iter().zip(rlimits(wishes)?) {
        let (_, most) = sys::process::rlimit(limit.resource).unwrap_or((u64::MAX, u64::MAX));
        if limit.hard > most && own & SYS_RESOURCE == 0 {
            return Err(PlanError::invalid(format!(
                "ulimit {}: {} is above this engine's own hard limit of {most}, which it may not \
                 raise (no CAP_SYS_RESOURCE)",
                wish.name, wish.hard
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn environment_is_replaced_in_place() {
        let env = environment(true, "h", &owned(&["A=1", "PATH=/x", "A=2", "TERM", "NOSUCH"]));
        assert_eq!(env, ["PATH=/x", "HOSTNAME=h", "A=2"]);
    }

    #[test]
    fn limits_by_name() {
        let wish = |name: &str, soft, hard| Ulimit { name: name.to_owned(), soft, hard };
        let got = rlimits(&[wish("nofile", 10, -1)]).unwrap();
        assert_eq!(got, [Rlimit { resource: 7, soft: 10, hard: u64::MAX }]);
        for (wish, text) in [
            (wish("bogus", 1, 1), "invalid ulimit type: bogus"),
            (
                wish("nofile", 2, 1),
                "ulimit soft limit must be less than or equal to hard limit: 2 > 1",
            ),
        ] {
            assert_eq!(rlimits(&[wish]).unwrap_err().to_string(), text);
        }
    }

    #[test]
    fn an_exec_inherits_what_it_does_not_say() {
        let config = ContainerConfig {
            cmd: Some(owned(&["sleep", "9"])),
            user: "app".to_owned(),
            working_dir: "/w".to_owned(),
            env: Some(owned(&["A=1"])),
            ..ContainerConfig::default()
        };
        let confinement = Confinement {
            caps: CapSet::from_bits(3),
            seccomp: Some(SeccompPlan { program_hex: "00".to_owned(), flags: 0 }),
            no_new_privileges: true,
        };
        let host = HostConfig { init: Some(true), ..HostConfig::default() };
        let first = first(&config, &host, "h", confinement).unwrap();
        assert_eq!(first.args, ["/sbin/docker-init", "--", "sleep", "9"]);
        let wish = ExecConfig { cmd: Some(owned(&["sh"])), tty: true, ..ExecConfig::default() };
        let exec = further(&first, &wish, "h");
        assert_eq!((exec.user.as_str(), exec.cwd.as_str()), ("app", "/w"));
        assert_eq!(exec.args, ["sh"]);
        assert!(
            exec.env.contains(&"A=1".to_owned()) && exec.env.contains(&"TERM=xterm".to_owned())
        );
        assert!(exec.terminal.is_some() && exec.seccomp.is_some() && !exec.create_cwd);
        let all = further(&first, &ExecConfig { privileged: true, ..wish }, "h");
        assert_eq!(all.capabilities, process_sets(CapSet::ALL));
        assert!(all.seccomp.is_none() && !all.no_new_privileges);
    }
}
