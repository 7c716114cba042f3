//! Places where a crash test kills the engine.

use std::sync::OnceLock;

/// Every failpoint of this crate, in the order in which a run and a removal pass them. A kill
/// sweep goes through this table.
pub const NAMES: &[&str] = &[
    "engine.create.intent",
    "engine.create.rootfs",
    "engine.create.files",
    "engine.create.recorded",
    "engine.start.intent",
    "engine.start.spawned",
    "engine.start.recorded",
    "engine.exit.heard",
    "engine.exit.recorded",
    "engine.exit.cleaned",
    "engine.rename.recorded",
    "engine.update.applied",
    "engine.update.recorded",
    "engine.archive.extracted",
    "engine.commit.paused",
    "engine.commit.recorded",
    "engine.remove.intent",
    "engine.remove.rootfs",
    "engine.remove.files",
    "engine.remove.cgroup",
    "engine.remove.recorded",
];

/// Ends the process at once, as SIGKILL does, when the environment variable `WHARF_FAILPOINT` is
/// `name`. The variable is read once.
pub fn hit(name: &'static str) {
    static WANTED: OnceLock<Option<String>> = OnceLock::new();
    debug_assert!(NAMES.contains(&name), "failpoint `{name}` is not in the table");
    if WANTED.get_or_init(|| std::env::var("WHARF_FAILPOINT").ok()).as_deref() == Some(name) {
        std::process::abort();
    }
}
