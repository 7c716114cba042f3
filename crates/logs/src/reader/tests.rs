use std::fs::File;
use std::path::PathBuf;

use super::*;
use crate::{FileOptions, Rotation, Writer};

struct Log {
    _dir: tempfile::TempDir,
    path: PathBuf,
}

/// `count` lines, numbered from 0, each at as many seconds; even ones on standard output.
fn log(count: i64, file_bytes_max: u64) -> Log {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let rotation = Rotation { file_bytes_max, files_max: 1000, compress: false };
    let options = FileOptions { rotation, ..FileOptions::of(Format::JsonFile) };
    let mut writer = Writer::open(&path, &options, &Default::default()).unwrap();
    for number in 0..count {
        let stream = Stream::ALL[number as usize % 2];
        writer.write(stream, format!("{number}\n").as_bytes(), seconds(number));
    }
    drop(writer);
    Log { _dir: dir, path }
}

fn seconds(seconds: i64) -> Timestamp {
    Timestamp::from_nanos(seconds * 1_000_000_000)
}

impl Log {
    fn read(&self, query: Query) -> Vec<i64> {
        let mut reader = Reader::open(&self.path, Format::JsonFile, &query).unwrap();
        let mut found = Vec::new();
        while let Some(line) = reader.next_line().unwrap() {
            found.push(std::str::from_utf8(line.text).unwrap().trim().parse().unwrap());
        }
        found
    }

    fn append(&self, bytes: &[u8]) {
        use std::io::Write;
        File::options().append(true).open(&self.path).unwrap().write_all(bytes).unwrap();
    }
}

#[test]
fn tail_crosses_files_and_blocks() {
    for (count, file_bytes_max) in [(100, 100), (1000, 1000), (3000, 1 << 40)] {
        let log = log(count, file_bytes_max);
        let all = count as u64;
        for tail in [0, 1, 2, 13, 50, all - 1, all, all + 1, u64::MAX] {
            let expect: Vec<i64> = (count - tail.min(all) as i64..count).collect();
            let found = log.read(Query { tail: Some(tail), ..Query::default() });
            assert_eq!(found, expect, "{tail} of files of {file_bytes_max}");
        }
    }
}

#[test]
fn times_and_streams_are_chosen() {
    let log = log(100, 500);
    let query = Query { since: Some(seconds(20)), until: Some(seconds(30)), ..Query::default() };
    assert_eq!(log.read(query), (20..31).collect::<Vec<_>>());
    let stderr = Query { stdout: false, ..query };
    assert_eq!(log.read(stderr), [21, 23, 25, 27, 29]);
    // As with Docker, the last records are taken first.
    let tail = Query { tail: Some(75), ..query };
    assert_eq!(log.read(tail), (25..31).collect::<Vec<_>>());
    let later = Query { since: Some(Timestamp::now()), ..Query::default() };
    assert!(log.read(later).is_empty());
}

#[test]
fn torn_and_foreign_lines_are_skipped() {
    let log = log(3, 1 << 40);
    log.append(b"not json\n\n{}\n\xff\xfe\n{\"log\":\"torn");
    assert_eq!(log.read(Query::default()), [0, 1, 2]);
    log.append(b"{\"log\":\"7\\n\",\"stream\":\"stdout\",\"time\":\"2020-01-01T00:00:00Z\"}\n");
    assert_eq!(log.read(Query::default()), [0, 1, 2]);
    log.append(b"{\"log\":\"8\\n\",\"stream\":\"stdout\",\"time\":\"2020-01-01T00:00:00Z\"}\n");
    assert_eq!(log.read(Query::default()), [0, 1, 2, 8]);
}

#[test]
fn an_endless_line_is_skipped_with_bounded_memory() {
    let log = log(1, 1 << 40);
    log.append(&vec![b'x'; 5 << 20]);
    log.append(b"\n{\"log\":\"8\\n\",\"stream\":\"stdout\",\"time\":\"2020-01-01T00:00:00Z\"}\n");
    let mut reader = Reader::open(&log.path, Format::JsonFile, &Query::default()).unwrap();
    let mut count = 0;
    while reader.next_line().unwrap().is_some() {
        count += 1;
    }
    assert_eq!(count, 2);
    assert!(reader.cursor.memory.len() < 2 << 20);
}

#[test]
fn a_file_that_moves_while_the_set_is_opened_is_read_once() {
    let log = log(3, 1 << 40);
    // What opening meets when a rotation comes between the first and the second file.
    std::fs::hard_link(&log.path, log.path.with_extension("1")).unwrap();
    assert_eq!(log.read(Query::default()), [0, 1, 2]);
}

#[test]
fn a_number_that_is_missing_for_a_moment_hides_nothing() {
    let log = log(100, 1000);
    let current = log.path.with_extension("9999");
    std::fs::rename(&log.path, current).unwrap();
    std::fs::remove_file(log.path.with_extension("2")).unwrap();
    let found = log.read(Query::default());
    assert_eq!(found[0], 0);
    assert!(found.len() > 50 && found.is_sorted(), "{found:?}");
}

#[test]
fn an_absent_log_is_empty() {
    let dir = tempfile::tempdir().unwrap();
    let mut reader =
        Reader::open(&dir.path().join("log"), Format::JsonFile, &Query::default()).unwrap();
    assert_eq!(reader.next_line().unwrap(), None);
}
