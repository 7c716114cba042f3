//! Who is asking: what servers get to see, and what they must not.

use std::sync::Arc;

use distribution::Credentials;
use oci::Reference;

use crate::fake::{Fake, Reply, Seen};
use crate::house::{House, craft, password, small, tar};

/// Whether any request held the secret, in plain or in Basic's form.
fn has_seen_secrets(fake: &Fake) -> bool {
    let secrets = ["s3cret", "YWxpY2U6czNjcmV0", "Bearer t-"];
    let holds = |text: &str| secrets.iter().any(|secret| text.contains(secret));
    fake.seen().iter().any(|seen| {
        holds(&seen.target)
            || seen.headers.values().any(|value| holds(value))
            || holds(&String::from_utf8_lossy(&seen.body))
    })
}

/// A registry that wants tokens of the server at `realm`, called `t-1`, `t-2`...
async fn bearer(realm: String, is_good: impl Fn(&str) -> bool + Send + Sync + 'static) -> Fake {
    let fake = Fake::new(move |seen, _| {
        let shown = seen.header("authorization");
        (!is_good(shown)).then(|| {
            let scope = match seen.target.contains("/manifests/") || seen.method != "GET" {
                true => ",scope=\"repository:a/b:pull\"",
                false => "",
            };
            let challenge = format!("Bearer realm=\"{realm}\",service=\"reg\"{scope}");
            let body =
                r#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}"#;
            Reply::new(401, body).with("www-authenticate", challenge)
        })
    })
    .await;
    fake.hold("v1", &small());
    fake
}

fn token(seen: &Seen, name: &str) -> Reply {
    match seen.header("authorization") {
        "" | "Basic YWxpY2U6czNjcmV0" => {
            Reply::new(200, format!(r#"{{"token":"{name}","expires_in":300}}"#))
        }
        _ => Reply::new(401, r#"{"details":"incorrect username or password"}"#),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_fetched_once_and_used_for_all() {
    let server = Fake::new(|seen, before| Some(token(seen, &format!("t-{before}")))).await;
    let fake = bearer(server.url("/token"), |shown| shown == "Bearer t-0").await;
    let house = House::new();
    house.pull_as(&fake.name("a/b:v1"), password("alice", "s3cret")).await.unwrap();
    let seen = server.seen();
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(seen[0].target, "/token?account=alice&scope=repository%3Aa%2Fb%3Apull&service=reg");
    assert_eq!(seen[0].header("authorization"), "Basic YWxpY2U6czNjcmV0");
    // The password went to the token server only.
    assert!(fake.seen().iter().all(|seen| !seen.header("authorization").starts_with("Basic")));
    // Nobody else's account uses that token.
    let error = house.pull_as(&fake.name("a/b:v1"), password("bob", "x")).await.unwrap_err();
    let words = "unauthorized: incorrect username or password";
    assert!(error.to_string().contains(words), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_token_is_renewed_once() {
    let server = Fake::new(|seen, before| Some(token(seen, &format!("t-{before}")))).await;
    let valid = Arc::new(std::sync::Mutex::new("Bearer t-0".to_owned()));
    let taken = Arc::clone(&valid);
    let fake = bearer(server.url("/token"), move |shown| shown == *taken.lock().unwrap()).await;
    let house = House::new();
    house.pull(&fake.name("a/b:v1")).await.unwrap();
    *valid.lock().unwrap() = "Bearer t-1".to_owned();
    house.pull(&fake.name("a/b:v1")).await.unwrap();
    assert_eq!(server.seen().len(), 2);
    *valid.lock().unwrap() = "none".to_owned();
    let error = house.refused(&fake.name("a/b:v1")).await;
    assert!(error.contains("authentication required"), "{error}");
    assert!(server.seen().len() <= 4, "the token server is not asked for ever");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_may_end_while_blobs_are_pushed() {
    let server = Fake::new(|seen, before| Some(token(seen, &format!("t-{before}")))).await;
    let realm = server.url("/token");
    let ended = std::sync::Mutex::new(String::new());
    let fake = Fake::new(move |seen, _| {
        let shown = seen.header("authorization").to_owned();
        let mut ended = ended.lock().unwrap();
        let is_refused = shown.is_empty() || *ended == shown;
        if !is_refused && seen.is("POST", "/uploads/") && ended.is_empty() {
            // The bytes come with a token that was good a moment ago.
            *ended = shown;
        }
        let challenge = format!("Bearer realm=\"{realm}\",service=\"reg\"");
        is_refused.then(|| Reply::new(401, "").with("www-authenticate", challenge))
    })
    .await;
    let (house, from, image) = (House::new(), Fake::honest().await, small());
    from.hold("v1", &image);
    let id = house.pull(&from.name("a/b:v1")).await.unwrap()[0].id.clone();
    house.tag(&id, &fake.name("c/d:v1"));
    house.push_as(&fake.name("c/d:v1"), password("alice", "s3cret")).await.unwrap();
    assert_eq!(fake.manifest("v1").unwrap().1, image.manifest);
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_are_not_sent_without_a_token() {
    let server = Fake::new(|seen, before| Some(token(seen, &format!("t-{before}")))).await;
    let realm = server.url("/token");
    let fake = Fake::new(move |seen, _| {
        let is_open = seen.is("POST", "") || seen.is("HEAD", "/blobs/");
        let challenge = format!("Bearer realm=\"{realm}\",service=\"reg\"");
        let is_refused = !is_open && seen.header("authorization").is_empty();
        is_refused.then(|| Reply::new(401, "").with("www-authenticate", challenge))
    })
    .await;
    let (house, image) = (House::new(), craft(&[tar(&[("a", b"one")])]));
    fake.hold("v1", &image);
    // What the registry wants is known by now, but not for pushes.
    let id = house.pull(&fake.name("a/b:v1")).await.unwrap()[0].id.clone();
    fake.empty();
    house.tag(&id, &fake.name("c/d:v1"));
    house.push_as(&fake.name("c/d:v1"), password("alice", "s3cret")).await.unwrap();
    let (seen, layer) = (fake.seen(), image.layers[0].0.digest.hex());
    let mut sent = seen.iter().filter(|seen| seen.is("PUT", layer));
    assert!(sent.next().is_some_and(|seen| seen.header("authorization").starts_with("Bearer")));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_bytes_may_need_a_token() {
    let server = Fake::new(|seen, before| Some(token(seen, &format!("t-{before}")))).await;
    let realm = server.url("/token");
    let fake = Fake::new(move |seen, _| {
        let is_refused = seen.is("PUT", "/uploads/") && seen.header("authorization").is_empty();
        let challenge = format!("Bearer realm=\"{realm}\",service=\"reg\"");
        is_refused.then(|| Reply::new(401, "").with("www-authenticate", challenge))
    })
    .await;
    let (house, from, image) = (House::new(), Fake::honest().await, small());
    from.hold("v1", &image);
    let id = house.pull(&from.name("a/b:v1")).await.unwrap()[0].id.clone();
    house.tag(&id, &fake.name("c/d:v1"));
    house.push(&fake.name("c/d:v1")).await.unwrap();
    assert_eq!(fake.manifest("v1").unwrap().1, image.manifest);
}

#[tokio::test(flavor = "multi_thread")]
async fn realms_that_are_no_addresses_are_refused() {
    for realm in ["/token", "ftp://x/", "https://a@b/", "http:// /"] {
        let fake = bearer(realm.to_owned(), |_| false).await;
        let house = House::new();
        let result = house.pull_as(&fake.name("a/b:v1"), password("alice", "s3cret")).await;
        let error = result.unwrap_err().to_string();
        assert!(error.contains("is no absolute address"), "{error}");
        assert!(!has_seen_secrets(&fake));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_answer_does_not_stand_in_the_way_of_later_ones() {
    let is_bad = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let asked = Arc::clone(&is_bad);
    let fake = Fake::new(move |_, _| {
        let challenge = "Bearer realm=\"token\",service=\"reg\"";
        let reply = || Reply::new(401, "").with("www-authenticate", challenge);
        asked.load(std::sync::atomic::Ordering::Relaxed).then(reply)
    })
    .await;
    fake.hold("v1", &small());
    let house = House::new();
    house.refused(&fake.name("a/b:v1")).await;
    is_bad.store(false, std::sync::atomic::Ordering::Relaxed);
    house.pull(&fake.name("a/b:v1")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_not_sent_in_plain_to_strangers() {
    // The name is nobody's; were it tried, the error would be another.
    let fake = bearer("http://tokens.example.com/token".to_owned(), |_| false).await;
    let house = House::new();
    let result = house.pull_as(&fake.name("a/b:v1"), password("alice", "s3cret")).await;
    let error = result.unwrap_err().to_string();
    assert!(error.contains("has no TLS, so credentials are not sent to it"), "{error}");
    assert!(!error.contains("s3cret"));
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_do_not_fish_credentials() {
    let image = small();
    let thief = Fake::honest().await;
    thief.hold("v1", &image);
    let target = thief.url("");
    let fake = Fake::new(move |seen, _| match seen.header("authorization") {
        "Basic YWxpY2U6czNjcmV0" if seen.target.contains("/blobs/") => {
            Some(Reply::new(307, "").with("location", format!("{target}{}", seen.target)))
        }
        "Basic YWxpY2U6czNjcmV0" => None,
        _ => Some(Reply::new(401, "").with("www-authenticate", "Basic realm=\"x\"")),
    });
    let (house, fake) = (House::new(), fake.await);
    fake.hold("v1", &image);
    house.pull_as(&fake.name("a/b:v1"), password("alice", "s3cret")).await.unwrap();
    assert_eq!(thief.count("GET", "/blobs/"), 3);
    assert!(!has_seen_secrets(&thief));
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_elsewhere_get_no_credentials() {
    let image = small();
    let elsewhere = Fake::honest().await;
    let target = elsewhere.url("/v2/x/blobs/uploads/7?signed=1");
    let fake = Fake::new(move |seen, _| match seen.header("authorization") {
        "" => Some(Reply::new(401, "").with("www-authenticate", "Basic realm=\"x\"")),
        _ if seen.is("POST", "/uploads/") => Some(Reply::new(202, "").with("location", &target)),
        _ if seen.is("HEAD", "/blobs/") => Some(Reply::new(404, "")),
        _ => None,
    });
    let (house, from, fake) = (House::new(), Fake::honest().await, fake.await);
    from.hold("v1", &image);
    let id = house.pull(&from.name("a/b:v1")).await.unwrap()[0].id.clone();
    house.tag(&id, &fake.name("c/d:v1"));
    house.push_as(&fake.name("c/d:v1"), password("alice", "s3cret")).await.unwrap();
    assert_eq!(elsewhere.count("PUT", "/uploads/7?signed=1&digest="), 3);
    assert!(!has_seen_secrets(&elsewhere));
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_have_dockers_words() {
    for (status, challenge, body, expected) in [
        (401, "Basic realm=x", "", "no basic auth credentials"),
        (
            401,
            r#"Bearer realm="REALM",error="insufficient_scope""#,
            r#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}"#,
            "pull access denied for NAME, repository does not exist or may require 'docker \
             login': denied: requested access to the resource is denied",
        ),
        (
            403,
            "",
            r#"{"errors":[{"code":"DENIED","message":"not yours"}]}"#,
            "pull access denied for NAME, repository does not exist or may require 'docker \
             login': denied: not yours",
        ),
        (
            404,
            "",
            r#"{"errors":[{"code":"NAME_UNKNOWN","message":"gone"}]}"#,
            "repository NAME not found: name unknown: gone",
        ),
        (
            404,
            "",
            r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#,
            "manifest for NAME:v1 not found: manifest unknown: manifest unknown",
        ),
        (500, "", "oops", "received unexpected HTTP status: 500 Internal Server Error"),
    ] {
        let server = Fake::new(|seen, _| Some(token(seen, "t-0"))).await;
        let challenge = challenge.replace("REALM", &server.url("/token"));
        let fake = Fake::new(move |_, _| {
            let reply = Reply::new(status, body);
            Some(match challenge.is_empty() {
                true => reply,
                false => reply.with("www-authenticate", &challenge),
            })
        })
        .await;
        let error = House::new().refused(&fake.name("a/b:v1")).await;
        let expected = expected.replace("NAME", &fake.name("a/b"));
        assert!(error.ends_with(&expected), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_gives_the_refresh_token_that_pulls_use() {
    let server = Fake::new(|seen, _| {
        let form = String::from_utf8_lossy(&seen.body).into_owned();
        Some(match seen.method.as_str() {
            "GET" if seen.target.contains("offline_token=true") => match token(seen, "t-0") {
                reply if reply.status == 200 => {
                    Reply::new(200, r#"{"token":"t-0","refresh_token":"r-1"}"#)
                }
                refused => refused,
            },
            "POST" if form.contains("grant_type=refresh_token&refresh_token=r-1") => {
                Reply::new(200, r#"{"access_token":"t-0","expires_in":60}"#)
            }
            _ => Reply::new(400, ""),
        })
    })
    .await;
    let fake = bearer(server.url("/token"), |shown| shown == "Bearer t-0").await;
    let house = House::new();
    let host = fake.name("");
    let host = host.trim_end_matches('/');
    let login = house.registries.login(host, &password("alice", "s3cret").unwrap()).await.unwrap();
    assert_eq!(login.identity_token.as_deref(), Some("r-1"));
    let token =
        Credentials::IdentityToken { username: "alice".to_owned(), token: "r-1".to_owned() };
    house.pull_as(&fake.name("a/b:v1"), Some(token)).await.unwrap();
    let error = house.registries.login(host, &password("bob", "x").unwrap()).await;
    let error = error.err().unwrap().to_string();
    let expected =
        format!("Get \"http://{host}/v2/\": unauthorized: incorrect username or password");
    assert_eq!(error, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_is_told_as_docker_tells_it() {
    let house = House::new();
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let expected = format!(
        "Get \"http://127.0.0.1:{port}/v2/\": dial tcp 127.0.0.1:{port}: connect: connection \
         refused"
    );
    assert_eq!(house.refused(&format!("127.0.0.1:{port}/a/b:v1")).await, expected);
    let (server, account) = (format!("https://127.0.0.1:{port}/v1/"), password("a", "b").unwrap());
    let login = house.registries.login(&server, &account).await;
    assert_eq!(login.err().unwrap().to_string(), expected);
    let name = Reference::parse(&format!("127.0.0.1:{port}/a/b")).unwrap();
    assert_eq!(house.registries.tags(&name, None).await.unwrap_err().to_string(), expected);
}
