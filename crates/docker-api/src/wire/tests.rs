use super::*;

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Sample {
    #[serde(deserialize_with = "null_is_zero")]
    number: i64,
    #[serde(deserialize_with = "one_or_many")]
    words: Strings,
    #[serde(deserialize_with = "console_size")]
    size: [u32; 2],
    set: Option<BTreeMap<String, Empty>>,
}

#[test]
fn reads_as_go_does() {
    let list = |words: &[&str]| Some(words.iter().map(|w| (*w).to_owned()).collect());
    for (text, expect) in [
        ("{}", Sample::default()),
        (r#"{"number":null,"words":null,"size":null,"set":null}"#, Sample::default()),
        (r#"{"other":[1,{}],"number":3}"#, Sample { number: 3, ..Sample::default() }),
        (r#"{"words":"sh -c x"}"#, Sample { words: list(&["sh -c x"]), ..Sample::default() }),
        (r#"{"words":["a",null]}"#, Sample { words: list(&["a", ""]), ..Sample::default() }),
        (r#"{"words":[]}"#, Sample { words: Some(vec![]), ..Sample::default() }),
        (r#"{"size":[24]}"#, Sample { size: [24, 0], ..Sample::default() }),
        (r#"{"size":[24,80,1]}"#, Sample { size: [24, 80], ..Sample::default() }),
    ] {
        assert_eq!(serde_json::from_str::<Sample>(text).unwrap(), expect, "{text}");
    }
    for bad in [r#"{"number":"3"}"#, r#"{"words":{}}"#, r#"{"words":[1]}"#, r#"{"size":3}"#] {
        assert!(serde_json::from_str::<Sample>(bad).is_err(), "{bad}");
    }
    let set: Sample = serde_json::from_str(r#"{"set":{"80/tcp":null,"81/tcp":{}}}"#).unwrap();
    assert_eq!(serde_json::to_string(&set.set).unwrap(), r#"{"80/tcp":{},"81/tcp":{}}"#);
}

#[test]
fn bodies() {
    for empty in ["", "null", "{}", " {}\n"] {
        assert_eq!(read_body::<Sample>(empty.as_bytes()).unwrap(), Sample::default(), "{empty}");
    }
    for (bad, expect) in [
        ("  ", "invalid JSON: got EOF while reading request body"),
        ("[]", "invalid JSON: "),
        ("{", "invalid JSON: "),
        ("{} x", "invalid JSON: "),
        (r#"{"number":"x"}"#, "invalid JSON: "),
    ] {
        let error = read_body::<Sample>(bad.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with(expect), "{bad}: {error}");
    }
}
