//! How things are shown to people: columns, indented JSON, sizes, times, the words of lists.
//!
//! Text in, text out: this crate knows no terminal and no flag.

pub mod audit;
pub mod containers;
pub mod disk;
pub mod history;
pub mod human;
pub mod images;
pub mod indent;
pub mod list;
pub mod note;
pub mod progress;
pub mod search;
pub mod stats;
pub mod table;
pub mod words;

#[cfg(test)]
mod tests;
