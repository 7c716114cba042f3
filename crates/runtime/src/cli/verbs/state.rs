use super::{Globals, HELP, Order, Parsed, Verb, print};
use crate::cli::error::CliError;
use crate::cli::state::Container;

pub(super) const VERB: Verb = Verb {
    name: "state",
    words: "ID",
    about: "show what is true of a container",
    flags: &[HELP],
    order: Order::Anywhere,
    run: state,
};

fn state(globals: &Globals, parsed: &Parsed) -> Result<i32, CliError> {
    let container = Container::named(&globals.root, parsed.only_word()?)?;
    let record = container.read()?;
    let shown = container.shown(&record, container.status_or_paused(&record));
    let text = serde_json::to_string_pretty(&shown).map_err(|cause| CliError::at("show")(cause))?;
    print(&format!("{text}\n"));
    Ok(0)
}
