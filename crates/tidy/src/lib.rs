//! The rules of the house that a machine can check.
//!
//! - *tree*: the files of the project, tracked ones and new ones that are not ignored.
//! - *rule*: a function from the tree to what breaks it; all of them stand in [`rules::RULES`].
//! - *exception*: a line in `exceptions/RULE.txt` that excuses one place, with a number and a
//!   reason. One that is no longer needed, or allows more than is there, is itself a finding:
//!   so the lists only shrink.
//!
//! `tests/house.rs` applies the rules to this project. The crate reads text; it does not know
//! Rust's grammar beyond comments, literals and braces, nor what the other crates do.

pub mod exceptions;
pub mod rules;

mod manifest;
mod source;
mod tree;

pub use tree::{File, Tree};

/// One thing that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What an exception would name: a path, or a path and a name in it.
    pub place: String,
    /// How much of it there is: lines, or occurrences. Never 0.
    pub amount: usize,
    /// What is wrong, with line numbers where there are any; a person reads this.
    pub message: String,
}

impl Finding {
    fn new(place: impl Into<String>, amount: usize, message: impl Into<String>) -> Self {
        Self { place: place.into(), amount, message: message.into() }
    }

    /// One finding for all lines of a file that break a rule the same way; `None` for no line.
    fn of_lines(place: &str, lines: &[usize], what: &str) -> Option<Self> {
        let first = lines.first()?;
        let more = match lines.len() - 1 {
            0 => String::new(),
            more => format!(" (and {more} more: {})", numbers(&lines[1..])),
        };
        Some(Self::new(place, lines.len(), format!("line {first}: {what}{more}")))
    }
}

/// The first numbers of a list, enough to find the rest by.
fn numbers(lines: &[usize]) -> String {
    const SHOWN: usize = 8;
    let shown: Vec<_> = lines.iter().take(SHOWN).map(usize::to_string).collect();
    let dots = if lines.len() > SHOWN { ", ..." } else { "" };
    format!("{}{dots}", shown.join(", "))
}
