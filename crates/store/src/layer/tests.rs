//! Layers come out as they went in.

use std::io::Read;

use archive::Unpacker;

use crate::Store;
use crate::testing::{self, archive, dir, file, hard_link, jailed, pax, raw, run, symlink};

/// Unpacks an archive, by the worker and in this process, and reads it again.
fn check(bytes: &[u8]) {
    for unpacker in [Unpacker::InProcess, jailed()] {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), unpacker).unwrap();
        let pending = store.unpack_layer(&mut &bytes[..]).unwrap();
        let diff_id = pending.diff_id().clone();
        let lease = store.commit_layers(vec![pending]).unwrap();
        let mut again = Vec::new();
        store.layer_stream(&diff_id).unwrap().read_to_end(&mut again).unwrap();
        assert!(again == bytes, "{} bytes became {}", bytes.len(), again.len());
        assert_eq!(store.layer(&diff_id).unwrap().facts.stream_bytes, bytes.len() as u64);
        drop(lease);
    }
}

#[test]
fn layers_are_written_again() {
    check(&archive(&[]));
    let big: Vec<u8> = (0..300_000u32).flat_map(u32::to_le_bytes).collect();
    check(&archive(&[dir("d/"), file("d/f", &big), symlink("l", "d"), hard_link("h", "d/f")]));
    check(&archive(&[file("d/.wh.x", ""), file(b"\xff\xfe", "not UTF-8"), raw("p", b'6')]));
    // Sparse, and more zeros at the end than there must be.
    let sparse = [
        pax(&[("GNU.sparse.size", b"1000000"), ("GNU.sparse.map", b"100,3,5000,2")]),
        file("s", "abcde"),
    ];
    check(&[archive(&sparse), vec![0; 9000]].concat());
}

#[test]
fn a_name_that_is_written_twice_keeps_both_contents() {
    check(&archive(&[file("f", "one"), file("f", "two and more"), file("f", "3")]));
    check(&archive(&[file("f", "one"), hard_link("g", "f"), file("f", "two"), file("g", "x")]));
    check(&archive(&[symlink("f", "x"), file("f", "file"), dir("f/"), file("f/f", "below")]));
    check(&archive(&[file("f", "first"), symlink("f", "x"), file("f", "last")]));
}

#[test]
fn archives_of_programs_are_written_again() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a"), vec![1; 70_000]).unwrap();
    let long = "n".repeat(200);
    std::fs::write(dir.path().join(long), b"x").unwrap();
    let hole = std::fs::File::create(dir.path().join("hole")).unwrap();
    hole.set_len(1 << 20).unwrap();
    for flags in [["-c", "--format=pax", "-S"], ["-c", "--format=gnu", "-S"]] {
        let bytes = run("tar", &[&flags[..], &["."]].concat(), b"", dir.path());
        check(&bytes);
    }
}

#[test]
fn a_damaged_recipe_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Unpacker::InProcess).unwrap();
    let bytes = testing::layer(&[("f", "content")]);
    let pending = store.unpack_layer(&mut &bytes[..]).unwrap();
    let diff_id = pending.diff_id().clone();
    let _lease = store.commit_layers(vec![pending]).unwrap();
    let recipe = dir.path().join("layers").join(diff_id.short()).join("recipe");
    let good = std::fs::read(&recipe).unwrap();
    let read = || {
        let mut stream = store.layer_stream(&diff_id).ok()?;
        let mut out = Vec::new();
        stream.read_to_end(&mut out).ok().map(|_| out)
    };
    for cut in 0..good.len() {
        std::fs::write(&recipe, &good[..cut]).unwrap();
        assert_eq!(read(), None, "cut at {cut}");
    }
    let crafted = |events: &[u8]| {
        let plain = [b"wharf recipe 1\n", events].concat();
        std::fs::write(&recipe, zstd::encode_all(&plain[..], 1).unwrap()).unwrap();
        read()
    };
    assert_eq!(crafted(&[255]), Some(Vec::new()));
    assert_eq!(crafted(&[9]), None);
    for path in ["../recipe", "/etc/passwd", "nothing"] {
        let length = (path.len() as u16).to_le_bytes();
        let segment = [1, 0, 0, 0].iter().copied().chain([0; 8]).chain([1, 0, 0, 0, 0, 0, 0, 0]);
        let event: Vec<u8> =
            [1].into_iter().chain(length).chain(path.bytes()).chain(segment).chain([255]).collect();
        assert_eq!(crafted(&event), None, "{path}");
    }
}
