use super::*;

#[test]
fn addresses_are_read_as_written() {
    for (text, shown) in [
        ("http://Example.COM", Some("http://example.com/")),
        ("https://a:443/x?y=z", Some("https://a/x?y=z")),
        ("http://[::1]:5000/v2/", Some("http://[::1]:5000/v2/")),
        ("https://a#fragment", Some("https://a/")),
        ("https://user:secret@a/", None),
        ("ftp://a/", None),
        ("https://", None),
        ("https://a:0/", None),
        ("https://a:99999/", None),
        ("https://a/with blank", None),
        ("/relative", None),
    ] {
        let url = Url::parse(text).map(|url| url.to_string());
        assert_eq!(url.as_deref(), shown, "{text}");
    }
}

#[test]
fn locations_are_joined_and_their_queries_hidden() {
    let base = Url::parse("https://a:5000/v2/x/blobs/uploads/1?state=s").unwrap();
    for (location, target, shown) in [
        ("/v2/y?t=1", "/v2/y?t=1", "https://a:5000/v2/y"),
        ("2?t=1", "/v2/x/blobs/uploads/2?t=1", "https://a:5000/v2/x/blobs/uploads/2"),
        ("?t=1", "/v2/x/blobs/uploads/1?t=1", "https://a:5000/v2/x/blobs/uploads/1"),
        ("http://b/c?d", "/c?d", "http://b/c"),
        ("//b/c", "/c", "https://b/c"),
        ("/r?to=http://b/", "/r?to=http://b/", "https://a:5000/r"),
    ] {
        let url = base.join(location).unwrap();
        assert_eq!((url.target.as_str(), url.to_string().as_str()), (target, shown));
    }
    assert_eq!(base.join("http://u@b/"), None);
}
