//! Helper programs: a shell script that keeps one account in a file, in a directory of the path.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use credentials::{Account, ClientConfig, CredentialsError, Kept, Secret};

const HELPER: &str = r#"#!/bin/sh
cd "$(dirname "$0")" || exit 9
question=$(cat)
printf '%s %s\n' "$1" "$question" >> asked
case $1 in
store) printf '%s' "$question" > kept ;;
get) [ "$question" != broken.example ] || { echo nonsense; exit 0; }
     [ "$question" != locked.example ] || { echo 'the keyring is locked'; exit 3; }
     cat kept 2>/dev/null || { echo 'credentials not found in native keychain'; exit 1; } ;;
erase) rm -f kept ;;
esac
"#;

fn load(directory: &Path, text: &str) -> ClientConfig {
    std::fs::write(directory.join("config.json"), text).unwrap();
    ClientConfig::load(directory).unwrap()
}

#[test]
fn helpers_are_spoken_to_as_docker_does() {
    match std::env::var_os("HELPERS_TEST_DIRECTORY") {
        Some(directory) => ask_them(Path::new(&directory)),
        None => run_with_helpers(),
    }
}

fn run_with_helpers() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    for name in ["docker-credential-fake", "docker-credential-secretservice"] {
        let program = here.join(name);
        std::fs::write(&program, HELPER).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let path = format!("{}:/usr/bin:/bin", here.display());
    // The path belongs to a whole process: this test runs itself once more.
    let inner = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "helpers_are_spoken_to_as_docker_does", "--nocapture"])
        .env("PATH", path)
        .env("HELPERS_TEST_DIRECTORY", here)
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&inner.stdout);
    assert!(inner.status.success() && shown.contains("1 passed"), "{inner:?}");
}

fn ask_them(here: &Path) {
    let secret = Secret::Password("s<cret".to_owned());
    let account = Account { username: "alice".to_owned(), secret };
    let mut config = load(here, r#"{"credsStore": "fake"}"#);
    assert_eq!(config.get("a.example").unwrap(), None);
    assert_eq!(config.store("a.example", &account).unwrap(), Kept::Safe);
    assert_eq!(config.get("a.example").unwrap(), Some(account.clone()));
    let file = std::fs::read_to_string(config.path()).unwrap();
    assert!(file.contains("\"a.example\": {}") && !file.contains("cret"), "{file}");
    let token = Secret::IdentityToken("refresh".to_owned());
    let identity = Account { username: "alice".to_owned(), secret: token.clone() };
    config.store("a.example", &identity).unwrap();
    let found = config.get("a.example").unwrap().unwrap();
    assert_eq!((found.username.as_str(), found.secret), ("", token));
    config.erase("a.example").unwrap();
    assert_eq!(config.get("a.example").unwrap(), None);
    let asked = std::fs::read_to_string(here.join("asked")).unwrap();
    assert!(asked.starts_with("get a.example\nstore {"), "{asked}");
    assert!(asked.ends_with("erase a.example\nget a.example\n"), "{asked}");

    let error = config.get("locked.example").unwrap_err().to_string();
    assert_eq!(
        error,
        "error getting credentials - err: exit status 3, out: `the keyring is locked`"
    );
    let error = config.get("broken.example").unwrap_err();
    assert!(matches!(error, CredentialsError::HelperAnswer { .. }), "{error}");
    // One server alone may have a helper of its own.
    let config = load(here, r#"{"credsStore": "fake", "credHelpers": {"b.example": "missing"}}"#);
    assert_eq!(
        config.get("b.example").unwrap_err().to_string(),
        "error getting credentials - err: exec: \"docker-credential-missing\": executable file \
         not found in $PATH, out: ``"
    );
    assert_eq!(config.get("a.example").unwrap(), None);
    // A keyring that is there is used when the file has no account yet.
    let mut config = load(here, "{}");
    assert_eq!(config.store("c.example", &account).unwrap(), Kept::Safe);
}
