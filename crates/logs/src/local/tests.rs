use proptest::prelude::*;

use super::*;
use crate::{FileOptions, Format, Query, Reader, Writer};

/// What dockerd 28.5.2 wrote for `echo hello; echo err >&2; echo; printf part; printf "ial\n";
/// printf "\303\251\377\0x\n"; printf end`.
const DOCKERS: &str = "\
    000000190a067374646f7574108decb7d5a38983f6181a0568656c6c6f00000019000000170a06737464\
    65727210dffabad5a38983f6181a0365727200000017000000120a067374646f757410ea83bdd5a38983\
    f618000000120000001b0a067374646f757410a4f9d385a48983f6181a077061727469616c0000001b00\
    0000190a067374646f757410c4f6c186a48983f6181a05c3a9ff0078000000190000005f0a067374646f\
    757410aaa7ffa8a48983f6181a03656e6420012a44124032353164636462396639356266663363666366\
    383034653565396536383631636633343564386564343063633038613831306238363164613237346562\
    64393818010000005f";

fn dockers() -> Vec<u8> {
    let digits: Vec<u8> = DOCKERS.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

fn read_all(path: &std::path::Path) -> Vec<(Stream, i64, Vec<u8>)> {
    let mut reader = Reader::open(path, Format::Local, &Query::default()).unwrap();
    let mut lines = Vec::new();
    while let Some(line) = reader.next_line().unwrap() {
        lines.push((line.stream, line.time.nanos(), line.text.to_vec()));
    }
    lines
}

#[test]
fn dockers_bytes_are_read_and_written_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("container.log");
    std::fs::write(&path, dockers()).unwrap();
    let lines = read_all(&path);
    let texts: Vec<&[u8]> = lines.iter().map(|(_, _, text)| text.as_slice()).collect();
    assert_eq!(
        texts,
        [&b"hello\n"[..], b"err\n", b"\n", b"partial\n", b"\xc3\xa9\xff\0x\n", b"end"]
    );
    assert_eq!(lines[1].0, Stream::Stderr);
    assert_eq!(Timestamp::from_nanos(lines[0].1).to_string(), "2026-11-27T23:57:44.365577741Z");

    let again = dir.path().join("again");
    let mut writer =
        Writer::open(&again, &FileOptions::of(Format::Local), &Default::default()).unwrap();
    for (stream, time, text) in &lines {
        writer.write(*stream, text, Timestamp::from_nanos(*time));
    }
    writer.end(Stream::Stdout, Timestamp::from_nanos(lines[5].1));
    drop(writer);
    // All but the random number of the line without an end.
    let (mut ours, mut theirs) = (std::fs::read(&again).unwrap(), dockers());
    assert_eq!(ours.len(), theirs.len());
    let id = ours.len() - 4 - 2 - 64..ours.len() - 4 - 2;
    assert!(ours[id.clone()].iter().all(u8::is_ascii_hexdigit));
    ours[id.clone()].fill(0);
    theirs[id].fill(0);
    assert_eq!(ours, theirs);
}

#[test]
fn pieces_of_a_long_line_say_so() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let mut writer =
        Writer::open(&path, &FileOptions::of(Format::Local), &Default::default()).unwrap();
    let line = [vec![b'a'; 40_000], b"\n".to_vec()].concat();
    writer.write(Stream::Stdout, &line, Timestamp::from_nanos(1));
    drop(writer);
    let lines = read_all(&path);
    let lengths: Vec<usize> = lines.iter().map(|(_, _, text)| text.len()).collect();
    assert_eq!(lengths, [16384, 16384, 40_001 - 2 * 16384]);
    // As Docker has it behind the text: `partial`, then `last`, id and ordinal.
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(bytes[bytes.len() - 6..bytes.len() - 4], [PART_ORDINAL, 3]);
    let at = bytes.len() - 4 - 72;
    assert_eq!(bytes[at - 2..at + 4], [PARTIAL, 1, PART, 70, PART_LAST, 1]);
}

#[test]
fn a_torn_record_is_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let whole = dockers();
    for cut in 1..whole.len() {
        std::fs::write(&path, &whole[..cut]).unwrap();
        let before = read_all(&path).len();
        let options = FileOptions::of(Format::Local);
        let mut writer = Writer::open(&path, &options, &Default::default()).unwrap();
        writer.write(Stream::Stderr, b"next\n", Timestamp::from_nanos(1));
        drop(writer);
        let lines = read_all(&path);
        assert_eq!(lines.len(), before + 1, "{cut}");
        assert_eq!(lines.last().unwrap().2, b"next\n");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_no_trouble(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut framed = (bytes.len() as u32).to_be_bytes().to_vec();
        framed.extend(&bytes);
        framed.extend((bytes.len() as u32).to_be_bytes());
        prop_assert_eq!(frame(&framed), Framed::Whole(framed.len()));
        let _: Option<Parsed> = parse(&mut framed);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        std::fs::write(&path, &bytes).unwrap();
        read_all(&path);
        for tail in [0, 1, 100] {
            let query = Query { tail: Some(tail), ..Query::default() };
            let mut reader = Reader::open(&path, Format::Local, &query).unwrap();
            while reader.next_line().unwrap().is_some() {}
        }
    }
}
