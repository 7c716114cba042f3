//! Floods, extremes, and what other readers make of the same bytes.

use serde_json::Value;

use super::*;
use crate::decompress::Decompressor;
use crate::tar::{Limits, Reader};

#[test]
fn sec_u25_floods_of_attributes() {
    // More than the file system takes for one file: refused or left out, and nothing hangs.
    let names: Vec<String> = (0..2000).map(|n| format!("SCHILY.xattr.user.{n}")).collect();
    let value = vec![b'x'; 400];
    let records: Vec<(&str, &[u8])> =
        names.iter().map(|name| (name.as_str(), &value[..])).collect();
    let ground = Ground::new();
    let before = snapshot(&ground.canary());
    let error = ground.unpack(&archive(&[pax(&records), file("f", "x")])).unwrap_err();
    let text = stdx::error::chain(&error).to_string();
    assert!(text.contains("set the attributes of") || text.contains("extended"), "{text}");
    let large = vec![b'x'; 100_000];
    let one = archive(&[pax(&[("SCHILY.xattr.user.large", &large)]), file("f", "x")]);
    assert!(ground.unpack(&one).is_err());
    assert_eq!(snapshot(&ground.canary()), before);
}

#[test]
fn sec_u26_u27_floods_of_frames_that_hold_nothing() {
    let skippable = b"\x50\x2a\x4d\x18\0\0\0\0".repeat(200_000);
    let empty_gzip = run("gzip", &["-n"], b"", Path::new("/")).repeat(50_000);
    let empty_zstd = run("zstd", &[], b"", Path::new("/")).repeat(50_000);
    for stream in [skippable, empty_gzip, empty_zstd] {
        let mut decompressor = Decompressor::new(&stream[..], 1 << 20).unwrap();
        let mut output = Vec::new();
        std::io::Read::read_to_end(&mut decompressor, &mut output).unwrap();
        assert!(output.is_empty());
        let ground = Ground::new();
        assert_eq!(ground.unpack(&stream).unwrap().entries, 0);
    }
}

#[test]
fn sec_u20_times_and_owners_at_their_ends() {
    for time in ["-9223372036854775808", "9223372036854775807", "-1", "0.999999999999"] {
        let ground = Ground::new();
        // The file system rounds to what it can hold; it must not fail in another way.
        let bytes = archive(&[pax(&[("mtime", time.as_bytes())]), file("f", "x")]);
        drop(ground.unpack(&bytes));
        assert_eq!(std::fs::read_dir(ground.dir.path()).unwrap().count(), 2, "{time}");
    }
    let facts =
        check(&[pax(&[("uid", b"4294967294"), ("gid", b"65536")]), file("f", "x")], &["f x"]);
    assert_eq!((facts.largest_uid, facts.largest_gid), (4_294_967_294, 65_536));
}

/// What a member is, as every reader must see it: name, size, kind.
type Seen = (String, u64, char);

fn ours(bytes: &[u8]) -> Option<Vec<Seen>> {
    let mut reader = Reader::new(bytes, Limits::default());
    let mut seen = Vec::new();
    loop {
        let entry = match reader.next_entry() {
            Ok(Some(entry)) => entry,
            Ok(None) => return Some(seen),
            Err(_) => return None,
        };
        let (kind, size) = match &entry.kind {
            EntryKind::File { size, .. } => ('f', *size),
            EntryKind::Directory => ('d', 0),
            EntryKind::Symlink(_) => ('s', 0),
            EntryKind::HardLink(_) => ('h', 0),
            EntryKind::CharDevice(..) => ('c', 0),
            EntryKind::BlockDevice(..) => ('b', 0),
            EntryKind::Fifo => ('p', 0),
        };
        let end = entry.path.iter().rposition(|byte| *byte != b'/').map_or(0, |at| at + 1);
        seen.push((hex(&entry.path[..end]), size, kind));
    }
}

fn hex(bytes: &[u8]) -> String {
    stdx::id::hex(bytes)
}

const PYTHON: &str = r#"
import json, os, sys, tarfile
out = {}
kinds = {tarfile.DIRTYPE: "d", tarfile.SYMTYPE: "s", tarfile.LNKTYPE: "h", tarfile.CHRTYPE: "c",
         tarfile.BLKTYPE: "b", tarfile.FIFOTYPE: "p"}
for name in os.listdir("."):
    rows = []
    try:
        with tarfile.open(name, "r:", errors="surrogateescape", encoding="utf-8") as tar:
            for member in tar:
                path = member.name.encode("utf-8", "surrogateescape")
                kind = kinds.get(member.type, "f")
                rows.append([path.hex(), member.size if kind == "f" else 0, kind])
        out[name] = rows
    except Exception as error:
        out[name] = repr(error)
print(json.dumps(out))
"#;

/// Archives with a byte or two changed, checksums put right: what we take, Python's reader reads
/// the same, member by member. What it reads otherwise, we must have refused.
#[test]
fn sec_u30_what_is_taken_is_read_the_same_by_others() {
    let seeds = [
        archive(&[file("a", "hello"), dir("b/"), symlink("s", "a"), file("b/c", "x")]),
        archive(&[pax(&[("path", b"long"), ("size", b"5")]), file("a", "hello"), file("z", "")]),
        archive(&[
            Raw { content: b"a-long-name\0".to_vec(), ..raw("././@LongLink", b'L') },
            file("short", "content"),
            hard_link("h", "short"),
        ]),
        archive(&[pax(&[("mtime", b"1.5"), ("uid", b"70000")]), file("f", vec![b'y'; 600])]),
    ];
    let dir = tempfile::tempdir().unwrap();
    let mut taken = std::collections::BTreeMap::new();
    // A fixed sequence: a failure comes back.
    let mut state = 0x2545_f491_4f6c_dd1du64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    for number in 0..3000 {
        let mut bytes = seeds[number % seeds.len()].clone();
        let block = random(bytes.len() / 512) * 512;
        for _ in 0..=random(2) {
            let interesting = [0, 10, 100, 124, 135, 136, 156, 157, 257, 262, 263, 345];
            let at = block + interesting[random(interesting.len())] + random(6);
            let values =
                [0, b' ', b'0', b'1', b'5', b'7', b'/', b'.', b'x', b'g', b'L', b'S', 0x80, 0xff];
            bytes[at] = values[random(values.len())];
        }
        if bytes[block..block + 512].iter().any(|byte| *byte != 0) {
            let fixed = testing::finish(bytes[block..block + 512].to_vec(), &[]);
            bytes[block..block + 512].copy_from_slice(&fixed[..512]);
        }
        if let Some(seen) = ours(&bytes) {
            let name = format!("{number}.tar");
            std::fs::write(dir.path().join(&name), &bytes).unwrap();
            taken.insert(name, seen);
        }
    }
    assert!(taken.len() > 300 && taken.len() < 2900, "{} of 3000 were taken", taken.len());
    let out = run("python3", &["-c", PYTHON], b"", dir.path());
    let theirs: Value = serde_json::from_slice(&out).unwrap();
    for (name, seen) in &taken {
        let expect: Vec<Value> =
            seen.iter().map(|(path, size, kind)| serde_json::json!([path, size, kind])).collect();
        assert_eq!(theirs[name], Value::Array(expect), "{name}");
    }
}
