mod hello;
mod init;

use std::path::Path;
use std::time::{Duration, Instant};

use crate::{HELLO, INIT};

/// The files as the build script left them: to execute a file that this process has just written
/// fails (`ETXTBSY`) while another test's child still holds it open.
const HELLO_FILE: &str = concat!(env!("OUT_DIR"), "/hello");
const INIT_FILE: &str = concat!(env!("OUT_DIR"), "/init");

/// Waits for `condition`, for at most ten seconds.
fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "not within ten seconds: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn constants_hold_the_files_that_the_tests_run() {
    assert_eq!(std::fs::read(HELLO_FILE).unwrap(), HELLO);
    assert_eq!(std::fs::read(INIT_FILE).unwrap(), INIT);
}

#[test]
fn programs_are_small_and_need_no_loader() {
    check_elf(HELLO, 64 * 1024);
    check_elf(INIT, 8 * 1024);
}

/// A 64-bit little-endian executable without interpreter, dynamic section or executable stack.
fn check_elf(file: &[u8], bytes_max: usize) {
    const INTERPRETER: u32 = 3;
    const DYNAMIC: u32 = 2;
    const STACK: u32 = 0x6474_e551;
    assert!(file.len() <= bytes_max, "{} bytes", file.len());
    assert_eq!(&file[..6], b"\x7fELF\x02\x01");
    let number = |at: usize, bytes: usize| {
        file[at..at + bytes].iter().rev().fold(0, |n, byte| n << 8 | usize::from(*byte))
    };
    let (table, size, count) = (number(32, 8), number(54, 2), number(56, 2));
    assert!(count > 0);
    for header in (0..count).map(|index| table + index * size) {
        let (kind, flags) = (number(header, 4) as u32, number(header + 4, 4));
        assert!(kind != INTERPRETER && kind != DYNAMIC, "segment of type {kind}");
        assert!(kind != STACK || flags & 1 == 0, "executable stack");
    }
}

#[test]
fn programs_do_not_tell_where_they_were_built() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).to_str().unwrap().as_bytes();
    for file in [HELLO, INIT] {
        assert!(!file.windows(home.len()).any(|part| part == home));
    }
}
