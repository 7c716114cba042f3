//! Names that stand for several platforms.

use archive::Unpacker;
use oci::media_type::{OCI_CONFIG, OCI_INDEX, OCI_LAYER_GZIP, OCI_MANIFEST};
use oci::{Digest, Reference};

use super::*;
use crate::testing::{layer, run};
use crate::{Image, RemoveSpec, Store};

/// A platform's image, as a registry has it.
struct Part {
    config: Vec<u8>,
    manifest: Vec<u8>,
    layer: (Descriptor, Vec<u8>),
    descriptor: Descriptor,
}

fn part(architecture: &str) -> Part {
    let archive = layer(&[("architecture", architecture)]);
    let bytes = run("gzip", &["-n"], &archive, "/".as_ref());
    let form = Descriptor::of(OCI_LAYER_GZIP, &bytes);
    let config = serde_json::to_vec(&serde_json::json!({
        "architecture": architecture, "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [Digest::of(&archive)]},
    }))
    .unwrap();
    let manifest = serde_json::to_vec(&serde_json::json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST,
        "config": Descriptor::of(OCI_CONFIG, &config), "layers": [form],
    }))
    .unwrap();
    let platform = Some(Platform::of("linux", architecture, ""));
    let descriptor = Descriptor { platform, ..Descriptor::of(OCI_MANIFEST, &manifest) };
    Part { config, manifest, layer: (form, bytes), descriptor }
}

impl Part {
    fn descriptor_alone(&self) -> Descriptor {
        Descriptor::of(OCI_MANIFEST, &self.manifest)
    }
}

/// An index of two platforms and an attestation.
struct Several {
    amd64: Part,
    arm64: Part,
    statement: Vec<u8>,
    about: Vec<u8>,
    index: Vec<u8>,
    target: Descriptor,
}

fn several() -> Several {
    let (amd64, arm64) = (part("amd64"), part("arm64"));
    let statement = b"{\"predicateType\":\"https://slsa.dev/provenance/v0.2\"}".to_vec();
    let about = serde_json::to_vec(&serde_json::json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST,
        "config": Descriptor::of(OCI_CONFIG, b"{}"),
        "layers": [Descriptor::of("application/vnd.in-toto+json", &statement)],
    }))
    .unwrap();
    let mut attestation = Descriptor::of(OCI_MANIFEST, &about);
    attestation.platform = Some(Platform::of("unknown", "unknown", ""));
    attestation.annotations.extend([
        ("vnd.docker.reference.type".to_owned(), "attestation-manifest".to_owned()),
        ("vnd.docker.reference.digest".to_owned(), amd64.descriptor.digest.to_string()),
    ]);
    let index = serde_json::to_vec(&serde_json::json!({
        "schemaVersion": 2, "mediaType": OCI_INDEX,
        "manifests": [amd64.descriptor, arm64.descriptor, attestation],
    }))
    .unwrap();
    let target = Descriptor::of(OCI_INDEX, &index);
    Several { amd64, arm64, statement, about, index, target }
}

impl Several {
    /// As a registry's client pulls one platform.
    fn pull(&self, store: &Store, part: &Part, name: &str) -> Digest {
        let mut lease = store.put_document(&self.target.digest, &self.index).unwrap();
        let (form, bytes) = &part.layer;
        let pending = store.ingest(form).unwrap().unpack(&mut &bytes[..]).unwrap();
        lease.absorb(store.commit_layers(vec![pending]).unwrap());
        let id = store.add_image(&part.config, &lease, None, Some(&part.manifest)).unwrap();
        let name = Reference::parse(name).unwrap();
        store.set_name(&name, &id, Some(&self.target)).unwrap();
        store
            .set_name(&name.with_digest(self.target.digest.clone()), &id, Some(&self.target))
            .unwrap();
        id
    }
}

fn remove(store: &Store, image: &str) -> usize {
    let spec = RemoveSpec { image, force: false, prune_parents: true };
    store.remove(spec, &[]).unwrap().len()
}

#[test]
fn one_name_for_two_platforms() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Unpacker::InProcess).unwrap();
    let several = several();
    let amd64 = several.pull(&store, &several.amd64, "app:1");
    let for_platform = |store: &Store, architecture: &str| {
        store.resolve_for("app:1", &Platform::of("linux", architecture, "")).unwrap()
    };
    assert_eq!(for_platform(&store, "arm64"), None);
    let arm64 = several.pull(&store, &several.arm64, "app:1");
    let check = |store: &Store| {
        assert_eq!(store.resolve("app:1").unwrap(), arm64, "the latest pull");
        assert_eq!(for_platform(store, "arm64"), Some(arm64.clone()));
        assert_eq!(for_platform(store, "amd64"), Some(amd64.clone()));
        assert_eq!(for_platform(store, "s390x"), None);
        let image: Image = store.image(&arm64).unwrap();
        assert_eq!((image.tags.len(), image.digests.len()), (1, 1));
        assert_eq!(image.digests[0].digest(), Some(&several.target.digest));
        assert_eq!(image.target.as_ref(), Some(&several.target));
        let other = store.image(&amd64).unwrap();
        assert!(other.tags.is_empty() && other.digests.is_empty() && !other.is_dangling());
        assert_eq!(store.images().iter().find(|i| i.id == amd64).unwrap().reached_by.len(), 2);
        let all = store.target_manifests(&image);
        let kinds: Vec<_> = all.iter().map(|one| (one.kind, one.is_available)).collect();
        assert_eq!(kinds[..2], [(ManifestKind::Image, true); 2]);
        assert_eq!(all[2].kind, ManifestKind::Attestation);
        assert_eq!(all[2].attests.as_ref(), Some(&several.amd64.descriptor.digest));
        assert!(!all[2].is_available);
        let part = &several.amd64;
        let bytes = part.manifest.len() + part.config.len() + part.layer.1.len();
        assert_eq!(all[0].content_bytes, bytes as u64);
    };
    check(&store);
    drop(store);
    check(&crate::tests::reopen(dir.path()));
}

#[test]
fn what_a_target_leads_to_stays_and_goes_with_the_name() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Unpacker::InProcess).unwrap();
    let several = several();
    several.pull(&store, &several.amd64, "app:1");
    let arm64 = several.pull(&store, &several.arm64, "app:1");
    // What somebody says about it comes as well, and belongs to the name.
    let about = store.put_document(&Digest::of(&several.about), &several.about).unwrap();
    let statement = Descriptor::of("application/vnd.in-toto+json", &several.statement);
    let kept = store.ingest(&statement).unwrap().keep(&mut &several.statement[..]).unwrap();
    let name = Reference::parse("app:1").unwrap();
    store.set_name(&name, &arm64, Some(&several.target)).unwrap();
    drop((about, kept));
    let store = {
        drop(store);
        crate::tests::reopen(dir.path())
    };
    assert!(store.has_blob(&statement.digest));
    let image = store.image(&arm64).unwrap();
    assert!(store.target_manifests(&image).iter().all(|one| one.manifest.is_some()));
    // A second name stands for the same, and keeps all of it.
    store.tag(&arm64, &Reference::parse("other:2").unwrap()).unwrap();
    assert_eq!(remove(&store, "app:1"), 2, "a tag and a digest");
    assert_eq!(store.images().len(), 2);
    assert!(store.has_blob(&statement.digest));
    remove(&store, "other:2");
    assert_eq!(store.images().len(), 0);
    let blobs = std::fs::read_dir(dir.path().join("blobs/sha256")).unwrap();
    assert_eq!(blobs.count(), 0);
    assert_eq!(std::fs::read_dir(dir.path().join("layers")).unwrap().count(), 1);
}

#[test]
fn a_name_stands_for_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Unpacker::InProcess).unwrap();
    let several = several();
    let id = several.pull(&store, &several.amd64, "app:1");
    let name = Reference::parse("app:2").unwrap();
    let absent = Descriptor::of(OCI_INDEX, b"{}");
    assert!(store.set_name(&name, &id, Some(&absent)).is_err());
    let other = &several.arm64.descriptor;
    assert!(store.set_name(&name, &id, Some(other)).is_err());
    // The right bytes under another media type are another thing.
    let wrong = Descriptor { media_type: OCI_MANIFEST.to_owned(), ..several.target.clone() };
    assert!(store.set_name(&name, &id, Some(&wrong)).is_err());
    assert!(store.resolve("app:2").is_err());
}

#[test]
fn an_image_takes_no_other_images_manifest() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Unpacker::InProcess).unwrap();
    let several = several();
    let (form, bytes) = &several.amd64.layer;
    let pending = store.ingest(form).unwrap().unpack(&mut &bytes[..]).unwrap();
    let lease = store.commit_layers(vec![pending]).unwrap();
    let config = &several.amd64.config;
    let without_layers = serde_json::json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST,
        "config": Descriptor::of(OCI_CONFIG, config), "layers": [],
    });
    for manifest in [
        several.arm64.manifest.clone(),
        several.index.clone(),
        without_layers.to_string().into_bytes(),
        b"{}".to_vec(),
    ] {
        let error = store.add_image(config, &lease, None, Some(&manifest)).unwrap_err();
        assert_eq!(error.kind(), stdx::Kind::Invalid);
        assert!(!store.has_blob(&Digest::of(&manifest)) && store.images().is_empty());
    }
}

#[test]
fn names_of_the_version_before_are_carried_over() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    let store = Store::open(root, Unpacker::InProcess).unwrap();
    let several = several();
    let id = several.pull(&store, &several.amd64, "app:1");
    drop(store);
    let old = serde_json::json!({"format": 1, "tags": {
        "docker.io/library/app:1": id, "docker.io/library/old:1": id,
    }});
    std::fs::write(root.join("tags.json"), old.to_string()).unwrap();
    std::fs::write(root.join("version"), "wharf store 1\n").unwrap();
    let store = crate::tests::reopen(root);
    assert_eq!(store.resolve("old:1").unwrap(), id);
    drop(store);
    assert_eq!(std::fs::read(root.join("version")).unwrap(), b"wharf store 2\n");
    let text = std::fs::read_to_string(root.join("tags.json")).unwrap();
    assert!(text.contains("\"format\":2"), "{text}");
    let store = crate::tests::reopen(root);
    let image = store.image(&id).unwrap();
    assert_eq!(image.tags.len(), 2);
    store.tag(&id, &Reference::parse("new:1").unwrap()).unwrap();
    // Without a target its own manifest is what a push sends.
    assert_eq!(store.image_target(&image), Some(several.amd64.descriptor_alone()));
    assert_eq!(store.image(&id).unwrap().target, Some(several.amd64.descriptor_alone()));
}

#[test]
fn names_that_cannot_be_read_are_kept_and_what_they_keep_is() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    let store = Store::open(root, Unpacker::InProcess).unwrap();
    let several = several();
    let id = several.pull(&store, &several.amd64, "app:1");
    drop(store);
    let tags = root.join("tags.json");
    let good = std::fs::read(&tags).unwrap();
    std::fs::write(&tags, &good[1..]).unwrap();
    for _ in 0..2 {
        let store = crate::tests::reopen(root);
        assert!(store.resolve("app:1").is_err());
        store.tag(&id, &Reference::parse("new:1").unwrap()).unwrap();
        assert!(store.has_blob(&several.target.digest));
    }
    let names = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    let aside: Vec<_> =
        names.filter(|path| path.to_string_lossy().contains("tags.json.damaged-")).collect();
    assert_eq!(std::fs::read(&aside[0]).unwrap(), &good[1..]);
    assert_eq!(aside.len(), 1);
    // Mended.
    std::fs::write(&tags, &good).unwrap();
    std::fs::remove_file(&aside[0]).unwrap();
    let store = crate::tests::reopen(root);
    assert_eq!(store.image(&id).unwrap().target, Some(several.target.clone()));
    remove(&store, "app:1");
    assert!(!store.has_blob(&several.target.digest));
}

#[test]
fn names_that_could_not_be_read_again_are_not_written() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Unpacker::InProcess).unwrap();
    let several = several();
    let id = several.pull(&store, &several.amd64, "app:1");
    let media_type = "x".repeat(1 << 20);
    let mut tags = store.state().tags.clone();
    for number in 0..64 {
        let target = Some(Descriptor::of(&media_type, b""));
        let name = Reference::parse(&format!("big:{number}")).unwrap();
        tags.insert(name, crate::store::Named { image: id.clone(), target });
    }
    let error = store.write_tags(tags).unwrap_err();
    assert_eq!(error.kind(), stdx::Kind::Exhausted);
    drop(store);
    let store = crate::tests::reopen(dir.path());
    assert_eq!(store.resolve("app:1").unwrap(), id);
}

#[test]
fn a_manifest_that_is_named_over_and_over_is_read_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Unpacker::InProcess).unwrap();
    let mut several = several();
    several.index = serde_json::to_vec(&serde_json::json!({
        "schemaVersion": 2, "mediaType": OCI_INDEX,
        "manifests": vec![several.amd64.descriptor.clone(); 900],
    }))
    .unwrap();
    several.target = Descriptor::of(OCI_INDEX, &several.index);
    let id = several.pull(&store, &several.amd64, "app:1");
    assert_eq!(store.target_manifests(&store.image(&id).unwrap()).len(), 1);
}

#[test]
fn names_that_cannot_be_written_take_nothing_from_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Unpacker::InProcess).unwrap();
    let several = several();
    let id = several.pull(&store, &several.amd64, "app:1");
    let (tags, aside) = (dir.path().join("tags.json"), dir.path().join("aside"));
    std::fs::rename(&tags, &aside).unwrap();
    std::fs::create_dir(&tags).unwrap();
    let lease = store.put_document(&several.target.digest, &several.index).unwrap();
    let name = Reference::parse("app:2").unwrap();
    store.set_name(&name, &id, Some(&several.target)).unwrap_err();
    drop(lease);
    std::fs::remove_dir(&tags).unwrap();
    std::fs::rename(&aside, &tags).unwrap();
    assert!(store.has_blob(&several.target.digest));
    assert_eq!(store.target_manifests(&store.image(&id).unwrap()).len(), 3);
}
