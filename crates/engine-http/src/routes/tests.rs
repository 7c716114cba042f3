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
    let table = include_str!("../../../../conformance/reference/operations-1.51.txt");
    let mut missing = BTreeSet::new();
    for row in table.lines() {
        let (method, path) = row.split_once(' ').expect("a method and a path");
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let example = path.replace("{id}", "x").replace("{name}", "x");
        if find(&method, &example).is_none() {
            missing.insert(row);
        }
    }
    assert_eq!(missing, BTreeSet::new());
}
