use proptest::prelude::*;

use super::*;

const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn check(text: &str, full: &str, familiar: &str) {
    let reference = Reference::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(reference.to_string(), full, "{text}");
    assert_eq!(reference.familiar(), familiar, "{text}");
    assert_eq!(Reference::parse(full).unwrap(), reference, "{text}");
    assert_eq!(Reference::parse(familiar).unwrap(), reference, "{text}");
}

#[test]
fn normalizes() {
    check("busybox", "docker.io/library/busybox", "busybox");
    check("busybox:1.36", "docker.io/library/busybox:1.36", "busybox:1.36");
    check("alice/app", "docker.io/alice/app", "alice/app");
    check("library/x", "docker.io/library/x", "x");
    check("index.docker.io/x:a", "docker.io/library/x:a", "x:a");
    check("docker.io/library/x/y", "docker.io/library/x/y", "library/x/y");
    check("localhost/x", "localhost/x", "localhost/x");
    check("localhost:5000/x:V1", "localhost:5000/x:V1", "localhost:5000/x:V1");
    check("127.0.0.1:5000/a/b__c", "127.0.0.1:5000/a/b__c", "127.0.0.1:5000/a/b__c");
    check("[::1]:5000/a-----b", "[::1]:5000/a-----b", "[::1]:5000/a-----b");
    check("Foo/bar", "Foo/bar", "Foo/bar");
    let digest = format!("@sha256:{HEX}");
    check(
        &format!("x:t{digest}"),
        &format!("docker.io/library/x:t{digest}"),
        &format!("x:t{digest}"),
    );
    let tagged = Reference::parse("x").unwrap().with_default_tag();
    assert_eq!((tagged.tag(), tagged.is_name_only()), (Some("latest"), false));
    assert_eq!(tagged.with_tag("v1").unwrap().familiar(), "x:v1");
    assert_eq!(tagged.with_tag("v/1"), Err(ReferenceError::Tag));
    assert_eq!(tagged.with_digest(Digest::of(b"")).familiar(), format!("x{digest}"));
}

#[test]
fn refuses_in_dockers_words() {
    let long = "a".repeat(256);
    for (text, expect) in [
        ("", "invalid reference format"),
        ("BAD", "invalid reference format: repository name (library/BAD) must be lowercase"),
        ("BAD:x", "invalid reference format: repository name (library/BAD) must be lowercase"),
        ("a/Bad", "invalid reference format: repository name (a/Bad) must be lowercase"),
        ("a//b", "invalid reference format"),
        ("/a", "invalid reference format"),
        ("a:", "invalid reference format"),
        ("a:b:c", "invalid reference format"),
        ("a:.b", "invalid reference format"),
        ("a___b", "invalid reference format"),
        ("a_-b", "invalid reference format"),
        ("a..b", "invalid reference format"),
        ("-a", "invalid reference format"),
        ("a-", "invalid reference format"),
        ("../../etc/passwd", "invalid reference format"),
        ("a b", "invalid reference format"),
        ("a@sha256:1", "invalid reference format"),
        ("-x.y/a", "invalid reference format"),
        ("x.y:port/a", "invalid reference format"),
        ("docker.io/", "invalid reference format"),
        (&format!("a@md5:{HEX}"), "unsupported digest algorithm"),
        (&format!("a@sha256:{HEX}0"), "invalid checksum digest length"),
        (&long, "repository name must not be more than 255 characters"),
        (
            HEX,
            &format!("invalid repository name ({HEX}), cannot specify 64-byte hexadecimal strings"),
        ),
    ] {
        assert_eq!(Reference::parse(text).unwrap_err().to_string(), expect, "{text}");
    }
    assert!(Reference::parse(&format!("a:{}", "t".repeat(128))).is_ok());
    assert!(Reference::parse(&format!("a:{}", "t".repeat(129))).is_err());
}

#[test]
fn ids_digests_and_names() {
    let digest = AnyReference::Digest(Digest::of(b""));
    assert_eq!(AnyReference::parse(HEX), Ok(digest.clone()));
    assert_eq!(AnyReference::parse(&format!("sha256:{HEX}")), Ok(digest));
    let name = AnyReference::Name(Reference::parse("x:y").unwrap());
    assert_eq!(AnyReference::parse("x:y"), Ok(name));
}

#[test]
fn patterns() {
    for (pattern, text, expect) in [
        ("busy*", "busybox:1", Some(true)),
        ("busy*:2", "busybox:1", Some(false)),
        ("busybox", "busybox:1", Some(true)),
        ("*", "alice/app:1", Some(false)),
        ("*/*", "alice/app:1", Some(true)),
        ("127.0.0.1:5000/*/*", "127.0.0.1:5000/a/b:t", Some(true)),
        ("b?s[x-z]box", "busybox", Some(true)),
        ("b?s[^x-z]box", "busybox", Some(false)),
        ("\\*", "busybox", Some(false)),
        ("[", "busybox", None),
        ("[]", "busybox", None),
        ("a\\", "a", None),
    ] {
        assert_eq!(Reference::parse(text).unwrap().matches(pattern), expect, "{pattern} {text}");
    }
    let hostile = "*a".repeat(200);
    assert_eq!(Reference::parse(&"a".repeat(240)).unwrap().matches(&hostile), Some(true));
}

proptest! {
    #[test]
    fn what_parses_prints_and_parses_again(text in "[a-zA-Z0-9./:@_\\[\\]-]{0,40}") {
        if let Ok(reference) = Reference::parse(&text) {
            prop_assert_eq!(Reference::parse(&reference.to_string()).unwrap(), reference.clone());
            prop_assert_eq!(Reference::parse(&reference.familiar()).unwrap(), reference);
        }
    }

    #[test]
    fn foreign_text_does_not_panic(text in "\\PC{0,60}", pattern in "\\PC{0,20}") {
        let _ = AnyReference::parse(&text);
        let _ = glob::matches(&pattern, &text);
    }
}
