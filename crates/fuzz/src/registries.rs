//! What registries, token servers, name servers and their configuration say.

use std::path::Path;

use registry::parse::{self, Answer, Question, RecordType, ResolverConfig, Scopes, Url};

/// Challenges are few, and their schemes are words.
pub(crate) fn challenge(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let challenges = parse::challenges(text);
    assert!(challenges.len() <= 10);
    for challenge in challenges {
        assert!(!challenge.scheme.is_empty() && challenge.scheme.is_ascii());
        assert!(challenge.parameters.len() <= 20);
        let scope = challenge.parameter("scope").unwrap_or_default();
        let scopes = Scopes::pull("a/b").with(scope);
        assert_eq!(Scopes::none().with(&scopes.to_string()), scopes);
    }
}

/// A range that is taken lies within its total.
pub(crate) fn content_range(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Some((first, last, total)) = parse::parse_content_range(text) {
        assert!(first <= last && total.is_none_or(|total| last < total));
    }
}

/// A link stands in its header.
pub(crate) fn link(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Some(link) = parse::parse_link(text) {
        assert!(text.contains(&format!("<{link}>")));
    }
}

/// What is shown of a refusal neither moves a terminal nor fills it.
pub(crate) fn error(bytes: &[u8]) {
    for status in [400, 401, 403, 404, 429, 500] {
        if let Some((_, words)) = parse::parse_error(bytes, status) {
            let is_harmless = |c: char| !c.is_control() || c == '\n' || c == '\t';
            assert!(words.chars().all(is_harmless) && words.chars().count() <= 2000);
        }
    }
}

/// A token can stand in a header, and lives at least a minute.
pub(crate) fn token(bytes: &[u8]) {
    if let Some(token) = parse::parse_token(bytes) {
        assert!(!token.token.is_empty() && token.token.bytes().all(|b| b.is_ascii_graphic()));
        assert!(token.life.as_secs() >= 60);
    }
}

/// What is read can be used.
pub(crate) fn hosts_toml(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match parse::hosts_toml(text, Path::new("/d")) {
        Ok(entries) => {
            for entry in entries {
                assert!(!entry.base.target.ends_with('/'));
                assert!(entry.authorities.iter().all(|path| path.is_absolute()));
            }
        }
        Err(error) => assert!(error.to_string().contains("/d/hosts.toml")),
    }
}

/// Answers give addresses of the kind that was asked for; configurations name servers.
pub(crate) fn dns(bytes: &[u8]) {
    for record in [RecordType::A, RecordType::Aaaa] {
        let question = Question { id: 0x1234, name: "reg.example", record };
        if let Some(Answer::Addresses(addresses)) = question.read(bytes) {
            let is_asked =
                |address: &std::net::IpAddr| address.is_ipv4() == (record == RecordType::A);
            assert!(addresses.len() <= 200 && addresses.iter().all(is_asked));
        }
    }
    drop(ResolverConfig::parse(&String::from_utf8_lossy(bytes)));
}

/// An address's own text means the same, and what it joins is an address, too.
pub(crate) fn url(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Some(url) = Url::parse(text) {
        assert_eq!(Url::parse(&url.to_string()), Some(url));
    }
    let base = Url::parse("https://a:5000/v2/x?y=z").expect("it is one");
    if let Some(joined) = base.join(text) {
        let shown = joined.to_string();
        assert!(!shown.contains('?') && Url::parse(&shown).is_some(), "{shown}");
    }
}
