use std::io::Write;

use super::*;
use crate::testing::run;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn check(stream: &[u8], compression: Compression, expect: &[u8]) {
    let mut decompressor = Decompressor::new(stream, 1 << 20).unwrap();
    assert_eq!(decompressor.compression(), compression);
    let mut output = Vec::new();
    decompressor.read_to_end(&mut output).unwrap();
    assert_eq!(output, expect);
}

#[test]
fn recognizes_and_decompresses() {
    let text = b"some text, some text, some text";
    check(text, Compression::Plain, text);
    check(b"", Compression::Plain, b"");
    check(&gzip(text), Compression::Gzip, text);
    check(&[gzip(b"one "), gzip(b"two")].concat(), Compression::Gzip, b"one two");
    let zstd = zstd::encode_all(&text[..], 1).unwrap();
    check(&zstd, Compression::Zstd, text);
    check(&[zstd.clone(), zstd.clone()].concat(), Compression::Zstd, &[*text, *text].concat());
    let skippable = [b"\x50\x2a\x4d\x18\x03\0\0\0abc".to_vec(), zstd].concat();
    check(&skippable, Compression::Zstd, text);
    let here = std::path::Path::new("/");
    check(&run("gzip", &["-9"], text, here), Compression::Gzip, text);
    check(&run("zstd", &["-19"], text, here), Compression::Zstd, text);
}

fn check_error(stream: &[u8], expect: &str) {
    let mut output = Vec::new();
    let result = Decompressor::new(stream, 1 << 20)
        .and_then(|mut decompressor| decompressor.read_to_end(&mut output));
    let text = result.expect_err("this stream is bad").to_string();
    assert!(text.contains(expect), "`{text}` does not contain `{expect}`");
    assert!(output.len() <= 1 << 20);
}

#[test]
fn sec_u24_bombs_and_foreign_formats_are_refused() {
    let zeros = vec![0; 2 << 20];
    check_error(&gzip(&zeros), "more than 1048576 bytes");
    check_error(&zstd::encode_all(&zeros[..], 1).unwrap(), "more than 1048576 bytes");
    check_error(&zeros, "more than 1048576 bytes");
    check_error(b"BZh91AY", "bzip2 is not supported");
    check_error(b"\xfd7zXZ\0\0", "xz is not supported");
    let wide = run("zstd", &["--ultra", "-20", "--long=30"], b"x", std::path::Path::new("/"));
    check_error(&wide, "memory");
    check_error(&gzip(b"text")[..10], "");
    check_error(&zstd::encode_all(&b"text"[..], 1).unwrap()[..8], "");
}

#[test]
fn sec_u24_what_follows_a_stream_and_damage_in_it_are_refused() {
    let zstd = zstd::encode_all(&b"text"[..], 1).unwrap();
    let mut damaged = gzip(b"text");
    let at = damaged.len() - 6;
    damaged[at] ^= 1;
    check_error(&damaged, "");
    for rest in [&b"garbage"[..], &[0; 512], b"\x1f\x8b"] {
        // Some readers stop here, others go on: Docker's refuses it, too.
        check_error(&[&gzip(b"text")[..], rest].concat(), "");
        check_error(&[&zstd[..], rest].concat(), "");
    }
    // One format inside another is content, and no archive.
    check(&gzip(&gzip(b"text")), Compression::Gzip, &gzip(b"text"));
}
