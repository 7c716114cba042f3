//! Directories become archives that say the same.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use sys::rustix;

use super::{Flavor, Packer};
use crate::tar::{EntryKind, Limits, Reader};

/// `KIND path` of each member, and what links point at.
fn members(bytes: &[u8]) -> Vec<String> {
    let mut reader = Reader::new(bytes, Limits::default());
    let mut found = Vec::new();
    while let Some(entry) = reader.next_entry().unwrap() {
        let path = entry.path.escape_ascii();
        found.push(match entry.kind {
            EntryKind::File { size, .. } => format!("f {path} {size}"),
            EntryKind::Directory => format!("d {path} {:o}", entry.mode),
            EntryKind::HardLink(to) => format!("h {path} {}", to.escape_ascii()),
            EntryKind::Symlink(to) => format!("l {path} {}", to.escape_ascii()),
            EntryKind::Fifo => format!("p {path}"),
            EntryKind::CharDevice(major, minor) => format!("c {path} {major}:{minor}"),
            EntryKind::BlockDevice(major, minor) => format!("b {path} {major}:{minor}"),
        });
        for (name, value) in entry.xattrs {
            let value = value.escape_ascii();
            found.push(format!("  {}={value}", name.escape_ascii()));
        }
    }
    found
}

fn pack(dir: &Path, flavor: Flavor, name: Option<&[u8]>) -> Vec<String> {
    let root = File::open(dir).unwrap();
    let mut packer = Packer::new(Vec::new(), flavor);
    match name {
        Some(name) => packer.directory(root.as_fd(), name).unwrap(),
        None => packer.contents(root.as_fd()).unwrap(),
    }
    members(&packer.finish().unwrap())
}

fn device(path: &Path, kind: rustix::fs::FileType, number: u64) {
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, path, kind, mode, number).unwrap();
}

fn tree() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::create_dir(at("b")).unwrap();
    fs::set_permissions(at("b"), fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(at("b/file"), "12345").unwrap();
    fs::hard_link(at("b/file"), at("z")).unwrap();
    symlink("../outside", at("b/link")).unwrap();
    device(&at("pipe"), rustix::fs::FileType::Fifo, 0);
    let odd = std::os::unix::ffi::OsStrExt::from_bytes(b"\xff\xfe" as &[u8]);
    fs::write(dir.path().join(Path::new::<std::ffi::OsStr>(odd)), "").unwrap();
    let listener = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
    drop(listener);
    dir
}

#[test]
fn a_tree_as_it_is_seen() {
    let dir = tree();
    let inside =
        ["d b/ 700", "f b/file 5", "l b/link ../outside", "p pipe", "h z b/file", "f \\xff\\xfe 0"];
    assert_eq!(pack(dir.path(), Flavor::Merged, None), inside);
    for (name, prefix) in [("x", "x/"), (".", "./"), ("/", "/")] {
        let expected: Vec<String> = inside
            .iter()
            .map(|line| {
                let (kind, rest) = line.split_once(' ').unwrap();
                format!("{kind} {prefix}{}", rest.replace(" b/file", &format!(" {prefix}b/file")))
            })
            .collect();
        let found = pack(dir.path(), Flavor::Merged, Some(name.as_bytes()));
        assert_eq!(found[0], format!("d {prefix} 700"));
        assert_eq!(found[1..], expected, "{name}");
    }
}

#[test]
fn an_upper_directory_as_a_layer() {
    let dir = tree();
    let at = |name: &str| dir.path().join(name);
    device(&at("gone"), rustix::fs::FileType::CharacterDevice, 0);
    device(&at("b/gone"), rustix::fs::FileType::CharacterDevice, 0);
    let b = File::open(at("b")).unwrap();
    let set = |name: &str, value: &[u8]| {
        rustix::fs::fsetxattr(&b, name, value, rustix::fs::XattrFlags::empty()).unwrap();
    };
    set("user.overlay.opaque", b"y");
    set("user.overlay.impure", b"y");
    set("user.mine", b"\x00\xff");
    let expected = [
        "d b/ 700",
        "  user.mine=\\x00\\xff",
        "f b/.wh..wh..opq 0",
        "f b/file 5",
        "f b/.wh.gone 0",
        "l b/link ../outside",
        "f .wh.gone 0",
        "p pipe",
        "h z b/file",
        "f \\xff\\xfe 0",
    ];
    let found = pack(dir.path(), Flavor::Upper, None);
    assert_eq!(found, expected);
}

#[test]
fn a_file_that_shrinks_is_filled_up() {
    let entry = crate::testing::entry("f", EntryKind::File { size: 700, segments: None });
    let mut writer = crate::tar::Writer::new(Vec::new());
    writer.append_changing(&entry, &b"short"[..]).unwrap();
    let bytes = writer.finish().unwrap();
    assert_eq!(bytes.len(), 512 + 1024 + 1024);
    assert_eq!(members(&bytes), ["f f 700"]);
}
