//! Places where a crash test kills the process.

use std::sync::OnceLock;

/// Every failpoint of this crate, in the order in which a load, a run and a removal pass them. A
/// kill sweep goes through this table.
pub const NAMES: &[&str] = &[
    "store.open.swept",
    "store.ingest.arrived",
    "store.layer.begun",
    "store.layer.unpacked",
    "store.layer.recorded",
    "store.layer.synced",
    "store.blob.moved",
    "store.layer.renamed",
    "store.layer.visible",
    "store.blob.written",
    "store.image.recorded",
    "store.tags.replaced",
    "store.rootfs.prepared",
    "store.rootfs.visible",
    "store.rootfs.removed",
    "store.remove.untagged",
    "store.remove.image",
    "store.remove.layer",
    "store.remove.blob",
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
