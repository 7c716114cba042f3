use proptest::prelude::*;

use super::*;

#[test]
fn prints_as_go() {
    for (nanos, text) in [
        (0, "1970-01-01T00:00:00Z"),
        (1_795_471_452_425_998_977, "2026-11-23T22:04:12.425998977Z"),
        (1_795_471_452_425_000_000, "2026-11-23T22:04:12.425Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
    ] {
        assert_eq!(Timestamp::from_nanos(nanos).to_string(), text);
        assert_eq!(Timestamp::parse(text), Some(Timestamp::from_nanos(nanos)));
    }
    assert_eq!(Timestamp::ZERO.to_string(), "0001-01-01T00:00:00Z");
    assert_eq!(Timestamp::from_nanos(5_000_000_000).fixed(), "1970-01-01T00:00:05.000000000Z");
    assert!(Timestamp::ZERO < Timestamp::from_nanos(i64::MIN));
}

#[test]
fn reads_rfc3339() {
    for (text, expect) in [
        ("0001-01-01T00:00:00Z", Some(Timestamp::ZERO)),
        ("1970-01-01T01:00:00+01:00", Some(Timestamp::from_nanos(0))),
        ("1970-01-01T00:00:01.5Z", Some(Timestamp::from_nanos(1_500_000_000))),
        ("9999-01-01T00:00:00Z", Some(Timestamp::from_nanos(i64::MAX))),
        ("1970-01-01", None),
        ("", None),
        ("yesterday", None),
    ] {
        assert_eq!(Timestamp::parse(text), expect, "{text}");
    }
    assert_eq!(serde_json::from_str::<Timestamp>("\"\"").unwrap(), Timestamp::ZERO);
    assert!(serde_json::from_str::<Timestamp>("\"x\"").is_err());
}

#[test]
fn differences_never_go_below_zero() {
    let (early, late) = (Timestamp::from_seconds(10), Timestamp::from_seconds(12));
    assert_eq!(late.since(early), Duration::from_secs(2));
    assert_eq!(early.since(late), Duration::ZERO);
    assert_eq!(late.since(Timestamp::ZERO), Duration::ZERO);
    assert_eq!(
        Timestamp::from_nanos(i64::MAX).since(Timestamp::from_nanos(i64::MIN)).as_nanos(),
        i64::MAX as u128
    );
    assert_eq!(Timestamp::from_nanos(-1).seconds(), -1);
}

proptest! {
    #[test]
    fn printed_is_read_back(nanos: i64) {
        let stamp = Timestamp::from_nanos(nanos);
        prop_assert_eq!(Timestamp::parse(&stamp.to_string()), Some(stamp));
        prop_assert_eq!(Timestamp::parse(&stamp.fixed()), Some(stamp));
    }

    #[test]
    fn parse_never_panics(text in "\\PC{0,40}") {
        let _ = Timestamp::parse(&text);
    }
}
