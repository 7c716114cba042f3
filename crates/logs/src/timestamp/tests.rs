use proptest::prelude::*;

use super::*;

#[test]
fn parses_what_go_and_people_write() {
    let check = |text: &str, nanos: Option<i64>| {
        assert_eq!(Timestamp::parse(text.as_bytes()).map(Timestamp::nanos), nanos, "{text}");
    };
    check("1970-01-01T00:00:00Z", Some(0));
    check("1970-01-01T00:00:00.5Z", Some(500_000_000));
    check("1970-01-01T00:00:01.1234567899+01:00", Some(-3_599_000_000_000 + 123_456_789));
    check("2000-03-01T12:00:00-00:30", Some(951_913_800_000_000_000));
    check("0001-01-01T00:00:00Z", Some(i64::MIN));
    for wrong in [
        "",
        "1970-01-01",
        "1970-01-01T00:00:00",
        "1970-13-01T00:00:00Z",
        "1970-01-01T00:00:00.Z",
        "1970-01-01T00:00:00+1:00",
        "1970-01-01T00:00:0xZ",
        "1970-01-01T00:00:00Zx",
    ] {
        check(wrong, None);
    }
}

#[test]
fn fractions_are_trimmed_or_fixed() {
    let time = Timestamp::from_nanos(1_500_000_000);
    assert_eq!(time.to_string(), "1970-01-01T00:00:01.5Z");
    assert_eq!(Timestamp::default().to_string(), "1970-01-01T00:00:00Z");
    let mut fixed = Vec::new();
    time.write_fixed_to(&mut fixed);
    assert_eq!(fixed, b"1970-01-01T00:00:01.500000000Z");
}

proptest! {
    #[test]
    fn agrees_with_another_calendar(nanos: i64) {
        let text = Timestamp::from_nanos(nanos).to_string();
        prop_assert_eq!(Timestamp::parse(text.as_bytes()), Some(Timestamp::from_nanos(nanos)));
        let other = jiff::Timestamp::from_nanosecond(nanos.into()).unwrap();
        prop_assert_eq!(text, other.to_string());
    }

    #[test]
    fn never_panics(text in "\\PC{0,40}") {
        let _: Option<Timestamp> = Timestamp::parse(text.as_bytes());
    }
}
