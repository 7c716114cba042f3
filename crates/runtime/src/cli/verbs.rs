//! The table of verbs.

use std::io::Write;

use super::Globals;
use super::error::CliError;
use super::flags::{Flag, Order, Parsed};

mod create;
mod delete;
mod exec;
mod features;
mod kill;
mod list;
mod making;
mod pause;
mod ps;
mod run;
mod spec;
mod start;
mod state;
mod update;

/// One verb.
pub(super) struct Verb {
    name: &'static str,
    /// Its words after the flags.
    words: &'static str,
    about: &'static str,
    pub(super) flags: &'static [Flag],
    pub(super) order: Order,
    pub(super) run: fn(&Globals, &Parsed) -> Result<i32, CliError>,
}

/// What callers may ask of every verb.
const HELP: Flag = Flag::switch("help", 'h', "show this");

const VERBS: [Verb; 15] = [
    create::VERB,
    delete::VERB,
    exec::VERB,
    features::VERB,
    kill::VERB,
    list::VERB,
    pause::PAUSE,
    ps::VERB,
    pause::RESUME,
    run::VERB,
    spec::VERB,
    start::VERB,
    state::VERB,
    update::VERB,
    HELP_VERB,
];

const HELP_VERB: Verb = Verb {
    name: "help",
    words: "",
    about: "show this",
    flags: &[],
    order: Order::Anywhere,
    run: |_, _| {
        print(&help());
        Ok(0)
    },
};

pub(super) fn find(name: &str) -> Option<&'static Verb> {
    static TABLE: [Verb; 15] = VERBS;
    TABLE.iter().find(|verb| verb.name == name)
}

pub(super) fn help() -> String {
    let mut text = "Usage: wharf runtime [flags] COMMAND [flags] ...\n\nCommands:\n".to_owned();
    for verb in &VERBS {
        text.push_str(&format!("  {:<10}{}\n", verb.name, verb.about));
    }
    text.push_str("\nFlags:\n");
    text.extend(super::GLOBAL.iter().map(Flag::help));
    text
}

pub(super) fn help_of(verb: &Verb) -> String {
    let mut text = format!(
        "Usage: wharf runtime {} [flags] {}\n\n{}\n\nFlags:\n",
        verb.name, verb.words, verb.about
    );
    text.extend(verb.flags.iter().map(Flag::help));
    text
}

/// Prints a result. A reader that is gone wants no more of it.
pub(super) fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}
