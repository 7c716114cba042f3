//! What std lacks, without domain words.
//!
//! - [`Kind`]: what sort of failure an error is; one table per door maps it to a status or an exit
//!   code.
//! - [`error`]: printing a chain of causes.
//! - [`size`]: byte sizes as people write them.
//! - [`id`]: random hexadecimal identifiers.
//! - [`order`]: sorting texts as people do.
//! - [`fs`]: files with the path in every error, atomic replacement.
//!
//! This crate knows nothing of containers, images or HTTP.

pub mod error;
pub mod fs;
pub mod id;
pub mod kind;
pub mod order;
pub mod size;

pub use kind::Kind;
