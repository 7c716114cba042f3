use super::*;

fn check(header: &str, expected: &str) {
    let shown: Vec<String> = parse(header)
        .into_iter()
        .map(|challenge| {
            let parameters = challenge.parameters.iter().map(|(n, v)| format!(" {n}={v}"));
            challenge.scheme + &parameters.collect::<String>()
        })
        .collect();
    assert_eq!(shown.join(" | "), expected, "{header}");
}

#[test]
fn challenges_are_read() {
    check(
        r#"Bearer realm="https://a/t",service="s",scope="x:y:z w""#,
        "bearer realm=https://a/t scope=x:y:z w service=s",
    );
    check(r#"Basic realm="a \"b\"", charset=UTF-8"#, r#"basic charset=UTF-8 realm=a "b""#);
    check(r#"Bearer realm="r", Basic realm=x"#, "bearer realm=r | basic realm=x");
    check("Negotiate, Basic realm=x", "negotiate | basic realm=x");
    check(r#"BASIC REALM = "x" , Bearer"#, "basic realm=x | bearer");
    check(r#"Bearer realm="a",realm="b""#, "bearer realm=a");
    check(r#"Bearer realm="open"#, "bearer");
    check(r#"Bearer realm="a"; Basic realm=b"#, "bearer realm=a");
    check("", "");
    check("\u{e4}", "");
}
