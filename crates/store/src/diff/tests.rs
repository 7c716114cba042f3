//! Upper directories, written as overlay writes them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use oci::Platform;
use sys::rustix;

use super::ChangeKind;
use crate::testing::{archive, dir, file};
use crate::{ImportSpec, Store};
use archive::Unpacker;

fn whiteout(path: &Path) {
    let kind = rustix::fs::FileType::CharacterDevice;
    let mode = rustix::fs::Mode::empty();
    rustix::fs::mknodat(rustix::fs::CWD, path, kind, mode, 0).unwrap();
}

#[test]
fn changes_are_found() {
    let place = tempfile::tempdir().unwrap();
    let store = Store::open(place.path(), Unpacker::InProcess).unwrap();
    let members = [
        dir("d/"),
        file("d/a", "a"),
        file("d/b", "b"),
        dir("o/"),
        file("o/x", "x"),
        file("f", "f"),
    ];
    let spec = ImportSpec {
        changes: &[],
        message: "",
        platform: Platform::host(),
        name: None,
        engine_version: "",
    };
    let image = store.import(&mut &archive(&members)[..], &spec).unwrap();
    let upper = store.create_rootfs("cc", &image).unwrap().rw_dir.join("upper");
    let found = || -> Vec<String> {
        let changes = store.changes("cc").unwrap();
        let letter = |kind| match kind {
            ChangeKind::Modified => 'C',
            ChangeKind::Added => 'A',
            ChangeKind::Deleted => 'D',
        };
        changes.iter().map(|change| format!("{} {}", letter(change.kind), change.path)).collect()
    };
    assert_eq!(found(), [""; 0]);
    // Copied up and not changed.
    let at = |name: &str| upper.join(name);
    let set_mode = |name: &str, mode| {
        fs::set_permissions(at(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    for name in ["d", "etc", "proc"] {
        fs::create_dir(at(name)).unwrap();
        set_mode(name, 0o755);
    }
    assert_eq!(found(), [""; 0]);
    fs::write(at("d/b"), "changed").unwrap();
    whiteout(&at("d/a"));
    whiteout(&at("d/never-there"));
    fs::create_dir(at("o")).unwrap();
    set_mode("o", 0o755);
    let opaque = fs::File::open(at("o")).unwrap();
    let flags = rustix::fs::XattrFlags::empty();
    rustix::fs::fsetxattr(&opaque, c"user.overlay.opaque", b"y", flags).unwrap();
    fs::write(at("o/new"), "").unwrap();
    fs::create_dir_all(at("n/m")).unwrap();
    fs::create_dir(at("f")).unwrap();
    fs::write(at("f/in"), "").unwrap();
    fs::write(at("etc/mine"), "").unwrap();
    let expected = [
        "C /d",
        "D /d/a",
        "C /d/b",
        "C /etc",
        "A /etc/mine",
        "C /f",
        "A /f/in",
        "A /n",
        "A /n/m",
        "C /o",
        "A /o/new",
        "D /o/x",
    ];
    assert_eq!(found(), expected);
}
