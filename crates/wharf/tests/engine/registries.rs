//! Pull, push, login against Debian's registry with accounts, by both command lines.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::harness::{BOTH, Cli, Engine, until};
use crate::real::Debian;

fn login(engine: &Engine, cli: Cli, registry: &Debian, password: &[u8]) -> crate::harness::Ran {
    let words = ["login", "-u", "alice", "--password-stdin", &registry.host];
    engine.with_input(cli, &words, password)
}

#[test]
fn an_image_goes_there_and_back() {
    let registry = Debian::with_accounts();
    let engine = Engine::start();
    for cli in BOTH {
        let name = format!("{}/alice/{}:v1", registry.host, format!("{cli:?}").to_lowercase());
        let (repository, _) = name.rsplit_once(':').unwrap();
        engine.cli(cli, ["tag", "busybox", &name]).ok();
        let refused = engine.cli(cli, ["push", &name]);
        assert_eq!(refused.code, 1, "{refused:?}");
        assert!(refused.err.ends_with("no basic auth credentials\n"), "{refused:?}");
        let wrong = login(&engine, cli, &registry, b"wrong\n");
        assert_eq!(
            wrong.err,
            format!(
                "Error response from daemon: login attempt to http://{}/v2/ failed with status: \
                 401 Unauthorized\n",
                registry.host
            )
        );
        assert!(login(&engine, cli, &registry, b"s3cret\n").ok().ends_with("Login Succeeded\n"));

        let pushed = engine.cli(cli, ["push", &name]).ok();
        let first = format!("The push refers to repository [{repository}]\n");
        assert!(pushed.starts_with(&first), "{pushed}");
        let digest = pushed.split("v1: digest: ").nth(1).unwrap().split(' ').next().unwrap();
        let by_digest = format!("{repository}@{digest}");
        engine.cli(cli, ["rmi", &name]).ok();
        let pulled = engine.cli(cli, ["pull", &name]).ok();
        let path = repository.split_once('/').unwrap().1;
        assert!(pulled.starts_with(&format!("v1: Pulling from {path}\n")), "{pulled}");
        let end = format!("Digest: {digest}\nStatus: Downloaded newer image for {name}\n{name}\n");
        assert!(pulled.ends_with(&end), "{pulled}");
        let again = engine.cli(cli, ["push", &name]).ok();
        assert!(again.contains(digest), "a pulled image goes back as it came: {again}");
        let digests = ["image", "inspect", "-f", "{{join .RepoDigests \" \"}}", &name];
        let digests = engine.cli(cli, digests).ok();
        assert!(digests.contains(&by_digest), "{digests}");
        assert_eq!(engine.cli(cli, ["pull", "-q", &by_digest]).ok(), format!("{by_digest}\n"));

        engine.cli(cli, ["logout", &registry.host]).ok();
        let refused = engine.cli(cli, ["pull", &name]);
        assert!(refused.err.ends_with("no basic auth credentials\n"), "{refused:?}");
        engine.cli(cli, ["rmi", &name]).ok();
        let events = ["events", "--since", "1", "--until", &soon(), "--filter", "event=pull"];
        let events = engine.cli(cli, [&events[..], &["--filter", "event=push"]].concat()).ok();
        for action in ["pull", "push"] {
            let told = format!("image {action} {name} (name={repository})");
            assert!(events.contains(&told), "{told} in {events}");
        }
        assert!(!engine.log().contains("s3cret"), "the engine tells nobody a password");
    }
    // What registries refuse is for who asked; one that is not there may be for the operator.
    assert!(!engine.log().contains("call failed"), "{}", engine.log());
    let away = engine.wharf(["pull", "127.0.0.1:1/x:1"]);
    assert!(away.code == 1 && away.err.contains("connection refused"), "{away:?}");
    let log = engine.log();
    assert!(log.contains("WARN") && !log.contains("ERROR"), "{log}");
    engine.finish();
}

/// The end of this second, in seconds since 1970.
fn soon() -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    (since.as_secs() + 1).to_string()
}

#[test]
fn run_brings_what_is_missing() {
    let registry = Debian::with_accounts();
    let engine = Engine::start();
    let name = format!("{}/alice/run:v1", registry.host);
    engine.wharf(["tag", "busybox", &name]).ok();
    login(&engine, Cli::Wharf, &registry, b"s3cret\n").ok();
    engine.wharf(["push", "-q", &name]).ok();
    for cli in BOTH {
        engine.wharf(["rmi", &name]).ok();
        let run = ["run", "--rm", "--network", "none", "--pull"];
        let words = |pull| [&run[..], &[pull, &name, "echo", "hi"]].concat();
        let never = engine.cli(cli, words("never"));
        assert_eq!(never.code, 125, "{never:?}");
        assert!(never.err.contains(&format!("No such image: {name}")), "{never:?}");
        let missing = engine.cli(cli, words("missing"));
        assert_eq!((missing.code, missing.out.as_str()), (0, "hi\n"), "{missing:?}");
        let told = format!("Unable to find image '{name}' locally\nv1: Pulling from alice/run\n");
        assert!(missing.err.starts_with(&told), "{missing:?}");
        let always = engine.cli(cli, words("always"));
        assert!(always.err.ends_with(&format!("Image is up to date for {name}\n")), "{always:?}");
        let absent = format!("{}/alice/absent:v1", registry.host);
        let absent = engine.cli(cli, ["pull", &absent]);
        assert_eq!(
            absent.err,
            format!(
                "Error response from daemon: manifest for {}/alice/absent:v1 not found: manifest \
                 unknown: manifest unknown\n",
                registry.host
            )
        );
    }
    engine.finish();
}

#[test]
fn inspect_tells_what_a_name_stands_for() {
    let registry = Debian::with_accounts();
    let engine = Engine::start();
    let name = format!("{}/alice/inspect:v1", registry.host);
    engine.wharf(["tag", "busybox", &name]).ok();
    login(&engine, Cli::Wharf, &registry, b"s3cret\n").ok();
    engine.wharf(["push", "-q", &name]).ok();
    engine.wharf(["rmi", &name]).ok();
    engine.wharf(["pull", "-q", &name]).ok();
    let (status, body) = engine.get(&format!("/images/{name}/json?manifests=1")).unwrap();
    assert_eq!(status, 200, "{body}");
    let image: serde_json::Value = serde_json::from_str(&body).unwrap();
    let target = image["Descriptor"]["digest"].as_str().unwrap();
    assert!(image["RepoDigests"].to_string().contains(target), "{body}");
    let manifest = &image["Manifests"][0];
    assert_eq!(manifest["ID"], target, "{body}");
    assert_eq!((&manifest["Kind"], &manifest["Available"]), (&"image".into(), &true.into()));
    let other = engine.wharf(["image", "inspect", "--platform", "linux/s390x", &name]);
    assert!(other.err.contains("does not match the specified platform (linux/s390x)"), "{other:?}");
    let (status, body) = engine.get(&format!("/images/{name}/json?platform=x")).unwrap();
    assert_eq!(status, 400, "{body}");
    engine.finish();
}

/// A registry that has one manifest, or nothing, and does not answer when it is asked for more.
struct Silent {
    host: String,
    /// Connections on which it was asked for more, and those of them that were ended.
    asked: Arc<AtomicUsize>,
    ended: Arc<AtomicUsize>,
}

impl Silent {
    fn start(manifest: Option<&'static str>) -> Silent {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let [asked, ended] = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
        let silent = Silent { host, asked: asked.clone(), ended: ended.clone() };
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (asked, ended) = (asked.clone(), ended.clone());
                std::thread::spawn(move || {
                    if answer_manifests(&stream, manifest) {
                        asked.fetch_add(1, Ordering::SeqCst);
                        std::io::copy(&mut &stream, &mut std::io::sink()).ok();
                        ended.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        });
        silent
    }
}

/// Whether it was asked for more.
fn answer_manifests(mut stream: &TcpStream, manifest: Option<&str>) -> bool {
    let mut head = Vec::new();
    let mut byte = [0];
    while matches!(stream.read(&mut byte), Ok(1)) {
        // It has no TLS.
        if byte[0] == 0x16 && head.is_empty() {
            return false;
        }
        head.push(byte[0]);
        if !head.ends_with(b"\r\n\r\n") {
            continue;
        }
        let text = String::from_utf8_lossy(&head).into_owned();
        let Some(manifest) = manifest.filter(|_| text.contains("/manifests/")) else { return true };
        let body = if text.starts_with("HEAD") { "" } else { manifest };
        let length = manifest.len();
        let kind = "application/vnd.docker.distribution.manifest.v2+json";
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        head.clear();
    }
    false
}

const MANIFEST: &str = r#"{"schemaVersion":2,
"mediaType":"application/vnd.docker.distribution.manifest.v2+json",
"config":{"mediaType":"application/vnd.docker.container.image.v1+json","size":100,"digest":
"sha256:1111111111111111111111111111111111111111111111111111111111111111"},
"layers":[{"mediaType":"application/vnd.docker.image.rootfs.diff.tar.gzip","size":1000,"digest":
"sha256:2222222222222222222222222222222222222222222222222222222222222222"}]}"#;

#[test]
fn a_client_that_leaves_ends_its_pull() {
    let engine = Engine::start();
    for (manifest, questions) in [(None, 1), (Some(MANIFEST), 2)] {
        for cli in BOTH {
            let silent = Silent::start(manifest);
            let count = |of: &Arc<AtomicUsize>| of.load(Ordering::SeqCst);
            let mut command = engine.command(cli, ["pull", &format!("{}/a/b:v1", silent.host)]);
            let mut client = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            until("the registry is asked", || count(&silent.asked) == questions);
            client.kill().unwrap();
            client.wait().unwrap();
            until("the registry is left", || count(&silent.ended) == questions);
        }
    }
    engine.finish();
}
