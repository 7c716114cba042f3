use super::*;
use crate::transport::Body;
use crate::url::Url;

#[test]
fn scopes_are_united() {
    let scopes = Scopes::push("a/b").with("repository:a/b:push,pull registry:catalog:* bad");
    assert_eq!(scopes.to_string(), "registry:catalog:* repository:a/b:pull,push");
    assert_eq!(Scopes::none().to_string(), "");
}

#[test]
fn tokens_are_read_within_limits() {
    let token = parse_token(br#"{"access_token":"t","expires_in":5,"refresh_token":"r"}"#).unwrap();
    assert_eq!((token.token.as_str(), token.life.as_secs()), ("t", 5));
    assert_eq!(token.refresh.as_deref(), Some("r"));
    for silent in [r#"{"token":"t"}"#, r#"{"token":"t","expires_in":0}"#] {
        assert_eq!(parse_token(silent.as_bytes()).unwrap().life.as_secs(), 60);
    }
    for bad in [r#"{}"#, r#"{"token":"a b"}"#, r#"{"token":"a\r\nX: y"}"#, "[]", ""] {
        assert!(parse_token(bad.as_bytes()).is_none(), "{bad}");
    }
}

#[test]
fn a_token_is_asked_for_as_docker_asks() {
    let realm = Url::parse("https://t/token?x=1").unwrap();
    let scopes = Scopes::pull("a/b");
    let password =
        Credentials::Password { username: "al ice".to_owned(), password: "p".to_owned() };
    let identity = Credentials::IdentityToken { username: String::new(), token: "r".to_owned() };
    let call = |credentials, is_login| TokenCall {
        realm: &realm,
        service: "reg",
        scopes: &scopes,
        credentials,
        is_login,
    };
    let asked = call(None, false).request().unwrap();
    assert_eq!(asked.url.target, "/token?x=1&scope=repository%3Aa%2Fb%3Apull&service=reg");
    assert!(asked.headers.is_empty());
    let asked = call(Some(&password), true).request().unwrap();
    let expected = "/token?x=1&account=al%20ice&client_id=docker&offline_token=true\
                    &scope=repository%3Aa%2Fb%3Apull&service=reg";
    assert_eq!(asked.url.target, expected);
    assert_eq!(asked.headers["authorization"], "Basic YWwgaWNlOnA=");
    assert!(asked.headers["authorization"].is_sensitive());
    let asked = call(Some(&identity), false).request().unwrap();
    let Body::Whole(form) = asked.body else { panic!("a form is whole") };
    let expected = "client_id=docker&grant_type=refresh_token&refresh_token=r\
                    &scope=repository%3Aa%2Fb%3Apull&service=reg";
    assert_eq!(form, expected);
}
