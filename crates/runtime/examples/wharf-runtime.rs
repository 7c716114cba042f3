//! The runtime command line as a program of its own, for tests and for trying it out.

use std::ffi::OsString;

fn main() {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    std::process::exit(runtime::cli::main(&args));
}
