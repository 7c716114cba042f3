//! A life that is cut off at every place that has a name.

use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use oci::Descriptor;
use oci::media_type::{OCI_CONFIG, OCI_LAYER_GZIP, OCI_MANIFEST};

use super::*;
use crate::testing::config;

/// What the sweep interrupts. Does nothing when the tests run by themselves.
#[test]
fn crash_victim() {
    let Some(root) = std::env::var_os("STORE_TEST_ROOT") else { return };
    live(Path::new(&root));
}

/// Load, run, pull, commit, remove. What is done is noted: from then on it must be so.
pub(super) fn live(root: &Path) {
    let store = reopen(root);
    let (one, two) = (layer(&[("a", "1")]), layer(&[("b", "2")]));
    let id = load(&store, "app:1", &[&one, &two]);
    note("+app:1");
    store.tag(&id, &Reference::parse("app:2").unwrap()).unwrap();
    note("+app:2");
    store.create_rootfs("c1", &id).unwrap();
    pull(&store, "docker.io/library/pulled:1", &[&two, &layer(&[("c", "3")])], Path::new("/"));
    note("+pulled:1");
    let changes = ["ENV X=1".to_owned()];
    let name = Reference::parse("committed:1").unwrap();
    let spec = CommitSpec {
        image: &id,
        defaults: oci::ImageDefaults::default(),
        changes: &changes,
        author: "",
        comment: "",
        created_by: "",
        name: Some(&name),
        engine_version: "",
    };
    store.commit(&mut &layer(&[("d", "4")])[..], &spec).unwrap();
    note("+committed:1");
    store.remove_rootfs("c1").unwrap();
    for image in ["committed:1", "app:1", "app:2", "pulled:1"] {
        note(&format!("?{image}"));
        store.remove(RemoveSpec { image, force: false, prune_parents: true }, &[]).unwrap();
        note(&format!("-{image}"));
    }
    store.sweep().unwrap();
}

/// Writes a line where no cut reaches it.
fn note(line: &str) {
    use std::io::Write;
    let Some(path) = std::env::var_os("STORE_TEST_NOTES") else { return };
    let file = std::fs::File::options().create(true).append(true).open(path);
    writeln!(file.unwrap(), "{line}").unwrap();
}

/// As a registry's client does: the first layer comes in two parts.
pub(crate) fn pull(store: &Store, name: &str, layers: &[&[u8]], directory: &Path) -> Digest {
    let mut pending = Vec::new();
    let mut forms = Vec::new();
    for (number, layer) in layers.iter().enumerate() {
        let bytes = run("gzip", &["-n"], layer, directory);
        let form = Descriptor::of(OCI_LAYER_GZIP, &bytes);
        let mut ingest = store.ingest(&form).unwrap();
        if number == 0 && ingest.offset() == 0 {
            ingest.unpack(&mut &bytes[..20]).err().unwrap();
            ingest = store.ingest(&form).unwrap();
        }
        let offset = usize::try_from(ingest.offset()).unwrap();
        pending.push(ingest.unpack(&mut &bytes[offset..]).unwrap());
        forms.push(form);
    }
    let config = config(layers, name);
    let manifest = serde_json::to_vec(&serde_json::json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST,
        "config": Descriptor::of(OCI_CONFIG, &config), "layers": forms,
    }));
    let lease = store.commit_layers(pending).unwrap();
    let id = store.add_image(&config, &lease, None, Some(&manifest.unwrap())).unwrap();
    store.tag(&id, &Reference::parse(name).unwrap()).unwrap();
    id
}

/// Everything that an image consists of has the digest by which it is called.
pub(super) fn verify(store: &Store, image: &Image) {
    assert!(store.blob(&image.id).is_some(), "configuration of {}", image.id);
    let manifest = image.manifest.as_ref();
    assert!(manifest.is_none_or(|digest| store.blob(digest).is_some()), "manifest");
    for diff_id in &image.layers {
        let mut bytes = Vec::new();
        store.layer_stream(diff_id).unwrap().read_to_end(&mut bytes).unwrap();
        diff_id.verify(&bytes).unwrap();
        for form in store.forms_of_layer(diff_id) {
            let bytes = store.has_blob(&form.digest).then(|| {
                let mut bytes = Vec::new();
                store.open_blob(&form.digest).unwrap().read_to_end(&mut bytes).unwrap();
                bytes
            });
            assert!(bytes.is_none_or(|bytes| form.digest.verify(&bytes).is_ok()));
        }
        let name = store.state().layers[diff_id].name.clone();
        let files = store.shared.layout.layers().join(name).join("fs");
        assert_eq!(std::fs::read_dir(files).unwrap().count(), 1);
    }
}

/// All images are whole, and nothing else is there. Gives how many images there are.
pub(super) fn check_sound(store: &Store, why: &str) -> usize {
    let root = store.shared.layout.root.clone();
    store.sweep().unwrap();
    let images = store.images();
    for image in &images {
        verify(store, image);
        store.create_rootfs("probe", &image.id).unwrap();
        store.remove_rootfs("probe").unwrap();
    }
    for rootfs in store.list_rootfs() {
        store.rootfs_paths(&rootfs.container).unwrap();
        store.remove_rootfs(&rootfs.container).unwrap();
    }
    store.sweep().unwrap();
    let layers: BTreeSet<&Digest> = images.iter().flat_map(|image| &image.layers).collect();
    let mut blobs: BTreeSet<Digest> = images.iter().map(|image| image.id.clone()).collect();
    blobs.extend(images.iter().filter_map(|image| image.manifest.clone()));
    let forms = layers.iter().flat_map(|layer| store.forms_of_layer(layer));
    blobs.extend(forms.map(|form| form.digest).filter(|form| store.has_blob(form)));
    assert_eq!(counts(&root), [blobs.len(), layers.len(), images.len(), 0, 0], "{why}");
    images.len()
}

#[test]
fn killed_anywhere_the_store_is_sound() {
    for name in failpoint::NAMES {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("store");
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "tests::crash::crash_victim", "--nocapture"])
            .env("STORE_TEST_ROOT", &root)
            .env("WHARF_FAILPOINT", name)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .status()
            .unwrap();
        assert_eq!(status.signal(), Some(sys::libc::SIGABRT), "{name} was not passed");
        let store = reopen(&root);
        check_sound(&store, name);
        // A committed image has its time in its id: the next life makes another one.
        let committed = store.images().into_iter().filter(|image| image.parent.is_some());
        for image in committed {
            let spec = RemoveSpec { image: image.id.hex(), force: true, prune_parents: false };
            store.remove(spec, &[]).unwrap();
        }
        drop(store);
        // Life goes on, and leaves nothing.
        live(&root);
        assert_eq!(counts(&root), [0, 0, 0, 0, 0], "{name}");
        assert_eq!(std::fs::read_dir(root.join("ingest")).unwrap().count(), 0, "{name}");
    }
}
