use std::os::fd::AsFd;
use std::time::Duration;

use oci::runtime_spec::Status;

use super::{Flag, Globals, HELP, Order, Parsed, Verb};
use crate::cli::error::CliError;
use crate::cli::state::{Container, StateRecord};
use crate::cli::{flags, signals};

pub(super) const VERB: Verb = Verb {
    name: "kill",
    words: "ID [SIGNAL]",
    about: "send a signal (TERM) to a container's first process",
    flags: FLAGS,
    order: Order::Anywhere,
    run: kill,
};

const FLAGS: &[Flag] = &[Flag::switch("all", 'a', "to all of its processes"), HELP];

/// A frozen cgroup thaws at once or not at all.
const THAW_DEADLINE: Duration = Duration::from_secs(2);

fn kill(globals: &Globals, parsed: &Parsed) -> Result<i32, CliError> {
    let (id, name) = match parsed.words.as_slice() {
        [id] => (id, "TERM"),
        [id, signal] => (id, flags::text(signal)?),
        _ => return Err(CliError::usage("an id and perhaps a signal are required")),
    };
    let container = Container::named(&globals.root, id)?;
    let record = container.read()?;
    let signal =
        signals::parse(name).ok_or_else(|| CliError::usage(format!("unknown signal {name:?}")))?;
    if parsed.is_set("all") {
        return kill_all(&record, signal);
    }
    if signal == sys::libc::SIGKILL && !record.own_pid_namespace && has_processes(&record)? {
        // The others would not end with the first process, which may have ended before.
        return kill_all(&record, signal);
    }
    if container.status(&record) == Status::Stopped {
        return Err(CliError::NotRunning);
    }
    let pidfd = record.process()?;
    match sys::process::pidfd_send_signal(pidfd.as_fd(), signal) {
        Err(error) if error.raw_os_error() == Some(sys::libc::ESRCH) => {
            return Err(CliError::NotRunning);
        }
        other => other.map_err(CliError::at("send the signal"))?,
    }
    // On version 1 the dead stay frozen.
    if signal == sys::libc::SIGKILL
        && let Some(cgroup) = record.cgroup()?
        && cgroup.is_frozen().unwrap_or(false)
    {
        cgroup.thaw(THAW_DEADLINE).map_err(CliError::cgroup("thaw the container"))?;
    }
    Ok(0)
}

fn has_processes(record: &StateRecord) -> Result<bool, CliError> {
    let Some(cgroup) = record.cgroup()? else { return Ok(false) };
    cgroup.pids().map(|pids| !pids.is_empty()).map_err(CliError::cgroup("list the processes"))
}

/// Leftovers of a stopped container are signaled, too; that there are none is fine.
fn kill_all(record: &StateRecord, signal: i32) -> Result<i32, CliError> {
    let Some(cgroup) = record.cgroup()? else { return Ok(0) };
    if signal == sys::libc::SIGKILL {
        cgroup.kill().map_err(CliError::cgroup("kill all processes"))?;
        return Ok(0);
    }
    for pid in cgroup.pids().map_err(CliError::cgroup("list the processes"))? {
        let Ok(pid) = i32::try_from(pid) else { continue };
        match sys::signal::kill(pid, signal) {
            Err(error) if error.raw_os_error() == Some(sys::libc::ESRCH) => {}
            other => other.map_err(CliError::at("send the signal"))?,
        }
    }
    Ok(0)
}
