//! How things are shown to people and scripts: columns, templates, JSON, sizes, times.

pub mod containers;
pub mod disk;
pub mod human;
pub mod images;
pub mod indent;
pub mod list;
pub mod table;
pub mod words;

#[cfg(test)]
mod tests;
