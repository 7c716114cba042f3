use std::path::Path;

use super::*;

/// How many changed copies of each seed are tried.
const CHANGES: u64 = 200;
/// Of those that make directories.
const SLOW_CHANGES: u64 = 10;

fn check(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("the table has it");
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(name);
    let mut paths: Vec<_> =
        std::fs::read_dir(&dir).expect("every target has seeds").flatten().collect();
    paths.sort_by_key(std::fs::DirEntry::file_name);
    assert!(!paths.is_empty(), "{name} has no seeds");
    let slow = ["layer", "image-archive", "log-file"].contains(&name);
    let usual = if slow { SLOW_CHANGES } else { CHANGES };
    let rounds = std::env::var("WHARF_FUZZ_ROUNDS").ok();
    let changes = rounds.and_then(|rounds| rounds.parse().ok()).unwrap_or(usual);
    for path in paths {
        let seed = std::fs::read(path.path()).expect("a seed can be read");
        (target.run)(&seed);
        for number in 1..=changes {
            (target.run)(&changed(&seed, number));
        }
    }
}

/// The seed with some bytes replaced, left out or doubled, the same for the same number.
fn changed(seed: &[u8], number: u64) -> Vec<u8> {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below.max(1) as u64) as usize
    };
    let mut bytes = seed.to_vec();
    for _ in 0..=random(4) {
        let at = random(bytes.len() + 1);
        match random(4) {
            0 if at < bytes.len() => bytes[at] = random(256) as u8,
            1 if at < bytes.len() => drop(bytes.remove(at)),
            2 => bytes.truncate(at),
            _ => {
                let from = random(bytes.len() + 1);
                let piece: Vec<u8> = bytes[from..].iter().copied().take(random(64)).collect();
                bytes.splice(at..at, piece);
            }
        }
    }
    bytes
}

macro_rules! tests {
    ($($name:ident $text:literal;)*) => {
        $(#[test] fn $name() { check($text); })*

        #[test]
        fn every_target_is_tested() {
            let tested = [$($text),*];
            let all: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(all, tested);
        }
    };
}

tests! {
    tar "tar";
    decompress "decompress";
    layer "layer";
    image_archive "image-archive";
    log_file "log-file";
    monitor_frames "monitor-frames";
    stdcopy "stdcopy";
    dns_question "dns-question";
    manifest "manifest";
    image_config "image-config";
    runtime_spec "runtime-spec";
    cdi "cdi";
    seccomp "seccomp";
    request_body "request-body";
    accounts "accounts";
    challenge "challenge";
    content_range "content-range";
    link "link";
    registry_error "registry-error";
    token "token";
    hosts_toml "hosts-toml";
    dns "dns";
    url "url";
    reference "reference";
    query "query";
    filters "filters";
    template "template";
    change "change";
}
