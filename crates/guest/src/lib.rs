//! Programs that run inside containers, as bytes.
//!
//! Both are compiled by the build script from `programs/`: static, without a C library, a few
//! kilobytes. They run on any kernel that the engine runs on, in an image that holds nothing else.
//!
//! - *hello*: the program of the built-in image; tells what isolates it.
//! - *init*: process 1 of a container that was started with `--init`.
//!
//! This crate does not know what an image or a container is: `store` makes the image of
//! [`HELLO`], the engine puts [`INIT`] at [`INIT_PATH`].

#[cfg(test)]
mod tests;

/// The program of the image [`HELLO_IMAGE`]: `/hello [--json]`.
///
/// Prints a table of at most 80 columns, or with `--json` one JSON object whose keys stay the
/// same (`null`: not visible from inside). Needs no file but itself. Exit code 0, or 1 for an
/// argument that it does not know.
pub const HELLO: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/hello"));

/// The program for `--init`: `docker-init [--] COMMAND [ARG...]`.
///
/// Runs the command in a process group of its own, in the foreground of the terminal at standard
/// input if there is one; passes on all signals; reaps every orphan. Exits with the command's
/// code, or 128 and the signal's number; 127 if there is no such command, 126 if it cannot be
/// executed, 1 if it was called wrongly.
pub const INIT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/init"));

/// Name of the built-in image, without a tag.
pub const HELLO_IMAGE: &str = "wharf/hello";

/// Where [`HELLO`] lies in its image, mode 0755, the only file; the image's entry point.
pub const HELLO_PATH: &str = "/hello";

/// Where [`INIT`] is mounted in a container, mode 0755; its first argument is `--`.
pub const INIT_PATH: &str = "/sbin/docker-init";
