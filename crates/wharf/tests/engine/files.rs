//! Files go in and out of containers, and nowhere else.

use std::io::Read;
use std::os::unix::fs::{MetadataExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::harness::{BOTH, Cli, Engine};

/// A directory of this machine to copy from and to.
fn ground(engine: &Engine) -> PathBuf {
    let dir = engine.dir.path().join("ground");
    drop(std::fs::remove_dir_all(&dir));
    std::fs::create_dir_all(dir.join("src/sub")).unwrap();
    std::fs::write(dir.join("src/file"), "content").unwrap();
    std::os::unix::fs::chown(dir.join("src/file"), Some(1234), Some(1235)).unwrap();
    symlink("file", dir.join("src/link")).unwrap();
    dir
}

fn text(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// The names in the archive that a command prints.
fn listed(mut command: Command) -> String {
    let mut printing = command.stdout(Stdio::piped()).spawn().unwrap();
    let archive = printing.stdout.take().unwrap();
    let tar = Command::new("tar").args(["-P", "-t"]).stdin(archive).output().unwrap();
    assert!(printing.wait().unwrap().success());
    String::from_utf8(tar.stdout).unwrap()
}

/// Copies both ways with one container.
fn check_copies(engine: &Engine, cli: Cli, name: &str) {
    let dir = ground(engine);
    let at = |path: &str| dir.join(path).to_str().unwrap().to_owned();
    let cp = |from: &str, to: &str| engine.cli(cli, ["cp", from, to]);
    let inside = |path: &str| format!("{name}:{path}");
    let what = format!("{cli:?} {name}");
    cp(&at("src"), &inside("/")).ok();
    cp(&at("src"), &inside("/src")).ok();
    cp(&at("src/."), &inside("/renamed")).ok();
    cp(&at("src/link"), &inside("/renamed/link2")).ok();
    cp(&inside("/renamed"), &at("back")).ok();
    assert_eq!(text(dir.join("back/file")), "content", "{what}");
    assert_eq!(std::fs::metadata(dir.join("back/file")).unwrap().uid(), 0, "{what}");
    assert_eq!(std::fs::read_link(dir.join("back/link2")).unwrap(), Path::new("file"));
    cp(&inside("/src/src/file"), &at("alone")).ok();
    assert_eq!(text(dir.join("alone")), "content");
    // The archive itself says whose the file is in the container.
    let tar = engine.cli(cli, ["cp", &inside("/src/file"), "-"]);
    assert_eq!(&tar.out[108..115], "0002322", "{what}");
    engine.with_input(cli, &["cp", "-", &inside("/src/sub")], tar.out.as_bytes()).ok();
    cp(&inside("/src/sub/file"), &at("through")).ok();
    assert_eq!(text(dir.join("through")), "content");
    for (from, to, why) in [
        (inside("/nothing"), at("x"), "Could not find the file /nothing in container"),
        (inside("/src"), at("alone"), "cannot copy directory"),
        (inside("/src/file"), at("no/x"), "does not exist"),
        (at("src/file"), inside("/no/"), "no such directory"),
        (at("src"), inside("/src/file"), "cannot copy directory"),
        (at("src/file"), "-".to_owned(), "must specify at least one container source"),
    ] {
        let ran = cp(&from, &to);
        assert_eq!(ran.code, 1, "{what} {from} {to}");
        assert!(ran.err.contains(why), "{what} {from} {to}: {}", ran.err);
    }
    engine.cli(cli, ["cp", "-L", &inside("/src/link"), &at("followed")]).ok();
    assert_eq!(text(dir.join("followed")), "content");
}

#[test]
fn copies_go_both_ways_in_every_state() {
    let engine = Engine::start();
    for cli in BOTH {
        engine.background("runs", &[], &["sleep", "1000"]);
        engine.background("stands", &[], &["sleep", "1000"]);
        engine.wharf(["pause", "stands"]).ok();
        engine.wharf(["create", "--name", "rests", "--network", "none", "busybox", "true"]).ok();
        engine.background("host", &["--userns", "host"], &["sleep", "1000"]);
        for name in ["runs", "stands", "rests", "host"] {
            check_copies(&engine, cli, name);
        }
        // What was copied into a container that did not run is there when it does.
        engine.wharf(["start", "-a", "rests"]).ok();
        assert_eq!(engine.wharf(["exec", "runs", "cat", "/src/file"]).ok(), "content");
        let owner = engine.wharf(["exec", "runs", "stat", "-c", "%u:%g", "/src/file"]).ok();
        assert_eq!(owner, "1234:1235\n");
        for name in ["runs", "stands", "rests", "host"] {
            engine.wharf(["rm", "-f", name]).ok();
        }
    }
    engine.finish();
}

#[test]
fn mounts_of_a_container_are_seen_and_their_rights_kept() {
    let engine = Engine::start();
    let dir = ground(&engine);
    let volume = dir.join("volume");
    std::fs::create_dir(&volume).unwrap();
    std::fs::write(volume.join("inside"), "bound").unwrap();
    let read_only = format!("{}:/ro:ro", volume.display());
    let writable = format!("{}:/rw", volume.display());
    let flags = ["-v", &read_only, "-v", &writable, "--tmpfs", "/mem", "--read-only"];
    engine.background("runs", &flags, &["sh", "-c", "echo x >/mem/f; sleep 1000"]);
    let create = ["create", "--name", "rests", "--network", "none"];
    engine.wharf([&create[..], &flags, &["busybox", "true"]].concat()).ok();
    let file = dir.join("src/file").to_str().unwrap().to_owned();
    for cli in BOTH {
        for name in ["runs", "rests"] {
            let out = dir.join("out").to_str().unwrap().to_owned();
            engine.cli(cli, ["cp", &format!("{name}:/rw/inside"), &out]).ok();
            assert_eq!(text(&out), "bound", "{cli:?} {name}");
            engine.cli(cli, ["cp", &file, &format!("{name}:/rw/new")]).ok();
            assert_eq!(std::fs::metadata(volume.join("new")).unwrap().uid(), 1234);
            std::fs::remove_file(volume.join("new")).unwrap();
            for (path, why) in [
                ("/ro/x", "mounted volume is marked read-only"),
                ("/x", "container rootfs is marked read-only"),
            ] {
                let ran = engine.cli(cli, ["cp", &file, &format!("{name}:{path}")]);
                assert!(ran.err.contains(why), "{cli:?} {name}{path}: {ran:?}");
            }
        }
        engine.cli(cli, ["cp", "runs:/mem/f", dir.join("mem").to_str().unwrap()]).ok();
        // The kernel's own files and the engine's devices are no files of the container.
        for path in ["/proc/version", "/dev/null", "/sys/kernel/notes"] {
            assert_eq!(engine.cli(cli, ["cp", &format!("runs:{path}"), "-"]).code, 1, "{path}");
        }
        let all = listed(engine.command(cli, ["cp", "runs:/", "-"]));
        assert!(all.contains("/mem/f\n") && all.contains("/rw/inside\n"), "{all}");
        assert!(!all.contains("/proc/1/") && !all.contains("/dev/null"), "{all}");
    }
    engine.finish();
}

#[test]
fn what_is_mounted_is_never_taken_for_what_lies_beneath() {
    let engine = Engine::start();
    let dir = ground(&engine);
    let volume = dir.join("volume");
    std::fs::create_dir(&volume).unwrap();
    std::fs::write(volume.join("inside"), "bound").unwrap();
    // An archive whose file stands where the container has a directory with a mount in it.
    let tree = dir.join("tree");
    std::fs::create_dir(&tree).unwrap();
    std::fs::write(tree.join("data"), "a file").unwrap();
    let tar = dir.join("put.tar");
    crate::harness::pack(&tree, &["-cf"], &tar);
    let archive = std::fs::read_to_string(&tar).unwrap();
    let bind = format!("{}:/data/vol", volume.display());
    engine.background("runs", &["-v", &bind], &["sleep", "1000"]);
    let create = ["create", "--network", "none", "--name"];
    engine.wharf([&create[..], &["rests", "-v", &bind, "busybox", "true"]].concat()).ok();
    for name in ["runs", "rests"] {
        let path = format!("/containers/{name}/archive?path=/");
        let (status, body) = engine.call("PUT", &path, Some(&archive)).unwrap();
        assert_ne!(status, 200, "{name}: {body}");
        assert_eq!(text(volume.join("inside")), "bound", "{name}");
    }
    // A source that only a start makes: what is written would be hidden by it.
    let later = format!("{}:/data", dir.join("later").display());
    engine.wharf([&create[..], &["later", "-v", &later, "busybox", "true"]].concat()).ok();
    let (status, body) =
        engine.call("PUT", "/containers/later/archive?path=/", Some(&archive)).unwrap();
    assert!(status != 200 && body.contains("which a start would"), "{body}");
    engine.finish();
}

#[test]
fn absolute_links_lead_where_they_lead_in_the_container() {
    let engine = Engine::start();
    let script = "mkdir -p /run/d /var; ln -s /run /var/run; echo x >/run/d/f; \
                  ln -s /run/d/f /abs; ln -s /../../etc/passwd /up; sleep 1000";
    engine.background("cc", &[], &["sh", "-c", script]);
    crate::harness::until("it is ready", || {
        engine.wharf(["exec", "cc", "test", "-L", "/up"]).code == 0
    });
    let dir = ground(&engine);
    let out = dir.join("out").to_str().unwrap().to_owned();
    for cli in BOTH {
        engine.cli(cli, ["cp", "cc:/var/run/d/f", &out]).ok();
        assert_eq!(text(&out), "x\n", "{cli:?}");
        engine.cli(cli, ["cp", "-L", "cc:/abs", &out]).ok();
        assert_eq!(text(&out), "x\n");
        engine.cli(cli, ["cp", "-L", "cc:/up", &out]).ok();
        assert!(text(&out).starts_with("root:x:0:0::/root:/bin/sh\nu:"), "{cli:?}: {}", text(&out));
        let file = dir.join("src/file").to_str().unwrap().to_owned();
        engine.cli(cli, ["cp", &file, "cc:/var/run/d/new"]).ok();
        assert_eq!(engine.wharf(["exec", "cc", "cat", "/run/d/new"]).ok(), "content");
    }
    engine.finish();
}

/// SEC-D01 (CVE-2018-15664, CVE-2026-41568, CVE-2026-42306): the container swaps a directory for a
/// link to a directory of the host's while files are copied.
#[test]
fn a_race_with_links_never_reaches_the_host() {
    let engine = Engine::start();
    let host = engine.dir.path().join("host");
    std::fs::create_dir(&host).unwrap();
    std::fs::write(host.join("secret"), "of the host").unwrap();
    let target = host.to_str().unwrap();
    // In the container the same path is its own: what comes from there is not the host's.
    let script = format!(
        "mkdir -p {target} /d /x; echo own >/d/secret; echo inside >{target}/secret; \
         ln -s {target} /x/link; touch /ready; \
         while :; do mv /d /x/dir; mv /x/link /d; mv /d /x/link; mv /x/dir /d; done"
    );
    engine.background("cc", &[], &["sh", "-c", &script]);
    crate::harness::until("it is ready", || {
        engine.wharf(["exec", "cc", "test", "-e", "/ready"]).code == 0
    });
    let dir = ground(&engine);
    let file = dir.join("src/file").to_str().unwrap().to_owned();
    let mut copied = 0;
    for _ in 0..60 {
        let (_, body) = engine.get("/containers/cc/archive?path=/d/secret").unwrap();
        assert!(!body.contains("of the host"), "a file of the host came out");
        let own = ["own", "inside", "content"].iter().any(|text| body.contains(text));
        copied += usize::from(own);
        engine.wharf(["cp", &file, "cc:/d/secret"]);
        engine.wharf(["cp", &file, "cc:/d/planted"]);
        assert_eq!(text(host.join("secret")), "of the host");
        assert!(!host.join("planted").exists(), "a file was written on the host");
    }
    assert!(copied > 0, "the race was never met");
    engine.finish();
}

/// SEC-D03 (CVE-2019-14271, CVE-2026-41567): nothing of the image runs or is loaded, whatever the
/// archive looks like.
#[test]
fn nothing_of_the_image_runs() {
    let engine = Engine::start();
    let script = "for p in xz unpigz gzip zstd lz4 bzip2 tar cp chown; do \
                  rm -f /bin/$p; printf '#!/bin/sh\\necho $0 >>/ran\\n' >/bin/$p; \
                  chmod 755 /bin/$p; done; mkdir -p /lib /usr/lib /d; \
                  for l in libnss_files.so.2 libnss_compat.so.2 libc.so.6 ld.so.preload; do \
                  echo junk >/lib/$l; echo junk >/etc/$l; done; \
                  echo /lib/x.so >/etc/ld.so.preload; \
                  touch /ready; while :; do sleep 1; done";
    engine.background("cc", &["--user", "0"], &["sh", "-c", script]);
    crate::harness::until("it is ready", || {
        engine.wharf(["exec", "cc", "test", "-e", "/ready"]).code == 0
    });
    let magics: [&[u8]; 6] = [
        b"\x1f\x8b\x08\0\0\0\0\0",
        b"BZh91AY&SY",
        b"\xfd7zXZ\0\0\x04",
        b"\x28\xb5\x2f\xfd\x24\x00",
        b"\x04\x22\x4d\x18\x64\x40",
        b"\0\0\0\0",
    ];
    for magic in magics {
        let archive = [magic, &[0; 1024]].concat();
        drop(engine.with_input(Cli::Wharf, &["cp", "-a", "-", "cc:/d"], &archive));
    }
    for path in ["/d", "/bin/xz", "/etc/ld.so.preload"] {
        engine.wharf(["cp", &format!("cc:{path}"), "-"]).ok();
    }
    let output = engine.command(Cli::Wharf, ["export", "cc"]).stdout(Stdio::null()).status();
    assert!(output.unwrap().success());
    engine.wharf(["diff", "cc"]).ok();
    engine.wharf(["commit", "cc", "made"]).ok();
    let ran = engine.wharf(["exec", "cc", "sh", "-c", "cat /ran 2>/dev/null"]);
    assert_eq!(ran.out, "", "programs of the image ran");
    engine.wharf(["exec", "cc", "xz"]).ok();
    assert_eq!(engine.wharf(["exec", "cc", "cat", "/ran"]).ok(), "/bin/xz\n");
    engine.finish();
}

/// SEC-D04 (CVE-2021-41091 and others): nobody else sees anything below the data root.
#[test]
fn others_see_nothing_of_the_data_root() {
    let engine = Engine::start();
    engine.background("cc", &[], &["sleep", "1000"]);
    let walk = |path: &Path, uid: u32| {
        let mut find = Command::new("/bin/busybox");
        find.arg("find").arg(path).arg("-mindepth").arg("1").stderr(Stdio::null());
        let output = find.uid(uid).gid(uid).output().unwrap();
        output.stdout.iter().filter(|byte| **byte == b'\n').count()
    };
    let above = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(engine.dir.path(), above).unwrap();
    assert!(walk(&engine.root(), 0) > 20, "the walk finds what there is");
    for uid in [65_534, 1000] {
        assert_eq!(walk(&engine.root(), uid), 0);
    }
    engine.finish();
}

#[test]
fn diff_tells_what_changed() {
    let engine = Engine::start();
    engine.wharf(["create", "--name", "fresh", "--network", "none", "busybox", "true"]).ok();
    let script = "rm -r /home; echo x >>/etc/group; mkdir -p /n/m; touch /n/m/f; mkdir /home; \
                  chmod 700 /tmp";
    engine.wharf(["run", "--name", "cc", "--network", "none", "busybox", "sh", "-c", script]).ok();
    let expected = "C /etc\nC /etc/group\nA /n\nA /n/m\nA /n/m/f\nC /tmp\n";
    for cli in BOTH {
        assert_eq!(engine.cli(cli, ["diff", "fresh"]).ok(), "", "{cli:?}");
        assert_eq!(engine.cli(cli, ["diff", "cc"]).ok(), expected, "{cli:?}");
    }
    assert_eq!(engine.get("/containers/fresh/changes").unwrap().1, "null\n");
    engine.finish();
}

#[test]
fn a_commit_is_the_container_as_an_image() {
    let engine = Engine::start();
    let script = "rm -r /home; rm /bin/vi; mkdir -p /d; echo one >/d/one; ln /d/one /d/two; \
                  mkfifo /d/pipe; ln -s one /d/link; chown 1000:1001 /d/one; chmod 4755 /d/one; \
                  rm -r /root; mkdir /root; sleep 1000";
    let odd = "printf x >/d/$(printf '\\377\\376')";
    engine.background("cc", &["-e", "A=b"], &["sh", "-c", &format!("mkdir /d; {odd}; {script}")]);
    crate::harness::until("it is ready", || {
        engine.wharf(["exec", "cc", "sh", "-c", "test -p /d/pipe -a ! -e /bin/vi"]).code == 0
            && engine.wharf(["exec", "cc", "test", "-u", "/d/one"]).code == 0
    });
    for (cli, name) in BOTH.into_iter().zip(["by-docker:1", "by-wharf:1"]) {
        let flags = ["commit", "-m", "note", "-a", "me", "-c", "ENV K=V", "-c", "CMD [\"true\"]"];
        let id = engine.cli(cli, [&flags[..], &["cc", name]].concat()).ok();
        assert_eq!(engine.state("cc"), "running");
        let format = "{{.Id}} {{.Comment}} {{.Author}} {{.Config.Env}} {{.Config.Cmd}}";
        let facts = engine.cli(cli, ["image", "inspect", "-f", format, name]).ok();
        assert_eq!(facts, format!("{} note me [A=b K=V] [true]\n", id.trim()));
        let check = "stat -c '%u:%g %a %h' /d/one; cat /d/two; test -p /d/pipe; echo $?; \
                     readlink /d/link; ls -d /home /bin/vi /root 2>/dev/null; ls /d | wc -l";
        let seen = engine.cli(cli, ["run", "--rm", "--network", "none", name, "sh", "-c", check]);
        assert_eq!(seen.ok(), "1000:1001 4755 2\none\n0\none\n/root\n5\n", "{cli:?}");
        let steps = engine.cli(cli, ["history", "--format", "{{.Comment}}|{{.Size}}", name]).ok();
        assert!(steps.starts_with("note|"), "{steps}");
        for bad in [&["cc", "BAD:x"][..], &["-c", "BOGUS x", "cc"], &["nosuch"]] {
            assert_eq!(engine.cli(cli, [&["commit"], bad].concat()).code, 1, "{cli:?} {bad:?}");
        }
    }
    engine.finish();
}

#[test]
fn images_are_saved_as_they_were_loaded() {
    let engine = Engine::start();
    let other = Engine::empty();
    engine.wharf(["run", "--name", "cc", "--network", "none", "busybox", "touch", "/new"]).ok();
    engine.wharf(["commit", "cc", "two:v"]).ok();
    let file = engine.dir.path().join("saved.tar");
    let file = file.to_str().unwrap();
    for cli in BOTH {
        engine.cli(cli, ["save", "-o", file, "busybox", "two:v"]).ok();
        let said = other.cli(cli, ["load", "-i", file]).ok();
        assert_eq!(said, "Loaded image: busybox:latest\nLoaded image: two:v\n", "{cli:?}");
        for name in ["busybox", "two:v"] {
            let id =
                |engine: &Engine| engine.cli(cli, ["image", "inspect", "-f", "{{.Id}}", name]).ok();
            assert_eq!(id(&engine), id(&other), "{name}");
        }
        other.cli(cli, ["rmi", "busybox", "two:v"]).ok();
        let ran = engine.cli(cli, ["save", "nosuch"]);
        assert!(ran.err.contains("No such image: nosuch"), "{ran:?}");
        assert_eq!(engine.cli(cli, ["save", "--platform", "linux/s390x", "busybox"]).code, 1);
    }
    other.finish();
    engine.finish();
}

#[test]
fn an_export_is_the_root_file_system() {
    let engine = Engine::start();
    let bind = format!("{}:/bound", engine.dir.path().display());
    engine.background("runs", &["-v", &bind], &["sh", "-c", "echo x >/new; sleep 1000"]);
    engine.wharf(["run", "--name", "rests", "--network", "none", "busybox", "touch", "/new"]).ok();
    crate::harness::until("it is ready", || {
        engine.wharf(["exec", "runs", "test", "-s", "/new"]).code == 0
    });
    for cli in BOTH {
        for name in ["runs", "rests"] {
            let listed = listed(engine.command(cli, ["export", name]));
            let has = |name: &str| listed.lines().any(|line| line == name);
            assert!(has("bin/busybox") && has("new") && has("etc/passwd"), "{cli:?} {name}");
            // Neither what is mounted nor the engine's devices.
            assert!(!listed.contains("bound/tree") && !listed.contains("proc/1"), "{listed}");
        }
    }
    // Who goes away in the midst of it leaves no worker behind: `finish` counts.
    let mut export =
        engine.command(Cli::Wharf, ["export", "runs"]).stdout(Stdio::piped()).spawn().unwrap();
    export.stdout.take().unwrap().read_exact(&mut [0; 1000]).unwrap();
    export.kill().unwrap();
    export.wait().unwrap();
    engine.finish();
}

/// A client that holds its connection and does nothing with it.
fn idle(engine: &Engine, request: &str) -> std::os::unix::net::UnixStream {
    use std::io::Write;
    let mut socket = std::os::unix::net::UnixStream::connect(engine.socket()).unwrap();
    socket.write_all(request.as_bytes()).unwrap();
    socket
}

#[test]
fn idle_clients_hold_up_no_start_and_no_other_copy() {
    let engine = Engine::start();
    let dir = ground(&engine);
    let bind = format!("{}:/bound", dir.join("src").display());
    engine.docker(["create", "--name", "idle", "-v", &bind, "busybox", "sleep", "1000"]).ok();
    // One reads nothing of what it gets; the mount point had to be made for it.
    let reading =
        idle(&engine, "GET /v1.51/containers/idle/archive?path=/ HTTP/1.1\r\nHost: x\r\n\r\n");
    reading.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
    let mut head = [0; 12];
    (&reading).read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    // The other begins to send and does not go on.
    let mut sending = idle(
        &engine,
        "PUT /v1.51/containers/idle/archive?path=/tmp HTTP/1.1\r\nHost: x\r\n\
         Content-Length: 10240\r\n\r\n",
    );
    let workers = || {
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        let command = |process: std::fs::DirEntry| {
            let bytes = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let root = engine.root().display().to_string();
        processes.map(command).filter(|line| line.contains("Put") && line.contains(&root)).count()
    };
    // The one that works, and the one that keeps the lock.
    crate::harness::until("it is taken in", || workers() == 2);
    let begin = std::time::Instant::now();
    engine.docker(["start", "idle"]).ok();
    assert!(begin.elapsed().as_secs() < 15, "{:?}", begin.elapsed());
    let mut answer = String::new();
    sending.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
    sending.read_to_string(&mut answer).unwrap_or_default();
    assert!(answer.contains("409 Conflict"), "{answer}");
    drop(reading);
    engine.finish();
}
