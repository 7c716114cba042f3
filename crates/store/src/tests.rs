use std::collections::BTreeSet;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use oci::{Digest, Platform, Reference};
use stdx::Kind;

use super::*;
use crate::testing::{docker_archive, layer, run};
use archive::Unpacker;

pub(crate) mod crash;
mod cut;

struct Ground {
    _dir: tempfile::TempDir,
    store: Store,
}

fn ground() -> Ground {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("store"), Unpacker::InProcess).unwrap();
    Ground { _dir: dir, store }
}

impl Ground {
    fn load(&self, name: &str, layers: &[&[u8]]) -> Digest {
        load(&self.store, name, layers)
    }

    fn tag(&self, image: &str, name: &str) {
        let id = self.store.resolve(image).unwrap();
        self.store.tag(&id, &Reference::parse(name).unwrap()).unwrap();
    }

    fn remove(&self, image: &str, users: &[ImageUser]) -> Result<Vec<String>, String> {
        self.remove_as(RemoveSpec { image, force: false, prune_parents: true }, users)
    }

    fn remove_as(&self, spec: RemoveSpec<'_>, users: &[ImageUser]) -> Result<Vec<String>, String> {
        let removed = self.store.remove(spec, users).map_err(|error| error.to_string())?;
        let line = |removed: Removed| match removed {
            Removed::Untagged { name, .. } => format!("Untagged: {}", name.familiar()),
            Removed::Image(id) => format!("Image: {}", id.short()),
            Removed::Layer(chain) => format!("Layer: {}", chain.short()),
        };
        Ok(removed.into_iter().map(line).collect())
    }
}

fn load(store: &Store, name: &str, layers: &[&[u8]]) -> Digest {
    let archive = docker_archive(name, layers, name);
    match store.load(&mut &archive[..], &Platform::host(), &mut |_| ()).unwrap().pop() {
        Some(Loaded::Name { id, .. } | Loaded::Id(id)) => id,
        other => panic!("{other:?}"),
    }
}

/// Opens a store that was just closed. A process that another test is starting meanwhile holds a
/// copy of the lock between its fork and its exec.
pub(crate) fn reopen(root: &Path) -> Store {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    loop {
        match Store::open(root, Unpacker::InProcess) {
            Err(StoreError::Locked { .. }) if std::time::Instant::now() < deadline => {
                std::thread::yield_now();
            }
            other => return other.unwrap(),
        }
    }
}

/// What is in the store's directories, by number: blobs, layers, images, root file systems, tmp.
fn counts(root: &Path) -> [usize; 5] {
    let unfinished = std::fs::read_dir(root.join("unpacking")).unwrap().count();
    assert_eq!(unfinished, 0, "unpacking");
    ["blobs/sha256", "layers", "images", "rootfs", "tmp"].map(|name| {
        let entries = std::fs::read_dir(root.join(name)).unwrap().map(|entry| entry.unwrap());
        entries.filter(|entry| entry.file_name() != "base").count()
    })
}

#[test]
fn one_process_at_a_time_and_one_version() {
    let ground = ground();
    let root = ground.store.shared.layout.root.clone();
    assert_eq!(std::fs::metadata(&root).unwrap().permissions().mode() & 0o7777, 0o700);
    let open = || Store::open(&root, Unpacker::InProcess);
    let error = open().err().unwrap();
    assert!(error.to_string().contains("another engine is using it"), "{error}");
    drop(ground.store);
    drop(reopen(&root));
    let other = tempfile::tempdir().unwrap();
    std::fs::write(other.path().join("version"), "wharf store 9\n").unwrap();
    let error = Store::open(other.path(), Unpacker::InProcess).err().unwrap();
    assert_eq!(error.kind(), Kind::Unsupported);
}

#[test]
fn resolve_finds_names_ids_and_prefixes() {
    let ground = ground();
    let id = ground.load("busybox:1", &[&layer(&[("a", "1")])]);
    ground.tag("busybox:1", "busybox");
    ground.tag("busybox:1", "example.com:5000/team/app:v2");
    let resolve = |text: &str| ground.store.resolve(text).map_err(|error| error.to_string());
    let texts = [
        "busybox",
        "busybox:1",
        "docker.io/library/busybox:latest",
        "example.com:5000/team/app:v2",
        id.hex(),
        id.short(),
        &id.to_string(),
        &id.hex()[..1],
        &id.to_string()[..12],
    ];
    for text in texts {
        assert_eq!(resolve(text).as_ref(), Ok(&id), "{text}");
    }
    let missing = |text: &str, shown: &str| {
        assert_eq!(resolve(text), Err(format!("No such image: {shown}")), "{text}");
    };
    missing("nosuch", "nosuch:latest");
    missing("busybox:2", "busybox:2");
    missing("example.com/team/app", "example.com/team/app:latest");
    missing(&"0".repeat(64), &format!("sha256:{}", "0".repeat(64)));
    assert_eq!(
        resolve("UPPER").unwrap_err(),
        "invalid reference format: repository name \
         (library/UPPER) must be lowercase"
    );
    assert_eq!(ground.store.resolve("nosuch").unwrap_err().kind(), Kind::NotFound);
    // A prefix that two images share names neither.
    let mut prefixes = BTreeSet::from([id.hex()[..1].to_owned()]);
    let shared = (0..).find_map(|n| {
        let id = ground.load("", &[&layer(&[("a", &n.to_string())])]);
        (!prefixes.insert(id.hex()[..1].to_owned())).then(|| id.hex()[..1].to_owned())
    });
    let shared = shared.unwrap();
    missing(&shared, &format!("{shared}:latest"));
    // A name wins over an id.
    ground.tag("busybox:1", &shared);
    assert_eq!(resolve(&shared), Ok(id));
}

#[test]
fn images_are_described_and_survive_reopening() {
    let ground = ground();
    let (one, two) = (layer(&[("a", "12345")]), layer(&[("b", "123")]));
    let id = ground.load("app:1", &[&one, &two, &one]);
    ground.tag("app:1", "app:2");
    let digest = Digest::of(b"manifest");
    let name = Reference::parse("app").unwrap();
    ground.store.set_name(&name.with_digest(digest.clone()), &id, None).unwrap();
    let show = |store: &Store| {
        let image = store.image(&id).unwrap();
        let tags: Vec<String> = image.tags.iter().map(Reference::familiar).collect();
        assert_eq!(image.size, 5 + 3 + 5);
        assert_eq!(image.config.created.as_deref(), Some("2024-01-02T03:04:05Z"));
        assert_eq!(image.layers.len(), 3);
        assert!(image.last_tagged.is_some());
        assert_eq!(image.digests[0].familiar(), format!("app@{digest}"));
        assert_eq!(store.images().len(), 1);
        assert_eq!(store.images()[0].tags, image.tags);
        tags
    };
    assert_eq!(show(&ground.store), ["app:1", "app:2"]);
    let root = ground.store.shared.layout.root.clone();
    drop(ground.store);
    let store = reopen(&root);
    assert_eq!(show(&store), ["app:1", "app:2"]);
    assert_eq!(counts(&root), [1, 2, 1, 0, 0]);
    // The record is made anew from the configuration.
    drop(store);
    std::fs::write(root.join("images").join(format!("{}.json", id.hex())), "{").unwrap();
    let store = reopen(&root);
    assert_eq!(store.image(&id).unwrap().layers.len(), 3);
}

#[test]
fn a_name_moves_from_image_to_image() {
    let ground = ground();
    let (one, two) = (layer(&[("a", "1")]), layer(&[("a", "2")]));
    let first = ground.load("app:1", &[&one]);
    let archive = docker_archive("app:1", &[&two], "second");
    let loaded = ground.store.load(&mut &archive[..], &Platform::host(), &mut |_| ()).unwrap();
    let lines: Vec<String> = loaded.iter().map(Loaded::to_string).collect();
    assert_eq!(
        lines,
        [
            format!(
                "The image app:1 already exists, renaming the old one with ID {first} to \
                 empty string"
            ),
            "Loaded image: app:1".to_owned(),
        ]
    );
    assert!(ground.store.image(&first).unwrap().tags.is_empty());
    let digest = Reference::parse(&format!("app@{first}")).unwrap();
    let error = ground.store.tag(&first, &digest).unwrap_err();
    assert_eq!(error.to_string(), "refusing to create a tag with a digest reference");
}

#[test]
fn remove_by_dockers_rules() {
    let (one, two) = (layer(&[("a", "1")]), layer(&[("b", "2")]));
    let ground = ground();
    let base = ground.load("base:1", &[&one]);
    let app = ground.load("app:1", &[&one, &two]);
    let chain = oci::chain_id(&[Digest::of(&one), Digest::of(&two)]).unwrap();
    ground.tag("app:1", "app:2");
    assert_eq!(ground.remove("app:2", &[]).unwrap(), ["Untagged: app:2"]);
    // Shared layers stay, and so does the directory.
    let lines = ground.remove("app:1", &[]).unwrap();
    assert_eq!(
        lines,
        [
            "Untagged: app:1".to_owned(),
            format!("Image: {}", app.short()),
            format!("Layer: {}", chain.short()),
        ]
    );
    assert_eq!(ground.store.images().len(), 1);
    let lines = ground.remove(base.short(), &[]).unwrap();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[2], format!("Layer: {}", Digest::of(&one).short()));
    ground.store.sweep().unwrap();
    assert_eq!(counts(&ground.store.shared.layout.root), [0, 0, 0, 0, 0]);
    assert_eq!(ground.remove("app:1", &[]).unwrap_err(), "No such image: app:1");
}

#[test]
fn remove_conflicts_are_dockers() {
    let ground = ground();
    let id = ground.load("app:1", &[&layer(&[("a", "1")])]);
    let short = id.short();
    let container = "c0ffee0123456789";
    let user = |is_running| {
        vec![ImageUser { container: container.to_owned(), image: id.clone(), is_running }]
    };
    let force = |image| RemoveSpec { image, force: true, prune_parents: true };
    assert_eq!(
        ground.remove("app:1", &user(true)).unwrap_err(),
        format!(
            "conflict: unable to remove repository reference \"app:1\" (must force) - container \
             c0ffee012345 is using its referenced image {short}"
        )
    );
    assert_eq!(
        ground.remove(short, &user(false)).unwrap_err(),
        format!(
            "conflict: unable to delete {short} (must be forced) - image is being used by stopped \
             container c0ffee012345"
        )
    );
    assert_eq!(
        ground.remove_as(force(short), &user(true)).unwrap_err(),
        format!(
            "conflict: unable to delete {short} (cannot be forced) - image is being used by \
             running container c0ffee012345"
        )
    );
    ground.tag("app:1", "other:1");
    assert_eq!(
        ground.remove(short, &[]).unwrap_err(),
        format!(
            "conflict: unable to delete {short} (must be forced) - image is referenced in \
             multiple repositories"
        )
    );
    // A forced removal of the last name of an image in use only takes the name away.
    ground.remove("other:1", &user(true)).unwrap();
    assert_eq!(ground.remove_as(force("app:1"), &user(true)).unwrap(), ["Untagged: app:1"]);
    assert!(ground.store.image(&id).is_some());
    assert_eq!(ground.remove_as(force(short), &user(false)).unwrap().len(), 2);
}

#[test]
fn an_image_of_a_container_that_was_just_made_stays() {
    let ground = ground();
    let id = ground.load("app:1", &[&layer(&[("a", "1")])]);
    ground.store.create_rootfs("c0ffee0123456789", &id).unwrap();
    // Who removes has asked for the users before.
    let error = ground.remove("app:1", &[]).unwrap_err();
    let text = "container c0ffee012345 is using its referenced image";
    assert!(error.contains(text), "{error}");
    let force = RemoveSpec { image: "app:1", force: true, prune_parents: true };
    assert_eq!(ground.remove_as(force, &[]).unwrap()[0], "Untagged: app:1");
    ground.store.remove_rootfs("c0ffee0123456789").unwrap();
    // And the other way round, what is made finds no image.
    ground.store.create_rootfs("c1", &id).unwrap_err();
}

#[test]
fn remove_with_digests_children_and_parents() {
    let (one, two) = (layer(&[("a", "1")]), layer(&[("b", "2")]));
    let ground = ground();
    let parent = ground.load("", &[&one]);
    let child = ground.load("child:1", &[&one, &two]);
    let lease = ground.store.lease_layers(&ground.store.image(&child).unwrap().layers).unwrap();
    let config = ground.store.blob(&child).unwrap();
    ground.store.add_image(&config, &lease, Some(parent.clone()), None).unwrap();
    drop(lease);
    assert_eq!(ground.store.children(&parent), std::slice::from_ref(&child));
    let text = format!(
        "conflict: unable to delete {} (cannot be forced) - image has dependent \
                        child images",
        parent.short()
    );
    assert_eq!(ground.remove(parent.short(), &[]).unwrap_err(), text);
    let name = Reference::parse("child").unwrap();
    ground.store.set_name(&name.with_digest(child.clone()), &child, None).unwrap();
    // One repository: the id alone is enough, and the digest goes with the tag.
    let keep = RemoveSpec { image: child.short(), force: false, prune_parents: false };
    let lines = ground.remove_as(keep, &[]).unwrap();
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert!(lines.contains(&format!("Untagged: child@{child}")));
    assert!(ground.store.image(&parent).is_some());
    // Again, with the parent.
    let child = ground.load("child:1", &[&one, &two]);
    let lease = ground.store.lease_layers(&ground.store.image(&child).unwrap().layers).unwrap();
    ground.store.add_image(&config, &lease, Some(parent.clone()), None).unwrap();
    drop(lease);
    assert_eq!(ground.remove("child:1", &[]).unwrap().len(), 5);
    assert!(ground.store.image(&parent).is_none());
}

#[test]
fn root_file_systems() {
    let (one, two) = (layer(&[("a", "12345")]), layer(&[("b", "123")]));
    let empty = layer(&[]);
    let ground = ground();
    let store = &ground.store;
    let id = ground.load("app:1", &[&one, &empty, &two, &one]);
    let paths = store.create_rootfs("c1", &id).unwrap();
    let name = |layer: &[u8]| format!("{}/fs", Digest::of(layer).short());
    assert_eq!(paths.lowers, [name(&one), name(&two), "base/fs".to_owned()]);
    assert_eq!(std::fs::read(paths.layers_dir.join(&paths.lowers[0]).join("a")).unwrap(), b"12345");
    let mode = |name: &str| {
        let meta = std::fs::metadata(paths.rw_dir.join(name)).unwrap();
        (meta.mode() & 0o7777, meta.uid())
    };
    assert_eq!((mode("upper"), mode("work")), ((0o755, 0), (0o700, 0)));
    assert_eq!(store.rootfs_paths("c1").unwrap(), paths);
    std::fs::create_dir(paths.rw_dir.join("upper/d")).unwrap();
    std::fs::write(paths.rw_dir.join("upper/d/f"), "1234567").unwrap();
    std::fs::hard_link(paths.rw_dir.join("upper/d/f"), paths.rw_dir.join("upper/g")).unwrap();
    std::os::unix::fs::symlink("/", paths.rw_dir.join("upper/root")).unwrap();
    let size = store.rootfs_size("c1").unwrap();
    assert_eq!(size, RootfsSize { rw_bytes: 7 + 1, image_bytes: 13 });
    assert!(matches!(store.create_rootfs("c1", &id), Err(StoreError::RootfsExists { .. })));
    assert!(matches!(store.rootfs_paths("c2"), Err(StoreError::NoSuchRootfs { .. })));
    for bad in ["", "..", "a/b", ".hidden", "../x"] {
        assert!(store.create_rootfs(bad, &id).is_err(), "{bad}");
    }
    assert_eq!(store.list_rootfs(), [Rootfs { container: "c1".into(), image: Some(id.clone()) }]);
    // The image may go; its layers stay as long as the container.
    let force = RemoveSpec { image: "app:1", force: true, prune_parents: true };
    assert_eq!(ground.remove_as(force, &[]).unwrap().len(), 2);
    assert_eq!(store.rootfs_paths("c1").unwrap(), paths);
    let root = store.shared.layout.root.clone();
    drop(ground.store);
    let store = reopen(&root);
    assert_eq!(store.rootfs_paths("c1").unwrap(), paths);
    store.remove_rootfs("c1").unwrap();
    store.remove_rootfs("c1").unwrap();
    store.sweep().unwrap();
    assert_eq!(counts(&root), [0, 0, 0, 0, 0]);
}

#[test]
fn an_image_without_layers_has_a_root() {
    let ground = ground();
    let id = ground.load("scratch:1", &[]);
    let paths = ground.store.create_rootfs("c", &id).unwrap();
    assert_eq!(paths.lowers, ["base/fs"]);
    assert!(paths.layers_dir.join("base/fs/etc/hosts").is_file());
    assert_eq!(ground.store.image_flags(&id).unwrap(), ImageFlags::default());
}

#[test]
fn two_layers_may_share_a_short_name() {
    let ground = ground();
    let bytes = layer(&[("a", "1")]);
    let diff_id = Digest::of(&bytes);
    // As if another digest with the same first digits were there.
    let other = ground.load("", &[&layer(&[("b", "1")])]);
    let other = ground.store.image(&other).unwrap().layers[0].clone();
    ground.store.state().layers.get_mut(&other).unwrap().name = diff_id.short().to_owned();
    let id = ground.load("app:1", &[&bytes]);
    let paths = ground.store.create_rootfs("c", &id).unwrap();
    assert_eq!(paths.lowers, [format!("{}/fs", diff_id.hex()), "base/fs".to_owned()]);
}

#[test]
fn import_makes_an_image() {
    let ground = ground();
    let name = Reference::parse("imported:1").unwrap();
    let changes = ["CMD [\"/bin/true\"]".to_owned(), "ENV A=b".to_owned()];
    let mut spec = ImportSpec {
        changes: &changes,
        message: "note",
        platform: Platform::of("linux", "amd64", ""),
        name: Some(&name),
        engine_version: "1.2.3",
    };
    let bytes = run("gzip", &[], &layer(&[("bin/true", "x")]), Path::new("/"));
    let id = ground.store.import(&mut &bytes[..], &spec).unwrap();
    assert_eq!(ground.store.resolve("imported:1").unwrap(), id);
    let image = ground.store.image(&id).unwrap();
    assert_eq!(image.config.config.cmd.as_deref(), Some(&["/bin/true".to_owned()][..]));
    assert_eq!(image.config.history[0].comment, "note");
    assert_eq!((image.config.comment.as_str(), image.size), ("note", 1));
    let wrong = ["FROM x".to_owned()];
    spec.changes = &wrong;
    let error = ground.store.import(&mut &bytes[..], &spec).unwrap_err();
    assert_eq!(error.to_string(), "FROM is not a valid change command");
    spec.changes = &[];
    let error = ground.store.import(&mut &b"this is no archive"[..], &spec).unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    drop(error);
    assert_eq!(counts(&ground.store.shared.layout.root), [1, 1, 1, 0, 0]);
}

/// Layers as the kernel's overlay sees them.
#[test]
fn overlay_understands_the_layers() {
    use crate::testing::{archive, dir, file};
    let ground = ground();
    let lower =
        archive(&[file("d/old", "1"), file("e/old", "1"), file("f/x", "1"), file("g", "1")]);
    let upper = archive(&[
        file("d/.wh.old", ""),
        file("d/new", "2"),
        file("e/.wh..wh..opq", ""),
        file("e/new", "2"),
        file(".wh.f", ""),
        dir("f"),
        file(".wh.g", ""),
    ]);
    let id = ground.load("app:1", &[&lower, &upper]);
    let paths = ground.store.create_rootfs("c", &id).unwrap();
    let options = format!(
        "userxattr,lowerdir={},upperdir={},workdir={}",
        paths.lowers.join(":"),
        paths.rw_dir.join("upper").display(),
        paths.rw_dir.join("work").display()
    );
    let merged = paths.rw_dir.join("upper/../merged");
    std::fs::create_dir(&merged).unwrap();
    let script = "mount -t overlay overlay -o \"$1\" \"$2\" && cd \"$2\" && find [a-g] | sort";
    let merged = merged.display().to_string();
    let arguments = ["-m", "sh", "-c", script, "sh", &options, &merged];
    let list = run("unshare", &arguments, b"", &paths.layers_dir);
    let list = String::from_utf8(list).unwrap();
    assert_eq!(list, "d\nd/new\ne\ne/new\nf\n");
}
