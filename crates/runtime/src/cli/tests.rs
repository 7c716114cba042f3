//! Words, signals, times and ids; what touches the kernel is in `tests/oci.rs`.

use std::ffi::OsString;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use super::flags::{self, Flag, Order, Parsed};
use super::state::Container;
use super::{clock, signals};

const TABLE: &[Flag] =
    &[Flag::value("bundle", 'b', "a directory"), Flag::switch("force", 'f', "a switch")];

fn parse(words: &[&str], order: Order) -> Result<Parsed, String> {
    let words: Vec<OsString> = words.iter().map(OsString::from).collect();
    flags::parse(TABLE, &words, order).map_err(|error| error.to_string())
}

fn check(words: &[&str], order: Order, bundle: Option<&str>, force: bool, rest: &[&str]) {
    let parsed = parse(words, order).unwrap();
    assert_eq!(parsed.text("bundle").unwrap(), bundle, "{words:?}");
    assert_eq!(parsed.is_set("force"), force, "{words:?}");
    assert_eq!(parsed.words, rest, "{words:?}");
}

#[test]
fn flags_stand_where_callers_put_them() {
    use Order::{AfterId, Anywhere, FlagsFirst};
    check(&["--bundle", "/b", "-f", "id"], Anywhere, Some("/b"), true, &["id"]);
    check(&["-bundle=/b", "id", "--force"], Anywhere, Some("/b"), true, &["id"]);
    check(&["-b", "/a", "-b", "/b", "id"], Anywhere, Some("/b"), false, &["id"]);
    check(&["--force=false", "id", "-"], Anywhere, None, false, &["id", "-"]);
    check(&["--force", "id", "--force"], FlagsFirst, None, true, &["id", "--force"]);
    check(&["id", "-f", "ls", "-f"], AfterId, None, true, &["id", "ls", "-f"]);
    check(&["--", "--force"], Anywhere, None, false, &["--force"]);
    assert!(parse(&["--nosuch"], Anywhere).unwrap_err().contains("--nosuch"));
    assert!(parse(&["--bundle"], Anywhere).unwrap_err().contains("needs an argument"));
}

#[test]
fn signals_have_many_names() {
    for (name, number) in [
        ("9", Some(9)),
        ("KILL", Some(9)),
        ("SIGTERM", Some(15)),
        ("sigusr1", Some(10)),
        ("RTMIN+3", Some(37)),
        ("SIGRTMAX-1", Some(63)),
        ("0", Some(0)),
        ("65", None),
        ("-1", None),
        ("RTMIN+31", None),
        ("RTMIN3", None),
        ("SIG", None),
        ("", None),
    ] {
        assert_eq!(signals::parse(name), number, "{name}");
    }
}

#[test]
fn times_are_rfc_3339() {
    for (seconds, text) in [
        (0, "1970-01-01T00:00:00.000000007Z"),
        (951_868_799, "2000-02-29T23:59:59.000000007Z"),
        (1_798_761_600, "2027-01-01T00:00:00.000000007Z"),
        (4_107_542_400, "2100-03-01T00:00:00.000000007Z"),
    ] {
        assert_eq!(clock::rfc3339(UNIX_EPOCH + Duration::new(seconds, 7)), text);
    }
}

#[test]
fn ids_lead_nowhere_else() {
    let long = "a".repeat(256);
    for wrong in ["", ".", "..", "a/b", "/a", "a b", "a\n", "ä", &long] {
        assert!(Container::named(Path::new("/r"), wrong.as_ref()).is_err(), "{wrong:?}");
    }
    for right in ["a", "A-1_b.c+d", "...", &"a".repeat(255)] {
        assert!(Container::named(Path::new("/r"), right.as_ref()).is_ok(), "{right:?}");
    }
}
