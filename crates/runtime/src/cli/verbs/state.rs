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
    let shown = record.shown(container.status_or_paused(&record));
    print(&format!("{shown:#}\n"));
    Ok(0)
}
