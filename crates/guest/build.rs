//! Compiles the programs of `programs/` with the compiler that builds this crate.
//!
//! They run in containers of any make, so they are static and bring no C library: the compiler
//! is called directly, with other options than the workspace has.

use std::env;
use std::path::Path;
use std::process::Command;

const PROGRAMS: [&str; 2] = ["hello", "init"];

/// Options for small programs that need nothing from the system but its kernel.
const OPTIONS: [&str; 20] = [
    "--edition=2024",
    "--crate-type=bin",
    "-Cpanic=abort",
    "-Copt-level=z",
    "-Clto=fat",
    "-Ccodegen-units=1",
    "-Cstrip=symbols",
    "-Crelocation-model=static",
    "-Ctarget-feature=+crt-static",
    "-Cforce-unwind-tables=no",
    "-Cdefault-linker-libraries=no",
    "-Clink-arg=-nostartfiles",
    "-Clink-arg=-nostdlib",
    "-Clink-arg=-static",
    "-Clink-arg=-Wl,--build-id=none",
    "-Clink-arg=-Wl,-z,max-page-size=4096",
    "-Clink-arg=-Wl,-z,noseparate-code",
    "-Clink-arg=-Wl,-z,norelro",
    "-Clink-arg=-Wl,--no-eh-frame-hdr",
    "-Clink-arg=-Wl,--no-rosegment",
];

fn main() {
    println!("cargo::rerun-if-changed=programs");
    println!("cargo::rerun-if-changed=build.rs");
    let out = variable("OUT_DIR");
    for program in PROGRAMS {
        compile(program, Path::new(&out));
    }
}

fn compile(program: &str, out: &Path) {
    let mut compiler = Command::new(variable("RUSTC"));
    compiler.args(OPTIONS).arg("--target").arg(variable("TARGET"));
    if let Ok(linker) = env::var("RUSTC_LINKER") {
        compiler.arg(format!("-Clinker={linker}"));
    }
    let status = compiler
        .arg("-o")
        .arg(out.join(program))
        .arg(format!("programs/{program}.rs"))
        .status()
        .expect("cargo names a compiler that can be executed");
    assert!(status.success(), "failed to compile the guest program `{program}`");
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("cargo sets `{name}` for build scripts"))
}
