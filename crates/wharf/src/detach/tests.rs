use super::*;

#[track_caller]
fn check(keys: &str, typed: &[&[u8]], passed: &[u8], detached: bool) {
    let mut watch = DetachWatch::new(docker_api::query::detach_keys(keys).unwrap());
    let mut out = Vec::new();
    let found = typed.iter().any(|bytes| watch.feed(bytes, &mut out));
    assert_eq!((out.as_slice(), found), (passed, detached), "{keys} {typed:?}");
}

#[test]
fn finds_the_keys() {
    let default = "";
    check(default, &[b"ls\n"], b"ls\n", false);
    check(default, &[b"a\x10\x11b"], b"a", true);
    check(default, &[b"\x10", b"\x11"], b"", true);
    check(default, &[b"\x10x"], b"\x10x", false);
    check(default, &[b"\x10\x10\x11"], b"\x10", true);
    check("ctrl-a", &[b"x\x01"], b"x", true);
    check("q", &[b"q"], b"", true);
    check("ctrl-@,ctrl-[", &[b"\x00\x1b"], b"", true);
}
