//! The `wharf` command line against the real Docker CLI: both are run on the same words against
//! the same scripted engine; output, exit codes and requests must agree.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod bodies;
mod docker;
mod errors;
mod fake;
mod registries;
mod terminal;
mod verbs;
