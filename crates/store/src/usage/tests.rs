use oci::Platform;

use super::*;
use crate::load::Loaded;
use crate::testing::{docker_archive, layer};
use archive::unpack::Unpacker;

fn load(store: &Store, name: &str, layers: &[&[u8]]) -> Digest {
    let archive = docker_archive(name, layers, name);
    match store.load(&mut &archive[..], &Platform::host(), &mut |_| ()).unwrap().pop() {
        Some(Loaded::Name { id, .. } | Loaded::Id(id)) => id,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_layer_is_counted_once_however_many_images_stand_on_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("store"), Unpacker::InProcess).unwrap();
    assert_eq!(store.layer_usage(&BTreeSet::new()), LayerUsage::default());
    let base = layer(&[("base", &"b".repeat(1000))]);
    let (one, two) = (layer(&[("one", &"1".repeat(10))]), layer(&[("two", &"2".repeat(20))]));
    let a = load(&store, "a:1", &[&base, &one]);
    let b = load(&store, "b:1", &[&base, &two]);
    // Twice in one image is not shared.
    let alone = layer(&[("alone", &"x".repeat(500))]);
    let c = load(&store, "c:1", &[&alone]);
    let check = |used: &[&Digest], reclaimable: u64| {
        let usage = store.layer_usage(&used.iter().map(|id| (*id).clone()).collect());
        assert_eq!(usage.bytes, 1530);
        assert_eq!(usage.reclaimable_bytes, reclaimable, "{used:?}");
        let shared = |id| usage.shared_bytes.get(id).copied();
        assert_eq!([shared(&a), shared(&b), shared(&c)], [Some(1000), Some(1000), Some(0)]);
    };
    check(&[], 1530);
    check(&[&c], 1030);
    // What a shares with b cannot be had while a is used.
    check(&[&a], 520);
    check(&[&a, &b, &c], 0);
    store.create_rootfs("container", &b).unwrap();
    check(&[], 510);
    assert_eq!(store.layer_sizes().values().sum::<u64>(), 1530);
    // What is kept for a push counts, and goes with its layer; files alone are what images share.
    let form = store.layer_blob(&Digest::of(&base)).unwrap();
    let usage = store.layer_usage(&BTreeSet::new());
    assert_eq!(usage.bytes, 1530 + form.size);
    assert_eq!(usage.reclaimable_bytes, 510);
    assert_eq!(usage.shared_bytes.get(&a), Some(&1000));
    assert_eq!(store.layer_sizes()[&Digest::of(&base)], 1000 + form.size);
    // So does what has come in of a pull that was cut.
    let cut = oci::Descriptor { size: 5000, ..oci::Descriptor::of("x", b"cut") };
    drop(store.ingest(&cut).unwrap().unpack(&mut &[0; 70][..]));
    assert_eq!(store.layer_usage(&BTreeSet::new()).bytes, 1530 + form.size + 70);
    assert_eq!(store.prune_ingests(std::time::Duration::ZERO).unwrap(), 70);
}
