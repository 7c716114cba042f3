use super::create_request;
use crate::flags::parse::parse;
use crate::flags::verbs::{self, EVERYWHERE};

#[test]
fn the_api_socket_is_mounted() {
    let verb = verbs::by_name("run").unwrap();
    let words = ["--use-api-socket", "x"].map(str::to_owned);
    let flags = parse(verb, "run".into(), EVERYWHERE, words).unwrap();
    let body = create_request(&flags, Some("/run/x.sock")).unwrap();
    let mounts = body.host_config.mounts.unwrap();
    assert_eq!(
        (mounts[0].source.as_str(), mounts[0].target.as_str()),
        ("/run/x.sock", "/var/run/docker.sock")
    );
}

#[test]
fn csv_fields_may_be_quoted() {
    let fields = |line| super::csv::fields(line);
    assert_eq!(fields("a,\"b,c\",d"), Ok(vec!["a".into(), "b,c".into(), "d".into()]));
    assert_eq!(fields("\"a\"\"b\""), Ok(vec!["a\"b".into()]));
    assert!(fields("a\"b").is_err());
    assert!(fields("\"a").is_err());
    assert_eq!(fields("a,"), Ok(vec!["a".into(), String::new()]));
}
