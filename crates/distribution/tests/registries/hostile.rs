//! Hostile and broken registries: each is refused with a clear text, and leaves nothing behind.

use std::time::{Duration, Instant};

use bytes::Bytes;
use oci::{Descriptor, Digest, media_type};

use crate::fake::{Fake, Reply, Seen, Sent};
use crate::house::{Crafted, House, config, craft, crafted, gzip, noise, small, tar};

fn is_layer(seen: &Seen, image: &Crafted) -> bool {
    seen.is("GET", "/blobs/")
        && image.layers.iter().any(|(form, _)| seen.target.contains(form.digest.hex()))
}

/// A pull of `image` from a registry that answers for its layers as `reply` says.
async fn check_layers(
    image: &Crafted,
    reply: impl Fn(&Seen, usize) -> Option<Reply> + Send + Sync + 'static,
    words: &str,
) {
    let known = image.clone();
    let fake = Fake::new(move |seen, before| match is_layer(seen, &known) {
        true => reply(seen, before),
        false => None,
    });
    let (house, fake) = (House::new(), fake.await);
    fake.hold("v1", image);
    let error = house.refused(&fake.name("a/b:v1")).await;
    assert!(error.contains(words), "{error}");
    house.assert_empty();
}

/// A pull from a registry whose manifests are answered as `reply` says.
async fn check_manifest(
    reply: impl Fn(&Seen, usize) -> Option<Reply> + Send + Sync + 'static,
    words: &str,
) {
    let fake = Fake::new(move |seen, before| match seen.target.contains("/manifests/") {
        true => reply(seen, before),
        false => None,
    });
    let (house, fake) = (House::new(), fake.await);
    fake.hold("v1", &small());
    let error = house.refused(&fake.name("a/b:v1")).await;
    assert!(error.contains(words), "{error}");
    house.assert_empty();
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_bytes_are_not_taken() {
    let image = craft(&[tar(&[("a", &noise(50_000))])]);
    let digest = image.layers[0].0.digest.clone();
    let other = Bytes::from(gzip(&tar(&[("a", &noise(50_001)[1..])])));
    let mut other = other.to_vec();
    other.resize(image.layers[0].1.len(), 0);
    let words = format!("filesystem layer verification failed for digest {digest}");
    check_layers(&image, move |_, _| Some(Reply::new(200, other.clone())), &words).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn short_bodies_are_tried_again_and_given_up() {
    let image = small();
    let bytes = image.layers[0].1.clone();
    check_layers(&image, move |_, _| Some(Reply::new(200, bytes.slice(..10))), "unexpected EOF")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn long_and_endless_bodies_are_cut() {
    let image = small();
    let (one, two) = (image.layers[0].1.clone(), image.layers[1].1.clone());
    let longer = move |seen: &Seen, _: usize| {
        let bytes = if seen.target.contains(Digest::of(&one).hex()) { &one } else { &two };
        let body = [bytes.as_ref(), b"more"].concat();
        Some(Reply::new(200, body))
    };
    check_layers(&image, longer, "it is longer than the").await;
    let (one, two) = (image.layers[0].1.clone(), image.layers[1].1.clone());
    let endless = move |seen: &Seen, _: usize| {
        let bytes = if seen.target.contains(Digest::of(&one).hex()) { &one } else { &two };
        Some(Reply::new(200, "").sent(Sent::Endless(bytes.clone())))
    };
    check_layers(&image, endless, "it is longer than the").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_ends() {
    let image = small();
    let known = image.clone();
    let fake = Fake::new(move |seen, _| {
        let stalled = Sent::Stalled(Bytes::from_static(b"x"));
        is_layer(seen, &known).then(|| Reply::new(200, "").sent(stalled))
    });
    let fake = fake.await;
    fake.hold("v1", &image);
    let house = House::with(|spec| {
        spec.network.timeouts.stall = Duration::from_millis(400);
        spec.attempts_max = 2;
    });
    let error = house.refused(&fake.name("a/b:v1")).await;
    assert!(error.contains("no byte came for 0.4 s"), "{error}");
    house.assert_empty();
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_never_answer_are_given_up() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let swallowing = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok(accepted) = listener.accept().await {
            held.push(accepted);
        }
    });
    let house = House::with(|spec| {
        spec.network.timeouts.connect = Duration::from_millis(400);
        spec.network.timeouts.head = Duration::from_millis(400);
    });
    let error = house.refused(&format!("127.0.0.1:{port}/a/b:v1")).await;
    assert!(error.ends_with("net/http: timeout awaiting response headers"), "{error}");
    swallowing.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_ranges_are_not_taken() {
    let image = craft(&[tar(&[("a", &noise(50_000))])]);
    for (range, words) in [
        ("bytes 0-9/50", "bytes from `0` came, expected from `1000`"),
        ("bytes 1000-1001/1002", "it has `1002` bytes"),
        ("bytes nonsense", "bytes from nobody knows where came"),
    ] {
        let bytes = image.layers[0].1.clone();
        let reply = move |_: &Seen, before: usize| match before {
            0 => Some(Reply::new(200, "").sent(Sent::Cut(bytes.slice(..1000)))),
            _ => Some(Reply::new(206, bytes.slice(1000..)).with("content-range", range)),
        };
        check_layers(&image, reply, words).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn layers_that_the_configuration_does_not_name_are_refused() {
    let image = craft(&[tar(&[("a", b"b")])]);
    let lying = crafted(config(&[Digest::of(b"other")], "amd64"), image.layers);
    let (house, fake) = (House::new(), Fake::honest().await);
    fake.hold("v1", &lying);
    let error = house.refused(&fake.name("a/b:v1")).await;
    assert!(error.contains("layers from manifest don't match image configuration"), "{error}");
    house.assert_empty();
}

/// A gigabyte of zeros that came as a megabyte, and is not even an archive.
#[tokio::test(flavor = "multi_thread")]
async fn bombs_end_where_the_archive_does() {
    let mut layer = tar(&[("a", b"b")]);
    layer.truncate(1024);
    let bomb = [gzip(&layer), gzip(&vec![b'x'; 256 << 20])].concat();
    let form = Descriptor::of(media_type::OCI_LAYER_GZIP, &bomb);
    let image = crafted(config(&[Digest::of(&layer)], "amd64"), vec![(form, bomb.into())]);
    let (house, fake) = (House::new(), Fake::honest().await);
    fake.hold("v1", &image);
    let error = house.refused(&fake.name("a/b:v1")).await;
    assert!(error.contains("layer"), "{error}");
    house.assert_empty();
}

#[tokio::test(flavor = "multi_thread")]
async fn busy_servers_are_asked_again_when_they_say() {
    let image = craft(&[tar(&[("a", b"b")])]);
    for status in [429, 500, 503] {
        let known = image.clone();
        let fake = Fake::new(move |seen, before| {
            let is_busy = is_layer(seen, &known) && before < 2;
            is_busy.then(|| Reply::new(status, "busy").with("retry-after", before))
        });
        let (house, fake) = (House::new(), fake.await);
        fake.hold("v1", &image);
        let begun = Instant::now();
        house.pull(&fake.name("a/b:v1")).await.unwrap();
        assert!(begun.elapsed() >= Duration::from_secs(1), "`Retry-After: 1` was not heeded");
    }
    check_layers(&image, |_, _| Some(Reply::new(404, "")), "404 Not Found").await;
    let message = r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}"#;
    let refuse = move |_: &Seen, _: usize| Some(Reply::new(429, message));
    check_layers(&image, refuse, "toomanyrequests: slow down").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_end() {
    let round = |seen: &Seen, _: usize| {
        Some(Reply::new(307, "").with("location", format!("{}&x=1", seen.target.replace('&', "?"))))
    };
    check_manifest(round, "its redirects go on and on").await;
    let nowhere = |_: &Seen, _: usize| Some(Reply::new(307, ""));
    check_manifest(nowhere, "its redirect does not say where to").await;
    let file =
        |_: &Seen, _: usize| Some(Reply::new(302, "").with("location", "file:///etc/passwd"));
    check_manifest(file, "it redirects to no address").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn giant_heads_and_manifests_are_refused() {
    let big = |_: &Seen, _: usize| Some(Reply::new(200, "").with("x-big", "x".repeat(1 << 20)));
    check_manifest(big, "message head is too large").await;
    let many = |_: &Seen, _: usize| {
        let reply = Reply::new(200, "");
        Some((0..300).fold(reply, |reply, n| reply.with("x-many", n)))
    };
    check_manifest(many, "message head is too large").await;
    let endless = |seen: &Seen, _: usize| {
        (seen.method == "GET").then(|| {
            let body = Sent::Endless(Bytes::from(vec![b' '; 64 << 10]));
            Reply::new(200, "").with("content-type", media_type::OCI_MANIFEST).sent(body)
        })
    };
    check_manifest(endless, "it is larger than `4194304` bytes").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn manifests_that_lie_are_refused() {
    let manifest = small().manifest;
    let (said, other) = (Digest::of(&manifest), Digest::of(b"other"));
    let bytes = manifest.clone();
    let named = other.clone();
    let wrong = move |_: &Seen, _: usize| {
        let reply = Reply::new(200, bytes.clone()).with("docker-content-digest", &named);
        Some(reply.with("content-type", media_type::OCI_MANIFEST))
    };
    check_manifest(wrong, &format!("it has digest `{said}`, expected `{other}`")).await;
    let bytes = manifest.clone();
    let nonsense = move |seen: &Seen, _: usize| {
        (seen.method == "GET").then(|| {
            let reply =
                Reply::new(200, bytes.clone()).with("docker-content-digest", "sha256:1\u{7f}");
            reply.with("content-type", media_type::OCI_MANIFEST)
        })
    };
    check_manifest(nonsense, "").await;
    let bytes = manifest.clone();
    let mistyped = move |_: &Seen, _: usize| {
        Some(Reply::new(200, bytes.clone()).with("content-type", media_type::DOCKER_MANIFEST))
    };
    check_manifest(mistyped, "it says media type").await;
    let both = serde_json::json!({
        "schemaVersion": 2, "manifests": [], "layers": [], "config": {},
    });
    let both = move |_: &Seen, _: usize| Some(Reply::new(200, both.to_string()));
    check_manifest(both, "ambiguous").await;
    let old = |_: &Seen, _: usize| {
        let media_type = "application/vnd.docker.distribution.manifest.v1+prettyjws";
        Some(Reply::new(200, r#"{"schemaVersion":1}"#).with("content-type", media_type))
    };
    check_manifest(old, "manifest.v1+prettyjws\" is no longer supported").await;
    let page = |_: &Seen, _: usize| {
        Some(Reply::new(200, "<html>").with("content-type", "text/html; charset=utf-8"))
    };
    check_manifest(page, "failed to read a manifest").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_image_is_not_fetched() {
    let config = Bytes::from_static(b"{}");
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST,
        "config": Descriptor::of("application/vnd.cncf.helm.config.v1+json", &config),
        "layers": [],
    });
    let (house, fake) = (House::new(), Fake::honest().await);
    fake.hold_manifest("v1", media_type::OCI_MANIFEST, &manifest.to_string().into());
    let error = house.refused(&fake.name("a/b:v1")).await;
    assert!(error.contains("application/vnd.cncf.helm.config.v1+json"), "{error}");
    assert_eq!(fake.count("GET", "/blobs/"), 0);
    house.assert_empty();
}

#[tokio::test(flavor = "multi_thread")]
async fn images_for_other_systems_are_refused() {
    let layer = tar(&[("a", b"b")]);
    let text = String::from_utf8(config(&[Digest::of(&layer)], "amd64").to_vec()).unwrap();
    let windows = Bytes::from(text.replace("\"linux\"", "\"windows\""));
    let (house, fake) = (House::new(), Fake::honest().await);
    fake.hold("v1", &crafted(windows, craft(&[layer]).layers));
    let error = house.refused(&fake.name("a/b:v1")).await;
    let expected = "image operating system \"windows\" cannot be used on this platform: operating \
                    system is not supported";
    assert_eq!(error, expected);
    house.assert_empty();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_holds_itself_ends() {
    // Its digest cannot be in it, but a long chain can.
    let fake = Fake::honest().await;
    let mut inner = small().manifest;
    let mut kind = media_type::OCI_MANIFEST;
    for level in 0..10 {
        let index = serde_json::json!({
            "schemaVersion": 2, "mediaType": media_type::OCI_INDEX,
            "manifests": [Descriptor::of(kind, &inner)],
        });
        inner = index.to_string().into();
        kind = media_type::OCI_INDEX;
        fake.hold_manifest(&format!("l{level}"), kind, &inner);
    }
    let house = House::new();
    let error = house.refused(&fake.name("a/b:l9")).await;
    assert!(error.contains("its indexes nest too deep"), "{error}");
}

/// Answers an upload before its bytes are read, which it never does, and keeps the connection.
async fn hasty(mut stream: tokio::net::TcpStream) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut head = Vec::new();
    while let Ok(byte) = stream.read_u8().await {
        head.push(byte);
        if !head.ends_with(b"\r\n\r\n") {
            continue;
        }
        let (answer, is_last) = match head.first() {
            Some(b'H') => ("404 Not Found\r\n", false),
            Some(b'P') if head.starts_with(b"POST") => {
                ("202 Accepted\r\nLocation: /v2/a/b/blobs/uploads/1\r\n", false)
            }
            Some(b'P') => ("500 Internal Server Error\r\n", true),
            _ => ("200 OK\r\n", false),
        };
        let answer = format!("HTTP/1.1 {answer}Content-Length: 0\r\n\r\n");
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
        if is_last {
            std::future::pending::<()>().await;
        }
        head.clear();
    }
}

/// How many connections to a port are open at our end.
fn established(port: u16) -> usize {
    let table = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
    let remote = format!("0100007F:{port:04X}");
    let is_open = |line: &&str| {
        let mut words = line.split_whitespace().skip(2);
        words.next() == Some(&remote) && words.next() == Some("01")
    };
    table.lines().filter(is_open).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_answers_an_upload_too_early_holds_nobody_up() {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(64).unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(hasty(stream));
        }
    });
    let honest = Fake::honest().await;
    honest.hold("v1", &craft(&[tar(&[("a", &noise(10_000_000))])]));
    let house = House::with(|spec| spec.attempts_max = 2);
    let id = house.pull(&honest.name("a/b:v1")).await.unwrap()[0].id.clone();
    let name = |text: &str| oci::Reference::parse(text).unwrap();
    let bad = format!("127.0.0.1:{port}/a/b:v1");
    house.store.tag(&id, &name(&bad)).unwrap();
    house.store.tag(&id, &name(&honest.name("c/d:v1"))).unwrap();
    let error = tokio::time::timeout(Duration::from_secs(50), house.push(&bad)).await;
    let error = error.expect("it ends").unwrap_err().to_string();
    assert!(error.contains("500"), "{error}");
    // No connection waits for a server that takes no more.
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while established(port) > 0 {
        assert!(std::time::Instant::now() < deadline, "{} connections stay", established(port));
        tokio::task::yield_now().await;
    }
    house.push(&honest.name("c/d:v1")).await.unwrap();
    serving.abort();
}
