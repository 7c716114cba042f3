use std::io::Read;

use proptest::prelude::*;

use super::*;
use crate::testing::{self, Raw, archive, dir, file, finish, member, pax, raw, run, symlink};

/// Members as `path kind size`, or the error.
fn list(bytes: &[u8]) -> Result<Vec<(Entry, Vec<u8>)>, TarError> {
    let mut reader = Reader::new(bytes, Limits::default());
    let mut list = Vec::new();
    while let Some(entry) = reader.next_entry()? {
        let mut content = Vec::new();
        let mut buffer = [0; 1000];
        loop {
            match reader.read(&mut buffer)? {
                0 => break,
                got => content.extend_from_slice(&buffer[..got]),
            }
        }
        list.push((entry, content));
    }
    Ok(list)
}

fn check(bytes: &[u8], expect: &[&str]) {
    let list = list(bytes).unwrap_or_else(|error| panic!("{}", stdx::error::chain(&error)));
    let list: Vec<String> = list
        .into_iter()
        .map(|(entry, content)| {
            let kind = match entry.kind {
                EntryKind::File { size, .. } => format!("file {size}/{}", content.len()),
                EntryKind::HardLink(target) => format!("link {}", target.escape_ascii()),
                EntryKind::Symlink(target) => format!("symlink {}", target.escape_ascii()),
                kind => format!("{kind:?}").to_lowercase(),
            };
            format!("{} {kind}", entry.path.escape_ascii())
        })
        .collect();
    assert_eq!(list, expect);
}

fn check_error(bytes: &[u8], expect: &str) {
    match list(bytes) {
        Ok(list) => panic!("taken: {list:?}; expected: {expect}"),
        Err(error) => {
            let text = error.to_string();
            assert!(text.contains(expect), "`{text}` does not contain `{expect}`");
        }
    }
}

#[test]
fn plain_members() {
    let members = [
        dir("a/"),
        file("a/f", "hello"),
        symlink("a/s", "../x"),
        testing::hard_link("a/h", "a/f"),
        Raw { device: (1, 3), ..raw("null", b'3') },
        Raw { device: (8, 1), ..raw("sda1", b'4') },
        raw("pipe", b'6'),
        Raw { magic: Vec::new(), ..raw("old/", 0) },
        Raw { magic: Vec::new(), ..file("v7", "1") },
        Raw { prefix: b"long/prefix".to_vec(), ..file("n", "") },
        file("new\nline", "x"),
    ];
    let expect = [
        "a/ directory",
        "a/f file 5/5",
        "a/s symlink ../x",
        "a/h link a/f",
        "null chardevice(1, 3)",
        "sda1 blockdevice(8, 1)",
        "pipe fifo",
        "old/ directory",
        "v7 file 1/1",
        "long/prefix/n file 0/0",
        "new\\nline file 1/1",
    ];
    check(&archive(&members), &expect);
    // Without an end mark, with half of one, with much of one.
    let bare: Vec<u8> = members.iter().flat_map(member).collect();
    check(&bare, &expect);
    check(&[bare.clone(), vec![0; 512]].concat(), &expect);
    check(&[bare, vec![0; 10240]].concat(), &expect);
    check(&[], &[]);
}

#[test]
fn extended_headers() {
    let global = |records: &[(&str, &[u8])]| Raw { typeflag: b'g', ..pax(records) };
    check(
        &archive(&[
            global(&[("comment", b"0123abc")]),
            pax(&[("path", b"p\xc3\xa4th"), ("mtime", b"-1.25"), ("uid", b"3000000")]),
            file("short", "abc"),
            pax(&[("linkpath", b"far/away"), ("path", b"")]),
            symlink("s", "near"),
            Raw { content: b"long name\0".to_vec(), ..raw("././@LongLink", b'L') },
            Raw { content: b"long target\0".to_vec(), ..raw("././@LongLink", b'K') },
            symlink("x", "y"),
        ]),
        &["p\\xc3\\xa4th file 3/3", "s symlink far/away", "long name symlink long target"],
    );
    let archive = archive(&[
        pax(&[("mtime", b"-1.25"), ("uid", b"3000000"), ("SCHILY.xattr.user.a", b"1\n2\0")]),
        file("f", ""),
        pax(&[("mtime", b"1.1234567899")]),
        file("g", ""),
    ]);
    let list = list(&archive).unwrap();
    assert_eq!(list[0].0.mtime, Time { seconds: -2, nanoseconds: 750_000_000 });
    assert_eq!(list[0].0.uid, 3_000_000);
    assert_eq!(list[0].0.xattrs, [(b"user.a".to_vec(), b"1\n2\0".to_vec())]);
    assert_eq!(list[1].0.mtime, Time { seconds: 1, nanoseconds: 123_456_789 });
}

#[test]
fn sec_u06_to_u09_what_readers_take_differently_is_refused() {
    let octal = |n: u64| Some(format!("{n:011o}").into_bytes());
    let global = Raw { typeflag: b'g', ..pax(&[("path", b"evil")]) };
    let long = |typeflag| Raw { content: b"long\0".to_vec(), ..raw("L", typeflag) };
    let rows: &[(&str, Vec<Raw>)] = &[
        (
            "differ in size",
            vec![pax(&[("size", b"3")]), Raw { size: octal(0), ..file("a", "abc") }],
        ),
        ("differ in size", vec![pax(&[("size", b"0")]), file("a", "abc")]),
        ("global header", vec![global, file("a", "")]),
        ("key twice", vec![pax(&[("path", b"a"), ("path", b"b")]), file("c", "")]),
        ("two extended", vec![pax(&[("path", b"a")]), pax(&[("path", b"b")]), file("c", "")]),
        ("two extended", vec![long(b'L'), long(b'L'), file("c", "")]),
        ("a PAX and a GNU", vec![pax(&[("path", b"a")]), long(b'L'), file("c", "")]),
        ("a PAX and a GNU", vec![pax(&[("linkpath", b"a")]), long(b'K'), symlink("c", "d")]),
        ("ends in `/`", vec![file("a/", "")]),
        ("ends in `/`", vec![Raw { magic: Vec::new(), typeflag: 0, ..file("a/", "x") }]),
        ("content after", vec![Raw { content: b"x".to_vec(), ..dir("a") }]),
        ("content after", vec![Raw { content: b"x".to_vec(), ..symlink("a", "b") }]),
        ("content after", vec![Raw { content: b"x".to_vec(), ..testing::hard_link("a", "b") }]),
        (
            "a GNU header",
            vec![Raw { magic: b"ustar  \0".to_vec(), prefix: b"x".to_vec(), ..file("a", "") }],
        ),
        (
            "after the end of a long name",
            vec![Raw { content: b"a\0b".to_vec(), ..raw("L", b'L') }, file("c", "")],
        ),
        ("without its map", vec![pax(&[("GNU.sparse.name", b"evil")]), file("a", "")]),
        ("what is not a file", vec![pax(&[("GNU.sparse.major", b"1")]), dir("a")]),
    ];
    for (expect, members) in rows {
        check_error(&archive(members), expect);
    }
    let after = [archive(&[file("a", "")]), archive(&[file("b", "")])].concat();
    check_error(&after, "data after the end");
    let lone = [member(&file("a", "")), vec![0; 512], archive(&[file("b", "")])].concat();
    check_error(&lone, "data after the end");
}

#[test]
fn sec_u10_u12_bad_headers() {
    let size = |size: &[u8]| Raw { size: Some(size.to_vec()), ..file("a", "") };
    let negative = b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff";
    let huge = b"\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff";
    let rows: &[(&str, Vec<Raw>)] = &[
        ("bad size", vec![size(negative)]),
        ("bad size", vec![size(huge)]),
        ("bad size", vec![size(b"00000000008")]),
        ("bad size", vec![size(b"0\x007")]),
        ("bad size", vec![size(b"-1")]),
        ("bad path", vec![file("", "")]),
        ("bad link target", vec![symlink("a", "")]),
        ("bad magic", vec![Raw { magic: b"ustar1".to_vec(), ..file("a", "") }]),
        ("bad owner", vec![pax(&[("uid", b"4294967295")]), file("a", "")]),
        ("bad extended number", vec![pax(&[("uid", b"+1")]), file("a", "")]),
        ("bad extended time", vec![pax(&[("mtime", b"1.x")]), file("a", "")]),
        ("bad extended path", vec![pax(&[("path", b"a\0b")]), file("a", "")]),
        ("bad extended record", vec![Raw { content: b"99 a=b\n".to_vec(), ..raw("x", b'x') }]),
        ("bad extended record", vec![Raw { content: b"6 a=bc".to_vec(), ..raw("x", b'x') }]),
        ("bad extended record", vec![Raw { content: b"5 ab\n".to_vec(), ..raw("x", b'x') }]),
        ("type `V`", vec![raw("volume", b'V')]),
        ("type `M`", vec![raw("multi", b'M')]),
        ("type `D`", vec![raw("dump", b'D')]),
        ("type `X`", vec![raw("sun", b'X')]),
        ("type `S`", vec![raw("sparse", b'S')]),
        ("type `\\xff`", vec![raw("?", 0xff)]),
    ];
    for (expect, members) in rows {
        check_error(&archive(members), expect);
    }
    let mut broken = archive(&[file("a", "")]);
    broken[0] = b'b';
    check_error(&broken, "bad checksum");
    check_error(&[1; 512], "bad checksum");
    check_error(&[1; 100], "ends unexpectedly");
    check_error(&archive(&[file("a", vec![b'x'; 3000])])[..2000], "ends unexpectedly");
    check_error(&member(&file("a", "xyz"))[..700], "ends unexpectedly");
    check_error(&member(&pax(&[("path", b"a")])), "ends unexpectedly");
}

#[test]
fn sec_u05_u21_limits_hold() {
    let long = "a/".repeat(2050) + "f";
    check_error(
        &archive(&[pax(&[("path", long.as_bytes())]), file("a", "")]),
        "4095 bytes in a path",
    );
    let big = vec![b'x'; (1 << 20) + 1];
    check_error(&archive(&[pax(&[("comment", &big)]), file("a", "")]), "extended header");
    check_error(&archive(&[Raw { content: big, ..raw("L", b'L') }]), "bytes in a path");
    let three = archive(&[file("a", ""), file("b", ""), file("c", "")]);
    let mut reader = Reader::new(&three[..], Limits { entries_max: 2, ..Limits::default() });
    reader.next_entry().unwrap();
    reader.next_entry().unwrap();
    assert!(matches!(reader.next_entry(), Err(TarError::Limit { limit: 2, .. })));
}

/// A GNU `S` member: 4 segments in the header, the rest in an extension block.
fn gnu_sparse(segments: &[(u64, u64)], size: u64, content: &[u8]) -> Vec<u8> {
    let mut block = member(&Raw { magic: b"ustar  \0".to_vec(), ..raw("sparse", b'S') });
    let number = |n: u64| format!("{n:011o}").into_bytes();
    block[124..135].copy_from_slice(&number(content.len() as u64));
    block[483..494].copy_from_slice(&number(size));
    let mut extension = Vec::new();
    for (at, (offset, length)) in segments.iter().enumerate() {
        let pair = [number(*offset), vec![0], number(*length), vec![0]].concat();
        if at < 4 {
            block[386 + at * 24..386 + at * 24 + 24].copy_from_slice(&pair);
        } else {
            extension.extend_from_slice(&pair);
        }
    }
    if !extension.is_empty() {
        block[482] = 1;
        extension.resize(512, 0);
    }
    let head = finish(block, &[]);
    let mut body = [extension, content.to_vec()].concat();
    body.resize(body.len().next_multiple_of(512), 0);
    [head, body, vec![0; 1024]].concat()
}

#[test]
fn sec_u11_sparse_files() {
    let ten = b"0123456789";
    check(&gnu_sparse(&[(0, 5), (4096, 5)], 8192, ten), &["sparse file 8192/10"]);
    let many = [(0, 2), (10, 2), (20, 2), (30, 2), (40, 2)];
    check(&gnu_sparse(&many, 100, ten), &["sparse file 100/10"]);
    check_error(&gnu_sparse(&[(0, 5), (4, 5)], 8192, ten), "sparse map");
    check_error(&gnu_sparse(&[(0, 5), (8190, 5)], 8192, ten), "sparse map");
    check_error(&gnu_sparse(&[(0, 5)], 8192, ten), "sparse map");
    type Records<'a> = &'a [(&'a str, &'a [u8])];
    let rows: &[(Records<'_>, &[u8])] = &[
        (&[("GNU.sparse.size", b"9000"), ("GNU.sparse.map", b"0,4,8000,6")], ten),
        (
            &[
                ("GNU.sparse.size", b"9000"),
                ("GNU.sparse.offset", b"0"),
                ("GNU.sparse.numbytes", b"4"),
                ("GNU.sparse.offset", b"100"),
                ("GNU.sparse.numbytes", b"6"),
            ],
            ten,
        ),
        (
            &[
                ("GNU.sparse.major", b"1"),
                ("GNU.sparse.minor", b"0"),
                ("GNU.sparse.realsize", b"9000"),
            ],
            &[b"2\n0\n4\n8000\n6\n".as_slice(), &[0; 499], ten].concat(),
        ),
    ];
    for (records, content) in rows {
        let mut records = records.to_vec();
        records.push(("GNU.sparse.name", b"name"));
        let bytes = archive(&[pax(&records), file("dir/GNUSparseFile.1/name", content)]);
        check(&bytes, &["name file 9000/10"]);
    }
    let bad = archive(&[
        pax(&[
            ("GNU.sparse.major", b"1"),
            ("GNU.sparse.minor", b"0"),
            ("GNU.sparse.realsize", b"9"),
        ]),
        file("f", [b"99999999\n".as_slice(), &[0; 503]].concat()),
    ]);
    check_error(&bad, "segments of a sparse file");
}

/// What GNU tar and Python write is read back the same, in all their formats.
#[test]
fn archives_of_other_writers() {
    let dir = tempfile::tempdir().unwrap();
    let long = "d".repeat(90) + "/" + &"e".repeat(90) + "/" + &"f".repeat(90);
    std::fs::create_dir_all(dir.path().join("t").join(&long)).unwrap();
    std::fs::write(dir.path().join("t").join(&long).join("file"), b"long").unwrap();
    let target = dir.path().join("t/sparse");
    let sparse = std::fs::File::create(&target).unwrap();
    sparse.set_len(10 << 20).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&sparse, b"data", 5 << 20).unwrap();
    std::os::unix::fs::symlink("x".repeat(150), dir.path().join("t/link")).unwrap();
    let sorted = |bytes: &[u8]| {
        let mut names: Vec<_> = list(bytes)
            .unwrap()
            .into_iter()
            .map(|(entry, _)| {
                let size = match entry.kind {
                    EntryKind::File { size, .. } => size,
                    EntryKind::Symlink(target) => target.len() as u64,
                    _ => 0,
                };
                (entry.path.strip_suffix(b"/").unwrap_or(&entry.path).to_vec(), size)
            })
            .collect();
        names.sort();
        names
    };
    let expect = sorted(&run("tar", &["--format=pax", "-c", "t"], b"", dir.path()));
    assert_eq!(expect.len(), 7);
    for arguments in [
        &["--format=gnu", "-c", "t"] as &[&str],
        &["--format=gnu", "-S", "-c", "t"],
        &["--format=pax", "-S", "-c", "t"],
        &["--format=pax", "-S", "--sparse-version=0.0", "-c", "t"],
        &["--format=pax", "-S", "--sparse-version=0.1", "-c", "t"],
        &["--format=pax", "-S", "--sparse-version=1.0", "-b", "1", "-c", "t"],
    ] {
        assert_eq!(sorted(&run("tar", arguments, b"", dir.path())), expect, "{arguments:?}");
    }
    for format in ["PAX_FORMAT", "GNU_FORMAT"] {
        let program = format!(
            "import tarfile,sys; t=tarfile.open(fileobj=sys.stdout.buffer,mode='w|',\
             format=tarfile.{format}); t.add('t'); t.close()"
        );
        let bytes = run("python3", &["-c", &program], b"", dir.path());
        assert_eq!(sorted(&bytes), expect, "{format}");
    }
}

/// What we write is read the same by us, by GNU tar and by Python.
#[test]
fn archives_for_other_readers() {
    let long = "l".repeat(200);
    let mut awkward =
        testing::entry(&format!("d/{long}"), EntryKind::File { size: 4, segments: None });
    awkward.mtime = Time { seconds: -5, nanoseconds: 250_000_000 };
    awkward.uid = 3_000_000;
    awkward.xattrs = vec![(b"user.x".to_vec(), b"1\n\0".to_vec())];
    let entries = [
        testing::entry("d/", EntryKind::Directory),
        awkward,
        testing::entry("link", EntryKind::Symlink(long.clone().into_bytes())),
        testing::entry("hard", EntryKind::HardLink(format!("d/{long}").into_bytes())),
        testing::entry("null", EntryKind::CharDevice(1, 3)),
        testing::entry("pipe", EntryKind::Fifo),
    ];
    let mut writer = Writer::new(Vec::new());
    for entry in &entries {
        writer.append(entry, &b"abcd"[..]).unwrap();
    }
    let bytes = writer.finish().unwrap();
    let read: Vec<Entry> = list(&bytes).unwrap().into_iter().map(|(entry, _)| entry).collect();
    assert_eq!(read, entries);
    let dir = tempfile::tempdir().unwrap();
    let names = format!("d/\nd/{long}\nlink\nhard\nnull\npipe\n");
    assert_eq!(String::from_utf8(run("tar", &["t"], &bytes, dir.path())).unwrap(), names);
    let program = "import tarfile,sys\nfor m in tarfile.open(fileobj=sys.stdin.buffer,mode='r|'): \
                   print(m.name,m.size,m.uid,m.mtime,m.pax_headers.get('SCHILY.xattr.user.x'))";
    let python = String::from_utf8(run("python3", &["-c", program], &bytes, dir.path())).unwrap();
    assert!(python.contains(&format!("d/{long} 4 3000000 -4.75 1\n\0")), "{python:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Foreign bytes never panic and never give more than they hold.
    #[test]
    fn mutations_do_not_panic(at in 0usize..4096, byte: u8, cut in 0usize..4096) {
        let mut bytes = archive(&[
            pax(&[("path", b"p"), ("SCHILY.xattr.user.a", b"1")]),
            file("a", "hello"),
            dir("b/"),
            pax(&[("GNU.sparse.size", b"900"), ("GNU.sparse.map", b"0,4,800,6")]),
            file("s", "0123456789"),
        ]);
        let length = bytes.len();
        bytes[at % length] = byte;
        bytes.truncate(length - cut % length);
        if let Ok(list) = list(&bytes) {
            let total: usize = list.iter().map(|(_, content)| content.len()).sum();
            prop_assert!(total <= bytes.len());
        }
    }

    /// A header with a right checksum and otherwise random bytes.
    #[test]
    fn random_headers_do_not_panic(mut block in prop::collection::vec(any::<u8>(), 512),
                                   flag in prop::sample::select(b"0123456xgLKS\0".to_vec()),
                                   magic: bool) {
        block[156] = flag;
        if magic {
            block[257..265].copy_from_slice(b"ustar  \0");
        }
        for range in [100..108, 108..116, 116..124, 136..148] {
            block[range].fill(b'1');
        }
        block[124..136].copy_from_slice(b"00000000100\0");
        let bytes = finish(block, &[b'7'; 64]);
        drop(list(&bytes));
    }
}

#[test]
fn content_can_be_read_as_a_stream() {
    let bytes = archive(&[file("a", "hello"), file("b", "world")]);
    let mut reader = Reader::new(&bytes[..], Limits::default());
    reader.next_entry().unwrap();
    let mut text = String::new();
    reader.content().read_to_string(&mut text).unwrap();
    assert_eq!(text, "hello");
    assert_eq!(reader.content_left(), 0);
    assert_eq!(reader.next_entry().unwrap().unwrap().path, b"b");
}
