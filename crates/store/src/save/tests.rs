//! What is loaded is saved, and loads again as the same.

use oci::Platform;

use crate::testing::{docker_archive, layer, run};
use crate::{Loaded, Store, StoreError};
use archive::Unpacker;

fn load(store: &Store, bytes: &[u8]) -> Vec<String> {
    let loaded = store.load(&mut &bytes[..], &Platform::host(), &mut |_| ()).unwrap();
    loaded.iter().map(Loaded::to_string).collect()
}

fn save(store: &Store, names: &[&str]) -> Vec<u8> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let plan = store.plan_save(&names, None).unwrap();
    let mut bytes = Vec::new();
    store.save(&plan, &mut bytes).unwrap();
    bytes
}

#[test]
fn images_come_back_with_their_ids() {
    let places = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [store, other] =
        places.each_ref().map(|place| Store::open(place.path(), Unpacker::InProcess).unwrap());
    let (low, top) = (layer(&[("a", "1"), ("a", "twice")]), layer(&[("b", "2")]));
    load(&store, &docker_archive("one:1", &[&low, &top], "x"));
    load(&store, &docker_archive("two:1", &[&low], "y"));
    let id = store.resolve("one:1").unwrap();
    store.tag(&id, &oci::Reference::parse("one:2").unwrap()).unwrap();
    let bytes = save(&store, &["one", "two:1"]);
    assert_eq!(bytes, save(&store, &["one", "two:1"]), "the same images give the same bytes");
    let said = load(&other, &bytes);
    let names = ["Loaded image: one:1", "Loaded image: one:2", "Loaded image: two:1"];
    assert_eq!(said, names);
    for name in ["one:1", "one:2", "two:1"] {
        assert_eq!(other.resolve(name).unwrap(), store.resolve(name).unwrap());
    }
    // By id there is no name.
    let said = load(&other, &save(&store, &[&id.to_string()]));
    assert_eq!(said, [format!("Loaded image ID: {id}")]);
    let place = tempfile::tempdir().unwrap();
    let listed = String::from_utf8(run("tar", &["-t"], &bytes, place.path())).unwrap();
    let documents: Vec<&str> = listed.lines().filter(|name| !name.starts_with("blobs")).collect();
    assert_eq!(documents, ["index.json", "manifest.json", "oci-layout", "repositories"]);
}

#[test]
fn what_cannot_be_saved_is_told() {
    let place = tempfile::tempdir().unwrap();
    let store = Store::open(place.path(), Unpacker::InProcess).unwrap();
    load(&store, &docker_archive("one:1", &[&layer(&[("a", "content")])], "x"));
    let plan = |name: &str, platform: Option<&Platform>| {
        store.plan_save(&[name.to_owned()], platform).map_err(|error| error.to_string())
    };
    assert_eq!(plan("nosuch", None).unwrap_err(), "No such image: nosuch");
    assert_eq!(plan("one:2", None).unwrap_err(), "No such image: one:2");
    let other = Platform::parse("linux/s390x").unwrap();
    let error = plan("one", Some(&other)).unwrap_err();
    assert_eq!(error, "no suitable export target found for platform linux/s390x");
    plan("one", Some(&Platform::parse("linux/amd64").unwrap())).unwrap();
    // A file of the layer was changed behind the store's back.
    let good = store.plan_save(&["one".to_owned()], None).unwrap();
    let layers = std::fs::read_dir(place.path().join("layers")).unwrap();
    for entry in layers.flatten().filter(|entry| entry.file_name() != "empty") {
        std::fs::write(entry.path().join("fs/a"), "CONTENT").unwrap();
    }
    let error = store.save(&good, &mut Vec::new()).unwrap_err();
    assert!(matches!(error, StoreError::MissingLayer { .. }), "{error}");
}

/// The index of an archive: what each name stands for.
fn entries(bytes: &[u8]) -> Vec<serde_json::Value> {
    let place = tempfile::tempdir().unwrap();
    let index = run("tar", &["-xO", "index.json"], bytes, place.path());
    let index: serde_json::Value = serde_json::from_slice(&index).unwrap();
    index["manifests"].as_array().unwrap().clone()
}

#[test]
fn every_platform_and_every_digest_comes_back() {
    for program in ["gzip", "zstd"] {
        let given =
            crate::load::tests::oci_layout(Some("docker.io/library/app:1"), Some(program), true);
        let places = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let [store, other] =
            places.each_ref().map(|place| Store::open(place.path(), Unpacker::InProcess).unwrap());
        assert_eq!(load(&store, &given), ["Loaded image: app:1"]);
        let bytes = save(&store, &["app:1"]);
        let digest = |bytes: &[u8]| entries(bytes)[0]["digest"].as_str().unwrap().to_owned();
        assert_eq!(digest(&bytes), digest(&given), "{program}");
        assert_eq!(load(&other, &bytes), ["Loaded image: app:1"]);
        for store in [&store, &other] {
            let id = store.resolve("app:1").unwrap();
            let image = store.image(&id).unwrap();
            assert_eq!(image.target.as_ref().unwrap().digest.to_string(), digest(&given));
            let all = store.target_manifests(&image);
            assert_eq!(all.len(), 3);
            assert!(all.iter().all(|one| one.is_available), "{all:?}");
            let arm64 = Platform::of("linux", "arm64", "");
            let further = store.resolve_for("app:1", &arm64).unwrap().unwrap();
            assert_ne!(further, id);
            let forms: Vec<_> =
                image.layers.iter().map(|layer| store.layer_blob(layer).unwrap()).collect();
            let (own, _) = store.push_manifest(&image, &forms).unwrap();
            assert_eq!(Some(own.digest), image.manifest);
        }
        // Once more gives the same bytes: nothing was made anew.
        assert_eq!(save(&other, &["app:1"]), bytes);
        // One platform alone is its manifest.
        let arm64 = Platform::of("linux", "arm64", "");
        let plan = store.plan_save(&["app:1".to_owned()], Some(&arm64)).unwrap();
        let mut alone = Vec::new();
        store.save(&plan, &mut alone).unwrap();
        assert_eq!(entries(&alone)[0]["mediaType"], oci::media_type::OCI_MANIFEST);
        assert!(alone.len() < bytes.len());
        // Nothing stays.
        let spec = crate::RemoveSpec { image: "app:1", force: false, prune_parents: true };
        other.remove(spec, &[]).unwrap();
        let blobs = std::fs::read_dir(places[1].path().join("blobs/sha256")).unwrap();
        assert_eq!(blobs.count(), 0);
    }
}

#[test]
fn archives_without_an_index_are_read_by_their_manifest() {
    // As Docker before 25 and podman write them; the layers may be compressed all the same.
    let given = crate::load::tests::oci_layout(Some("docker.io/library/app:1"), Some("gzip"), true);
    let place = tempfile::tempdir().unwrap();
    let store = Store::open(place.path(), Unpacker::InProcess).unwrap();
    load(&store, &given);
    std::fs::write(place.path().join("all.tar"), save(&store, &["app:1"])).unwrap();
    run("tar", &["--delete", "-f", "all.tar", "index.json", "oci-layout"], b"", place.path());
    let bytes = std::fs::read(place.path().join("all.tar")).unwrap();
    let other = tempfile::tempdir().unwrap();
    let other = Store::open(other.path(), Unpacker::InProcess).unwrap();
    assert_eq!(load(&other, &bytes), ["Loaded image: app:1"]);
    assert_eq!(other.resolve("app:1").unwrap(), store.resolve("app:1").unwrap());
}

#[test]
fn a_kept_blob_that_is_damaged_is_not_saved() {
    let given = crate::load::tests::oci_layout(Some("docker.io/library/app:1"), Some("gzip"), true);
    let place = tempfile::tempdir().unwrap();
    let store = Store::open(place.path(), Unpacker::InProcess).unwrap();
    load(&store, &given);
    let image = store.image(&store.resolve("app:1").unwrap()).unwrap();
    let form = store.layer_blob(&image.layers[0]).unwrap();
    let path = store.shared.layout.blob(&form.digest);
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let plan = store.plan_save(&["app:1".to_owned()], None).unwrap();
    let error = store.save(&plan, &mut Vec::new()).unwrap_err();
    assert!(matches!(error, StoreError::MissingLayer { .. }), "{error}");
}
