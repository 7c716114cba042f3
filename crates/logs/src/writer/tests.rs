use proptest::prelude::*;

use std::fs::File;
use std::io::Write;

use super::*;
use crate::escape::tests::replaced;
use crate::files::numbered;
use crate::files::suffixed;
use crate::format::Format;
use crate::options::Rotation;
use crate::{Query, Reader};

const TIME: Timestamp = Timestamp::from_nanos(1_500_000_000);

fn options(file_bytes_max: u64, files_max: u32) -> FileOptions {
    let rotation = Rotation { file_bytes_max, files_max, compress: false };
    FileOptions { rotation, ..FileOptions::of(Format::JsonFile) }
}

fn open(path: &Path) -> Writer {
    Writer::open(path, &FileOptions::of(Format::JsonFile), &BTreeMap::new()).unwrap()
}

fn read_all(path: &Path) -> Vec<(Stream, Vec<u8>)> {
    read_as(path, Format::JsonFile)
}

fn read_as(path: &Path, format: Format) -> Vec<(Stream, Vec<u8>)> {
    let mut reader = Reader::open(path, format, &Query::default()).unwrap();
    let mut lines = Vec::new();
    while let Some(line) = reader.next_line().unwrap() {
        lines.push((line.stream, line.text.to_vec()));
    }
    lines
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn writes_dockers_format() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let mut writer = open(&path);
    writer.write(Stream::Stdout, b"hello\nwor", TIME);
    writer.write(Stream::Stderr, b"<oops>\n", TIME);
    writer.write(Stream::Stdout, b"ld\n\nend", TIME);
    writer.end(Stream::Stdout, TIME);
    writer.end(Stream::Stderr, TIME);
    assert_eq!(text(&path), "");
    assert_eq!(writer.flush(), Flushed::Done);
    let time = "1970-01-01T00:00:01.5Z";
    let expect = [
        format!(r#"{{"log":"hello\n","stream":"stdout","time":"{time}"}}"#),
        format!(r#"{{"log":"\u003coops\u003e\n","stream":"stderr","time":"{time}"}}"#),
        format!(r#"{{"log":"world\n","stream":"stdout","time":"{time}"}}"#),
        format!(r#"{{"log":"\n","stream":"stdout","time":"{time}"}}"#),
        format!(r#"{{"log":"end","stream":"stdout","time":"{time}"}}"#),
    ];
    assert_eq!(text(&path).lines().collect::<Vec<_>>(), expect);

    let attributes = [("b", "2"), ("a", "\"")].map(|(k, v)| (k.into(), v.into())).into();
    let mut writer =
        Writer::open(&dir.path().join("2"), &FileOptions::of(Format::JsonFile), &attributes)
            .unwrap();
    writer.write(Stream::Stdout, b"x\n", TIME);
    drop(writer);
    let expect = format!(
        "{{\"log\":\"x\\n\",\"stream\":\"stdout\",\"attrs\":{{\"a\":\"\\\"\",\"b\":\"2\"}},\
         \"time\":\"{time}\"}}\n"
    );
    assert_eq!(text(&dir.path().join("2")), expect);
}

#[test]
fn long_lines_are_split_between_characters() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let mut writer = open(&path);
    let first = "x".repeat(RECORD_BYTES_MAX - 1);
    // The last character of the first record would begin at its last byte.
    writer.write(Stream::Stdout, format!("{first}ä").as_bytes(), TIME);
    writer.write(Stream::Stdout, b" more\n", Timestamp::from_nanos(2_000_000_000));
    writer.write(Stream::Stdout, b"next\n", Timestamp::from_nanos(2_000_000_000));
    drop(writer);
    let lines = read_all(&path);
    let texts: Vec<&[u8]> = lines.iter().map(|(_, text)| text.as_slice()).collect();
    assert_eq!(texts, [first.as_bytes(), "ä more\n".as_bytes(), b"next\n"]);
    // All records of a line have the time of its first.
    let times = text(&path).matches("00:00:01.5Z").count();
    assert_eq!(times, 2);
}

#[test]
fn rotates_and_keeps_the_newest() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    std::fs::write(suffixed(&path, "new"), "").unwrap();
    let mut writer = Writer::open(&path, &options(1000, 3), &BTreeMap::new()).unwrap();
    for number in 0..100 {
        writer.write(Stream::Stdout, format!("line {number}\n").as_bytes(), TIME);
    }
    drop(writer);
    let mut names: Vec<_> = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["log", "log.1", "log.2"]);
    for number in 1..3 {
        let size = std::fs::metadata(numbered(&path, number)).unwrap().len();
        assert!((1000..1200).contains(&size), "{size}");
    }
    let lines = read_all(&path);
    let expect = 100 - lines.len()..100;
    assert!(lines.len() > 26, "{}", lines.len());
    for ((_, text), number) in lines.iter().zip(expect) {
        assert_eq!(text, format!("line {number}\n").as_bytes());
    }
}

/// Waits as long as the writer is blocked.
fn settle(writer: &mut Writer) {
    use sys::rustix::event::{PollFd, PollFlags, Timespec, poll};
    while writer.is_blocked() && writer.flush() == Flushed::Blocked {
        let timeout = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };
        let mut fds: Vec<_> = match writer.wake() {
            Some(Wake::Readable(fd)) => vec![PollFd::from_borrowed_fd(fd, PollFlags::IN)],
            _ => Vec::new(),
        };
        poll(&mut fds, Some(&timeout)).unwrap();
    }
}

#[test]
fn rotated_files_are_compressed_and_read_in_order() {
    for format in [Format::JsonFile, Format::Local] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut options = FileOptions { format, ..options(2000, 4) };
        options.rotation.compress = true;
        let mut writer = Writer::open(&path, &options, &BTreeMap::new()).unwrap();
        for number in 0..300 {
            writer.write(Stream::Stdout, format!("line {number}\n").as_bytes(), TIME);
            settle(&mut writer);
        }
        drop(writer);
        let mut names: Vec<_> = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["log", "log.1.gz", "log.2.gz", "log.3.gz"]);
        let lines = read_as(&path, format);
        assert!(lines.len() > 60, "{}", lines.len());
        for ((_, text), number) in lines.iter().zip(300 - lines.len()..) {
            assert_eq!(*text, format!("line {number}\n").as_bytes());
        }
        for tail in [0, 1, 30, lines.len() as u64 - 1, 1000] {
            let query = Query { tail: Some(tail), ..Query::default() };
            let mut reader = Reader::open(&path, format, &query).unwrap();
            let mut count = 0;
            while reader.next_line().unwrap().is_some() {
                count += 1;
            }
            assert_eq!(count, tail.min(lines.len() as u64), "{tail} {format:?}");
        }
        // What Docker's reader looks for first.
        let bytes = std::fs::read(dir.path().join("log.1.gz")).unwrap();
        let note = String::from_utf8_lossy(&bytes[12..50]).into_owned();
        assert!(note.starts_with("{\"lastTime\":\"1970-01-01T00:00:01.5Z\""), "{note}");
    }
}

#[test]
fn one_file_starts_over_and_an_emptied_one_counts_anew() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let mut writer = Writer::open(&path, &options(300, 1), &BTreeMap::new()).unwrap();
    for number in 0..20 {
        writer.write(Stream::Stdout, format!("{number}\n").as_bytes(), TIME);
    }
    writer.flush();
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    assert!(text(&path).len() < 400);
    let inode = |path| std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(path).unwrap());
    let before = inode(&path);
    File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
    for _ in 0..3 {
        writer.write(Stream::Stdout, b"a\n", TIME);
        writer.flush();
    }
    assert_eq!(inode(&path), before);
}

#[test]
fn a_torn_record_is_closed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let mut writer = open(&path);
    writer.write(Stream::Stdout, b"one\ntwo\n", TIME);
    drop(writer);
    let whole = std::fs::read(&path).unwrap();
    for cut in whole.len() / 2 + 1..whole.len() {
        std::fs::write(&path, &whole[..cut]).unwrap();
        let mut writer = open(&path);
        writer.write(Stream::Stderr, b"three\n", TIME);
        drop(writer);
        let lines = read_all(&path);
        // Only the newline was missing: the record is whole.
        let two = cut == whole.len() - 1;
        assert_eq!(lines.len(), if two { 3 } else { 2 }, "{cut}");
        assert_eq!(lines.last(), Some(&(Stream::Stderr, b"three\n".to_vec())));
    }
}

/// A small disk.
struct Disk(tempfile::TempDir);

impl Disk {
    fn new() -> Self {
        use sys::rustix::mount::{MountFlags, mount};
        let dir = tempfile::tempdir().unwrap();
        mount("logs-test", dir.path(), "tmpfs", MountFlags::empty(), c"size=128k").unwrap();
        Self(dir)
    }

    /// Leaves no free byte.
    fn fill(&self) -> PathBuf {
        let path = self.0.path().join("filler");
        let mut file = File::create(&path).unwrap();
        while file.write(&[0; 4096]).is_ok_and(|count| count > 0) {}
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        use sys::rustix::mount::{UnmountFlags, unmount};
        unmount(self.0.path(), UnmountFlags::DETACH).unwrap();
    }
}

#[test]
fn a_full_disk_drops_counts_and_says() {
    let disk = Disk::new();
    let path = disk.0.path().join("log");
    let mut writer = open(&path);
    writer.write(Stream::Stdout, b"before\n", TIME);
    writer.flush();
    let filler = disk.fill();
    // The file's last page has room: a record of these is begun and not ended.
    for number in 0..200 {
        writer.write(Stream::Stdout, format!("during {number}\n").as_bytes(), TIME);
        assert_eq!(writer.flush(), Flushed::Done);
    }
    let dropped = writer.dropped();
    assert!((1..200).contains(&dropped), "{dropped}");
    assert_eq!(writer.take_error().unwrap().kind(), io::ErrorKind::StorageFull);
    assert!(!text(&path).ends_with('\n'));
    std::fs::remove_file(filler).unwrap();
    writer.write(Stream::Stdout, b"after\n", TIME);
    writer.flush();
    assert_eq!(writer.dropped(), dropped);
    let lines = read_all(&path);
    assert_eq!(lines.len() as u64, 1 + 200 - dropped + 1 + 1);
    let (notice, after) = (&lines[lines.len() - 2], &lines[lines.len() - 1]);
    let notice = String::from_utf8(notice.1.clone()).unwrap();
    assert!(notice.contains(&format!("wharf: {dropped} log records were lost")), "{notice}");
    assert_eq!(after.1, b"after\n");
    assert_eq!(text(&path).lines().count(), lines.len());
}

#[test]
fn a_full_disk_blocks_when_asked_to() {
    let disk = Disk::new();
    let path = disk.0.path().join("log");
    let options = FileOptions { mode: Mode::Blocking, ..FileOptions::of(Format::JsonFile) };
    let mut writer = Writer::open(&path, &options, &BTreeMap::new()).unwrap();
    let filler = disk.fill();
    let mut count = 0;
    loop {
        writer.write(Stream::Stdout, format!("{count}\n").as_bytes(), TIME);
        count += 1;
        if writer.flush() == Flushed::Blocked {
            break;
        }
    }
    assert_eq!(writer.flush(), Flushed::Blocked);
    std::fs::remove_file(filler).unwrap();
    assert_eq!(writer.flush(), Flushed::Done);
    assert_eq!((writer.dropped(), read_all(&path).len()), (0, count));
}

#[test]
fn nothing_moves_under_a_file_that_an_earlier_writer_compresses() {
    use sys::rustix::fs::{FlockOperation, flock};
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let mut options = options(100, 4);
    options.rotation.compress = true;
    // What the process of an earlier writer holds.
    let plain = numbered(&path, 1);
    std::fs::write(&plain, "").unwrap();
    let lock = File::open(&plain).unwrap();
    flock(&lock, FlockOperation::NonBlockingLockExclusive).unwrap();
    let mut writer = Writer::open(&path, &options, &BTreeMap::new()).unwrap();
    for number in 0..20 {
        writer.write(Stream::Stdout, format!("{number}\n").as_bytes(), TIME);
    }
    assert_eq!(writer.flush(), Flushed::Blocked);
    assert!(!numbered(&path, 2).exists());
    drop(lock);
    settle(&mut writer);
    assert!(numbered(&path, 2).exists());
    // An end waits for nobody: all is in the file that there is.
    writer.finish();
    assert_eq!(read_all(&path).len(), 20);
}

#[test]
fn a_file_whose_compression_is_killed_stays_and_nothing_else_does() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let mut options = options(8 << 20, 2);
    options.rotation.compress = true;
    let mut writer = Writer::open(&path, &options, &BTreeMap::new()).unwrap();
    let mut number = 0;
    while writer.worker().is_none() {
        writer.write(Stream::Stdout, format!("{number:01000}\n").as_bytes(), TIME);
        number += 1;
    }
    let child = sys::process::pidfd_open(writer.worker().unwrap()).unwrap();
    let child = std::os::fd::AsFd::as_fd(&child);
    sys::process::pidfd_send_signal(child, sys::libc::SIGKILL).unwrap();
    drop(writer);
    assert!(numbered(&path, 1).exists() && !suffixed(&path, "gz.new").exists());
    assert_eq!(read_all(&path).len(), number);
}

fn non_blocking(path: &Path, buffer_bytes_max: u64) -> Writer {
    let mode = Mode::NonBlocking { buffer_bytes_max };
    let options = FileOptions { mode, ..options(50_000, 100) };
    Writer::open(path, &options, &BTreeMap::new()).unwrap()
}

#[test]
fn a_slow_log_holds_nobody_up_and_loses_the_newest() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let mut writer = non_blocking(&path, 100_000);
    let child = sys::process::pidfd_open(writer.worker().unwrap()).unwrap();
    let signal = |signal| {
        let child = std::os::fd::AsFd::as_fd(&child);
        sys::process::pidfd_send_signal(child, signal).unwrap();
    };
    signal(sys::libc::SIGSTOP);
    let line = |number: u64| format!("{number:01000}\n");
    for number in 0..2000 {
        writer.write(Stream::Stdout, line(number).as_bytes(), TIME);
        assert_eq!(writer.flush(), Flushed::Done);
    }
    let dropped = writer.dropped();
    assert!((1000..1900).contains(&dropped), "{dropped}");
    signal(sys::libc::SIGCONT);
    writer.finish();
    let lines = read_all(&path);
    assert_eq!(lines.len() as u64, 2000 - dropped + 1);
    let (notice, kept) = lines.split_last().unwrap();
    let expect = format!("wharf: {dropped} log records were lost: the log was too slow\n");
    assert_eq!(String::from_utf8_lossy(&notice.1), expect);
    assert!(kept.iter().enumerate().all(|(at, (_, text))| *text == line(at as u64).as_bytes()));
    assert!(numbered(&path, 1).exists());
}

#[test]
fn no_record_is_torn_by_what_is_said_of_lost_ones() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    // Each record is larger than what the socket holds.
    let labels = BTreeMap::from([("large".to_owned(), "x".repeat(1 << 20))]);
    let mode = Mode::NonBlocking { buffer_bytes_max: 1000 };
    let options = FileOptions { mode, ..options(1 << 30, 2) };
    let mut writer = Writer::open(&path, &options, &labels).unwrap();
    let pid = writer.worker().unwrap();
    let child = sys::process::pidfd_open(pid).unwrap();
    let signal = |signal, state: &str| {
        let child = std::os::fd::AsFd::as_fd(&child);
        sys::process::pidfd_send_signal(child, signal).unwrap();
        until(|| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
            state.contains(&stat.rsplit(')').next().unwrap()[1..2])
        });
    };
    signal(sys::libc::SIGSTOP, "T");
    writer.write(Stream::Stdout, b"begun\n", TIME);
    writer.write(Stream::Stdout, b"lost\n", TIME);
    assert_eq!(writer.dropped(), 1);
    signal(sys::libc::SIGCONT, "RSD");
    until(|| {
        writer.flush();
        read_all(&path).len() == 1
    });
    signal(sys::libc::SIGSTOP, "T");
    writer.write(Stream::Stdout, b"next\n", TIME);
    signal(sys::libc::SIGCONT, "RSD");
    writer.finish();
    let lines = read_all(&path);
    let texts: Vec<_> = lines.iter().map(|(_, text)| String::from_utf8_lossy(text)).collect();
    assert_eq!((&*texts[0], &*texts[1]), ("begun\n", "next\n"));
    assert!(texts[2].starts_with("wharf: 1 log records were lost"), "{}", texts[2]);
}

fn until(mut condition: impl FnMut() -> bool) {
    let begin = std::time::Instant::now();
    while !condition() {
        assert!(begin.elapsed().as_secs() < 20);
        std::thread::yield_now();
    }
}

#[test]
fn records_are_written_although_their_process_was_killed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let mut writer = non_blocking(&path, 1 << 30);
    let child = sys::process::pidfd_open(writer.worker().unwrap()).unwrap();
    let child = std::os::fd::AsFd::as_fd(&child);
    sys::process::pidfd_send_signal(child, sys::libc::SIGKILL).unwrap();
    let begin = std::time::Instant::now();
    let mut line = 0;
    while writer.worker().is_some() {
        assert!(begin.elapsed().as_secs() < 20);
        writer.write(Stream::Stdout, format!("{line}\n").as_bytes(), TIME);
        writer.flush();
        line += 1;
    }
    drop(writer);
    let lines = read_all(&path);
    let said = String::from_utf8_lossy(&lines[0].1).into_owned();
    assert!(said.contains("lost: the process that wrote them was killed"), "{said}");
    assert_eq!(lines.last().unwrap().1, format!("{}\n", line - 1).as_bytes());
    // Killed when everything was sent.
    let mut writer = non_blocking(&path, 100_000);
    writer.write(Stream::Stdout, b"all\n", TIME);
    let child = sys::process::pidfd_open(writer.worker().unwrap()).unwrap();
    let child = std::os::fd::AsFd::as_fd(&child);
    sys::process::pidfd_send_signal(child, sys::libc::SIGSTOP).unwrap();
    writer.flush();
    sys::process::pidfd_send_signal(child, sys::libc::SIGKILL).unwrap();
    drop(writer);
    let lines = read_all(&path);
    let last = &lines.last().unwrap().1;
    assert!(last == b"all\n" || last.starts_with(b"wharf: 1 log"), "{last:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_bytes_come_back(
        pieces in proptest::collection::vec(
            (any::<bool>(), proptest::collection::vec(any::<u8>(), 0..300), 0usize..20_000),
            0..12,
        ),
        file_bytes_max in 1u64..100_000,
        local in any::<bool>(),
    ) {
        let format = if local { Format::Local } else { Format::JsonFile };
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let options = FileOptions { format, ..options(file_bytes_max, 100_000) };
        let mut writer = Writer::open(&path, &options, &BTreeMap::new()).unwrap();
        let mut expect = [Vec::new(), Vec::new()];
        for (stderr, bytes, padding) in pieces {
            let stream = if stderr { Stream::Stderr } else { Stream::Stdout };
            let bytes = [bytes, vec![b'.'; padding]].concat();
            writer.write(stream, &bytes, TIME);
            expect[stream as usize].extend(bytes);
        }
        Stream::ALL.iter().for_each(|stream| writer.end(*stream, TIME));
        drop(writer);
        let mut found = [Vec::new(), Vec::new()];
        for (stream, text) in read_as(&path, format) {
            prop_assert!(text.len() <= 3 * RECORD_BYTES_MAX && !text.is_empty());
            found[stream as usize].extend(text);
        }
        // Only JSON has no way to say what is not UTF-8.
        let expect = if local { expect } else { expect.map(|bytes| replaced(&bytes)) };
        prop_assert_eq!(found, expect);
    }
}
