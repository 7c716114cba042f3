use proptest::prelude::*;

use super::*;

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

#[test]
fn parses_both_forms() {
    let mut expect = Filters::default();
    expect.add("label", "a=b");
    for text in
        [r#"{"label":{"a=b":true}}"#, r#"{"label":["a=b"]}"#, r#"{"label": {"a=b": "true"}}"#]
    {
        assert_eq!(Filters::parse(text).unwrap(), expect, "{text}");
    }
    assert_eq!(Filters::parse(&expect.to_json()).unwrap(), expect);
    for empty in ["", "{}", "null"] {
        assert!(Filters::parse(empty).unwrap().is_empty(), "{empty}");
    }
    for bad in ["x", "[]", "3", r#"{"a":3}"#, r#"{"a":[3]}"#, r#"{"a":{"b":3}}"#, "{\"a\":"] {
        assert_eq!(Filters::parse(bad), Err(FilterError::Malformed), "{bad}");
    }
    assert_eq!(FilterError::Malformed.to_string(), "invalid filter");
}

#[test]
fn refuses_in_dockers_words() {
    let filters = Filters::parse(r#"{"bogus":["x"],"status":["up","zz"]}"#).unwrap();
    let unknown = filters.validate(&["status"]).unwrap_err();
    assert_eq!(unknown.to_string(), "invalid filter 'bogus'");
    assert_eq!(filters.validate(&["status", "bogus"]), Ok(()));
    let value = filters.validate_values("status", &["up"]).unwrap_err();
    assert_eq!(value.to_string(), "invalid filter 'status=[up zz]'");
    assert_eq!(filters.boolean("none"), Ok(None));
    assert!(filters.boolean("bogus").is_err());
    let dangling = Filters::parse(r#"{"dangling":{"true":true}}"#).unwrap();
    assert_eq!(dangling.boolean("dangling"), Ok(Some(true)));
}

#[test]
fn matches() {
    let filters = Filters::parse(
        r#"{"id":["ab"],"name":["^/?we","x["],"label":["a","b=2"],"label!":["z"],"none":[]}"#,
    )
    .unwrap();
    for (outcome, expect) in [
        (filters.exact("id", "ab"), true),
        (filters.exact("id", "abc"), false),
        (filters.exact("other", "abc"), true),
        (filters.exact("none", "abc"), true),
        (filters.prefix("id", "abc"), true),
        (filters.prefix("id", "bc"), false),
        (filters.prefix("other", "bc"), true),
        (filters.fuzzy("name", "web"), true),
        (filters.fuzzy("name", "/web"), true),
        (filters.fuzzy("name", "aweb"), false),
        (filters.fuzzy("name", "x["), true),
        (filters.fuzzy_any("name", &["q", "web"]), true),
        (filters.labels("label", Some(&labels(&[("a", "1"), ("b", "2")]))), true),
        (filters.labels("label", Some(&labels(&[("a", "1"), ("b", "3")]))), false),
        (filters.labels("label", None), false),
        (filters.labels("other", None), true),
        (filters.labels_absent("label!", Some(&labels(&[("a", "1")]))), true),
        (filters.labels_absent("label!", Some(&labels(&[("z", "")]))), false),
    ] {
        assert_eq!(outcome, expect);
    }
}

#[test]
fn regular_expressions() {
    for (pattern, text, expect) in [
        ("", "x", true),
        ("we", "aweb", true),
        ("^web$", "web", true),
        ("^web$", "web1", false),
        ("^web.*", "web-1", true),
        ("^(a|b)c$", "bc", true),
        ("^(a|b)c$", "ac", true),
        ("^(a|b)c$", "c", false),
        ("^(?:ab)+$", "ababab", true),
        ("^[a-c_]+[^0-9]$", "ab_x", true),
        ("^[a-c_]+[^0-9]$", "ab_1", false),
        ("^\\w+\\.\\d{2,3}$", "x.12", true),
        ("^\\w+\\.\\d{2,3}$", "x.1234", false),
        ("^x{2}$", "xx", true),
        ("^x{2,}$", "xxxx", true),
        ("^x?$", "", true),
        ("a{", "a{", true),
        ("[]a]", "]", true),
        ("[a-]", "-", true),
        ("a||b", "q", true),
    ] {
        let found = Pattern::new(pattern).map(|p| p.is_found(text));
        assert_eq!(found, Some(expect), "{pattern} {text}");
    }
    for bad in ["[", "(", ")", "*a", "a**", "\\", "\\q", "[z-a]", "(?i)a", &"(".repeat(100)] {
        assert!(Pattern::new(bad).is_none(), "{bad}");
    }
    assert!(Pattern::new(&"((a{200}){200}){200}".repeat(3)).is_none());
    let nothing = format!("{}{}", "(".repeat(30), "){200}".repeat(30));
    assert!(Pattern::new(&nothing).is_none());
    assert!(Pattern::new(&nothing.replace("(){200}", "(a{0}){200}")).is_none());
    let hostile = Pattern::new("(a*)*(a*)*(a*)*b").unwrap();
    assert!(!hostile.is_found(&"a".repeat(2000)));
}

proptest! {
    #[test]
    fn foreign_text_does_not_panic(text in "\\PC{0,60}") {
        let _ = Filters::parse(&text);
    }

    #[test]
    fn patterns_do_not_panic(
        pattern in "[a-c*+?{}0-9,()|\\[\\]^$\\\\.-]{0,20}",
        text in "[a-c]{0,9}",
    ) {
        if let Some(pattern) = Pattern::new(&pattern) {
            let _ = pattern.is_found(&text);
        }
    }

    #[test]
    fn a_literal_is_found_where_it_stands(before in "[a-z]{0,5}", word in "[a-z]{1,5}",
        after in "[a-z]{0,5}") {
        let text = format!("{before}{word}{after}");
        prop_assert!(Pattern::new(&word).unwrap().is_found(&text));
    }
}
