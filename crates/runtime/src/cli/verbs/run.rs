use super::making::{self, Made, Streams};
use super::{Flag, Globals, HELP, Order, Parsed, Verb};
use crate::cli::error::CliError;
use crate::cli::{foreground, protect};

pub(super) const VERB: Verb = Verb {
    name: "run",
    words: "ID",
    about: "make a container from a bundle, run it to its end and remove it",
    flags: FLAGS,
    order: Order::Anywhere,
    run,
};

const FLAGS: &[Flag] = &[
    making::BUNDLE,
    making::CONSOLE_SOCKET,
    making::PID_FILE,
    making::PIDFD_SOCKET,
    making::NO_PIVOT,
    making::NO_NEW_KEYRING,
    making::NO_SUBREAPER,
    making::PRESERVE_FDS,
    Flag::switch("detach", 'd', "leave it running"),
    Flag::switch("keep", ' ', "do not remove it"),
    HELP,
];

fn run(globals: &Globals, parsed: &Parsed) -> Result<i32, CliError> {
    protect::ensure()?;
    let mut stage = making::stage_options(parsed)?;
    let detach = parsed.is_set("detach");
    stage.plain_lines = !detach;
    let streams = if detach { Streams::Caller } else { Streams::Ours };
    // Before there is a process: a signal that comes now is for it.
    let signals = if detach { None } else { Some(foreground::Signals::catch()?) };
    let mut made = making::make(globals, parsed, stage, false, streams)?;
    if let Err(error) = made.after_start() {
        drop(made.undo());
        return Err(error);
    }
    let Some(signals) = signals else { return Ok(0) };
    let terminal = made.launched.terminal.take();
    made.unlock();
    let exit = foreground::hold(&made.launched.pidfd, terminal, &signals)?;
    if !parsed.is_set("keep") {
        remove(&made)?;
    }
    Ok(exit.shell_code())
}

/// Removes it, unless somebody else has done so.
fn remove(made: &Made) -> Result<(), CliError> {
    match made.container.lock() {
        Err(CliError::Absent) => Ok(()),
        Err(error) => Err(error),
        Ok(_lock) => made.container.destroy_with(&made.record, made.launched.cgroup.as_ref()),
    }
}
