use super::*;

#[test]
fn queries_are_decoded_as_forms() {
    let query = parse_query("a=1&b=x%20y+z&a=2&c&filters=%7B%22l%22%3A%7B%7D%7D&=").unwrap();
    assert_eq!(query["a"], ["1", "2"]);
    assert_eq!(query["b"], ["x y z"]);
    assert_eq!(query["c"], [""]);
    assert_eq!(query["filters"], ["{\"l\":{}}"]);
    for bad in ["a=%", "a=%4", "a=%zz", "a=%ff"] {
        assert!(parse_query(bad).is_none(), "{bad}");
    }
}

#[test]
fn heads_know_their_version() {
    let read = |path: &str| Head::read(&path.parse().unwrap(), &Method::GET);
    let head = read("/v1.30/containers/json?all=1").unwrap();
    assert_eq!((head.version, head.path.as_str()), (ApiVersion::new(1, 30), "/containers/json"));
    assert_eq!(read("/info").unwrap().version, ApiVersion::MAX);
    assert_eq!(read("/images/a%2Fb/json").unwrap().path, "/images/a/b/json");
    for bad in ["/v1.99/info", "/v1.11/info"] {
        assert_eq!(read(bad).unwrap_err().status(), StatusCode::BAD_REQUEST, "{bad}");
    }
}
