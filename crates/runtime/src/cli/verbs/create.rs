use super::making::{self, Streams};
use super::{Flag, Globals, HELP, Order, Parsed, Verb};
use crate::cli::error::CliError;
use crate::cli::protect;

pub(super) const VERB: Verb = Verb {
    name: "create",
    words: "ID",
    about: "make a container from a bundle; its process waits for `start`",
    flags: FLAGS,
    order: Order::Anywhere,
    run: create,
};

const FLAGS: &[Flag] = &[
    making::BUNDLE,
    making::CONSOLE_SOCKET,
    making::PID_FILE,
    making::PIDFD_SOCKET,
    making::NO_PIVOT,
    making::NO_NEW_KEYRING,
    making::PRESERVE_FDS,
    HELP,
];

fn create(globals: &Globals, parsed: &Parsed) -> Result<i32, CliError> {
    protect::ensure()?;
    let stage = making::stage_options(parsed)?;
    making::make(globals, parsed, stage, true, Streams::Caller).map(|_| 0)
}
