//! Debian's registry: the real thing, plain, with accounts, with tokens, with TLS.

use std::path::Path;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use distribution::{LayerStatus, Progress, ProgressEvent, PushSpec};
use oci::{Digest, Reference, media_type};
use rcgen::{CertificateParams, KeyPair, SigningKey};

use crate::fake::{Fake, Reply, Seen};
use crate::house::{House, noise, password, small, tar};
use crate::real::Debian;

/// A house with an image made here, called `local:1`.
async fn with_local_image() -> (House, Digest) {
    let (house, fake) = (House::new(), Fake::honest().await);
    fake.hold("v1", &small());
    let id = house.pull(&fake.name("a/b:v1")).await.unwrap()[0].id.clone();
    (house, id)
}

/// An image whose layer has no compressed form yet.
fn imported(house: &House) -> Digest {
    let layer = tar(&[("a", &noise(400_000)), ("b", &vec![b'x'; 400_000])]);
    let pending = house.store.unpack_layer(&mut layer.as_slice()).unwrap();
    let config = crate::house::config(&[pending.diff_id().clone()], "amd64");
    let lease = house.store.commit_layers(vec![pending]).unwrap();
    house.store.add_image(&config, &lease, None, None).unwrap()
}

async fn check_round_trip(debian: &Debian, account: Option<distribution::Credentials>) {
    let (house, id) = with_local_image().await;
    let name = format!("{}/c/d:v1", debian.host);
    house.tag(&id, &name);
    let pushed = house.push_as(&name, account.clone()).await.unwrap();
    let other = House::new();
    let certs = debian.root.path().join("ca.crt");
    if certs.exists() {
        let directory = other.path().join("certs.d").join(&debian.host);
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::copy(&certs, directory.join("ca.crt")).unwrap();
    }
    let pulled = other.pull_as(&name, account).await.unwrap().remove(0);
    assert_eq!((pulled.id, pulled.digest), (id, pushed.tags[0].digest.clone()));
    assert_eq!(pushed.tags[0].digest, Digest::of(&small().manifest));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_pushed_is_pulled() {
    check_round_trip(&Debian::plain(), None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_made_here_is_compressed_once_and_mounted_elsewhere() {
    let (debian, house) = (Debian::plain(), House::new());
    let id = imported(&house);
    for (path, expected) in [
        ("c/d:v1", LayerStatus::Pushed),
        ("c/d:v2", LayerStatus::LayerAlreadyExists),
        ("e/f:v1", LayerStatus::MountedFrom("c/d".to_owned())),
    ] {
        house.tag(&id, &format!("{}/{path}", debian.host));
        let (progress, reader) = Progress::channel();
        let reference = Reference::parse(&format!("{}/{path}", debian.host)).unwrap();
        let spec = PushSpec { reference, platform: None, credentials: None };
        house.registries.push(spec, &progress).await.unwrap();
        drop(progress);
        let mut last = None;
        while let Some(event) = reader.next().await {
            if let ProgressEvent::Layer { status, .. } = event {
                last = Some(status);
            }
        }
        assert_eq!(last, Some(expected), "{path}");
    }
    let other = House::new();
    let pulled = other.pull(&format!("{}/e/f:v1", debian.host)).await.unwrap().remove(0);
    assert_eq!(pulled.id, id);
    let again = house.push(&format!("{}/e/f:v1", debian.host)).await.unwrap();
    assert_eq!(again.tags[0].digest, pulled.digest);
    let all = house
        .registries
        .tags(&Reference::parse(&format!("{}/c/d", debian.host)).unwrap(), None)
        .await;
    assert_eq!(all.unwrap(), ["v1", "v2"]);
    let inspected = Reference::parse(&format!("{}/c/d:v1", debian.host)).unwrap();
    let inspected = house.registries.inspect(&inspected, None).await.unwrap();
    assert_eq!(inspected.descriptor.media_type, media_type::DOCKER_MANIFEST);
    assert_eq!(inspected.platforms[0].to_string(), "linux/amd64");
    let pushed = house.push(&format!("{}/c/d", debian.host)).await.unwrap();
    assert_eq!(pushed.tags.iter().map(|one| one.tag.as_str()).collect::<Vec<_>>(), ["v1", "v2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_asked_for() {
    let debian = Debian::with_accounts();
    check_round_trip(&debian, password("alice", "s3cret")).await;
    let house = House::new();
    let login = house.registries.login(&debian.host, &password("alice", "s3cret").unwrap()).await;
    assert_eq!(login.unwrap().identity_token, None);
    let login = house.registries.login(&debian.host, &password("alice", "x").unwrap()).await;
    let expected = format!(
        "login attempt to http://{}/v2/ failed with status: 401 Unauthorized",
        &debian.host
    );
    assert_eq!(login.err().unwrap().to_string(), expected);
    let error = house.refused(&format!("{}/c/d:v1", debian.host)).await;
    let expected =
        format!("Head \"http://{}/v2/c/d/manifests/v1\": no basic auth credentials", &debian.host);
    assert_eq!(error, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn its_own_authority_is_believed_where_docker_looks() {
    let root = tempfile::tempdir().unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    std::fs::write(root.path().join("ca.crt"), certificate.pem()).unwrap();
    std::fs::write(root.path().join("key"), key.serialize_pem()).unwrap();
    let tls = format!("  tls: {{certificate: {0}/ca.crt, key: {0}/key}}\n", root.path().display());
    check_round_trip(&Debian::start(root, "", &tls), None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_open_it() {
    let root = tempfile::tempdir().unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap();
    std::fs::write(root.path().join("bundle"), certificate.pem()).unwrap();
    let chain = STANDARD.encode(certificate.der());
    let server = Fake::new(move |seen, _| {
        let account = seen.header("authorization");
        Some(match account {
            "Basic YWxpY2U6czNjcmV0" => Reply::new(200, token(seen, &key, &chain)),
            _ => Reply::new(401, r#"{"details":"incorrect username or password"}"#),
        })
    })
    .await;
    let more = format!(
        "auth:\n  token: {{realm: \"{}\", service: reg, issuer: us, rootcertbundle: {}}}\n",
        server.url("/token"),
        bundle(root.path())
    );
    let debian = Debian::start(root, &more, "");
    check_round_trip(&debian, password("alice", "s3cret")).await;
    // One for the push, with what to mount from, and one for the pull.
    assert!(server.seen().len() <= 4, "{:?}", server.seen());
}

fn bundle(root: &Path) -> String {
    root.join("bundle").display().to_string()
}

/// What a token server says: everything that was asked for is granted.
fn token(seen: &Seen, key: &KeyPair, chain: &str) -> String {
    let asked = seen.target.split(['?', '&']).filter_map(|pair| pair.strip_prefix("scope="));
    let access = asked.map(|scope| {
        let scope = scope.replace("%3A", ":").replace("%2F", "/").replace("%2C", ",");
        let parts: Vec<&str> = scope.splitn(3, ':').collect();
        let actions: Vec<&str> = parts[2].split(',').collect();
        serde_json::json!({"type": parts[0], "name": parts[1], "actions": actions})
    });
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let claims = serde_json::json!({
        "iss": "us", "sub": "alice", "aud": "reg", "jti": "1", "iat": now, "nbf": now - 10,
        "exp": now + 300, "access": access.collect::<Vec<_>>(),
    });
    let header = serde_json::json!({"typ": "JWT", "alg": "ES256", "x5c": [chain]});
    let encode = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encode(&header), encode(&claims));
    let signature = raw_signature(&key.sign(signed.as_bytes()).unwrap());
    let jwt = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
    serde_json::json!({"token": jwt, "expires_in": 300}).to_string()
}

/// Two numbers of 32 bytes, from their DER form.
fn raw_signature(der: &[u8]) -> Vec<u8> {
    let mut raw = Vec::new();
    let mut rest = &der[2..];
    for _ in 0..2 {
        let length = usize::from(rest[1]);
        let number = &rest[2..2 + length];
        let number = &number[number.len().saturating_sub(32)..];
        raw.extend(std::iter::repeat_n(0, 32 - number.len()));
        raw.extend(number);
        rest = &rest[2 + length..];
    }
    raw
}
