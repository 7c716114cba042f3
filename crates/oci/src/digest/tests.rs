use proptest::prelude::*;

use super::*;

const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

#[test]
fn parses_strictly() {
    let hex = "a".repeat(64);
    for (text, expect) in [
        (EMPTY.to_owned(), None),
        (format!("sha512:{}", "0".repeat(128)), None),
        (String::new(), Some(DigestError::Format)),
        ("sha256".to_owned(), Some(DigestError::Format)),
        ("sha256:".to_owned(), Some(DigestError::Format)),
        (format!(":{hex}"), Some(DigestError::Format)),
        (format!("SHA256:{hex}"), Some(DigestError::Format)),
        (format!("../sha256:{hex}"), Some(DigestError::Format)),
        (format!("sha256:{}", "A".repeat(64)), Some(DigestError::Format)),
        (format!("sha256:{}", "/".repeat(64)), Some(DigestError::Format)),
        (format!("sha256:{}", "é".repeat(32)), Some(DigestError::Format)),
        (format!("md5:{hex}"), Some(DigestError::Algorithm)),
        (format!("sha256:{hex}a"), Some(DigestError::Length)),
        (format!("sha512:{hex}"), Some(DigestError::Length)),
    ] {
        let parsed = Digest::parse(&text);
        match expect {
            Some(error) => assert_eq!(parsed, Err(error), "{text}"),
            None => assert_eq!(parsed.unwrap().to_string(), text),
        }
    }
    assert_eq!(Digest::of(b"").to_string(), EMPTY);
    assert_eq!(Digest::of(b"").short(), "e3b0c44298fc");
}

#[test]
fn writer_and_reader_verify() {
    let expected = Digest::of(b"content");
    let mut writer = HashingWriter::expecting(Vec::new(), &expected);
    writer.write_all(b"con").unwrap();
    writer.write_all(b"tent").unwrap();
    assert_eq!(writer.finish_as(&expected, 7).unwrap(), b"content");

    let mut short = HashingWriter::new(Vec::new());
    short.write_all(b"conten").unwrap();
    assert_eq!(short.finish_as(&expected, 7), Err(DigestError::Size { expected: 7, found: 6 }));

    let mut wrong = HashingWriter::new(Vec::new());
    wrong.write_all(b"contenT").unwrap();
    assert!(matches!(wrong.finish_as(&expected, 7), Err(DigestError::Mismatch { .. })));

    let mut reader = HashingReader::new(&b"content"[..]);
    io::copy(&mut reader, &mut io::sink()).unwrap();
    let (_, digest, bytes) = reader.finish();
    assert_eq!((digest, bytes), (expected, 7));
    let sha512 = Digest::parse(&format!("sha512:{}", "0".repeat(128))).unwrap();
    assert!(matches!(sha512.verify(b"x"), Err(DigestError::Mismatch { .. })));
}

#[test]
fn chain_ids_follow_the_specification() {
    let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
    assert_eq!(chain_id(&[]), None);
    assert_eq!(chain_id(std::slice::from_ref(&a)), Some(a.clone()));
    let two = Digest::of(format!("{a} {b}").as_bytes());
    assert_eq!(chain_id(&[a.clone(), b.clone()]), Some(two.clone()));
    assert_eq!(chain_id(&[a, b.clone(), b.clone()]), {
        Some(Digest::of(format!("{two} {b}").as_bytes()))
    });
}

proptest! {
    #[test]
    fn parse_never_panics(text in "\\PC{0,90}") {
        if let Ok(digest) = Digest::parse(&text) {
            prop_assert_eq!(digest.to_string(), text);
        }
    }
}
