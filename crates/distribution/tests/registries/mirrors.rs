//! Mirrors, TLS, proxies, searching.

use std::sync::Arc;

use distribution::{ProxySpec, SearchSpec};
use oci::Digest;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, crypto};

use crate::fake::{Fake, Reply};
use crate::house::{House, password, small};

/// An authority of our own.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Authority(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Certificate and key for a name, as PEM.
    fn issue(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.0).unwrap(), key)
    }

    /// A server for a name; with `wants_client`, only for those whom the authority knows.
    fn acceptor(&self, name: &str, wants_client: bool) -> TlsAcceptor {
        let (certificate, key) = self.issue(name);
        let provider = Arc::new(crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match wants_client {
            false => builder.with_no_client_auth(),
            true => {
                let mut roots = RootCertStore::empty();
                roots.add(self.0.der().clone()).unwrap();
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let chain = vec![CertificateDer::from(certificate.der().to_vec())];
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        TlsAcceptor::from(Arc::new(builder.with_single_cert(chain, key).unwrap()))
    }
}

fn host_directory(house: &House, authority: &str) -> std::path::PathBuf {
    let directory = house.path().join("certs.d").join(authority);
    std::fs::create_dir_all(&directory).unwrap();
    directory
}

#[tokio::test(flavor = "multi_thread")]
async fn loopback_needs_no_certificate_that_anybody_vouches_for() {
    let authority = Authority::new();
    let fake = Fake::tls(authority.acceptor("elsewhere", false), |_, _| None).await;
    fake.hold("v1", &small());
    House::new().pull(&fake.name("a/b:v1")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn own_authorities_and_identities_are_found_as_docker_finds_them() {
    let authority = Authority::new();
    let fake = Fake::tls(authority.acceptor("127.0.0.1", true), |_, _| None).await;
    fake.hold("v1", &small());
    let (house, host) = (House::new(), fake.name(""));
    let host = host.trim_end_matches('/');
    let toml = format!("server = \"https://{host}\"\n");
    let directory = host_directory(&house, host);
    std::fs::write(directory.join("hosts.toml"), toml).unwrap();
    let error = house.refused(&fake.name("a/b:v1")).await;
    let words = "tls: failed to verify certificate: x509: certificate signed by unknown authority";
    assert!(error.ends_with(words), "{error}");
    std::fs::write(directory.join("ca.crt"), authority.0.pem()).unwrap();
    let error = house.refused(&fake.name("a/b:v1")).await;
    // A server that closes before its alert was read is one that only ended.
    let refused = ["remote error: tls: certificate required", "EOF"];
    assert!(refused.iter().any(|words| error.contains(words)), "{error}");
    let (certificate, key) = authority.issue("client");
    std::fs::write(directory.join("client.cert"), certificate.pem()).unwrap();
    std::fs::write(directory.join("client.key"), key.serialize_pem()).unwrap();
    house.pull(&fake.name("a/b:v1")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_not_left_for_plain_http() {
    let plain = Fake::honest().await;
    plain.hold("v1", &small());
    let target = plain.url("/v2/a/b/manifests/v1");
    let fake = Fake::tls(Authority::new().acceptor("x", false), move |_, _| {
        Some(Reply::new(307, "").with("location", &target))
    });
    let error = House::new().refused(&fake.await.name("a/b:v1")).await;
    assert!(error.contains("it redirects from TLS to plain HTTP"), "{error}");
    assert!(plain.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn mirrors_come_first_and_are_told_for_whom() {
    let (dead, empty, full) = (Fake::honest().await, Fake::honest().await, Fake::honest().await);
    full.hold("v1", &small());
    let mirrors = [&dead, &empty, &full].map(|fake| fake.url("/cache")).to_vec();
    drop(dead);
    let house = House::with(|spec| spec.network.mirrors = mirrors);
    let pulled = house.pull_as("debian:v1", password("alice", "s3cret")).await.unwrap().remove(0);
    assert_eq!(pulled.reference.familiar(), "debian:v1");
    assert_eq!(pulled.digest, Digest::of(&small().manifest));
    assert_eq!(empty.seen()[0].target, "/cache/v2/library/debian/manifests/v1?ns=docker.io");
    for fake in [empty, full] {
        assert!(fake.seen().iter().all(|seen| seen.header("authorization").is_empty()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_redirects_to_nobody_is_not_down_itself() {
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let image = small();
    let layer = image.layers[0].0.digest.to_string();
    let gone = format!("http://127.0.0.1:{port}/x?signature=s3cret");
    let mirror = Fake::new(move |seen, _| {
        seen.target.contains(&layer).then(|| Reply::new(307, "").with("location", &gone))
    });
    let (mirror, empty) = (mirror.await, Fake::honest().await);
    mirror.hold("v1", &image);
    let house = House::with(|spec| spec.attempts_max = 2);
    let directory = host_directory(&house, "reg.example.com");
    let toml = format!("server = \"{}\"\n[host.\"{}\"]\n", empty.url(""), mirror.url(""));
    std::fs::write(directory.join("hosts.toml"), toml).unwrap();
    // The last one that was asked has no such blob.
    let error = house.refused("reg.example.com/a/b:v1").await;
    assert!(error.contains("blob unknown"), "{error}");
    assert_eq!(mirror.count("GET", &image.layers[1].0.digest.to_string()), 1);
    assert_eq!(empty.count("GET", &image.layers[1].0.digest.to_string()), 0);
    // Told as it is, without the signature.
    let error = house.refused(&mirror.name("a/b:v1")).await;
    assert!(error.starts_with(&format!("Get \"http://127.0.0.1:{port}/x\": dial tcp")), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_default_registry_serves_names_without_a_host() {
    let fake = Fake::honest().await;
    fake.hold("v1", &small());
    let own = fake.name("").trim_end_matches('/').to_owned();
    let house = House::with(|spec| spec.network.default_registry = Some(own));
    let pulled = house.pull("debian:v1").await.unwrap().remove(0);
    assert_eq!(pulled.reference.familiar(), "debian:v1");
    assert_eq!(fake.seen()[0].target, "/v2/library/debian/manifests/v1");
    house.push("debian:v1").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_hosts_counts_from_the_next_pull_on() {
    let fake = Fake::honest().await;
    fake.hold("v1", &small());
    let house = House::new();
    let directory = host_directory(&house, "reg.example.com");
    let toml = format!(
        "server = \"{0}\"\n[host.\"{0}/mirror\"]\ncapabilities = [\"pull\"]\n\
         [host.\"{0}/mirror\".header]\nx-key = \"value\"\n",
        fake.url("")
    );
    std::fs::write(directory.join("hosts.toml"), toml).unwrap();
    house.pull("reg.example.com/a/b:v1").await.unwrap();
    let seen = fake.seen();
    // A mirror that may not resolve tags is asked for content only.
    assert_eq!(seen[0].target, "/v2/a/b/manifests/v1");
    let mirrored: Vec<_> = seen.iter().filter(|seen| seen.target.starts_with("/mirror")).collect();
    assert!(!mirrored.is_empty());
    for seen in mirrored {
        assert!(seen.target.ends_with("?ns=reg.example.com") && seen.header("x-key") == "value");
    }
}

/// A proxy that notes heads and connects everything to one server.
async fn proxy(
    port: u16,
    acceptor: Option<TlsAcceptor>,
) -> (u16, Arc<std::sync::Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = listener.local_addr().unwrap().port();
    let heads: Arc<std::sync::Mutex<Vec<String>>> = Arc::default();
    let noted = Arc::clone(&heads);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (noted, acceptor) = (Arc::clone(&noted), acceptor.clone());
            tokio::spawn(async move {
                match acceptor {
                    None => tunnel(client, port, &noted).await,
                    Some(acceptor) => {
                        let Ok(client) = acceptor.accept(client).await else { return };
                        tunnel(client, port, &noted).await;
                    }
                }
            });
        }
    });
    (own, heads)
}

async fn tunnel(
    mut client: impl AsyncRead + AsyncWrite + Unpin,
    port: u16,
    noted: &std::sync::Mutex<Vec<String>>,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.unwrap());
    }
    noted.lock().unwrap().push(String::from_utf8(head).unwrap());
    let mut server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").await.unwrap();
    tokio::io::copy_bidirectional(&mut client, &mut server).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_goes_through_a_proxy_by_a_tunnel() {
    let authority = Authority::new();
    let fake = Fake::tls(authority.acceptor("reg.example.com", false), |_, _| None).await;
    fake.hold("v1", &small());
    let (port, heads) = proxy(fake.port, None).await;
    let house = House::with(|spec| {
        spec.network.proxies = ProxySpec {
            https: format!("http://me:pass@127.0.0.1:{port}"),
            none: "other.example.com".to_owned(),
            ..ProxySpec::default()
        };
    });
    let directory = host_directory(&house, "reg.example.com");
    std::fs::write(directory.join("ca.crt"), authority.0.pem()).unwrap();
    house.pull("reg.example.com/a/b:v1").await.unwrap();
    let head = heads.lock().unwrap()[0].clone();
    let expected = "CONNECT reg.example.com:443 HTTP/1.1\r\nHost: reg.example.com:443\r\n\
                    Proxy-Authorization: Basic bWU6cGFzcw==\r\n\r\n";
    assert_eq!(head, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_with_tls_is_believed_by_its_own_directory_only() {
    let (own, other) = (Authority::new(), Authority::new());
    let fake = Fake::tls(own.acceptor("reg.example.com", false), |_, _| None).await;
    fake.hold("v1", &small());
    let (port, heads) = proxy(fake.port, Some(other.acceptor("127.0.0.1", false))).await;
    let house = House::with(|spec| {
        spec.network.proxies.https = format!("https://127.0.0.1:{port}");
        spec.attempts_max = 1;
    });
    let directory = host_directory(&house, "reg.example.com");
    // What the registry may do, the way to it may not.
    let toml = "server = \"https://reg.example.com\"\nskip_verify = true\n";
    std::fs::write(directory.join("hosts.toml"), toml).unwrap();
    let error = house.refused("reg.example.com/a/b:v1").await;
    let words = "proxyconnect tcp: tls: failed to verify certificate: x509: certificate signed by \
                 unknown authority";
    assert!(error.contains(words), "{error}");
    assert!(heads.lock().unwrap().is_empty());
    let directory = host_directory(&house, &format!("127.0.0.1:{port}"));
    std::fs::write(directory.join("ca.crt"), other.0.pem()).unwrap();
    house.pull("reg.example.com/a/b:v1").await.unwrap();
    assert!(heads.lock().unwrap()[0].starts_with("CONNECT reg.example.com:443 "));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_hosts_says_how_long_a_connection_may_take() {
    // Whoever listens there does not speak TLS, nor anything else.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, fake) = (silent.local_addr().unwrap().port(), Fake::honest().await);
    fake.hold("v1", &small());
    let house = House::new();
    let directory = host_directory(&house, "reg.example.com");
    let toml = format!(
        "server = \"{}\"\n[host.\"https://127.0.0.1:{port}\"]\ndial_timeout = \"200ms\"\n",
        fake.url("")
    );
    std::fs::write(directory.join("hosts.toml"), toml).unwrap();
    // TLS alone may take ten seconds.
    let pulling = house.pull("reg.example.com/a/b:v1");
    let pulled = tokio::time::timeout(std::time::Duration::from_secs(8), pulling).await;
    pulled.expect("the mirror is given up sooner").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn searching_speaks_the_first_protocol() {
    let fake = Fake::new(|seen, _| match seen.target.as_str() {
        "/v1/_ping" => Some(Reply::new(200, "true")),
        "/v1/search?q=ngi%20nx&n=25" => Some(Reply::new(
            200,
            r#"{"num_results":2,"results":[
                {"name":"library/nginx","description":"d","star_count":9,"is_official":true},
                {"name":"bob/nginx","description":null,"star_count":-1}]}"#,
        )),
        _ => None,
    })
    .await;
    let house = House::new();
    let spec = |term: String| SearchSpec {
        term,
        limit: 0,
        is_official: None,
        stars_min: 0,
        credentials: password("alice", "s3cret"),
    };
    let found = house.registries.search(spec(fake.name("ngi nx"))).await.unwrap();
    let names: Vec<_> = found.iter().map(|one| (one.name.as_str(), one.star_count)).collect();
    assert_eq!(names, [("library/nginx", 9), ("bob/nginx", 0)]);
    let last = fake.seen().last().unwrap().clone();
    assert_eq!(last.header("x-docker-token"), "true");
    assert_eq!(last.header("authorization"), "Basic YWxpY2U6czNjcmV0");
    let filtered = distribution::SearchSpec { stars_min: 5, ..spec(fake.name("ngi nx")) };
    assert_eq!(house.registries.search(filtered).await.unwrap().len(), 1);
    for (term, words) in [
        (fake.name("other"), "Unexpected status code 404"),
        ("http://x/y".to_owned(), "repository name (http://x/y) should not have a scheme"),
    ] {
        let error = house.registries.search(spec(term)).await.unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}
