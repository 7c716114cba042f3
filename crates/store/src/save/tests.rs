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
