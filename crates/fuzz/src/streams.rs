//! Streams of bytes.

use std::io::Read;
use std::os::fd::AsFd;

use archive::Unpacker;
use archive::decompress::Decompressor;
use archive::tar::{EntryKind, Limits, Reader};
use archive::unpack::UnpackLimits;
use docker_api::stdcopy;
use monitor::frame;
use monitor::protocol::{Event, Request};
use oci::Platform;
use resolver::message::{Outcome, Question, Record};
use store::Store;

/// Much more than any seed; small enough for thousands of runs a second.
const BYTES_MAX: u64 = 1 << 20;

/// Never more content than bytes, whatever sizes the headers claim.
pub(crate) fn tar(bytes: &[u8]) {
    let mut reader = Reader::new(bytes, Limits::default());
    let mut content = 0;
    while let Ok(Some(entry)) = reader.next_entry() {
        assert!(!entry.path.is_empty() && !entry.path.contains(&0));
        if let EntryKind::File { size, segments: Some(segments) } = &entry.kind {
            let end = segments.iter().map(|segment| segment.offset + segment.length).max();
            assert!(end.unwrap_or(0) <= *size, "a segment beyond its file");
        }
        let mut buffer = [0u8; 4096];
        while let Ok(count @ 1..) = reader.read(&mut buffer) {
            content += count;
        }
        assert!(content <= bytes.len());
    }
}

/// Never more than the limit.
pub(crate) fn decompress(bytes: &[u8]) {
    let Ok(mut decompressor) = Decompressor::new(bytes, BYTES_MAX) else { return };
    let (mut buffer, mut total) = ([0u8; 16 << 10], 0);
    while let Ok(count @ 1..) = decompressor.read(&mut buffer) {
        total += count as u64;
    }
    assert!(total <= BYTES_MAX);
}

/// Nothing beside the directory.
pub(crate) fn layer(bytes: &[u8]) {
    let Ok(dir) = tempfile::tempdir() else { return };
    let inside = dir.path().join("fs");
    std::fs::create_dir(&inside).expect("a new directory takes another");
    let root = std::fs::File::open(&inside).expect("the directory was made");
    let limits = UnpackLimits { bytes_max: BYTES_MAX, entries_max: 1000 };
    if let Ok(facts) = archive::unpack::unpack(bytes, root.as_fd(), &limits) {
        assert!(facts.size <= 2 * BYTES_MAX);
    }
    let beside = std::fs::read_dir(dir.path()).expect("the directory was made").count();
    assert_eq!(beside, 1, "something was made outside");
}

/// A refused archive leaves nothing behind.
pub(crate) fn image_archive(bytes: &[u8]) {
    let Ok(dir) = tempfile::tempdir() else { return };
    let store = Store::open(dir.path(), Unpacker::InProcess).expect("an empty directory opens");
    let platform = Platform::of("linux", "amd64", "");
    if store.load(&mut &bytes[..], &platform, &mut |_| ()).is_err() {
        let left = std::fs::read_dir(dir.path().join("tmp")).expect("the store has it").count();
        assert_eq!(left, 0, "a failed load left something in tmp");
    }
}

/// Lines come to an end.
pub(crate) fn log_file(bytes: &[u8]) {
    let Ok(dir) = tempfile::tempdir() else { return };
    let path = dir.path().join("log");
    std::fs::write(&path, bytes).expect("a new file can be written");
    let query = logs::Query { stdout: true, stderr: true, ..logs::Query::default() };
    for format in [logs::Format::JsonFile, logs::Format::Local] {
        let reader = logs::Reader::open_unless(&path, format, &query, &|| false);
        let Ok(mut reader) = reader else { return };
        let mut steps = 0;
        while let Ok(next) = reader.step() {
            match next {
                logs::Next::Line(line) => assert!(line.text.len() <= bytes.len()),
                logs::Next::More => {}
                logs::Next::Pending | logs::Next::End => break,
            }
            steps += 1;
            assert!(steps <= 2 * bytes.len() + 4, "more lines and reads than bytes");
        }
    }
}

/// However the stream is cut, the same messages come out.
pub(crate) fn monitor_frames(bytes: &[u8]) {
    fn messages<T: serde::de::DeserializeOwned + serde::Serialize>(pieces: &[&[u8]]) -> Vec<u8> {
        let mut decoder = frame::Decoder::default();
        let mut out = Vec::new();
        for piece in pieces {
            decoder.push(piece);
            loop {
                match decoder.pop::<T>() {
                    Ok(Some(message)) => out.extend(frame::encode(&message)),
                    Ok(None) => break,
                    Err(_) => return out,
                }
            }
        }
        out
    }
    let (first, second) = bytes.split_at(bytes.len() / 2);
    assert_eq!(messages::<Request>(&[bytes]), messages::<Request>(&[first, second]));
    assert_eq!(messages::<Event>(&[bytes]), messages::<Event>(&[first, second]));
}

/// The payload is a part of the stream.
pub(crate) fn stdcopy(bytes: &[u8]) {
    let mut decoder = stdcopy::Decoder::new();
    let (mut rest, mut total) = (bytes, 0);
    while let Ok(Some((_, payload))) = decoder.next(&mut rest) {
        total += payload.len();
        assert!(total <= bytes.len());
    }
}

/// An answer fits, and is one to the question.
pub(crate) fn dns_question(bytes: &[u8]) {
    let question = match Question::read(bytes) {
        Ok(question) => question,
        Err(error) => return drop(error.answer()),
    };
    assert!(question.answer_bytes_max >= 512);
    let mut records: Vec<Record> = question.reverse().map(Record::Address).into_iter().collect();
    records.extend(question.name.clone().map(Record::Name));
    records.extend((0..40).map(|last| Record::Address([10, 0, 0, last].into())));
    let answer = question.answer(Outcome::Fine, &records, 512);
    assert!(answer.len() <= 512 && question.is_answered_by(&answer));
    assert_eq!(resolver::message::outcome(&answer), Some(Outcome::Fine));
}
