use super::*;

/// The endpoints of `domain` in short: `URL[?ns][+plain][+skip][+credentials]`.
fn check(change: impl FnOnce(&mut NetworkSpec), domain: &str, expected: &[&str]) {
    let mut spec = NetworkSpec { certificate_directories: Vec::new(), ..NetworkSpec::default() };
    change(&mut spec);
    let endpoints = Endpoints::new(&spec).unwrap().of(domain).unwrap();
    let shown: Vec<String> = endpoints
        .iter()
        .map(|endpoint| {
            let mut text = endpoint.url(endpoint.base.scheme, "/x").to_string();
            for (is_so, word) in [
                (endpoint.may_be_plain, "+plain"),
                (endpoint.takes_credentials, "+credentials"),
                (endpoint.can.push, "+push"),
            ] {
                text.push_str(if is_so { word } else { "" });
            }
            text
        })
        .collect();
    assert_eq!(shown, expected, "{domain}");
}

#[test]
fn dockers_rules_hold() {
    check(|_| {}, "docker.io", &["https://registry-1.docker.io/v2/x+credentials+push"]);
    check(|_| {}, "a.com:5000", &["https://a.com:5000/v2/x+credentials+push"]);
    check(|_| {}, "127.0.0.1:5000", &["https://127.0.0.1:5000/v2/x+plain+credentials+push"]);
    check(|_| {}, "127.9.0.1", &["https://127.9.0.1/v2/x+plain+credentials+push"]);
    check(|_| {}, "[::1]:5000", &["https://[::1]:5000/v2/x+plain+credentials+push"]);
    check(|_| {}, "localhost", &["https://localhost/v2/x+plain+credentials+push"]);
}

#[test]
fn configuration_counts() {
    let mirrors = |spec: &mut NetworkSpec| {
        spec.mirrors = vec!["https://m.com/".to_owned(), "http://127.0.0.1:9/p".to_owned()];
    };
    let expected = [
        "https://m.com/v2/x?ns=docker.io",
        "http://127.0.0.1:9/p/v2/x?ns=docker.io+plain",
        "https://registry-1.docker.io/v2/x+credentials+push",
    ];
    check(mirrors, "docker.io", &expected);
    check(mirrors, "a.com", &["https://a.com/v2/x+credentials+push"]);
    let own = |spec: &mut NetworkSpec| spec.default_registry = Some("hub.me:5000".to_owned());
    check(own, "docker.io", &["https://hub.me:5000/v2/x+credentials+push"]);
    let insecure = |spec: &mut NetworkSpec| {
        spec.insecure = vec!["10.0.0.0/8".to_owned(), "A.com".to_owned(), "b.com:5000".to_owned()];
    };
    for (domain, is_plain) in [
        ("10.1.2.3:5000", true),
        ("11.1.2.3", false),
        ("a.com:77", true),
        ("b.com:5000", true),
        ("b.com", false),
    ] {
        let plain = if is_plain { "+plain" } else { "" };
        check(insecure, domain, &[&format!("https://{domain}/v2/x{plain}+credentials+push")]);
    }
}

#[test]
fn a_file_of_hosts_replaces_mirrors_and_server() {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("docker.io")).unwrap();
    let text = "server = \"https://own\"\n[host.\"https://m/p\"]\ncapabilities = [\"pull\"]";
    std::fs::write(root.path().join("docker.io/hosts.toml"), text).unwrap();
    let change = |spec: &mut NetworkSpec| {
        spec.certificate_directories = vec![root.path().to_owned()];
        spec.mirrors = vec!["https://unused".to_owned()];
    };
    let expected = ["https://m/p/v2/x?ns=docker.io", "https://own/v2/x+credentials+push"];
    check(change, "docker.io", &expected);
}

#[test]
fn nonsense_is_refused_with_its_place() {
    for (mirror, insecure, own, words) in [
        ("m.com", "a", "a", "registry-mirrors"),
        ("https://u:secret@m", "a", "a", "\"m\" is no address"),
        ("https://m", "a/b", "a", "insecure registry a/b is not valid"),
        ("https://m", "a", "a/b", "`a/b`: it is no `host[:port]`"),
    ] {
        let spec = NetworkSpec {
            mirrors: vec![mirror.to_owned()],
            insecure: vec![insecure.to_owned()],
            default_registry: Some(own.to_owned()),
            ..NetworkSpec::default()
        };
        let error = Endpoints::new(&spec).err().unwrap().to_string();
        assert!(error.contains(words) && !error.contains("secret"), "{error}");
    }
}
