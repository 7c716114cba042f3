//! The table of verbs.

use std::io::Write;

use super::Globals;
use super::error::CliError;
use super::flags::{Flag, Order, Parsed};

mod checkpoint;
mod create;
mod delete;
mod events;
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

impl Verb {
    pub(super) fn name(&self) -> &'static str {
        self.name
    }
}

/// What callers may ask of every verb.
const HELP: Flag = Flag::switch("help", 'h', "show this");

const VERBS: [Verb; 18] = [
    checkpoint::CHECKPOINT,
    create::VERB,
    delete::VERB,
    events::VERB,
    exec::VERB,
    features::VERB,
    kill::VERB,
    list::VERB,
    pause::PAUSE,
    ps::VERB,
    checkpoint::RESTORE,
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
    static TABLE: [Verb; 18] = VERBS;
    TABLE.iter().find(|verb| verb.name == name)
}

pub(super) fn help() -> String {
    let mut text = "NAME:\n   wharf-runtime - Open Container Initiative runtime\n\nUSAGE:\n   \
                    wharf-runtime [flags] COMMAND [flags] ...\n\nCOMMANDS:\n"
        .to_owned();
    for verb in &VERBS {
        text.push_str(&format!("  {:<10}{}\n", verb.name, verb.about));
    }
    text.push_str("\nGLOBAL OPTIONS:\n");
    text.extend(super::GLOBAL.iter().map(Flag::help));
    text
}

pub(super) fn help_of(verb: &Verb) -> String {
    let mut text = format!(
        "NAME:\n   wharf-runtime {0} - {2}\n\nUSAGE:\n   wharf-runtime {0} [flags] {1}\n\n\
         OPTIONS:\n",
        verb.name, verb.words, verb.about
    );
    text.extend(verb.flags.iter().map(Flag::help));
    text
}

/// Prints a result. A reader that is gone wants no more of it.
pub(super) fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}
