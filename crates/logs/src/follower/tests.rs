use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use sys::rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::*;
use crate::{Change, FileOptions, Rotation, Stream, Timestamp, Watches, Writer};

const DEADLINE: Duration = Duration::from_secs(20);

fn writer(path: &Path, file_bytes_max: u64, files_max: u32) -> Writer {
    let rotation = Rotation { file_bytes_max, files_max, compress: false };
    let options = FileOptions { rotation, ..FileOptions::of(Format::JsonFile) };
    Writer::open(path, &options, &Default::default()).unwrap()
}

/// What there is now, after waiting for something if `wait`.
fn drain(follower: &mut Follower) -> Vec<String> {
    let mut lines = Vec::new();
    loop {
        match follower.step().unwrap() {
            Next::Line(line) => {
                lines.push(String::from_utf8(line.text.to_vec()).unwrap().trim_end().to_owned());
            }
            Next::More => {}
            Next::Pending | Next::End => return lines,
        }
    }
}

fn wait(watches: &Watches) {
    let timeout = Timespec { tv_sec: DEADLINE.as_secs() as i64, tv_nsec: 0 };
    let mut fds = [PollFd::from_borrowed_fd(watches.as_fd(), PollFlags::IN)];
    assert_eq!(poll(&mut fds, Some(&timeout)), Ok(1), "no announcement in time");
    watches.changed(|_| ());
}

#[test]
fn follows_a_writer_through_rotations() {
    const COUNT: usize = 20_000;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    // So many files that none goes before it is read, however slow the reader is.
    let mut writer = writer(&path, 5000, 1000);
    let watches = Watches::new().unwrap();
    watches.add(&path).unwrap();
    let mut follower = Follower::open(&path, Format::JsonFile, &crate::Query::default()).unwrap();
    let thread = std::thread::spawn(move || {
        for number in 0..COUNT {
            let line = format!("{number}\n");
            let (first, second) = line.as_bytes().split_at(number % line.len());
            writer.write(Stream::Stdout, first, Timestamp::now());
            writer.write(Stream::Stdout, second, Timestamp::now());
            if number % 7 == 0 {
                writer.flush();
            }
        }
    });
    let begin = Instant::now();
    let mut lines = Vec::new();
    while lines.len() < COUNT {
        assert!(begin.elapsed() < DEADLINE, "{} lines", lines.len());
        lines.extend(drain(&mut follower));
        if lines.len() < COUNT {
            wait(&watches);
        }
    }
    thread.join().unwrap();
    assert!(lines.iter().enumerate().all(|(at, line)| *line == at.to_string()));
    assert!(dir.path().join("log.20").exists());
}

#[test]
fn a_file_that_is_compressed_while_it_is_followed_is_read_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let rotation = Rotation { file_bytes_max: 2000, files_max: 100, compress: true };
    let options = FileOptions { rotation, ..FileOptions::of(Format::Local) };
    let mut writer = Writer::open(&path, &options, &Default::default()).unwrap();
    let mut follower = Follower::open(&path, Format::Local, &crate::Query::default()).unwrap();
    let mut lines = Vec::new();
    for number in 0..1000 {
        writer.write(Stream::Stdout, format!("{number}\n").as_bytes(), Timestamp::now());
        while writer.is_blocked() && writer.flush() == crate::Flushed::Blocked {
            std::thread::yield_now();
        }
        // Asked now and then, it finds its file compressed, and newer ones too.
        if number % 190 == 0 {
            writer.flush();
            lines.extend(drain(&mut follower));
        }
    }
    drop(writer);
    lines.extend(drain(&mut follower));
    assert!(dir.path().join("log.3.gz").exists());
    assert_eq!(lines.len(), 1000);
    assert!(lines.iter().enumerate().all(|(at, line)| *line == at.to_string()));
}

#[test]
fn starts_at_the_tail_before_the_log_exists_and_after_it_is_emptied() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let watches = Watches::new().unwrap();
    watches.add(&path).unwrap();
    let mut early = Follower::open(&path, Format::JsonFile, &crate::Query::default()).unwrap();
    assert!(drain(&mut early).is_empty());
    let mut writer = writer(&path, 1 << 40, 1);
    let mut say = |text: &str| {
        writer.write(Stream::Stdout, text.as_bytes(), Timestamp::now());
        writer.flush();
    };
    say("one\n");
    wait(&watches);
    assert_eq!(drain(&mut early), ["one"]);
    let query = crate::Query { tail: Some(0), ..crate::Query::default() };
    let mut late = Follower::open(&path, Format::JsonFile, &query).unwrap();
    assert!(drain(&mut late).is_empty());
    say("two\n");
    wait(&watches);
    assert_eq!((drain(&mut early), drain(&mut late)), (vec!["two".into()], vec!["two".into()]));
    std::fs::File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
    assert!(drain(&mut early).is_empty());
    say("three\n");
    assert_eq!(drain(&mut early), ["three"]);
}

#[test]
fn a_single_file_that_starts_over_is_followed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let mut writer = writer(&path, 200, 1);
    let mut follower = Follower::open(&path, Format::JsonFile, &crate::Query::default()).unwrap();
    for number in 0..50 {
        writer.write(Stream::Stdout, format!("{number}\n").as_bytes(), Timestamp::now());
        writer.flush();
        assert_eq!(drain(&mut follower), [number.to_string()]);
    }
}

#[test]
fn a_reader_that_was_left_behind_goes_on_with_the_oldest() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let mut writer = writer(&path, 200, 2);
    writer.write(Stream::Stdout, b"first\n", Timestamp::now());
    writer.flush();
    let mut follower = Follower::open(&path, Format::JsonFile, &crate::Query::default()).unwrap();
    for number in 0..50 {
        writer.write(Stream::Stdout, format!("{number}\n").as_bytes(), Timestamp::now());
    }
    writer.flush();
    let lines = drain(&mut follower);
    // Its own file was kept open for it; of the later ones, the newest without a gap.
    assert_eq!(lines[0], "first");
    assert_eq!(lines.last().unwrap(), "49");
    let numbers: Vec<u32> = lines[1..].iter().map(|line| line.parse().unwrap()).collect();
    assert!(numbers.is_sorted() && numbers.len() < 10, "{numbers:?}");
}

#[test]
fn until_ends() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let mut writer = writer(&path, 1 << 40, 1);
    let until = Some(Timestamp::from_nanos(5));
    let mut follower =
        Follower::open(&path, Format::JsonFile, &crate::Query { until, ..crate::Query::default() })
            .unwrap();
    writer.write(Stream::Stdout, b"a\n", Timestamp::from_nanos(5));
    writer.flush();
    assert_eq!(drain(&mut follower), ["a"]);
    assert!(matches!(follower.step().unwrap(), Next::Pending));
    writer.write(Stream::Stdout, b"b\n", Timestamp::from_nanos(6));
    writer.flush();
    for _ in 0..2 {
        assert!(drain(&mut follower).is_empty());
        assert!(matches!(follower.step().unwrap(), Next::End));
    }
}

#[test]
fn one_instance_watches_many_logs() {
    let dir = tempfile::tempdir().unwrap();
    let watches = Watches::new().unwrap();
    // More than the kernel gives instances to a user.
    let logs: Vec<_> = (0..300)
        .map(|number| {
            let path = dir.path().join(number.to_string()).join("log");
            std::fs::create_dir(path.parent().unwrap()).unwrap();
            (watches.add(&path).unwrap(), path)
        })
        .collect();
    let (id, path) = &logs[200];
    assert_eq!(watches.add(path).unwrap(), *id);
    std::fs::write(path, "x").unwrap();
    wait_for(&watches, *id);
    watches.remove(*id);
    std::fs::write(path, "y").unwrap();
    std::fs::write(&logs[201].1, "z").unwrap();
    wait_for(&watches, logs[201].0);
}

/// Hears of one log, and of no other, but that a watch has ended.
fn wait_for(watches: &Watches, id: crate::WatchId) {
    let (begin, mut heard) = (Instant::now(), Vec::new());
    while !heard.contains(&Change::Log(id)) {
        assert!(begin.elapsed() < DEADLINE);
        watches.changed(|change| heard.push(change));
    }
    heard.retain(|change| *change != Change::Log(id));
    assert!(heard.len() <= 1, "{heard:?}");
}
