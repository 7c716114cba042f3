use std::collections::BTreeSet;

use super::*;

fn check(method: &Method, path: &str, expect: Option<(&str, &str)>) {
    let found = find(method, path);
    let got = found
        .as_ref()
        .map(|(route, values)| (route.pattern, values.first().map_or("", String::as_str)));
    assert_eq!(got, expect, "{method} {path}");
}

#[test]
fn names_may_have_slashes() {
    let get = &Method::GET;
    check(get, "/containers/json", Some(("/containers/json", "")));
    check(get, "/containers/json/json", Some(("/containers/{name}/json", "json")));
    check(get, "/images/a:5000/b/c:1/json", Some(("/images/{name}/json", "a:5000/b/c:1")));
    check(get, "/images/json", Some(("/images/json", "")));
    check(get, "/networks/", Some(("/networks", "")));
    check(&Method::HEAD, "/_ping", Some(("/_ping", "")));
    check(&Method::HEAD, "/containers/x/archive", Some(("/containers/{name}/archive", "x")));
    check(&Method::POST, "/containers//start", None);
    check(&Method::PATCH, "/info", None);
    check(get, "/nonexistent", None);
    check(get, "/", None);
}

#[test]
fn every_documented_operation_has_a_row() {
    let path =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/docker-engine-api-v1.51.yaml");
    let document = std::fs::read_to_string(path)
        .expect("the Engine API's description lies in `shared/data` beside the checkout");
    let mut missing = BTreeSet::new();
    let mut current = "";
    for line in document.lines().skip_while(|line| *line != "paths:") {
        if let Some(path) = line.strip_prefix("  /").and_then(|rest| rest.strip_suffix(':')) {
            current = path;
        }
        let method = match line.strip_prefix("    ").and_then(|rest| rest.strip_suffix(':')) {
            Some("get") => Method::GET,
            Some("post") => Method::POST,
            Some("put") => Method::PUT,
            Some("delete") => Method::DELETE,
            Some("head") => Method::HEAD,
            _ => continue,
        };
        let path = format!("/{current}").replace("{id}", "x").replace("{name}", "x");
        if find(&method, &path).is_none() {
            missing.insert(format!("{method} /{current}"));
        }
    }
    assert_eq!(missing, BTreeSet::new());
}
