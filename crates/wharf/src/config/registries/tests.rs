use super::*;
use crate::flags::parse::parse;
use crate::flags::verbs;

fn read(keys: &str, line: &str) -> Result<RegistriesSpec, String> {
    let keys: RegistryKeys = serde_json::from_str(keys).map_err(|error| error.to_string())?;
    let words = line.split_whitespace().map(str::to_owned);
    let verb = verbs::by_name("engine").unwrap();
    let flags = parse(verb, "engine".to_owned(), &[], words).unwrap();
    keys.with(&flags).map_err(|failure| failure.text)
}

#[test]
fn file_and_flags_say_it_together() {
    let keys = r#"{"registry-mirrors": ["https://a.example"], "max-concurrent-downloads": 7,
                   "default-registry": "hub.example:5000", "max-download-attempts": 1,
                   "proxies": {"http-proxy": "http://p:1", "no-proxy": "a,b"}}"#;
    let line = "--registry-mirror http://b.example:5000 --insecure-registry c.example \
                --insecure-registry 10.0.0.0/8 --max-concurrent-uploads 2 --https-proxy http://q";
    let spec = read(keys, line).unwrap();
    assert_eq!(spec.network.mirrors, ["https://a.example", "http://b.example:5000"]);
    assert_eq!(spec.network.insecure, ["c.example", "10.0.0.0/8"]);
    assert_eq!(spec.network.default_registry.as_deref(), Some("hub.example:5000"));
    assert_eq!((spec.downloads_max, spec.uploads_max, spec.attempts_max), (7, 2, 1));
    let proxies = spec.network.proxies;
    let expect = ("http://p:1", "http://q", "a,b");
    assert_eq!((proxies.http.as_str(), proxies.https.as_str(), proxies.none.as_str()), expect);
    let spec = read("{}", "").unwrap();
    assert_eq!((spec.downloads_max, spec.uploads_max, spec.attempts_max), (3, 5, 5));
}

#[test]
fn what_makes_no_sense_is_refused() {
    for (keys, line, why) in [
        (r#"{"registry-mirrors": ["a.example"]}"#, "", "no scheme specified for \"a.example\""),
        ("{}", "--registry-mirror https:///x", "has no host"),
        ("{}", "--insecure-registry http://a.example", "without scheme"),
        ("{}", "--default-registry a.example?x", "invalid registry"),
        (r#"{"max-concurrent-downloads": 0}"#, "", "it must be from 1 to 1000"),
        ("{}", "--max-download-attempts -1", "it must be from 1 to 1000"),
        (r#"{"mirrors": []}"#, "", "unknown field"),
    ] {
        let text = read(keys, line).unwrap_err();
        assert!(text.contains(why), "{keys} {line}: {text}");
    }
}
