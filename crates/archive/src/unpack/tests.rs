use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sys::rustix::fs::{getxattr, listxattr};

use super::*;
use crate::recipe::Recipe;
use crate::tar::{Entry, EntryKind, Time, Writer};
use crate::testing::{
    self, Raw, archive, dir, entry, file, hard_link, pax, raw, run, snapshot, symlink,
};

mod corpus;

const LIMITS: UnpackLimits = UnpackLimits { bytes_max: 64 << 20, entries_max: 100_000 };

/// A layer's directory beside a tree that no layer may touch.
struct Ground {
    dir: tempfile::TempDir,
}

impl Ground {
    fn new() -> Ground {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("fs")).unwrap();
        std::fs::create_dir(dir.path().join("canary")).unwrap();
        std::fs::write(dir.path().join("canary/secret"), "untouched").unwrap();
        Ground { dir }
    }

    fn fs(&self) -> PathBuf {
        self.dir.path().join("fs")
    }

    fn canary(&self) -> PathBuf {
        self.dir.path().join("canary")
    }

    fn unpack(&self, bytes: &[u8]) -> Result<LayerFacts, LayerError> {
        let root = std::fs::File::open(self.fs()).unwrap();
        unpack(bytes, root.as_fd(), &LIMITS)
    }
}

/// What is in a directory, as `path kind`.
fn tree(root: &Path) -> Vec<String> {
    fn walk(root: &Path, path: &Path, out: &mut Vec<String>) {
        for entry in std::fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            let meta = std::fs::symlink_metadata(&path).unwrap();
            let name = path.strip_prefix(root).unwrap().display().to_string();
            let kind = match meta.file_type() {
                kind if kind.is_dir() => {
                    let mut value = [0; 8];
                    match getxattr(&path, "user.overlay.opaque", &mut value) {
                        Ok(_) => "opaque".to_owned(),
                        Err(_) => "dir".to_owned(),
                    }
                }
                kind if kind.is_symlink() => {
                    format!("-> {}", std::fs::read_link(&path).unwrap().display())
                }
                kind if kind.is_char_device() => format!("whiteout {}", meta.rdev()),
                kind if kind.is_fifo() => "pipe".to_owned(),
                _ => std::fs::read_to_string(&path).unwrap(),
            };
            out.push(format!("{name} {kind}"));
            if meta.is_dir() {
                walk(root, &path, out);
            }
        }
    }
    let mut out = Vec::new();
    walk(root, root, &mut out);
    out.sort();
    out
}

/// Unpacks and compares; nothing outside may change.
fn check(members: &[Raw], expect: &[&str]) -> LayerFacts {
    let ground = Ground::new();
    let before = snapshot(&ground.canary());
    let facts = ground
        .unpack(&archive(members))
        .unwrap_or_else(|error| panic!("{}", stdx::error::chain(&error)));
    assert_eq!(tree(&ground.fs()), expect);
    assert_eq!(snapshot(&ground.canary()), before);
    facts
}

fn check_refused(members: &[Raw], expect: &str) {
    let ground = Ground::new();
    let before = snapshot(&ground.canary());
    let text = match ground.unpack(&archive(members)) {
        Ok(_) => panic!("taken: {:?}; expected: {expect}", tree(&ground.fs())),
        Err(error) => stdx::error::chain(&error).to_string(),
    };
    assert!(text.contains(expect), "`{text}` does not contain `{expect}`");
    assert_eq!(snapshot(&ground.canary()), before);
    let beside: Vec<_> = std::fs::read_dir(ground.dir.path()).unwrap().collect();
    assert_eq!(beside.len(), 2);
}

#[test]
fn sec_u01_u02_u03_hostile_paths_are_refused() {
    let deep = "d/".repeat(600) + "f";
    let long = "n".repeat(256);
    let rows: &[(&str, Vec<Raw>)] = &[
        ("climbs", vec![file("../canary/secret", "x")]),
        ("climbs", vec![file("a/../../canary/secret", "x")]),
        ("climbs", vec![dir("..")]),
        ("climbs", vec![symlink("../s", "x")]),
        ("leaves the layer", vec![hard_link("h", "../canary/secret")]),
        ("not in this layer", vec![hard_link("h", "/canary/secret")]),
        ("not in this layer", vec![hard_link("h", "later"), file("later", "x")]),
        ("not a file", vec![dir("d"), hard_link("h", "d")]),
        ("not a file", vec![file(".wh.w", ""), hard_link("h", "w")]),
        ("link to itself", vec![file("h", "x"), hard_link("h", "./h")]),
        ("through a symbolic link", vec![symlink("s", "../canary"), file("s/secret", "x")]),
        ("through a symbolic link", vec![symlink("s", "/"), dir("s/etc")]),
        ("through a symbolic link", vec![dir("d"), symlink("d/s", "."), file("d/s/f", "x")]),
        ("not in this layer", vec![symlink("s", "../canary"), hard_link("h", "s/secret")]),
        ("through a symbolic link", vec![symlink("s", "../canary"), file("s/.wh.secret", "")]),
        ("through a symbolic link", vec![symlink("s", "../canary"), file("s/.wh..wh..opq", "")]),
        ("through a symbolic link or a file", vec![file("f", "x"), file("f/g", "x")]),
        ("not empty", vec![file("d/f", "x"), file("d", "x")]),
        ("not empty", vec![file("d/f", "x"), symlink("d", "../canary")]),
        ("root must be", vec![file("./", "")]),
        ("root must be", vec![symlink(".", "../canary")]),
        ("root must be", vec![symlink("/", "../canary")]),
        ("directories deep", vec![pax(&[("path", deep.as_bytes())]), file("x", "")]),
        ("255 bytes", vec![pax(&[("path", long.as_bytes())]), file("x", "")]),
        ("whiteout device", vec![Raw { device: (0, 0), ..raw("c", b'3') }]),
        ("must name a file", vec![file(".wh.", "")]),
        ("must name a file", vec![file("d/.wh..", "")]),
        ("must name a file", vec![file(".wh...", "")]),
        ("must be a file", vec![dir(".wh.x")]),
        ("must be a file", vec![symlink(".wh..wh..opq", "../canary")]),
        ("must be a file", vec![dir("d/.wh..wh..opq")]),
        ("below a whiteout", vec![file(".wh.d/f", "x")]),
        ("below a whiteout", vec![file("d/.wh..wh..opq/f", "x")]),
    ];
    for (expect, members) in rows {
        // A file whose name ends in a slash is the reader's own error.
        let expect = if members[0].name == b"./" { "ends in `/`" } else { expect };
        check_refused(members, expect);
    }
}

#[test]
fn sec_u04_odd_paths_stay_inside() {
    check(&[file("/etc/passwd", "x")], &["etc dir", "etc/passwd x"]);
    check(&[file("./a//./b", "x")], &["a dir", "a/b x"]);
    check(&[symlink("s", "/etc/../../x")], &["s -> /etc/../../x"]);
    check(&[symlink("s", "../canary"), dir("s"), file("s/f", "x")], &["s dir", "s/f x"]);
    check(&[symlink("s", "../canary/secret"), file("s", "x")], &["s x"]);
    check(&[file("f", "one"), file("f", "two")], &["f two"]);
    check(&[dir("d"), file("d", "x")], &["d x"]);
    check(&[file("d", "x"), dir("d"), dir("d")], &["d dir"]);
    check(&[symlink("s", "t"), hard_link("h", "s")], &["h -> t", "s -> t"]);
    check(&[raw("p", b'6'), hard_link("q", "p")], &["p pipe", "q pipe"]);
    check(&[file("new\nline", "x")], &["new\nline x"]);
    let facts = check(
        &[file("f", "12345"), hard_link("g", "f"), symlink("s", "123")],
        &["f 12345", "g 12345", "s -> 123"],
    );
    assert_eq!((facts.size, facts.entries), (8, 3));
    assert_eq!(check(&[file("f", "12345"), file("f", "1")], &["f 1"]).size, 1);
}

#[test]
fn sec_u15_whiteouts() {
    check(&[dir("d"), file("d/.wh.x", "")], &["d dir", "d/x whiteout 0"]);
    check(&[file("d/.wh.x", "")], &["d dir", "d/x whiteout 0"]);
    check(&[file(".wh.x", ""), file(".wh.x", "")], &["x whiteout 0"]);
    check(&[file("d/f", "x"), file("d/.wh..wh..opq", "")], &["d opaque", "d/f x"]);
    check(&[file("d/.wh..wh..opq", ""), file("d/f", "x")], &["d opaque", "d/f x"]);
    // Only lower layers are hidden, whatever the order.
    check(&[file("f", "x"), file(".wh.f", "")], &["f x"]);
    check(&[file(".wh.f", ""), file("f", "x")], &["f x"]);
    check(&[file("d/f", "x"), file(".wh.d", "")], &["d opaque", "d/f x"]);
    check(&[file(".wh.d", ""), dir("d"), file("d/f", "x")], &["d opaque", "d/f x"]);
    check(&[file(".wh.d", ""), file("d/f", "x")], &["d opaque", "d/f x"]);
    check(&[file(".wh.a", ""), hard_link(".wh.b", ".wh.a")], &["a whiteout 0", "b whiteout 0"]);
    check(&[dir(".wh..wh.plnk"), file(".wh..wh.plnk/1", "x"), file(".wh..wh.aufs", "")], &[]);
    assert!(check(&[file(".wh..wh..opq", "")], &[]).is_opaque);
    assert!(!check(&[file("d/.wh..wh..opq", "")], &["d opaque"]).is_opaque);
}

#[test]
fn sec_u13_devices_are_recorded_and_not_made() {
    let facts = check(
        &[
            Raw { device: (1, 3), mode: 0o666, ..raw("dev/null", b'3') },
            Raw { device: (8, 0), ..raw("disk", b'4') },
        ],
        &["dev dir"],
    );
    let devices: Vec<_> =
        facts.devices.iter().map(|d| (d.path.as_str(), d.is_block, d.major, d.minor)).collect();
    assert_eq!(devices, [("dev/null", false, 1, 3), ("disk", true, 8, 0)]);
    let many: Vec<Raw> =
        (0..4097).map(|n| Raw { device: (1, 3), ..raw(format!("{n}"), b'3') }).collect();
    check_refused(&many, "more than 4096 device nodes");
}

fn special() -> Vec<Entry> {
    let mut program = entry("bin/su", EntryKind::File { size: 5, segments: None });
    (program.mode, program.uid, program.gid) = (0o4755, 1000, 2000);
    program.mtime = Time { seconds: 1_234_567_890, nanoseconds: 123_456_789 };
    let v2 = [&0x0200_0001u32.to_le_bytes()[..], &[0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]]
        .concat();
    let v3 = [&0x0300_0001u32.to_le_bytes()[..], &v2[4..], &7u32.to_le_bytes()].concat();
    program.xattrs = [
        (&b"user.kept"[..], &b"yes"[..]),
        (b"security.capability", &v3),
        (b"user.overlay.opaque", b"y"),
        (b"user.overlay.redirect", b"/etc"),
        (b"trusted.overlay.opaque", b"y"),
        (b"security.selinux", b"x"),
        (b"security.ima", b"x"),
        (b"system.posix_acl_access", b"x"),
        (b"user.", b"x"),
    ]
    .map(|(name, value)| (name.to_vec(), value.to_vec()))
    .to_vec();
    let mut root = entry("./", EntryKind::Directory);
    (root.mode, root.uid) = (0o1777, 70_000);
    root.mtime = Time { seconds: -1, nanoseconds: 0 };
    let mut directory = entry("bin/", EntryKind::Directory);
    (directory.mode, directory.gid) = (0o2750, 50);
    let mut link = entry("link", EntryKind::Symlink(b"bin/su".to_vec()));
    (link.uid, link.gid, link.mtime.nanoseconds) = (1, 2, 3);
    vec![root, directory, program, link, entry("pipe", EntryKind::Fifo)]
}

fn special_archive() -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for entry in special() {
        writer.append(&entry, &b"\x7fELF\x01"[..]).unwrap();
    }
    writer.finish().unwrap()
}

fn check_special(fs: &Path, facts: &LayerFacts) {
    let meta = |path: &str| std::fs::symlink_metadata(fs.join(path)).unwrap();
    let owner = |path: &str| (meta(path).mode() & 0o7777, meta(path).uid(), meta(path).gid());
    assert_eq!(owner(""), (0o1777, 70_000, 0));
    assert_eq!(meta("").mtime(), -1);
    assert_eq!(owner("bin"), (0o2750, 0, 50));
    assert_eq!(meta("bin").mtime(), 1_600_000_000);
    assert_eq!(owner("bin/su"), (0o4755, 1000, 2000));
    assert_eq!((meta("bin/su").mtime(), meta("bin/su").mtime_nsec()), (1_234_567_890, 123_456_789));
    assert_eq!((meta("link").uid(), meta("link").gid(), meta("link").mtime_nsec()), (1, 2, 3));
    assert_eq!(owner("pipe"), (0o644, 0, 0));
    let mut names = [0; 256];
    let length = listxattr(fs.join("bin/su"), &mut names).unwrap();
    let mut names: Vec<&[u8]> =
        names[..length].split(|b| *b == 0).filter(|n| !n.is_empty()).collect();
    names.sort();
    assert_eq!(names, [&b"security.capability"[..], b"user.kept"]);
    let mut value = [0; 64];
    let length = getxattr(fs.join("bin/su"), "security.capability", &mut value).unwrap();
    assert_eq!((length, value[3]), (20, 2), "revision 2");
    assert_eq!((facts.largest_uid, facts.largest_gid), (70_000, 2000));
    assert!(facts.has_set_id && facts.has_file_capabilities && facts.has_elf32);
    assert_eq!(facts.root, Some(RootAttributes { mode: 0o1777, uid: 70_000, gid: 0 }));
    assert_eq!(facts.xattrs_dropped, 7);
    assert_eq!(facts.size, 5 + 6);
    let sha256 = oci::Digest::of(&special_archive()).to_string();
    assert_eq!(facts.diff_id, sha256);
}

#[test]
fn sec_u18_u19_u20_attributes_are_the_archives() {
    let ground = Ground::new();
    let facts = ground.unpack(&special_archive()).unwrap();
    check_special(&ground.fs(), &facts);
}

#[test]
fn a_directory_of_the_machine_comes_back_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let from = dir.path().join("from");
    std::fs::create_dir_all(from.join("a/b/c")).unwrap();
    std::fs::write(from.join("a/b/c/file"), "content").unwrap();
    std::fs::hard_link(from.join("a/b/c/file"), from.join("a/hard")).unwrap();
    std::os::unix::fs::symlink("b/c/file", from.join("a/soft")).unwrap();
    std::fs::set_permissions(from.join("a/b"), PermissionsExt::from_mode(0o700)).unwrap();
    let holes = std::fs::File::create(from.join("holes")).unwrap();
    holes.set_len(8 << 20).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&holes, b"in the middle", 4 << 20).unwrap();
    let strip = |root: &Path| -> Vec<_> {
        let map = snapshot(root).into_iter();
        map.map(|(path, text)| (path[root.as_os_str().len()..].to_vec(), text)).collect()
    };
    for format in ["--format=pax", "--format=gnu"] {
        for how in [&["-S"] as &[&str], &[], &["-z"], &["--zstd"]] {
            // GNU's own format has whole seconds only.
            run(
                "touch",
                &["-d", "2020-01-01", "a", "a/b", "a/b/c", "a/b/c/file", "holes", "."],
                b"",
                &from,
            );
            run("touch", &["-h", "-d", "2020-01-01", "a/soft"], b"", &from);
            let arguments = [how, &[format, "-c", "."]].concat();
            let ground = Ground::new();
            ground.unpack(&run("tar", &arguments, b"", &from)).unwrap();
            let size = |meta: std::fs::Metadata| meta.blocks();
            assert!(size(ground.fs().join("holes").metadata().unwrap()) <= 16384);
            if how.contains(&"-S") {
                assert!(size(ground.fs().join("holes").metadata().unwrap()) < 1000);
            }
            // Directory sizes are the file system's own affair.
            assert_eq!(strip(&ground.fs()), strip(&from), "{arguments:?}");
        }
    }
}

#[test]
fn sec_u22_u23_limits_hold() {
    let root = tempfile::tempdir().unwrap();
    let fs = std::fs::File::open(root.path()).unwrap();
    let check = |bytes: &[u8], limits: UnpackLimits, expect: &str| {
        let error = unpack(bytes, fs.as_fd(), &limits).expect_err("this is over the limit");
        let text = stdx::error::chain(&error).to_string();
        assert!(text.contains(expect), "{text}");
    };
    let bytes = archive(&[file("f", vec![0; 100_000])]);
    check(&bytes, UnpackLimits { bytes_max: 50_000, entries_max: 10 }, "more than 50000 bytes");
    let sparse = archive(&[
        pax(&[("GNU.sparse.size", b"9000000000000000000"), ("GNU.sparse.map", b"0,1")]),
        file("f", "x"),
    ]);
    check(&sparse, LIMITS, "more than 67108864 bytes");
    let many = archive(&[file("a", ""), file("b", ""), file("c", "")]);
    check(&many, UnpackLimits { bytes_max: 1 << 20, entries_max: 2 }, "more than 2 members");
    let bomb = run("gzip", &[], &vec![0; 8 << 20], root.path());
    check(&bomb, UnpackLimits { bytes_max: 1 << 20, entries_max: 2 }, "more than 1048576 bytes");
}

/// The program's side of [`jailed`]: does nothing when the tests run by themselves.
#[test]
fn worker_entry() {
    if let Some(limits) = std::env::var_os("STORE_TEST_WORKER") {
        std::process::exit(unpack_worker_main(&[limits]));
    }
}

fn jailed() -> Unpacker {
    testing::jailed_by("unpack::tests::worker_entry")
}

#[test]
fn the_jailed_worker_does_the_same() {
    let ground = Ground::new();
    let bytes = special_archive();
    let facts = jailed().run(&mut &bytes[..], &ground.fs(), &LIMITS, Recipe::Written).unwrap();
    check_special(&ground.fs(), &facts);
    let ground = Ground::new();
    let bytes = archive(&[symlink("s", "../canary"), file("s/x", "x")]);
    match jailed().run(&mut &bytes[..], &ground.fs(), &LIMITS, Recipe::Written) {
        Err(UnpackError::Layer { kind: Kind::Invalid, text }) => {
            assert_eq!(text, "unpack `s/x`: its path leads through a symbolic link or a file");
        }
        other => panic!("{other:?}"),
    }
    // More than the pipe holds after the worker has stopped.
    let bytes = archive(&[file("../x", ""), file("big", vec![7; 8 << 20])]);
    let error = jailed().run(&mut &bytes[..], &ground.fs(), &LIMITS, Recipe::Written).unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
}

#[test]
fn a_worker_with_a_directory_outside_its_jail_does_not_work() {
    let Unpacker::Jailed { program, mut arguments } = jailed() else { panic!() };
    // One that the engine had left open for it.
    arguments[1] = format!("exec 7</; {}", arguments[1].to_str().unwrap()).into();
    let ground = Ground::new();
    let unpacker = Unpacker::new(program, arguments);
    let bytes = archive(&[file("f", "one")]);
    match unpacker.run(&mut &bytes[..], &ground.fs(), &LIMITS, Recipe::Written) {
        Err(UnpackError::Layer { text, .. }) => {
            assert_eq!(text, "jail the unpack worker: a directory is open at descriptor 7");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(tree(&ground.fs()), Vec::<String>::new());
}

#[test]
fn replaced_files_leave_no_trace_in_the_layer() {
    let ground = Ground::new();
    let bytes = archive(&[dir("./"), file("f", "one"), file("f", "two"), file("f", "three")]);
    jailed().run(&mut &bytes[..], &ground.fs(), &LIMITS, Recipe::Written).unwrap();
    assert_eq!(std::fs::read_dir(ground.fs()).unwrap().count(), 1);
    let spare = ground.dir.path().join("spare");
    assert_eq!(std::fs::read_to_string(spare.join("0")).unwrap(), "one");
    assert_eq!(std::fs::read_to_string(spare.join("1")).unwrap(), "two");
    let root = Ground::new();
    root.unpack(&archive(&[dir("./")])).unwrap();
    let changed = |at: &Path| std::fs::metadata(at).unwrap().mtime();
    assert_eq!(changed(&ground.fs()), changed(&root.fs()));
}

#[test]
fn the_directory_of_replaced_files_cannot_be_named() {
    for member in [file(".wh..wh.spare/9", "x"), dir(".wh..wh.spare")] {
        let ground = Ground::new();
        let bytes = archive(&[file("f", "one"), file("f", "two"), member]);
        jailed().run(&mut &bytes[..], &ground.fs(), &LIMITS, Recipe::Written).unwrap();
        let spare: Vec<_> = std::fs::read_dir(ground.dir.path().join("spare")).unwrap().collect();
        assert_eq!(spare.len(), 1);
    }
    let ground = Ground::new();
    let link = hard_link("l", ".wh..wh.spare/0");
    let bytes = archive(&[file("f", "one"), file("f", "two"), link]);
    let error = jailed().run(&mut &bytes[..], &ground.fs(), &LIMITS, Recipe::Written).unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
}

#[test]
fn a_worker_that_fails_is_told() {
    let ground = Ground::new();
    let worker = |program: &str| Unpacker::new(PathBuf::from(program), Vec::new());
    let run = |unpacker: Unpacker| {
        unpacker.run(&mut &b""[..], &ground.fs(), &LIMITS, Recipe::Written).unwrap_err()
    };
    assert!(matches!(run(worker("/bin/false")), UnpackError::Died { .. }));
    assert!(matches!(run(worker("/nonexistent")), UnpackError::Start { .. }));
    struct Broken;
    impl std::io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the client went away"))
        }
    }
    for unpacker in [Unpacker::InProcess, jailed()] {
        let error = unpacker.run(&mut Broken, &ground.fs(), &LIMITS, Recipe::Written).unwrap_err();
        assert_eq!(
            stdx::error::chain(&error).to_string(),
            "read the layer's stream: the client went away"
        );
    }
}

#[test]
fn empty_layers() {
    let ground = Ground::new();
    let facts = ground.unpack(&testing::layer(&[])).unwrap();
    assert!(facts.diff_id.starts_with("sha256:5f70bf18"), "Docker's empty layer");
    assert_eq!(tree(&ground.fs()), Vec::<String>::new());
}
