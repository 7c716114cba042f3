use super::*;

#[test]
fn begun_characters_are_seen() {
    for (text, expect) in [
        (&b""[..], 0),
        (b"a", 0),
        ("ä".as_bytes(), 0),
        (b"a\xc3", 1),
        (b"\xe2\x80", 2),
        (b"\xf0\x9f\x98", 3),
        ("\u{1f600}".as_bytes(), 0),
        (b"\x80\x80\x80\x80", 0),
        (b"\xff", 0),
    ] {
        assert_eq!(begun_character(text), expect, "{text:?}");
    }
}
