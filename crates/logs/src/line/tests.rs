use proptest::prelude::*;

use super::*;

fn check(input: &str, expect: Option<(Stream, &str, Option<&str>)>) {
    let (mut bytes, mut scratch) = (input.as_bytes().to_vec(), Vec::new());
    let parsed = parse(&mut bytes, &mut scratch, &mut Times::default());
    let found = parsed.map(|parsed| {
        assert_eq!(parsed.time, Timestamp::from_nanos(7));
        let memory = if parsed.place == Place::Input { bytes } else { scratch };
        let text = |range: Range<usize>| String::from_utf8(memory[range].to_vec()).unwrap();
        (parsed.stream, text(parsed.text), parsed.attributes.map(text))
    });
    let found = found
        .as_ref()
        .map(|(stream, text, attributes)| (*stream, text.as_str(), attributes.as_deref()));
    assert_eq!(found, expect, "{input}");
}

const TIME: &str = r#""time":"1970-01-01T00:00:00.000000007Z""#;

#[test]
fn parses_records() {
    let out = Stream::Stdout;
    check(&format!(r#"{{"log":"a\n","stream":"stdout",{TIME}}}"#), Some((out, "a\n", None)));
    check(
        &format!(
            r#"{{"log":"\u003ca\\\"","stream":"stderr","attrs":{{"a":"}}\"","b":""}},{TIME}}}"#
        ),
        Some((Stream::Stderr, "<a\\\"", Some(r#"{"a":"}\"","b":""}"#))),
    );
    // Other writers' order, spaces and keys.
    check(
        &format!(
            r#"{{ "stream": "stdout", "attrs": {{"a": 1}}, "x": [], {TIME}, "log": "\u00e4" }}"#
        ),
        Some((out, "ä", Some(r#"{"a": 1}"#))),
    );
    check(&format!(r#"{{"stream":"stdout",{TIME}}}"#), Some((out, "", None)));
}

#[test]
fn skips_what_is_not_a_record() {
    for input in [
        "",
        "{",
        "null",
        r#"{"log":"a"#,
        r#"{"log":"a\"#,
        r#"{"log":"a","stream":"stdout","attrs":{"#,
        r#"{"log":"a","stream":"stdout","attrs":"#,
        r#"{"log":"a","stream":"stdout","attrs":{"a":"#,
        r#"{"log":"a","stream":"stdout","time":"yesterday"}"#,
        r#"{"log":"a","stream":"stdin","time":"1970-01-01T00:00:00.000000007Z"}"#,
        r#"{"log":"\x","stream":"stdout","time":"1970-01-01T00:00:00.000000007Z"}"#,
        r#"{"log":"a{"log":"b","stream":"stdout","time":"1970-01-01T00:00:00.000000007Z"}"#,
    ] {
        check(input, None);
    }
    let deep = format!("{{\"attrs\":{}", "[".repeat(100_000));
    check(&deep, None);
}

proptest! {
    #[test]
    fn foreign_bytes_do_not_panic(
        bytes: Vec<u8>,
        cut in 0usize..200,
    ) {
        let mut torn = [&br#"{"log":""#[..], &bytes].concat();
        let _: Option<Parsed> = parse(&mut torn, &mut Vec::new(), &mut Times::default());
        let whole = format!(r#"{{"log":"a\n","stream":"stdout","attrs":{{"k":"v"}},{TIME}}}"#);
        let mut spliced = whole.into_bytes();
        spliced.splice(cut.min(60)..cut.min(60), bytes);
        let _: Option<Parsed> = parse(&mut spliced, &mut Vec::new(), &mut Times::default());
    }
}

#[test]
fn prefixes() {
    let line = Line {
        stream: Stream::Stderr,
        time: Timestamp::from_nanos(1_795_470_135_913_798_473),
        text: b"tick\n",
        attributes: Some(br#"{"a":"b c","x":"1/2"}"#),
    };
    for (time, attributes, expect) in [
        (false, false, ""),
        (false, true, "a=b+c,x=1%2F2 "),
        (true, true, "2026-11-23T21:42:15.913798473Z a=b+c,x=1%2F2 "),
    ] {
        let mut prefix = b"old".to_vec();
        line.prefix(time, attributes, &mut prefix);
        assert_eq!(String::from_utf8(prefix).unwrap(), expect);
    }
}
