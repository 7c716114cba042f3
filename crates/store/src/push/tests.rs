//! Images as they are pushed.

use archive::Unpacker;
use oci::Platform;

use super::*;
use crate::Loaded;
use crate::testing::{docker_archive, layer, run};

fn loaded(store: &Store, layers: &[&[u8]]) -> Image {
    let bytes = docker_archive("app:1", layers, "");
    match store.load(&mut &bytes[..], &Platform::host(), &mut |_| ()).unwrap().pop() {
        Some(Loaded::Name { id, .. }) => store.image(&id).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn layers_are_compressed_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Unpacker::InProcess).unwrap();
    let text: String = (0..200_000).map(|n| format!("{n} ")).collect();
    let archive = layer(&[("a", &text)]);
    let image = loaded(&store, &[&archive]);
    let lease = store.lease_image(&image.id).unwrap();
    let forms: Vec<Descriptor> = std::thread::scope(|scope| {
        let push = || store.layer_blob(&image.layers[0]).unwrap();
        let threads = [scope.spawn(push), scope.spawn(push)];
        threads.map(|thread| thread.join().unwrap()).to_vec()
    });
    assert_eq!(forms[0], forms[1]);
    assert_eq!(forms[0].media_type, media_type::DOCKER_LAYER_GZIP);
    let mut bytes = Vec::new();
    store.open_blob(&forms[0].digest).unwrap().read_to_end(&mut bytes).unwrap();
    forms[0].digest.verify(&bytes).unwrap();
    assert_eq!(bytes.len() as u64, forms[0].size);
    assert!(run("gzip", &["-dc"], &bytes, dir.path()) == archive);
    assert_eq!(std::fs::read_dir(dir.path().join("tmp")).unwrap().count(), 0);
    drop(lease);
    drop(store);
    let store = crate::tests::reopen(dir.path());
    assert_eq!(store.layer_blob(&image.layers[0]).unwrap(), forms[0]);
    // Another store makes the same of it.
    let other = tempfile::tempdir().unwrap();
    let other = Store::open(other.path(), Unpacker::InProcess).unwrap();
    assert_eq!(loaded(&other, &[&archive]).id, image.id);
    assert_eq!(other.layer_blob(&image.layers[0]).unwrap(), forms[0]);
}

#[test]
fn a_damaged_layer_is_not_pushed() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Unpacker::InProcess).unwrap();
    let image = loaded(&store, &[&layer(&[("a", "right")])]);
    let path = dir.path().join("layers").join(image.layers[0].short()).join("fs/a");
    std::fs::write(path, "wrong").unwrap();
    let error = store.layer_blob(&image.layers[0]).unwrap_err();
    assert!(matches!(error, StoreError::MissingLayer { .. }), "{error:?}");
    assert!(store.forms_of_layer(&image.layers[0]).is_empty());
    assert_eq!(std::fs::read_dir(dir.path().join("tmp")).unwrap().count(), 0);
}

#[test]
fn manifests_are_dockers_unless_a_layer_has_no_name_there() {
    let form = |media_type: &str| Descriptor::of(media_type, media_type.as_bytes());
    let check = |layers: &[&str], own: &str, names: &[&str]| {
        let forms: Vec<Descriptor> = layers.iter().map(|layer| form(layer)).collect();
        let (descriptor, bytes) = manifest(b"{}", &forms);
        let document = oci::Document::parse(&bytes, Some(own)).unwrap();
        let oci::Document::Manifest(read) = document else { panic!("an index") };
        let found: Vec<&str> = read.layers.iter().map(|l| l.media_type.as_str()).collect();
        assert_eq!(found, names);
        assert_eq!(descriptor, Descriptor::of(own, &bytes));
        assert_eq!(read.config.digest, Digest::of(b"{}"));
    };
    use media_type::{DOCKER_LAYER_GZIP, DOCKER_MANIFEST};
    use media_type::{OCI_LAYER_GZIP, OCI_LAYER_ZSTD, OCI_MANIFEST};
    check(&[], DOCKER_MANIFEST, &[]);
    check(&[OCI_LAYER_GZIP, DOCKER_LAYER_GZIP], DOCKER_MANIFEST, &[DOCKER_LAYER_GZIP; 2]);
    check(&[OCI_LAYER_ZSTD, DOCKER_LAYER_GZIP], OCI_MANIFEST, &[OCI_LAYER_ZSTD, OCI_LAYER_GZIP]);
}

#[test]
fn what_was_pulled_is_pushed_as_it_came() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Unpacker::InProcess).unwrap();
    let layers = [layer(&[("a", "1")]), layer(&[("b", "2")])];
    let layers: Vec<&[u8]> = layers.iter().map(Vec::as_slice).collect();
    let id = crate::tests::crash::pull(&store, "app:1", &layers, dir.path());
    let image = store.image(&id).unwrap();
    let forms: Vec<Descriptor> =
        image.layers.iter().map(|layer| store.layer_blob(layer).unwrap()).collect();
    let (descriptor, bytes) = store.push_manifest(&image, &forms).unwrap();
    assert_eq!(Some(&descriptor.digest), image.manifest.as_ref());
    assert_eq!(store.blob(&descriptor.digest), Some(bytes));
    assert!(forms.iter().all(|form| form.media_type == media_type::OCI_LAYER_GZIP));
    // Removed in the midst of a push, it stays as long as the push.
    let lease = store.lease_image(&id).unwrap();
    let spec = crate::RemoveSpec { image: "app:1", force: false, prune_parents: true };
    store.remove(spec, &[]).unwrap();
    assert!(forms.iter().all(|form| store.has_blob(&form.digest)));
    assert!(store.has_blob(&descriptor.digest) && store.has_blob(&id));
    drop(lease);
    assert!(forms.iter().all(|form| !store.has_blob(&form.digest)));
    assert!(!store.has_blob(&descriptor.digest) && !store.has_blob(&id));
}
