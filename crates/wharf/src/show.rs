//! Lists by template; the texts below them are the crate `show`'s.

pub use ::show::{audit, human, indent, table, words};

pub mod containers;
pub mod disk;
pub mod images;
pub mod list;
pub mod stats;

#[cfg(test)]
mod tests;
