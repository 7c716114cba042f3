//! Devices by the Container Device Interface: what vendors write in `/etc/cdi` about what a
//! container needs for `vendor.com/class=name`.
//!
//! - *Specification*: a file, JSON or YAML, with the devices of one kind (`vendor.com/class`).
//! - *Edits*: what a device changes in a container: variables, nodes, mounts, groups.
//! - *Catalog*: all devices of all specifications, as they are at one moment.
//!
//! A specification decides what a container gets of the host, so only the administrator may write
//! one: directory and file belong to root, and nobody else can write them. This crate does not
//! know containers: it tells which edits, and somebody else makes them.

mod catalog;
mod name;
mod spec;
mod yaml;

pub use self::catalog::{Catalog, Edits, InjectError, Node, Problem};
pub use self::name::is_qualified;
pub use self::spec::{MountSpec, SpecError, parse_json, parse_yaml};

#[cfg(test)]
mod tests;
