//! Paths, and archives that come into a tree where somebody else is.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, symlink};

use super::extract::{ExtractSpec, Owner, account, extract};
use super::path;
use crate::testing::{Raw, archive, dir, file, hard_link, raw, snapshot, symlink as link};

#[test]
fn paths_of_clients() {
    let check = |given: &str, absolute: &str, base: &str| {
        assert_eq!(path::absolute(given), absolute, "{given}");
        assert_eq!(path::base(absolute), base, "{given}");
    };
    check("/", "/", "/");
    check("", "/", "/");
    check("/.", "/.", ".");
    check("a", "/a", "a");
    check("/a//b/", "/a/b/", "b");
    check("a/b/.", "/a/b/.", ".");
    check("../../x/../y", "/y", "y");
    assert_eq!(path::split("/a/b"), ("/a", "b"));
    assert_eq!(path::split("/a"), ("/", "a"));
}

#[test]
fn links_end_where_they_lead_inside() {
    let tree = tempfile::tempdir().unwrap();
    let at = |name: &str| tree.path().join(name);
    fs::create_dir_all(at("a/b")).unwrap();
    symlink("/a", at("abs")).unwrap();
    symlink("../../../../../a/b", at("a/up")).unwrap();
    symlink("loop", at("loop")).unwrap();
    symlink("/abs/nowhere/x", at("dangling")).unwrap();
    let root = File::open(tree.path()).unwrap();
    let follow = |from: &str| {
        let found = path::follow(root.as_fd(), from.as_bytes());
        found.map(|found| String::from_utf8(found).unwrap()).ok()
    };
    assert_eq!(follow("/abs/b").as_deref(), Some("/a/b"));
    assert_eq!(follow("/abs/up").as_deref(), Some("/a/b"));
    assert_eq!(follow("/dangling").as_deref(), Some("/a/nowhere/x"));
    assert_eq!(follow("/loop"), None);
}

const INTO_D: ExtractSpec<'static> = ExtractSpec {
    destination: b"/d",
    shown: b"/d",
    keeps_kinds: false,
    owner: Owner::AsArchived,
    rename: None,
};

/// A root with a directory `d`, and beside it what must never change.
struct Ground {
    dir: tempfile::TempDir,
}

impl Ground {
    fn new() -> Ground {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("root/d")).unwrap();
        fs::create_dir(dir.path().join("outside")).unwrap();
        fs::write(dir.path().join("outside/canary"), "alive").unwrap();
        Ground { dir }
    }

    fn at(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join("root").join(name)
    }

    fn put(&self, members: &[Raw], keeps_kinds: bool) -> Result<(), String> {
        let before = snapshot(&self.dir.path().join("outside"));
        let root = File::open(self.at("")).unwrap();
        let bytes = archive(members);
        let done = extract(&bytes[..], root.as_fd(), &ExtractSpec { keeps_kinds, ..INTO_D });
        assert_eq!(snapshot(&self.dir.path().join("outside")), before, "it went outside");
        done.map_err(|error| error.to_string())
    }
}

#[test]
fn the_archive_wins() {
    let ground = Ground::new();
    fs::create_dir_all(ground.at("d/was-dir/deep/er")).unwrap();
    fs::write(ground.at("d/was-file"), "old").unwrap();
    fs::write(ground.at("d/kept"), "old").unwrap();
    let mut owned = file("was-file", "new");
    owned.uid = 1234;
    let members = [owned, file("was-dir", "x"), dir("m/"), file("m/f", "1"), hard_link("h", "m/f")];
    ground.put(&members, false).unwrap();
    assert_eq!(fs::read_to_string(ground.at("d/was-file")).unwrap(), "new");
    assert_eq!(fs::metadata(ground.at("d/was-file")).unwrap().uid(), 1234);
    assert_eq!(fs::read_to_string(ground.at("d/was-dir")).unwrap(), "x");
    assert_eq!(fs::read_to_string(ground.at("d/kept")).unwrap(), "old");
    assert_eq!(fs::metadata(ground.at("d/h")).unwrap().nlink(), 2);
    // Implied directories, devices that are not made, a pipe.
    ground.put(&[file("p/q/r", ""), raw("dev", b'3'), raw("pipe", b'6')], false).unwrap();
    assert!(ground.at("d/p/q/r").exists() && ground.at("d/pipe").exists());
    assert!(!ground.at("d/dev").exists());
}

#[test]
fn kinds_are_kept_if_wished() {
    let ground = Ground::new();
    fs::create_dir(ground.at("d/dir")).unwrap();
    fs::write(ground.at("d/file"), "").unwrap();
    let error = ground.put(&[file("dir", "x")], true).unwrap_err();
    assert_eq!(error, "cannot overwrite directory \"/d/dir\" with non-directory \"/d\"");
    let error = ground.put(&[dir("file/")], true).unwrap_err();
    assert_eq!(error, "cannot overwrite non-directory \"/d/file\" with directory \"/d\"");
}

#[test]
fn nothing_leaves_the_root() {
    let ground = Ground::new();
    let outside = ground.dir.path().join("outside");
    symlink(&outside, ground.at("d/abs")).unwrap();
    symlink("../../outside", ground.at("d/up")).unwrap();
    // A link is resolved as the container would: there is no such directory there.
    for name in ["abs/canary", "up/canary", "../outside/canary", "/../../outside/canary"] {
        drop(ground.put(&[file(name, "dead")], false));
    }
    let error = ground.put(&[link("l", "../../x"), file("l/y", "")], false).unwrap_err();
    assert_eq!(error, "invalid symlink \"/d/l\" -> \"../../x\"");
    drop(ground.put(&[link("l", "/"), file("l/made", "inside")], false));
    assert_eq!(fs::read_to_string(ground.at("made")).unwrap(), "inside");
    drop(ground.put(&[hard_link("h", "../../outside/canary")], false));
    drop(ground.put(&[hard_link("h", "abs/canary")], false));
    assert!(!ground.at("d/h").exists());
}

#[test]
fn what_is_no_archive_is_told() {
    let ground = Ground::new();
    let root = File::open(ground.at("")).unwrap();
    let put = |bytes: &[u8]| {
        let done = extract(bytes, root.as_fd(), &INTO_D);
        done.map_err(|error| error.to_string())
    };
    assert_eq!(put(b""), Ok(()));
    let packed = zstd::encode_all(&archive(&[file("z", "zstd")])[..], 1).unwrap();
    put(&packed).unwrap();
    assert_eq!(fs::read_to_string(ground.at("d/z")).unwrap(), "zstd");
    for (magic, name) in [(&b"BZh91AY"[..], "bzip2"), (b"\xfd7zXZ\0\0", "xz")] {
        let error = put(magic).unwrap_err();
        assert!(error.contains(&format!("{name} is not supported")), "{error}");
    }
    assert!(put(&[b'x'; 2000]).is_err());
}

#[test]
fn accounts_are_the_containers() {
    let ground = Ground::new();
    fs::create_dir(ground.at("etc")).unwrap();
    fs::write(ground.at("etc/passwd"), "root:x:0:0::/:\nme:x:12:34:::\nbroken\n").unwrap();
    let root = File::open(ground.at("")).unwrap();
    let of = |user: &str| account(root.as_fd(), user).ok();
    assert_eq!(of("me"), Some((12, 34)));
    assert_eq!(of("12:99"), Some((12, 34)));
    assert_eq!(of("77"), Some((77, 77)));
    assert_eq!(of("nobody"), None);
}

#[test]
fn a_copy_to_this_machine_stays_in_its_directory() {
    let ground = Ground::new();
    let packed = |from: &str, base: &str, name: &str| {
        let mut bytes = Vec::new();
        crate::pack_path(&ground.at(from), base.as_ref(), name.as_bytes(), &mut bytes).unwrap();
        bytes
    };
    fs::create_dir_all(ground.at("src/x")).unwrap();
    fs::write(ground.at("src/x/f"), "content").unwrap();
    fs::hard_link(ground.at("src/x/f"), ground.at("src/x/g")).unwrap();
    let rename = super::Rename { from: b"x".to_vec(), to: b"renamed".to_vec() };
    let into = |bytes: &[u8], rename| {
        crate::unpack_into(bytes, &ground.at("d"), rename).map_err(|error| error.to_string())
    };
    into(&packed("src", "x", "x"), Some(&rename)).unwrap();
    assert_eq!(fs::metadata(ground.at("d/renamed/g")).unwrap().nlink(), 2);
    into(&packed("src/x", ".", "."), None).unwrap();
    into(&packed("src/x", "f", "alone"), None).unwrap();
    assert_eq!(fs::read_to_string(ground.at("d/alone")).unwrap(), "content");
    // What an evil container could send.
    let outside = ground.dir.path().join("outside");
    let evil = [link("l", outside.to_str().unwrap()), file("l/canary", "dead")];
    drop(into(&archive(&evil), None));
    assert_eq!(fs::read_to_string(outside.join("canary")).unwrap(), "alive");
    let shown = ground.at("d/up").display().to_string();
    let error = into(&archive(&[link("up", "../x")]), None).unwrap_err();
    assert_eq!(error, format!("invalid symlink \"{shown}\" -> \"../x\""));
}
