use std::time::Duration;

use oci::runtime_spec::Status;

use super::{Globals, HELP, Order, Parsed, Verb};
use crate::cli::error::CliError;
use crate::cli::state::Container;

pub(super) const PAUSE: Verb = Verb {
    name: "pause",
    words: "ID",
    about: "stop all processes of a container for a while",
    flags: &[HELP],
    order: Order::Anywhere,
    run: pause,
};

pub(super) const RESUME: Verb = Verb {
    name: "resume",
    words: "ID",
    about: "let the processes of a paused container go on",
    flags: &[HELP],
    order: Order::Anywhere,
    run: resume,
};

/// A machine under load takes its time.
const DEADLINE: Duration = Duration::from_secs(10);

fn pause(globals: &Globals, parsed: &Parsed) -> Result<i32, CliError> {
    let container = Container::named(&globals.root, parsed.only_word()?)?;
    let record = container.read()?;
    match container.status(&record) {
        Status::Running | Status::Created => {}
        status => {
            return Err(CliError::State { action: "pause", id: container.id, status });
        }
    }
    record.live_cgroup()?.freeze(DEADLINE).map_err(CliError::cgroup("freeze the container"))?;
    Ok(0)
}

fn resume(globals: &Globals, parsed: &Parsed) -> Result<i32, CliError> {
    let container = Container::named(&globals.root, parsed.only_word()?)?;
    let record = container.read()?;
    match container.status_or_paused(&record) {
        Status::Paused => {}
        status => {
            return Err(CliError::State { action: "resume", id: container.id, status });
        }
    }
    record.live_cgroup()?.thaw(DEADLINE).map_err(CliError::cgroup("thaw the container"))?;
    Ok(0)
}
