use oci::runtime_spec::Status;

use super::{Globals, HELP, Order, Parsed, Verb};
use crate::bundle::hooks;
use crate::cli::error::CliError;
use crate::cli::state::Container;

pub(super) const VERB: Verb = Verb {
    name: "start",
    words: "ID",
    about: "let the process of a created container run",
    flags: &[HELP],
    order: Order::Anywhere,
    run: start,
};

fn start(globals: &Globals, parsed: &Parsed) -> Result<i32, CliError> {
    let container = Container::named(&globals.root, parsed.only_word()?)?;
    let _lock = container.lock()?;
    let record = container.read()?;
    match container.status(&record) {
        Status::Created => {}
        status => {
            let id = container.id;
            return Err(CliError::State { action: "start", id, status });
        }
    }
    container.open_gate()?;
    let state = record.document(Status::Running);
    if let Err(error) = hooks::run("poststart", &record.poststart, &state) {
        // As specified: the container does not outlive it.
        drop(record.kill());
        return Err(CliError::Hook(error));
    }
    Ok(0)
}
