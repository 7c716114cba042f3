//! Blobs that come in whole, in parts, wrong, and twice at a time.

use std::io::Cursor;

use archive::Unpacker;
use oci::media_type::OCI_LAYER_GZIP;

use super::*;
use crate::testing::{jailed, layer, run};

/// A compressed layer, and the store that it comes into.
struct Ground {
    dir: tempfile::TempDir,
    store: Store,
    archive: Vec<u8>,
    bytes: Vec<u8>,
    form: Descriptor,
}

fn ground_with(unpacker: Unpacker) -> Ground {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("store"), unpacker).unwrap();
    let text: String = (0..40_000).map(|n| format!("{n} ")).collect();
    let archive = layer(&[("a", &text), ("d/b", "two")]);
    let bytes = run("gzip", &["-n"], &archive, dir.path());
    let form = Descriptor::of(OCI_LAYER_GZIP, &bytes);
    Ground { dir, store, archive, bytes, form }
}

fn ground() -> Ground {
    ground_with(Unpacker::InProcess)
}

impl Ground {
    fn files(&self, directory: &str) -> usize {
        let count =
            |name| std::fs::read_dir(self.dir.path().join("store").join(name)).unwrap().count();
        count(directory) + if directory == "tmp" { count("unpacking") } else { 0 }
    }

    fn unpack(&self, input: &mut dyn Read) -> Result<PendingLayer, StoreError> {
        self.store.ingest(&self.form).unwrap().unpack(input)
    }

    /// What the layer gives again.
    fn check_layer(&self, lease: &Lease) {
        let diff_id = Digest::of(&self.archive);
        assert_eq!(lease.layers().first(), Some(&diff_id));
        let mut again = Vec::new();
        self.store.layer_stream(&diff_id).unwrap().read_to_end(&mut again).unwrap();
        assert!(again == self.archive);
        assert_eq!(self.store.layer_of_blob(&self.form.digest), Some(diff_id));
        let kept = std::fs::read(self.store.shared.layout.blob(&self.form.digest)).unwrap();
        assert!(kept == self.bytes);
    }
}

#[test]
fn a_layer_comes_in_whole() {
    for unpacker in [Unpacker::InProcess, jailed()] {
        let ground = ground_with(unpacker);
        let pending = ground.unpack(&mut &ground.bytes[..]).unwrap();
        assert_eq!(pending.blob(), Some(&ground.form));
        let lease = ground.store.commit_layers(vec![pending]).unwrap();
        ground.check_layer(&lease);
        assert_eq!(ground.files("ingest"), 0);
        // It is known now: nothing is read.
        let again = ground.store.ingest(&ground.form).unwrap();
        assert!(again.is_complete());
        let pending = again.unpack(&mut &b"not read"[..]).unwrap();
        drop(lease);
        let lease = ground.store.commit_layers(vec![pending.clone()]).unwrap();
        ground.check_layer(&lease);
        drop((lease, pending));
        assert_eq!((ground.files("blobs/sha256"), ground.files("layers")), (0, 1));
        ground.store.sweep().unwrap();
        assert_eq!(ground.files("tmp"), 0);
    }
}

/// Gives some bytes, then fails.
struct Cut<'a>(&'a [u8]);

impl Read for Cut<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(io::Error::from(io::ErrorKind::ConnectionReset)),
            got => Ok(got),
        }
    }
}

#[test]
fn a_cut_costs_nothing() {
    let mut ground = ground();
    let (cut, half) = (1000, ground.bytes.len() / 2);
    let error = ground.unpack(&mut Cut(&ground.bytes[..cut])).err().unwrap();
    assert_eq!(error.kind(), Kind::Unavailable, "{error:?}");
    let ingest = ground.store.ingest(&ground.form).unwrap();
    assert_eq!(ingest.offset(), cut as u64);
    // An end too early is a cut, too.
    let error = ingest.unpack(&mut &ground.bytes[cut..half]).err().unwrap();
    assert_eq!(error.kind(), Kind::Unavailable, "{error:?}");
    // It survives the engine, and its death.
    let root = ground.dir.path().join("store");
    ground.store = {
        drop(ground.store);
        Store::open(&root, Unpacker::InProcess).unwrap()
    };
    let ingest = ground.store.ingest(&ground.form).unwrap();
    assert_eq!(ingest.offset(), half as u64);
    let pending = ingest.unpack(&mut &ground.bytes[half..]).unwrap();
    let lease = ground.store.commit_layers(vec![pending]).unwrap();
    ground.check_layer(&lease);
    assert_eq!(ground.files("ingest"), 0);
}

#[test]
fn what_is_not_what_was_promised_goes() {
    let ground = ground();
    let check = |bytes: &[u8], expected: &str| {
        let error = ground.unpack(&mut &bytes[..]).err().unwrap();
        assert_eq!(error.kind(), Kind::Invalid, "{error:?}");
        assert!(stdx::error::chain(&error).to_string().contains(expected), "{error:?}");
        assert_eq!((ground.files("ingest"), ground.files("tmp")), (0, 0), "{expected}");
        let ingest = ground.store.ingest(&ground.form).unwrap();
        assert_eq!(ingest.offset(), 0);
    };
    let mut wrong = ground.bytes.clone();
    *wrong.last_mut().unwrap() ^= 1;
    check(&wrong, "filesystem layer verification failed for digest sha256:");
    // Garbage from the first byte on: told as what it is, not as a bad archive.
    check(&vec![b'x'; ground.bytes.len()], "filesystem layer verification failed");
    check(&[&ground.bytes[..], b"x"].concat(), "it is longer than");
    // Its digest is right, it is no layer.
    let garbage = vec![b'x'; 9000];
    let form = Descriptor::of(OCI_LAYER_GZIP, &garbage);
    let error = ground.store.ingest(&form).unwrap().unpack(&mut &garbage[..]).err().unwrap();
    assert_eq!(error.kind(), Kind::Invalid, "{error:?}");
    assert_eq!((ground.files("ingest"), ground.files("tmp")), (0, 0));
}

#[test]
fn a_part_that_was_damaged_meanwhile_is_told_apart() {
    let ground = ground();
    ground.unpack(&mut Cut(&ground.bytes[..5000])).err().unwrap();
    let path = ground.store.shared.layout.ingest(&ground.form.digest);
    std::fs::write(&path, vec![0; 5000]).unwrap();
    let error = ground.unpack(&mut &ground.bytes[5000..]).err().unwrap();
    let StoreError::Ingest(IngestError::WrongContent { was_resumed, .. }) = error else {
        panic!("{error:?}");
    };
    assert!(was_resumed);
    let pending = ground.unpack(&mut &ground.bytes[..]).unwrap();
    ground.check_layer(&ground.store.commit_layers(vec![pending]).unwrap());
}

/// Lets the bytes through when it is told to.
struct Gate<'a>(std::sync::mpsc::Receiver<()>, Cursor<&'a [u8]>);

impl Read for Gate<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.recv().ok();
        self.1.read(buffer)
    }
}

#[test]
fn the_second_who_asks_waits_and_gets_the_same() {
    let ground = ground();
    let (go, gate) = std::sync::mpsc::channel();
    let (first, second) = std::thread::scope(|scope| {
        let ingest = ground.store.ingest(&ground.form).unwrap();
        let mut input = Gate(gate, Cursor::new(&ground.bytes));
        let first = scope.spawn(move || ingest.unpack(&mut input).unwrap());
        let second = scope.spawn(|| {
            let ingest = ground.store.ingest(&ground.form).unwrap();
            assert!(ingest.is_complete());
            ingest.unpack(&mut &b"not read"[..]).unwrap()
        });
        drop(go);
        (first.join().unwrap(), second.join().unwrap())
    });
    assert!(Arc::ptr_eq(&first.shared, &second.shared));
    // Both commit; the first one's image fails, and its lease goes before the second commits.
    drop(ground.store.commit_layers(vec![first]).unwrap());
    let lease = ground.store.commit_layers(vec![second]).unwrap();
    ground.check_layer(&lease);
}

#[test]
fn a_layer_that_was_loaded_gets_its_blob_when_it_is_pulled() {
    let ground = ground();
    let pending = ground.store.unpack_layer(&mut &ground.archive[..]).unwrap();
    let loaded = ground.store.commit_layers(vec![pending]).unwrap();
    assert_eq!(ground.store.layer_of_blob(&ground.form.digest), None);
    let pending = ground.unpack(&mut &ground.bytes[..]).unwrap();
    let lease = ground.store.commit_layers(vec![pending]).unwrap();
    ground.check_layer(&lease);
    assert_eq!(ground.files("tmp"), 0);
    drop(loaded);
    ground.check_layer(&lease);
}

#[test]
fn blobs_that_are_no_layers_are_kept_by_their_lease() {
    let ground = ground();
    let bytes = b"{\"predicate\":1}".to_vec();
    let form = Descriptor::of("application/vnd.in-toto+json", &bytes);
    let lease = ground.store.ingest(&form).unwrap().keep(&mut &bytes[..]).unwrap();
    assert_eq!(ground.store.blob(&form.digest), Some(bytes));
    let again = ground.store.ingest(&form).unwrap();
    assert!(again.is_complete());
    drop(again.keep(&mut &b""[..]).unwrap());
    assert!(ground.store.has_blob(&form.digest));
    drop(lease);
    assert!(!ground.store.has_blob(&form.digest));
}

#[test]
fn what_nobody_asks_for_again_goes() {
    let ground = ground();
    ground.unpack(&mut Cut(&ground.bytes[..5000])).err().unwrap();
    let running = ground.store.ingest(&ground.form).unwrap();
    assert_eq!(ground.store.prune_ingests(Duration::ZERO).unwrap(), 0, "somebody has it");
    drop(running);
    assert_eq!(ground.store.prune_ingests(Duration::from_secs(60)).unwrap(), 0, "it is young");
    assert_eq!(ground.store.prune_ingests(Duration::ZERO).unwrap(), 5000);
    assert_eq!(ground.files("ingest"), 0);
}

#[test]
fn forms_and_repositories_are_remembered() {
    let ground = ground();
    let pending = ground.unpack(&mut &ground.bytes[..]).unwrap();
    let diff_id = pending.diff_id().clone();
    let lease = ground.store.commit_layers(vec![pending]).unwrap();
    let other = Descriptor::of(OCI_LAYER_GZIP, b"made for a push");
    let store = &ground.store;
    store.remember_form(&diff_id, &ground.form, Some("docker.io/library/a")).unwrap();
    store.remember_form(&diff_id, &other, Some("localhost:5000/b")).unwrap();
    store.remember_form(&diff_id, &ground.form, Some("localhost:5000/c")).unwrap();
    store.forget_repository(&ground.form.digest, "docker.io/library/a").unwrap();
    let check = |store: &Store| {
        let forms = store.forms_of_layer(&diff_id);
        assert_eq!(forms[0].descriptor(), other);
        assert_eq!(forms[0].repositories, ["localhost:5000/b"]);
        assert_eq!(forms[1].descriptor(), ground.form);
        assert_eq!(forms[1].repositories, ["localhost:5000/c"]);
        assert!(store.has_blob(&forms[1].digest) && !store.has_blob(&forms[0].digest));
    };
    check(store);
    let image =
        store.add_image(&crate::testing::config(&[&ground.archive], ""), &lease, None, None);
    let image = image.unwrap();
    drop(lease);
    let root = ground.dir.path().join("store");
    let Ground { store, .. } = ground;
    drop(store);
    let store = Store::open(&root, Unpacker::InProcess).unwrap();
    assert!(store.image(&image).is_some());
    let forms = store.forms_of_layer(&diff_id);
    assert_eq!(forms.len(), 2);
    assert_eq!(forms[1].repositories, ["localhost:5000/c"]);
}

#[test]
fn a_lie_about_a_blob_of_the_store_harms_nothing() {
    let ground = ground();
    let text = b"{\"schemaVersion\":2,\"manifests\":[]}";
    let digest = Digest::of(text);
    let _lease = ground.store.put_document(&digest, text).unwrap();
    for size in [1, text.len() as u64 - 1, text.len() as u64, 1000] {
        let form = Descriptor { size, ..Descriptor::of(OCI_LAYER_GZIP, text) };
        let taken = ground.store.ingest(&form).and_then(|ingest| ingest.unpack(&mut &b""[..]));
        assert_eq!(taken.err().unwrap().kind(), Kind::Invalid, "{size}");
        assert!(ground.store.has_blob(&digest), "{size}");
    }
}
