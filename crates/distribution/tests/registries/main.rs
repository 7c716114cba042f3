//! Pulls and pushes against Debian's registry, and against hostile ones made here.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod auth;
mod debian;
mod fake;
mod hostile;
mod house;
mod mirrors;
mod real;
mod transfers;
