use std::os::fd::AsFd;
use std::time::Duration;

use oci::runtime_spec::Status;

use super::{Flag, Globals, HELP, Order, Parsed, Verb};
use crate::bundle::hooks;
use crate::cli::error::CliError;
use crate::cli::state::Container;

pub(super) const VERB: Verb = Verb {
    name: "delete",
    words: "ID",
    about: "remove a container that has stopped, or was never started",
    flags: FLAGS,
    order: Order::Anywhere,
    run: delete,
};

const FLAGS: &[Flag] =
    &[Flag::switch("force", 'f', "kill it first; that there is none is fine"), HELP];

/// How long a process may take to end that was killed just before.
const GRACE: Duration = Duration::from_millis(100);

fn delete(globals: &Globals, parsed: &Parsed) -> Result<i32, CliError> {
    let container = Container::named(&globals.root, parsed.only_word()?)?;
    let force = parsed.is_set("force");
    if force && !container.exists() {
        return Ok(0);
    }
    if force && let Ok(record) = container.read() {
        // First: a process that waits at the gate keeps the lock of a `create` that was killed.
        record.kill()?;
    }
    let _lock = container.lock()?;
    let record = match container.read() {
        // Its making was interrupted before there was a process.
        Err(CliError::Absent) => {
            container.forget()?;
            return if force { Ok(0) } else { Err(CliError::Absent) };
        }
        other => other?,
    };
    // Who has just sent a signal means a process that is about to end.
    if container.status(&record) == Status::Running
        && let Ok(pidfd) = record.process()
    {
        hooks::wait_readable(pidfd.as_fd(), GRACE).map_err(CliError::at("wait for the end"))?;
    }
    match container.status_or_paused(&record) {
        Status::Stopped => {}
        Status::Created | Status::Creating => record.kill()?,
        status => return Err(CliError::NotStopped { id: container.id, status }),
    }
    container.destroy(&record).map(|()| 0)
}
