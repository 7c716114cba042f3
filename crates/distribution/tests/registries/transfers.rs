//! Honest registries: what travels, what does not, what is told.

use distribution::{LayerStatus, ProgressEvent};
use oci::{Digest, Platform, Reference, media_type};

use crate::fake::{Fake, Reply, Sent};
use crate::house::{House, craft, craft_for, noise, small, tar};

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_tells_what_docker_tells() {
    let (house, fake, image) = (House::new(), Fake::honest().await, small());
    fake.hold("v1", &image);
    let (pulled, events) = house.told(&fake.name("a/b:v1")).await;
    let pulled = pulled.unwrap().remove(0);
    assert!(pulled.is_newer);
    assert_eq!(pulled.digest, Digest::of(&image.manifest));
    assert_eq!(pulled.id, Digest::of(&image.config));
    let of_layer = |wanted: &str| -> Vec<LayerStatus> {
        let statuses = events.iter().filter_map(|event| match event {
            ProgressEvent::Layer { id, status } if id == wanted => Some(status.clone()),
            _ => None,
        });
        statuses.filter(|s| !matches!(s, LayerStatus::Downloading { .. })).collect()
    };
    for (form, _) in &image.layers {
        let expected = [
            LayerStatus::PullingFsLayer,
            LayerStatus::VerifyingChecksum,
            LayerStatus::DownloadComplete,
            LayerStatus::PullComplete,
        ];
        assert_eq!(of_layer(form.digest.short()), expected);
    }
    let first = ProgressEvent::Pulling { path: "a/b".to_owned(), tag: "v1".to_owned() };
    assert_eq!(events.first(), Some(&first));
    let last = ProgressEvent::PullStatus { name: fake.name("a/b:v1"), is_newer: true };
    assert_eq!(events.last(), Some(&last));
    // Names by tag and by digest.
    let stored = house.store.image(&pulled.id).unwrap();
    let shown = |names: &[Reference]| names.iter().map(Reference::familiar).collect::<Vec<_>>();
    assert_eq!(shown(&stored.tags), [fake.name("a/b:v1")]);
    assert_eq!(shown(&stored.digests), [fake.name(&format!("a/b@{}", pulled.digest))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_here_is_not_fetched() {
    let (house, fake) = (House::new(), Fake::honest().await);
    let shared = tar(&[("base", &noise(10_000))]);
    let (one, two) = (craft(std::slice::from_ref(&shared)), craft(&[shared, tar(&[("x", b"y")])]));
    fake.hold("one", &one);
    fake.hold("two", &two);
    house.pull(&fake.name("a/b:one")).await.unwrap();
    let (pulled, events) = house.told(&fake.name("a/b:two")).await;
    pulled.unwrap();
    let base = one.layers[0].0.digest.clone();
    assert_eq!(fake.count("GET", &base.to_string()), 1);
    // Nothing more is told of it.
    let of_base = events.iter().filter_map(|event| match event {
        ProgressEvent::Layer { id, status } if id == base.short() => Some(status),
        _ => None,
    });
    assert_eq!(of_base.collect::<Vec<_>>(), [&LayerStatus::AlreadyExists]);
    // The same again: one question, nothing else.
    let before = fake.seen().len();
    let again = house.pull(&fake.name("a/b:two")).await.unwrap();
    assert!(!again[0].is_newer);
    assert_eq!(fake.seen().len(), before + 1);
    assert_eq!(fake.seen().last().unwrap().method, "HEAD");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_travels_once_however_many_ask() {
    let (house, fake, image) = (House::new(), Fake::honest().await, small());
    fake.hold("v1", &image);
    fake.hold("v2", &image);
    let names = [fake.name("a/b:v1"), fake.name("a/b:v2"), fake.name("c/d:v1")];
    let [one, two, three] = &names;
    let (one, two, three) = tokio::join!(house.pull(one), house.pull(two), house.pull(three));
    for result in [one, two, three] {
        assert_eq!(result.unwrap()[0].id, Digest::of(&image.config));
    }
    for (form, _) in &image.layers {
        assert_eq!(fake.count("GET", &form.digest.to_string()), 1);
    }
}

/// With few threads for what blocks: who waits for another's layer must not hold one.
#[test]
fn many_pulls_at_once_need_few_threads() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(4)
        .build()
        .unwrap();
    runtime.block_on(async {
        let (house, fake, image) = (House::new(), Fake::honest().await, small());
        fake.hold("v1", &image);
        let house = std::sync::Arc::new(house);
        let mut pulls = tokio::task::JoinSet::new();
        for number in 0..40 {
            fake.hold(&format!("v{number}"), &image);
            let (house, name) = (house.clone(), fake.name(&format!("a/b:v{number}")));
            pulls.spawn(async move { house.pull(&name).await.map(drop) });
        }
        while let Some(done) = pulls.join_next().await {
            done.unwrap().unwrap();
        }
        for (form, _) in &image.layers {
            assert_eq!(fake.count("GET", &form.digest.to_string()), 1);
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_is_resumed_where_it_was() {
    let image = craft(&[tar(&[("big", &noise(200_000))])]);
    let (form, bytes) = image.layers[0].clone();
    let half = bytes.slice(..100_000);
    let fake = Fake::new(move |seen, before| {
        (seen.is("GET", "/blobs/sha256") && seen.target.contains(form.digest.hex()) && before == 0)
            .then(|| Reply::new(200, "").sent(Sent::Cut(half.clone())))
    });
    let (house, fake) = (House::new(), fake.await);
    fake.hold("v1", &image);
    house.pull(&fake.name("a/b:v1")).await.unwrap();
    let asked: Vec<String> = fake
        .seen()
        .iter()
        .filter(|seen| seen.target.contains(image.layers[0].0.digest.hex()))
        .map(|seen| seen.header("range").to_owned())
        .collect();
    assert_eq!(asked, ["", "bytes=100000-"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_goes_on_in_the_next_engine() {
    let image = craft(&[tar(&[("big", &noise(200_000))])]);
    let (form, bytes) = image.layers[0].clone();
    let half = bytes.slice(..100_000);
    let fake = Fake::new(move |seen, _| {
        let is_layer = seen.is("GET", "/blobs/") && seen.target.contains(form.digest.hex());
        let is_first = is_layer && seen.header("range").is_empty();
        is_first.then(|| Reply::new(200, "").sent(Sent::Cut(half.clone())))
    });
    let fake = fake.await;
    fake.hold("v1", &image);
    let house = House::with(|spec| spec.attempts_max = 1);
    let error = house.refused(&fake.name("a/b:v1")).await;
    assert!(error.contains("connection reset") || error.contains("EOF"), "{error}");
    house.assert_empty();
    let house = house.reopened(|_| {});
    house.pull(&fake.name("a/b:v1")).await.unwrap();
    let last = fake.seen().last().unwrap().clone();
    let ranges: Vec<_> = fake.seen().iter().map(|seen| seen.header("range").to_owned()).collect();
    assert!(ranges.contains(&"bytes=100000-".to_owned()), "{ranges:?} {last:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_without_ranges_is_read_over() {
    let image = craft(&[tar(&[("big", &noise(200_000))])]);
    let (form, bytes) = image.layers[0].clone();
    let fake = Fake::new(move |seen, before| {
        let is_layer = seen.is("GET", "/blobs/") && seen.target.contains(form.digest.hex());
        is_layer.then(|| match before {
            0 => Reply::new(200, "").sent(Sent::Cut(bytes.slice(..100_000))),
            _ => Reply::new(200, bytes.clone()),
        })
    });
    let (house, fake) = (House::new(), fake.await);
    fake.hold("v1", &image);
    house.pull(&fake.name("a/b:v1")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_stops_what_nobody_else_wants() {
    let image = craft(&[tar(&[("big", &noise(200_000))])]);
    let (form, bytes) = image.layers[0].clone();
    let half = bytes.slice(..100_000);
    let fake = Fake::new(move |seen, before| {
        (seen.is("GET", "/blobs/") && seen.target.contains(form.digest.hex()) && before == 0)
            .then(|| Reply::new(200, "").sent(Sent::Stalled(half.clone())))
    });
    let house = House::with(|spec| {
        spec.network.timeouts.stall = std::time::Duration::from_secs(600);
    });
    let fake = fake.await;
    fake.hold("v1", &image);
    let name = fake.name("a/b:v1");
    let leaving = house.pull(&name);
    let arrived = async {
        let dir = house.path().join("store/ingest");
        let is_there = || {
            let entries = std::fs::read_dir(&dir).into_iter().flatten().flatten();
            entries.filter_map(|entry| entry.metadata().ok()).any(|meta| meta.len() == 100_000)
        };
        while !is_there() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = leaving => panic!("the pull cannot end"),
        () = arrived => {}
    }
    // Who comes next has the rest only to fetch.
    house.pull(&name).await.unwrap();
    let last = fake.seen().into_iter().rfind(|seen| seen.is("GET", "/blobs/")).unwrap();
    assert_eq!(last.header("range"), "bytes=100000-");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_gives_the_platform_that_is_wished() {
    let (house, fake) = (House::new(), Fake::honest().await);
    let arm = craft_for(&[tar(&[("arch", b"arm")])], "arm64");
    let amd = craft_for(&[tar(&[("arch", b"amd")])], "amd64");
    let entry = |image: &crate::house::Crafted, platform: serde_json::Value| {
        serde_json::json!({
            "mediaType": image.media_type, "digest": Digest::of(&image.manifest),
            "size": image.manifest.len(), "platform": platform,
        })
    };
    let index = serde_json::json!({
        "schemaVersion": 2, "mediaType": media_type::OCI_INDEX,
        "manifests": [
            entry(
                &arm,
                serde_json::json!({"os": "linux", "architecture": "arm64", "variant": "v8"}),
            ),
            entry(&amd, serde_json::json!({"os": "linux", "architecture": "amd64"})),
        ],
    });
    let index = bytes::Bytes::from(serde_json::to_vec(&index).unwrap());
    fake.hold("x", &arm);
    fake.hold("y", &amd);
    fake.hold_manifest("v1", media_type::OCI_INDEX, &index);
    let pulled = house.pull(&fake.name("a/b:v1")).await.unwrap().remove(0);
    assert_eq!((pulled.id, pulled.digest), (Digest::of(&amd.config), Digest::of(&index)));
    for (platform, expected) in [("linux/arm64", Ok(&arm)), ("linux/s390x", Err(()))] {
        let spec = distribution::PullSpec {
            reference: Reference::parse(&fake.name("a/b:v1")).unwrap(),
            platform: Some(Platform::parse(platform).unwrap()),
            credentials: None,
        };
        let result = house.registries.pull(spec, &distribution::Progress::none()).await;
        match expected {
            Ok(image) => assert_eq!(result.unwrap()[0].id, Digest::of(&image.config)),
            Err(()) => assert_eq!(
                result.unwrap_err().to_string(),
                "no matching manifest for linux/s390x in the manifest list entries"
            ),
        }
    }
    // Both platforms are here now: the whole is pushed.
    let to = Fake::honest().await;
    house.tag(&Digest::of(&arm.config), &to.name("c/d:v1"));
    let pushed = house.push(&to.name("c/d:v1")).await.unwrap();
    assert_eq!(pushed.tags[0].digest, Digest::of(&index));
    for image in [&arm, &amd] {
        assert!(to.manifest(&Digest::of(&image.manifest).to_string()).is_some());
    }
    let inspected = Reference::parse(&fake.name("a/b:v1")).unwrap();
    let inspected = house.registries.inspect(&inspected, None).await.unwrap();
    let shown: Vec<_> = inspected.platforms.iter().map(Platform::to_string).collect();
    assert_eq!(shown, ["linux/arm64/v8", "linux/amd64"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_tags_are_pulled_page_by_page() {
    let image = small();
    let fake = Fake::new(|seen, _| {
        let page = |body: &str| Some(Reply::new(200, body.to_owned()));
        match seen.target.as_str() {
            "/v2/a/b/tags/list" => page(r#"{"name":"a/b","tags":["v1"]}"#)
                .map(|reply| reply.with("link", "</v2/a/b/tags/list?n=1&last=v1>; rel=\"next\"")),
            "/v2/a/b/tags/list?n=1&last=v1" => page(r#"{"name":"a/b","tags":["v2"]}"#),
            _ => None,
        }
    });
    let (house, fake) = (House::new(), fake.await);
    fake.hold("v1", &image);
    fake.hold("v2", &image);
    let pulled = house.pull(&fake.name("a/b")).await.unwrap();
    let tags: Vec<_> = pulled.iter().filter_map(|one| one.reference.tag()).collect();
    assert_eq!(tags, ["v1", "v2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_are_listed_whole_or_not_at_all() {
    let many: Vec<String> = (0..60_000).map(|number| format!("v{number}")).collect();
    let many = serde_json::json!({"tags": many}).to_string();
    let fake = Fake::new(move |seen, _| {
        let next = |link: &str| {
            Reply::new(200, r#"{"tags":["v1"]}"#).with("link", format!("<{link}>; rel=\"next\""))
        };
        let link = "</v2/many/tags/list?n=1>; rel=\"next\"";
        let is = |name: &str| seen.target.starts_with(&format!("/v2/{name}/tags/list"));
        match () {
            () if is("endless") => Some(next("/v2/endless/tags/list?n=1&last=v1")),
            () if is("lost") => Some(next("/v2/lost/tags/list")),
            () if is("many") => Some(Reply::new(200, many.clone()).with("link", link)),
            () => None,
        }
    });
    let (house, fake) = (House::new(), fake.await);
    for (name, words) in [
        ("endless", "its tags have over `1000` pages"),
        ("lost", "its link to the next page leads nowhere"),
        ("many", "it has more than `100000` tags"),
    ] {
        let name = Reference::parse(&fake.name(name)).unwrap();
        let error = house.registries.tags(&name, None).await.unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pulled_image_is_pushed_back_as_it_came() {
    let (house, from, to) = (House::new(), Fake::honest().await, Fake::honest().await);
    let image = small();
    from.hold("v1", &image);
    let pulled = house.pull(&from.name("a/b:v1")).await.unwrap().remove(0);
    house.tag(&pulled.id, &to.name("c/d:new"));
    let pushed = house.push(&to.name("c/d:new")).await.unwrap();
    assert_eq!(pushed.tags[0].digest, pulled.digest);
    assert_eq!(to.manifest("new"), Some((image.media_type.clone(), image.manifest.clone())));
    // Once more: nothing travels but the manifest.
    let before = to.count("POST", "/blobs/uploads/");
    house.push(&to.name("c/d:new")).await.unwrap();
    assert_eq!(to.count("POST", "/blobs/uploads/"), before);
    let error = house.push(&to.name("c/d:nosuch")).await.unwrap_err().to_string();
    assert_eq!(error, format!("tag does not exist: {}", to.name("c/d:nosuch")));
    let error = house.push(&to.name("g/h:nosuch")).await.unwrap_err().to_string();
    let expected = format!("An image does not exist locally with the tag: {}", to.name("g/h"));
    assert_eq!(error, expected);
}
