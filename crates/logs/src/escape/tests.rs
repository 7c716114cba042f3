use proptest::prelude::*;

use super::*;

/// What is left of `bytes` after writing and reading: Go's replacement, byte by byte.
pub(crate) fn replaced(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    for chunk in bytes.utf8_chunks() {
        text.extend_from_slice(chunk.valid().as_bytes());
        text.extend("\u{fffd}".repeat(chunk.invalid().len()).as_bytes());
    }
    text
}

#[test]
fn escapes_as_docker_does() {
    let check = |input: &[u8], expect: &str| {
        let mut out = Vec::new();
        escape(input, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expect);
    };
    check(b"plain, and longer than one block of thirty-two bytes", {
        "plain, and longer than one block of thirty-two bytes"
    });
    check(b"a\tb\n\r\x1b[0m\x00\x7f", "a\\u0009b\\n\\r\\u001b[0m\\u0000\x7f");
    check(b"<a href=\"x\">&'\\", "\\u003ca href=\\\"x\\\"\\u003e\\u0026'\\\\");
    check("größe \u{1f600} \u{2028}\u{2029}".as_bytes(), "größe \u{1f600} \\u2028\\u2029");
    check(b"\xff\xe2\x82 \xc3\xa4\xe2\x80", "\\ufffd\\ufffd\\ufffd ä\\ufffd\\ufffd");
}

#[test]
fn unescapes_all_of_json() {
    let check = |input: &str, expect: Option<&str>| {
        let mut text = input.as_bytes().to_vec();
        let length = unescape(&mut text);
        assert_eq!(
            length.map(|l| String::from_utf8(text[..l].to_vec()).unwrap()).as_deref(),
            expect
        );
    };
    check(r#"\"\\\/\b\f\n\r\tx"#, Some("\"\\/\u{8}\u{c}\n\r\tx"));
    check(r"\u00e4\ud83d\ude00!", Some("ä\u{1f600}!"));
    check(r"\ud83dx\udc00\ud83d\ud83d\ude00", Some("\u{fffd}x\u{fffd}\u{fffd}\u{1f600}"));
    for wrong in ["\\", "\\x", "\\u12", "\\u12x4", "abc\\"] {
        check(wrong, None);
    }
}

proptest! {
    #[test]
    fn a_round_trip_keeps_text(bytes: Vec<u8>) {
        let mut text = Vec::new();
        escape(&bytes, &mut text);
        let json = format!("\"{}\"", String::from_utf8(text.clone()).unwrap());
        let expect = replaced(&bytes);
        let other: String = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(other.as_bytes(), &expect);
        let length = unescape(&mut text).unwrap();
        prop_assert_eq!(&text[..length], &expect);
    }

    #[test]
    fn agrees_with_another_parser(
        text in "(\\\\[\"\\\\/bfnrtu]|\\\\ud[89a-f]00|[0-9a-f é]){0,30}",
    ) {
        let other = serde_json::from_str::<String>(&format!("\"{text}\""));
        let mut bytes = text.into_bytes();
        let length = unescape(&mut bytes);
        // The other one refuses lone surrogates.
        if let Ok(other) = other {
            prop_assert_eq!(&bytes[..length.unwrap()], other.as_bytes());
        }
    }

    #[test]
    fn foreign_bytes_do_not_panic(mut bytes: Vec<u8>) {
        let _: Option<usize> = unescape(&mut bytes);
    }
}
