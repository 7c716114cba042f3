use hyper::header::{HeaderName, HeaderValue};

use super::*;

fn headers(name: HeaderName, value: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
}

#[test]
fn refusals_are_read_in_every_form() {
    for (status, body, expected) in [
        (
            404,
            r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#,
            "manifest unknown: manifest unknown",
        ),
        (400, r#"{"errors":[{"code":"DIGEST_INVALID"}]}"#, "digest invalid: digest invalid"),
        (
            401,
            r#"{"details":"incorrect username or password"}"#,
            "unauthorized: incorrect username or password",
        ),
        (401, "", "unauthorized: authentication required"),
        (403, "<html>", "denied: requested access to the resource is denied"),
        (500, r#"{"errors":[]}"#, ""),
        (500, r#"{"message":"a\u001b[31mb"}"#, ": a[31mb"),
        (502, "<html>", ""),
        (500, "[[[[", ""),
    ] {
        let found = parse_error(body.as_bytes(), status);
        let shown = found.map(|(code, words)| format!("{}: {words}", code.text()));
        assert_eq!(shown.unwrap_or_default(), expected, "{status} {body}");
    }
}

#[test]
fn waits_are_read_as_seconds_and_dates() {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
    for (text, expected) in [
        ("7", Some(7)),
        ("99999999", Some(300)),
        ("Sun, 06 Nov 1994 08:49:47 GMT", Some(10)),
        ("Sun, 06 Nov 1994 08:49:07 GMT", Some(0)),
        ("soon", None),
        ("-1", None),
    ] {
        assert_eq!(retry_after(&headers(RETRY_AFTER, text), now), expected, "{text}");
    }
}

#[test]
fn links_and_ranges_are_read_strictly() {
    for (text, expected) in [
        (r#"</v2/x/tags/list?n=1&last=a>; rel="next""#, Some("/v2/x/tags/list?n=1&last=a")),
        ("<a>; rel=prev, <b>; title=x; rel=next", Some("b")),
        ("<a>", None),
        ("a; rel=next", None),
    ] {
        assert_eq!(next_page(&headers(LINK, text)), expected, "{text}");
    }
    for (text, expected) in [
        ("bytes 5-9/10", Some((5, 9, Some(10)))),
        ("bytes 5-9/*", Some((5, 9, None))),
        ("bytes 5-10/10", None),
        ("bytes 9-5/10", None),
        ("bytes +5-9/10", None),
        ("bytes */10", None),
        ("5-9/10", None),
        ("bytes 99999999999999999999-1/2", None),
    ] {
        assert_eq!(parse_content_range(text), expected, "{text}");
    }
}
