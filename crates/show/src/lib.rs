//! How things are shown to people: columns, indented JSON, sizes, times, the words of lists.
//!
//! Text in, text out: this crate knows no terminal, no flag and no template.

pub mod audit;
pub mod human;
pub mod indent;
pub mod table;
pub mod words;

#[cfg(test)]
mod tests;
