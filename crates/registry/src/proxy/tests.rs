use super::*;

/// Whether `url` goes through a proxy when `NO_PROXY` is `none`.
fn is_proxied(none: &str, url: &str) -> bool {
    let (http, https) = ("http://p:1".to_owned(), "q:2".to_owned());
    let proxies = Proxies::parse(&ProxySpec { http, https, none: none.to_owned() }).unwrap();
    proxies.of(&Url::parse(url).unwrap()).is_some()
}

#[test]
fn exemptions_are_gos() {
    for (none, url, expected) in [
        ("", "http://a.com", true),
        ("", "https://a.com", true),
        ("", "http://localhost:5000", false),
        ("", "http://127.9.9.9", false),
        ("", "https://[::1]", false),
        ("*", "https://a.com", false),
        ("a.com", "https://a.com", false),
        ("a.com", "https://x.a.com", false),
        ("a.com", "https://ba.com", true),
        (".a.com", "https://a.com", true),
        (".a.com", "https://x.a.com", false),
        ("*.a.com", "https://x.a.com", false),
        ("A.com:5000", "https://a.com", true),
        ("a.com:5000", "https://a.com:5000", false),
        ("b, 10.0.0.0/8", "http://10.1.2.3", false),
        ("10.0.0.0/8", "http://11.1.2.3", true),
        ("10.1.2.3:80", "http://10.1.2.3", false),
        ("10.1.2.3:81", "http://10.1.2.3", true),
        ("fd00::/8", "http://[fd00::1]", false),
        ("fd00::1", "http://[fd00::1]:80", false),
    ] {
        assert_eq!(is_proxied(none, url), expected, "{none} {url}");
    }
}

#[test]
fn accounts_of_proxies_are_decoded_and_never_shown() {
    let parsed = proxy("http://me:p%40ss@proxy:3128/").unwrap().unwrap();
    assert_eq!(parsed.url.to_string(), "http://proxy:3128/");
    assert_eq!(parsed.authorization.as_deref(), Some("Basic bWU6cEBzcw=="));
    let error = proxy("socks5://me:secret@proxy").err().unwrap().to_string();
    assert!(error.contains("proxy") && !error.contains("secret"), "{error}");
}
