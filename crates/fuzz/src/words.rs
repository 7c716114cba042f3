//! Words that users and clients write.

use docker_api::{Filters, Timestamp, query};
use gotmpl::{Functions, Template, Value};
use oci::{AnyReference, Digest, ImageDefaults, Platform, Reference};

/// A reference's own text means the same reference.
pub(crate) fn reference(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(reference) = Reference::parse(text) {
        let again = Reference::parse(&reference.to_string()).expect("its own text is one");
        assert_eq!(again.to_string(), reference.to_string());
        // Docker's short text of `docker.io/a.b/c` is `a.b/c`, which means another registry.
        let first = reference.path().split('/').next().unwrap_or_default();
        if !first.contains(['.', ':']) && first != "localhost" {
            let short = Reference::parse(&reference.familiar()).expect("its short text is one");
            assert_eq!(short.to_string(), reference.to_string());
        }
    }
    drop(AnyReference::parse(text));
    if let Ok(digest) = Digest::parse(text) {
        assert_eq!(Digest::parse(&digest.to_string()).expect("its own text is one"), digest);
        assert!(digest.hex().bytes().all(|byte| byte.is_ascii_hexdigit()));
    }
    drop(Platform::parse(text));
}

/// Values of queries.
pub(crate) fn query(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    query::boolean(text);
    drop(query::integer(text));
    query::dimension(text).ok();
    drop(query::Grace::parse(text));
    drop(query::ulimit(text));
    drop(query::instant(text, Timestamp::from_nanos(1_700_000_000_000_000_000), 0));
    if let Ok(keys) = query::detach_keys(text) {
        // None means the usual ones.
        assert!(text.is_empty() || keys.len() <= text.len());
    }
    drop(query::signal(text));
}

/// Filters survive their own JSON, and patterns in them come to an end.
pub(crate) fn filters(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(filters) = Filters::parse(text) else { return };
    let again = Filters::parse(&filters.to_json()).expect("its own text can be read");
    assert_eq!(again.to_json(), filters.to_json());
    for key in ["name", "id", "ancestor", "label"] {
        filters.fuzzy(key, "/some-container_name.1");
        filters.prefix(key, "0123456789abcdef");
        filters.labels(key, None);
    }
}

/// A template ends, and within its limits.
pub(crate) fn template(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(template) = Template::parse("", text, &Functions::docker()) else { return };
    let value = serde_json::json!({
        "ID": "0123456789ab", "Names": "/a,/b", "State": {"Running": true, "ExitCode": 0},
        "Labels": {"a": "b"}, "Mounts": [{"Source": "/x"}, {"Source": "/y"}], "Size": 1.5,
    });
    drop(template.execute(&Value::from(value)));
}

/// `--change`, one instruction a line.
pub(crate) fn change(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    drop(change::apply(&mut ImageDefaults::default(), &lines));
}
