//! What nobody uses, and how much room things take.

use serde_json::{Value, json};

use crate::harness::{BOTH, Cli, Engine};

fn json(engine: &Engine, path: &str) -> Value {
    let (status, body) = engine.get(path).unwrap();
    assert_eq!(status, 200, "{path}: {body}");
    serde_json::from_str(&body).unwrap()
}

/// An image of one file of so many bytes, on nothing.
fn import(engine: &Engine, name: &[&str], bytes: usize) -> String {
    let tree = engine.dir.path().join(format!("tree-{bytes}"));
    std::fs::create_dir_all(&tree).unwrap();
    std::fs::write(tree.join("file"), "x".repeat(bytes)).unwrap();
    let tar = engine.dir.path().join(format!("{bytes}.tar"));
    crate::harness::pack(&tree, &["--owner=0", "--group=0", "-cf"], &tar);
    let words = [&["import", tar.to_str().unwrap()], name].concat();
    engine.wharf(words).ok().trim().to_owned()
}

#[test]
fn containers_that_do_not_run_go() {
    let engine = Engine::start();
    for cli in BOTH {
        engine.background("runs", &[], &["sleep", "1000"]);
        engine.background("frozen", &[], &["sleep", "1000"]);
        engine.wharf(["pause", "frozen"]).ok();
        let create = |name: &str, label: &str| {
            let words = ["create", "--name", name, "-l", label, "--network", "none", "busybox"];
            engine.wharf([&words[..], &["true"]].concat()).ok().trim().to_owned()
        };
        let (one, _two) = (create("one", "a=b"), create("two", "a=c"));
        let write = ["run", "--name", "wrote", "--network", "none", "busybox", "sh", "-c"];
        engine.wharf([&write[..], &["head -c 5000 /dev/zero >/f"]].concat()).ok();
        // Asked first, and nothing happens without a yes.
        let ran = engine.with_input(cli, &["container", "prune"], b"n\n");
        let ask = "WARNING! This will remove all stopped containers.\nAre you sure you want to \
                   continue? [y/N] ";
        assert_eq!((ran.code, ran.out.as_str()), (0, ask));
        let prune = ["container", "prune", "-f", "--filter", "label=a=b"];
        let told = engine.cli(cli, prune).ok();
        assert_eq!(told, format!("Deleted Containers:\n{one}\n\nTotal reclaimed space: 0B\n"));
        let young = ["container", "prune", "-f", "--filter", "until=1h"];
        assert_eq!(engine.cli(cli, young).ok(), "Total reclaimed space: 0B\n");
        let told = engine.cli(cli, ["system", "prune", "-f", "--filter", "label!=a=c"]).ok();
        assert!(told.ends_with("\nTotal reclaimed space: 5kB\n"), "{told}");
        let left = engine.wharf(["ps", "-a", "--format", "{{.Names}}"]).ok();
        let mut left: Vec<&str> = left.lines().collect();
        left.sort_unstable();
        assert_eq!(left, ["frozen", "runs", "two"]);
        engine.wharf(["rm", "-f", "frozen", "runs", "two"]).ok();
    }
    engine.finish();
}

#[test]
fn images_without_names_go_and_with_all_those_without_users() {
    let engine = Engine::start();
    engine.background("user", &[], &["sleep", "1000"]);
    engine.wharf(["tag", "busybox", "second:name"]).ok();
    for cli in BOTH {
        let nameless = import(&engine, &[], 3000);
        import(&engine, &["-c", "LABEL keep=1", "named:1"], 4000);
        let told = engine.cli(cli, ["image", "prune", "-f"]).ok();
        assert!(told.contains(&format!("deleted: {nameless}\n")), "{told}");
        assert!(told.ends_with("Total reclaimed space: 3kB\n"), "{told}");
        let kept = ["image", "prune", "-a", "-f", "--filter", "label!=keep"];
        assert_eq!(engine.cli(cli, kept).ok(), "Total reclaimed space: 0B\n");
        let told = engine.cli(cli, ["image", "prune", "-a", "-f"]).ok();
        assert!(told.contains("untagged: named:1\n"), "{told}");
        assert!(told.ends_with("Total reclaimed space: 4kB\n"), "{told}");
        // A used image keeps all its names.
        let left = engine.wharf(["images", "--format", "{{.Repository}}:{{.Tag}}"]).ok();
        let mut left: Vec<&str> = left.lines().collect();
        left.sort_unstable();
        assert_eq!(left, ["busybox:latest", "second:name"], "{cli:?}");
    }
    engine.finish();
}

#[test]
fn an_image_that_cannot_go_keeps_no_other() {
    let engine = Engine::empty();
    let (one, two) = (import(&engine, &[], 3000), import(&engine, &[], 4000));
    // A directory in the place of the record: nobody can remove it as a file.
    let record = |id: &str| {
        engine.root().join("store/images").join(format!("{}.json", &id["sha256:".len()..]))
    };
    let (first, second) = if one < two { (&one, &two) } else { (&two, &one) };
    let bytes = std::fs::read(record(first)).unwrap();
    std::fs::remove_file(record(first)).unwrap();
    std::fs::create_dir_all(record(first).join("full")).unwrap();
    let told = engine.docker(["image", "prune", "-f"]).ok();
    assert!(told.contains(&format!("deleted: {second}\n")), "{told}");
    assert!(!told.contains(&format!("deleted: {first}\n")), "{told}");
    std::fs::remove_dir_all(record(first)).unwrap();
    std::fs::write(record(first), bytes).unwrap();
    let told = engine.docker(["image", "prune", "-f"]).ok();
    assert!(told.contains(&format!("deleted: {first}\n")), "{told}");
    engine.finish();
}

#[test]
fn disk_usage_counts_what_is_shared_once() {
    let engine = Engine::empty();
    let one = import(&engine, &["one:1"], 1000);
    import(&engine, &["two:1"], 2000);
    // The same files: another image, and no room at all.
    let tar = engine.dir.path().join("1000.tar");
    let same = ["import", "-m", "again", tar.to_str().unwrap(), "same:1"];
    engine.wharf(same).ok();
    engine.wharf(["create", "--network", "none", "--name", "user", "one:1", "/file"]).ok();
    let df = json(&engine, "/system/df");
    assert_eq!(df["LayersSize"], 3000);
    let image = |tag: &str| {
        let images = df["Images"].as_array().unwrap();
        images.iter().find(|image| image["RepoTags"] == json!([tag])).unwrap().clone()
    };
    assert_eq!(image("one:1")["SharedSize"], 1000);
    assert_eq!(image("one:1")["Containers"], 1);
    assert_eq!(image("same:1")["SharedSize"], 1000);
    assert_eq!(image("two:1")["SharedSize"], 0);
    assert_eq!(df["Containers"].as_array().unwrap().len(), 1);
    assert_eq!(df["Volumes"], json!([]));
    assert_eq!(df["BuildCache"], json!([]));
    // Only the second image could go: what the third has is in use.
    let line = ["system", "df", "--format", "{{.Type}} {{.Size}} {{.Reclaimable}}"];
    let told = engine.wharf(line).ok();
    assert!(told.starts_with("Images 3kB 2kB (66%)\nContainers 0B 0B\n"), "{told}");
    for cli in BOTH {
        let told = engine.cli(cli, ["system", "df", "-v"]).ok();
        let short = &one["sha256:".len()..][..12];
        assert!(told.contains(short) && told.contains("SHARED SIZE"), "{cli:?} {told}");
    }
    let some = json(&engine, "/system/df?type=image");
    assert_eq!(some["Containers"], Value::Null);
    // Before kinds could be asked for, and when sizes were told twice.
    let old = json(&engine, "/v1.41/system/df?type=image");
    assert_eq!(old["Containers"].as_array().unwrap().len(), 1);
    assert_eq!(old["Images"][0]["VirtualSize"], old["Images"][0]["Size"]);
    engine.finish();
}

#[test]
fn what_there_is_none_of_is_answered_truly() {
    let engine = Engine::start();
    engine.background("member", &[], &["sleep", "1000"]);
    let bogus = "?filters=%7B%22bogus%22%3A%5B%22x%22%5D%7D";
    for (kind, nothing) in [
        ("networks", json!({"NetworksDeleted": null})),
        ("volumes", json!({"VolumesDeleted": [], "SpaceReclaimed": 0})),
        ("build", json!({"CachesDeleted": null, "SpaceReclaimed": 0})),
    ] {
        let (status, body) = engine.post(&format!("/{kind}/prune"), &Value::Null);
        assert_eq!((status, serde_json::from_str(&body).unwrap()), (200, nothing));
        let (status, body) = engine.post(&format!("/{kind}/prune{bogus}"), &Value::Null);
        assert_eq!(status, 400, "{body}");
        assert!(body.contains("invalid filter 'bogus'"), "{body}");
    }
    for kind in ["containers", "images"] {
        let two = "?filters=%7B%22until%22%3A%5B%221h%22%2C%222h%22%5D%7D";
        let (status, body) = engine.post(&format!("/{kind}/prune{two}"), &Value::Null);
        assert_eq!(status, 400, "{body}");
        assert!(body.contains("more than one until filter specified"), "{body}");
    }
    let list = engine.cli(Cli::Docker, ["network", "ls", "--format", "{{.Name}} {{.Driver}}"]);
    assert_eq!(list.ok(), "host host\nnone null\n");
    let network = json(&engine, "/networks/none");
    let member = engine.inspect("member");
    let id = member["Id"].as_str().unwrap();
    assert_eq!(network["Containers"][id]["Name"], "member");
    let endpoint = &member["NetworkSettings"]["Networks"]["none"];
    assert_eq!(endpoint["NetworkID"], network["Id"]);
    assert_eq!(endpoint["EndpointID"], network["Containers"][id]["EndpointID"]);
    for (method, path, status, text) in [
        ("GET", "/networks/nosuch", 404, "network nosuch not found"),
        ("DELETE", "/networks/host", 403, "host is a pre-defined network and cannot be removed"),
        ("GET", "/volumes", 200, "{\"Volumes\":[],\"Warnings\":null}"),
        ("GET", "/system/df?type=bogus", 400, "unknown object type: bogus"),
        ("POST", "/networks/create", 501, "not supported"),
        ("POST", "/volumes/create", 501, "not supported"),
    ] {
        let (got, body) = engine.call(method, path, (method == "POST").then_some("{}")).unwrap();
        assert_eq!(got, status, "{method} {path}: {body}");
        assert!(body.contains(text), "{method} {path}: {body}");
    }
    engine.finish();
}
