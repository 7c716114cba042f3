//! How the program is linked.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_ARCH").as_deref() == Ok("x86_64") {
        // What the runtime does before all else: `sys::entry`.
        println!("cargo:rustc-link-arg-bins=-Wl,--entry=protected_entry");
    }
}
