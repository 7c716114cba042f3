//! The same life, and the power is cut: what was not synchronized is gone. And a disk that is full.
//!
//! The store lies on ext4 in a loop file, mounted so that it promises the least: data is written in
//! any order, renaming over a file flushes nothing, the journal is written when somebody asks for
//! it. When the life has come to a failpoint the file system is shut down without writing its
//! journal (`EXT4_IOC_SHUTDOWN`, no log flush: ioctl_ext4 and xfstests' `godown`), mounted again,
//! and read.

use std::collections::BTreeMap;
use std::process::Command;

use super::crash::{check_sound, live, verify};
use super::*;

/// $1: this program, $2: a failpoint. Says what the life noted.
const CUT: &str = r#"set -e
truncate -s 48M disk; mkfs.ext4 -q -F disk; mkdir m
options=noatime,noauto_da_alloc,data=writeback,commit=600
mount -o loop,$options disk m
mkdir m/store; sync -f m; echo never > m/unsynced
export STORE_TEST_ROOT=$PWD/m/store STORE_TEST_NOTES=$PWD/notes
WHARF_FAILPOINT=$2 "$1" --exact tests::cut::cut_victim >/dev/null 2>&1 && exit 7 || true
python3 -c 'import fcntl, os, struct
fcntl.ioctl(os.open("m", os.O_RDONLY), 0x8004587d, struct.pack("I", 2))'
umount m
mount -o loop,$options disk m
test ! -s m/unsynced || exit 8
STORE_TEST_ROOT= STORE_TEST_SURVIVOR=$PWD/m/store "$1" --exact tests::cut::cut_survivor --nocapture
umount m
"#;

/// Does nothing when the tests run by themselves.
#[test]
fn cut_victim() {
    if let Some(root) = std::env::var_os("STORE_TEST_ROOT").filter(|root| !root.is_empty()) {
        live(Path::new(&root));
    }
}

/// Does nothing when the tests run by themselves.
#[test]
fn cut_survivor() {
    let Some(root) = std::env::var_os("STORE_TEST_SURVIVOR") else { return };
    let notes = std::env::var_os("STORE_TEST_NOTES").unwrap();
    let notes = std::fs::read_to_string(notes).unwrap_or_default();
    let store = reopen(Path::new(&root));
    check_sound(&store, "after a cut");
    let known: BTreeMap<&str, &str> =
        notes.lines().map(|line| line.split_at(1)).map(|(how, name)| (name, how)).collect();
    for (name, how) in known {
        match how {
            "+" => drop(store.resolve(name).unwrap()),
            "-" => assert!(store.resolve(name).is_err(), "{name} is back"),
            _ => {}
        }
    }
}

/// Runs a script in a mount namespace and a directory of its own.
fn script(text: &str, arguments: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let program = std::env::current_exe().unwrap();
    let output = Command::new("unshare")
        .args(["-m", "sh", "-c", text, "sh"])
        .arg(program)
        .args(arguments)
        .current_dir(dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {}: {said}", output.status);
}

#[test]
fn after_a_power_cut_every_image_is_whole() {
    for name in failpoint::NAMES {
        script(CUT, &[name]);
    }
}

/// A file system that has no room for one file more, then one for one, and so on: each time the
/// next thing that the store makes has no place.
const FULL: &str = r#"set -e
mkdir m; mount -t tmpfs -o size=300m,nr_inodes=2000 none m
export STORE_TEST_FULL=$PWD/m/store
STORE_TEST_BASE=1 "$1" --exact tests::cut::full_victim --nocapture
free=0
while [ $free -lt 200 ]; do
  used=$(df --output=iused m | tail -1 | tr -d " ")
  mount -o remount,nr_inodes=$((used + free)) m
  status=0
  "$1" --exact tests::cut::full_victim --nocapture || status=$?
  [ $status != 3 ] || exit 0
  [ $status = 0 ] || exit $status
  free=$((free + 1))
done
exit 9
"#;

/// Does nothing when the tests run by themselves.
#[test]
fn full_victim() {
    let Some(root) = std::env::var_os("STORE_TEST_FULL") else { return };
    let store = reopen(Path::new(&root));
    let (one, two) = (layer(&[("d/e/f", "2")]), layer(&[("b", "2")]));
    if std::env::var_os("STORE_TEST_BASE").is_some() {
        load(&store, "base:1", &[&layer(&[("a", "base")])]);
        return;
    }
    let archive = docker_archive("app:1", &[&one, &two], "app:1");
    let loaded = store.load(&mut &archive[..], &Platform::host(), &mut |_| ());
    let layer = run("gzip", &["-n"], &two, Path::new("/"));
    let form = oci::Descriptor::of(oci::media_type::OCI_LAYER_GZIP, &layer);
    let pulled = store.ingest(&form).and_then(|ingest| ingest.unpack(&mut &layer[..]));
    let pulled = pulled.and_then(|pending| store.commit_layers(vec![pending]));
    if loaded.is_ok() && pulled.is_ok() {
        std::process::exit(3);
    }
    let is_loaded = loaded.is_ok();
    for error in [loaded.err(), pulled.err()].into_iter().flatten() {
        let text = stdx::error::chain(&error).to_string();
        assert_eq!(error.kind(), Kind::Exhausted, "{text}");
        assert!(text.contains("No space left on device"), "{text}");
    }
    // What was there is there; of what had no place nothing is left.
    let base = store.resolve("base:1").unwrap();
    verify(&store, &store.image(&base).unwrap());
    drop(store);
    let store = reopen(Path::new(&root));
    store.sweep().unwrap();
    if is_loaded {
        let spec = RemoveSpec { image: "app:1", force: true, prune_parents: false };
        store.remove(spec, &[]).unwrap();
    }
    store.prune_ingests(std::time::Duration::ZERO).unwrap();
    store.sweep().unwrap();
    assert_eq!(counts(Path::new(&root)), [1, 1, 1, 0, 0]);
}

#[test]
fn a_full_disk_is_told_and_costs_nothing() {
    script(FULL, &[]);
}
