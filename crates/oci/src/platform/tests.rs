use super::*;

#[test]
fn parses_many_spellings() {
    for (text, expect) in [
        ("linux/amd64", Some("linux/amd64")),
        ("linux/x86_64", Some("linux/amd64")),
        ("Linux/AArch64/v8", Some("linux/arm64")),
        ("arm64", Some("linux/arm64")),
        ("armhf", Some("linux/arm/v7")),
        ("linux/arm/v6", Some("linux/arm/v6")),
        ("i386", Some("linux/386")),
        ("windows/amd64", Some("windows/amd64")),
        ("", None),
        ("linux/", None),
        ("linux/a/b/c", None),
        ("strange", None),
        ("linux/a b", None),
    ] {
        let parsed = Platform::parse(text).ok().map(|p| p.to_string());
        assert_eq!(parsed.as_deref(), expect, "{text}");
    }
    assert_eq!(Platform::parse("linux").unwrap(), Platform::host());
}

#[test]
fn accepts_what_runs() {
    for (wish, image, expect) in [
        ("linux/amd64", "linux/amd64", true),
        ("linux/amd64", "linux/arm64", false),
        ("linux/amd64", "windows/amd64", false),
        ("linux/amd64", "linux/amd64/v3", false),
        ("linux/amd64/v3", "linux/amd64", true),
        ("linux/arm/v7", "linux/arm/v6", true),
        ("linux/arm/v6", "linux/arm/v7", false),
        ("linux/arm64", "linux/arm64/v8", true),
    ] {
        let parse = |text| Platform::parse(text).unwrap();
        assert_eq!(parse(wish).accepts(&parse(image)), expect, "{wish} {image}");
    }
    assert!(Platform::host().accepts(&Platform::default()));
}

#[test]
fn chooses_the_best() {
    let images: Vec<Platform> = ["linux/arm64", "linux/arm/v5", "linux/arm/v7", "linux/amd64"]
        .map(|text| Platform::parse(text).unwrap())
        .to_vec();
    for (wish, expect) in [
        ("linux/amd64", Some(3)),
        ("linux/arm/v7", Some(2)),
        ("linux/arm/v6", Some(1)),
        ("linux/s390x", None),
    ] {
        assert_eq!(Platform::parse(wish).unwrap().choose(&images), expect, "{wish}");
    }
}
