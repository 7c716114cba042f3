use std::os::unix::fs::PermissionsExt;

use super::*;

fn password(username: &str, password: &str) -> Account {
    Account { username: username.to_owned(), secret: Secret::Password(password.to_owned()) }
}

fn token(username: &str, token: &str) -> Account {
    Account { username: username.to_owned(), secret: Secret::IdentityToken(token.to_owned()) }
}

/// A directory with this file in it.
fn config(text: &str) -> (tempfile::TempDir, ClientConfig) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("config.json"), text).unwrap();
    let config = ClientConfig::load(directory.path()).unwrap();
    (directory, config)
}

fn text_of(config: &ClientConfig) -> String {
    std::fs::read_to_string(config.path()).unwrap()
}

#[test]
fn keeps_what_docker_keeps_as_docker_does() {
    let (_directory, mut config) =
        config(r#"{"psFormat": "x", "auths": {}, "HttpHeaders": {"A": "b"}}"#);
    let kept = config.store("127.0.0.1:5000", &password("alice", "secret")).unwrap();
    assert_eq!(kept, Kept::Unencrypted(config.path().to_owned()));
    assert_eq!(
        text_of(&config),
        "{\n\t\"psFormat\": \"x\",\n\t\"auths\": {\n\t\t\"127.0.0.1:5000\": {\n\t\t\t\"auth\": \
         \"YWxpY2U6c2VjcmV0\"\n\t\t}\n\t},\n\t\"HttpHeaders\": {\n\t\t\"A\": \"b\"\n\t}\n}"
    );
    assert_eq!(config.store("b", &token("alice", "refresh")).unwrap(), Kept::Safe);
    let again = ClientConfig::load(config.path().parent().unwrap()).unwrap();
    assert_eq!(again.get("127.0.0.1:5000").unwrap(), Some(password("alice", "secret")));
    assert_eq!(again.get("b").unwrap(), Some(token("alice", "refresh")));
    assert_eq!(again.get("c").unwrap(), None);
    config.erase("127.0.0.1:5000").unwrap();
    config.erase("b").unwrap();
    assert!(text_of(&config).contains("\t\"auths\": {},\n"), "{}", text_of(&config));
}

#[test]
fn a_new_file_is_its_owners_alone() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = ClientConfig::load(&directory.path().join("new")).unwrap();
    config.erase("nobody").unwrap();
    assert!(!config.path().exists(), "there was nothing to forget");
    config.store("a", &password("b", "c")).unwrap();
    config.erase("a").unwrap();
    assert_eq!(text_of(&config), "{\n\t\"auths\": {}\n}");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(config.path()), 0o600);
    assert_eq!(mode(config.path().parent().unwrap()), 0o700);
}

#[test]
fn a_link_stays_one() {
    let directory = tempfile::tempdir().unwrap();
    let real = directory.path().join("real.json");
    std::fs::write(&real, "{}").unwrap();
    std::os::unix::fs::symlink(&real, directory.path().join("config.json")).unwrap();
    let mut config = ClientConfig::load(directory.path()).unwrap();
    config.store("a", &password("b", "c")).unwrap();
    assert!(std::fs::symlink_metadata(config.path()).unwrap().is_symlink());
    assert!(std::fs::read_to_string(real).unwrap().contains("\"a\""));
}

#[test]
fn finds_addresses_of_the_same_host() {
    let (_directory, config) = config(
        r#"{"auths": {"https://registry.example:5000/v1/": {"auth": "YTpi"},
            "other.example": {"username": "c", "password": "d"}, "empty.example": {}}}"#,
    );
    assert_eq!(config.get("registry.example:5000").unwrap(), Some(password("a", "b")));
    assert_eq!(config.get("other.example").unwrap(), Some(password("c", "d")));
    assert_eq!(config.get("empty.example").unwrap(), None);
}

#[test]
fn what_is_malformed_is_told_and_left_alone() {
    for text in ["{", "[]", r#"{"auths": 1}"#, r#"{"auths": {"a": {"auth": "!!"}}}"#] {
        let (_directory, mut config) = config(text);
        assert!(config.malformed().is_some(), "{text}");
        assert_eq!(config.get("a").unwrap(), None);
        assert_eq!(config.store("a", &password("b", "c")).unwrap_err().kind(), stdx::Kind::Invalid);
        assert!(config.erase("a").is_err());
        assert_eq!(text_of(&config), text);
    }
}

#[test]
fn no_accounts_may_be_null() {
    let (_directory, mut config) = config(r#"{"auths": null}"#);
    assert_eq!((config.malformed(), config.get("a").unwrap()), (None, None));
    config.store("a", &password("b", "c")).unwrap();
    assert_eq!(config.get("a").unwrap(), Some(password("b", "c")));
}

#[test]
fn errors_and_debug_forms_keep_secrets() {
    let (_directory, config) = config(r#"{"auths": {"a": {"auth": "c2VjcmV0"}}, "x": "s3cret" y}"#);
    let shown = format!("{:?}", config.malformed());
    assert!(!shown.contains("s3cret") && !shown.contains("c2VjcmV0"), "{shown}");
    assert!(!format!("{:?}", password("a", "s3cret")).contains("s3cret"));
    let (_directory, config) = self::config(r#"{"auths": {"a": {"auth": "YTpzM2NyZXQ="}}}"#);
    assert_eq!(config.get("a").unwrap(), Some(password("a", "s3cret")));
    assert!(!format!("{config:?}").contains("YTpzM2NyZXQ="));
    assert!(!format!("{:?}", token("a", "s3cret")).contains("s3cret"));
}
