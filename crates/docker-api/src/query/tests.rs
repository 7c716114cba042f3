use proptest::prelude::*;

use super::*;
use crate::time::Timestamp;

#[test]
fn booleans() {
    for text in ["", "0", "no", "No", "false", "False", "none", " NONE "] {
        assert!(!boolean(text), "{text}");
    }
    for text in ["1", "true", "True", "yes", "x", "-1"] {
        assert!(boolean(text), "{text}");
    }
}

#[test]
fn numbers() {
    assert_eq!((integer("-3"), integer("+7")), (Ok(-3), Ok(7)));
    for (text, expect) in [
        ("x", "strconv.Atoi: parsing \"x\": invalid syntax"),
        ("", "strconv.Atoi: parsing \"\": invalid syntax"),
        ("+-1", "strconv.Atoi: parsing \"+-1\": invalid syntax"),
        (
            "99999999999999999999",
            "strconv.Atoi: parsing \"99999999999999999999\": value out of range",
        ),
    ] {
        assert_eq!(integer(text).unwrap_err().to_string(), expect);
    }
    assert_eq!((dimension("80"), dimension("70000")), (Ok(80), Ok(u16::MAX)));
    for (text, cause) in
        [("a", "invalid syntax"), ("-1", "invalid syntax"), ("4294967296", "value out of range")]
    {
        assert_eq!(dimension(text), Err(cause));
    }
    assert_eq!(Grace::parse("").unwrap(), None);
    assert_eq!(Grace::parse("-1").unwrap(), Some(Grace::Forever));
    assert_eq!(Grace::parse("2").unwrap(), Some(Grace::For(Duration::from_secs(2))));
    assert!(Grace::parse("x").is_err());
}

#[test]
fn signals() {
    for (text, number, name) in [
        ("KILL", 9, "SIGKILL"),
        ("SIGKILL", 9, "SIGKILL"),
        ("sigterm", 15, "SIGTERM"),
        ("9", 9, "SIGKILL"),
        ("IOT", 6, "SIGABRT"),
        ("RTMIN", 34, "SIGRTMIN"),
        ("SIGRTMIN+3", 37, "SIGRTMIN+3"),
        ("RTMIN+15", 49, "SIGRTMIN+15"),
        ("RTMAX-14", 50, "SIGRTMAX-14"),
        ("64", 64, "SIGRTMAX"),
    ] {
        let parsed = signal(text).unwrap();
        assert_eq!((parsed.number(), parsed.to_string().as_str()), (number, name), "{text}");
        assert_eq!(signal(name).unwrap(), parsed);
    }
    for (text, expect) in [
        ("BADSIG", "invalid signal: BADSIG"),
        ("0", "invalid signal: 0"),
        ("", "invalid signal: "),
        ("RTMIN+16", "invalid signal: RTMIN+16"),
        ("RTMIN+0", "invalid signal: RTMIN+0"),
        ("RTMAX+1", "invalid signal: RTMAX+1"),
        ("65", "the linux daemon does not support signal 65"),
        ("32", "the linux daemon does not support signal 32"),
        ("-1", "the linux daemon does not support signal -1"),
    ] {
        assert_eq!(signal(text).unwrap_err().to_string(), expect);
    }
}

#[test]
fn keys() {
    for (text, expect) in [
        ("", vec![16, 17]),
        ("ctrl-p,ctrl-q", vec![16, 17]),
        ("ctrl-a", vec![1]),
        ("ctrl-@,ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_", vec![0, 27, 28, 29, 30, 31]),
        ("a,b,DEL", vec![97, 98, 127]),
    ] {
        assert_eq!(detach_keys(text), Ok(expect), "{text}");
    }
    for bad in ["ctrl-A", "ctrl-", "aa", "a,", "é", "ctrl-1"] {
        assert!(detach_keys(bad).is_err(), "{bad}");
    }
    assert_eq!(detach_keys("xy").unwrap_err().to_string(), "Unknown character: 'xy'");
}

#[test]
fn limits() {
    let of = |name: &str, soft, hard| crate::Ulimit { name: name.to_owned(), hard, soft };
    assert_eq!(ulimit("nofile=1024"), Ok(of("nofile", 1024, 1024)));
    assert_eq!(ulimit("nofile=1:2"), Ok(of("nofile", 1, 2)));
    assert_eq!(ulimit("core=-1"), Ok(of("core", -1, -1)));
    for (text, expect) in [
        ("nofile", "invalid ulimit argument: nofile"),
        ("bogus=1", "invalid ulimit type: bogus"),
        ("cpu=3:2", "ulimit soft limit must be less than or equal to hard limit: 3 > 2"),
        (
            "cpu=1:2:3",
            "too many limit value arguments - 1:2:3, can only have up to two, `soft[:hard]`",
        ),
        ("cpu=x", "strconv.ParseInt: parsing \"x\": invalid syntax"),
    ] {
        assert_eq!(ulimit(text).unwrap_err().to_string(), expect);
    }
}

#[test]
fn durations() {
    for (text, nanos, printed) in [
        ("0", 0, "0s"),
        ("1h30m", 5_400_000_000_000, "1h30m0s"),
        ("1.5s", 1_500_000_000, "1.5s"),
        (".5s", 500_000_000, "500ms"),
        ("-2m", -120_000_000_000, "-2m0s"),
        ("1500us", 1_500_000, "1.5ms"),
        ("100µs", 100_000, "100µs"),
        ("7ns", 7, "7ns"),
        ("+3h", 10_800_000_000_000, "3h0m0s"),
    ] {
        assert_eq!(duration::parse(text), Ok(nanos), "{text}");
        assert_eq!(duration::print(nanos), printed);
    }
    for bad in ["", "-", "1", "s", "1x", "1.s.", ".s", "1 s", "9999999999h", "1m2"] {
        assert!(duration::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn instants() {
    let now = Timestamp::from_seconds(1_795_470_133);
    let nanos = |text: &str, offset| instant(text, now, offset).unwrap().nanos().unwrap();
    for (text, offset, seconds) in [
        ("0", 0, 0),
        ("1795470133", 0, 1_795_470_133),
        ("2s", 0, 1_795_470_131),
        ("-1m", 0, 1_795_470_193),
        ("1970-01-02", 0, 86400),
        ("1970-01-02", 3600, 82800),
        ("1970-01-02", -3600, 90000),
        ("1970-01-02Z", 3600, 86400),
        ("1970-01-01T01", 0, 3600),
        ("1970-01-01T01:02", 0, 3720),
        ("1970-01-01T01:02:03", 0, 3723),
        ("1970-01-01T01:02:03Z", 9000, 3723),
        ("1970-01-01T01:02+01:00", 0, 120),
        ("1970-01-01T01:02:03-01:00", 0, 7323),
    ] {
        assert_eq!(nanos(text, offset), seconds * 1_000_000_000, "{text}");
    }
    assert_eq!(nanos("5.25", 0), 5_250_000_000);
    assert_eq!(nanos("1970-01-01T00:00:01.5", 0), 1_500_000_000);
    for bad in ["", "x", "1970-13-01", "1970-01-01T", "1970-01-01 00:00", "1970-01-01T1:2", "1.2.3"]
    {
        let error = instant(bad, now, 0).unwrap_err().to_string();
        assert_eq!(error, format!("failed to parse value as time or duration: {bad:?}"));
    }
}

proptest! {
    #[test]
    fn durations_round_trip(nanos: i64) {
        prop_assume!(nanos != i64::MIN);
        prop_assert_eq!(duration::parse(&duration::print(nanos)), Ok(nanos));
    }

    #[test]
    fn foreign_text_does_not_panic(text in "\\PC{0,30}", offset: i32) {
        let _ = signal(&text);
        let _ = detach_keys(&text);
        let _ = ulimit(&text);
        let _ = duration::parse(&text);
        let _ = instant(&text, Timestamp::from_seconds(1), offset);
    }

    #[test]
    fn seconds_with_fraction(seconds in 0i64..9_000_000_000, nanos in 0i64..1_000_000_000) {
        let text = format!("{seconds}.{nanos:09}");
        let expect = Timestamp::from_nanos(seconds * 1_000_000_000 + nanos);
        prop_assert_eq!(instant(&text, Timestamp::ZERO, 0), Ok(expect));
    }
}
