//! An engine of an ordinary user: a user who is made for the test, with subordinate ids, in a
//! mount namespace where `/etc` tells of them.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::harness::{Ran, docker, make_tree, pack, until};

/// A user whom nobody else is, another suite on the same machine neither.
struct User {
    uid: u32,
    /// First of 65,536 subordinate ids.
    subordinate: u32,
    dir: tempfile::TempDir,
    engine: Option<Child>,
}

impl User {
    fn new(has_subordinate_ids: bool) -> User {
        let dir = tempfile::tempdir().unwrap();
        let number = std::process::id() % 10_000;
        let (uid, subordinate) = (1_900_000 + number, 3_000_000_000 + number * 65_536);
        let user = User { uid, subordinate, dir, engine: None };
        let set = |path: &Path, mode| {
            std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        };
        set(user.dir.path(), 0o755);
        for name in ["home", "runtime", "shared"] {
            std::fs::create_dir(user.at(name)).unwrap();
            set(&user.at(name), 0o700);
            chown(user.at(name), Some(uid), Some(uid)).unwrap();
        }
        // Where it was built, not everybody may look.
        std::fs::copy(env!("CARGO_BIN_EXE_wharf"), user.at("wharf")).unwrap();
        for (name, more) in [
            ("passwd", format!("wharf-test:x:{uid}:{uid}::/:/bin/sh\n")),
            ("group", format!("wharf-test:x:{uid}:\n")),
            ("subuid", format!("wharf-test:{subordinate}:65536\n")),
            ("subgid", format!("wharf-test:{subordinate}:65536\n")),
        ] {
            let old = std::fs::read_to_string(Path::new("/etc").join(name)).unwrap_or_default();
            let more = if !has_subordinate_ids && name.starts_with("sub") { "" } else { &more };
            std::fs::write(user.at(name), old + more).unwrap();
        }
        make_tree(&user.at("tree"));
        pack(&user.at("tree"), &["--owner=0", "--group=0", "-cf"], &user.at("busybox.tar"));
        user
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn run_dir(&self) -> PathBuf {
        self.at("runtime/wharf")
    }

    fn host(&self) -> String {
        format!("unix://{}/wharf.sock", self.run_dir().display())
    }

    /// A program with the user's ids and environment, and nothing else of ours.
    fn command(&self, program: &Path, args: &[&str]) -> Command {
        let script = "for f in passwd group subuid subgid; do [ -e /etc/$f ] || : > /etc/$f; \
                      mount --bind \"$0/$f\" /etc/$f; done; \
                      exec setpriv --reuid \"$1\" --regid \"$1\" --clear-groups \"${@:2}\"";
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--propagation", "private", "bash", "-c", script])
            .arg(self.dir.path())
            .arg(self.uid.to_string())
            .arg(program)
            .args(args)
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", self.at("home"))
            .env("XDG_RUNTIME_DIR", self.at("runtime"))
            .current_dir("/")
            .stdin(Stdio::null());
        command
    }

    fn begin(&mut self) {
        let log = self.at("engine.log");
        let log = std::fs::File::options().create(true).append(true).open(log).unwrap();
        let mut command = self.command(&self.at("wharf"), &["engine"]);
        command.stdout(log.try_clone().unwrap()).stderr(log);
        self.engine = Some(command.spawn().unwrap());
        until("the user's engine answers", || {
            let ended = self.engine.as_mut().unwrap().try_wait().unwrap();
            assert_eq!(ended, None, "{}", self.log());
            self.wharf(&["version"]).code == 0
        });
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.at("engine.log")).unwrap_or_default()
    }

    fn wharf(&self, args: &[&str]) -> Ran {
        self.command(&self.at("wharf"), args).output().unwrap().into()
    }

    fn docker(&self, args: &[&str]) -> Ran {
        let mut command = self.command(docker(), args);
        command.env("DOCKER_HOST", self.host()).output().unwrap().into()
    }

    /// What a command in a new container prints.
    fn run(&self, flags: &[&str], command: &[&str]) -> Ran {
        self.wharf(&[&["run", "--rm", "--network", "none"], flags, &["busybox"], command].concat())
    }

    fn import(&self) {
        self.wharf(&["import", self.at("busybox.tar").to_str().unwrap(), "busybox"]).ok();
    }

    /// All that has one of the user's ids.
    fn processes(&self) -> Vec<i32> {
        let is_ours = |uid: u32| {
            uid == self.uid || (self.subordinate..self.subordinate + 65_536).contains(&uid)
        };
        let entries = std::fs::read_dir("/proc").unwrap().flatten();
        let owned = entries.filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let status = std::fs::read_to_string(entry.path().join("status")).ok()?;
            let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
            line.split_whitespace().next()?.parse().ok().filter(|uid| is_ours(*uid)).map(|_| pid)
        });
        owned.collect()
    }

    fn kill_engine(&mut self) {
        let mut engine = self.engine.take().unwrap();
        engine.kill().unwrap();
        engine.wait().unwrap();
    }

    /// Ends the engine, with all containers gone, and looks for what is left of the user.
    fn finish(mut self) {
        for id in self.wharf(&["ps", "-aq"]).ok().lines() {
            self.wharf(&["rm", "-f", id]).ok();
        }
        let mut engine = self.engine.take().unwrap();
        sys::signal::kill(engine.id() as i32, sys::libc::SIGTERM).unwrap();
        engine.wait().unwrap();
        until("no process of the user is left", || self.processes().is_empty());
        assert!(!self.run_dir().join("wharf.sock").exists());
    }
}

impl Drop for User {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("engine log:\n{}", self.log());
        }
        if let Some(engine) = &mut self.engine {
            drop(engine.kill());
            drop(engine.wait());
            for pid in self.processes() {
                drop(sys::signal::kill(pid, sys::libc::SIGKILL));
            }
        }
    }
}

/// One engine for all of this: making the user costs more than most of what is looked at.
#[test]
fn an_ordinary_users_engine() {
    let mut user = User::new(true);
    user.begin();
    user.import();
    what_containers_are(&user);
    files_belong_to_the_user(&user);
    no_way_to_what_is_roots(&user);
    what_needs_root_says_so(&user);
    images_and_files(&user);
    containers_outlive_the_engine(&mut user);
    user.finish();
}

fn what_containers_are(user: &User) {
    assert_eq!(user.run(&[], &["id"]).ok(), "uid=0(root) gid=0(root) groups=0(root)\n");
    let id = user.run(&["--user", "1000"], &["id", "-u"]).ok();
    assert_eq!(id, "1000\n");
    let terminal = user.run(&["-t"], &["sh", "-c", "tty; ls -l /dev/null"]).ok();
    assert!(terminal.starts_with("/dev/pts/0"), "{terminal}");
    let echoed = user.run(&[], &["sh", "-c", "echo x > /dev/null && head -c2 /dev/zero | wc -c"]);
    assert_eq!(echoed.ok().trim(), "2");
    for flags in [&["--network", "host"][..], &["--pid", "host"], &["--ipc", "host"]] {
        let words = [&["run", "--rm"], flags, &["busybox", "sh", "-c", "ls /sys /dev/shm"]];
        assert_eq!(user.wharf(&words.concat()).code, 0, "{flags:?}");
    }
    no_process_is_left(user);
    let mounted = "mkdir /m && mount -t tmpfs t /m && echo mounted";
    assert_eq!(user.run(&["--privileged"], &["sh", "-c", mounted]).ok(), "mounted\n");
    let info = user.docker(&["info", "--format", "{{json .SecurityOptions}} {{.CgroupDriver}}"]);
    assert_eq!(info.ok(), "[\"name=seccomp,profile=builtin\",\"name=rootless\"] none\n");
    let warned = user.docker(&["info", "--format", "{{.Warnings}}"]).ok();
    assert!(warned.contains("without cgroups"), "{warned}");
    user.docker(&["run", "-d", "--name", "other", "--network", "none", "busybox", "sleep", "1000"])
        .ok();
}

/// Neither process ids of its own nor a cgroup: what belongs to it ends with it all the same.
fn no_process_is_left(user: &User) {
    let before = user.processes();
    let script = "for i in 1 2 3; do setsid sh -c 'sleep 4321; true' & done";
    let ran = user.wharf(&["run", "--rm", "--pid", "host", "busybox", "sh", "-c", script]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let is_left = |pid: &&i32| {
        let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        !before.contains(*pid) && line.contains("4321")
    };
    let left = user.processes().iter().filter(is_left).count();
    assert_eq!(left, 0);
}

/// What root and user 1000 write is the user's and a subordinate id's outside.
fn files_belong_to_the_user(user: &User) {
    let shared = user.at("shared");
    let bind = format!("{}:/b", shared.display());
    let script = "echo x > /b/root && mkdir /b/d && echo y > /b/d/f && chown 1000:1000 /b/d/f";
    user.run(&["-v", &bind], &["sh", "-c", script]).ok();
    let owner = |name: &str| {
        let metadata = std::fs::metadata(shared.join(name)).unwrap();
        (metadata.uid(), metadata.gid())
    };
    assert_eq!(owner("root"), (user.uid, user.uid));
    assert_eq!(owner("d/f"), (user.subordinate + 999, user.subordinate + 999));
    let seen = user.run(&["-v", &bind], &["stat", "-c", "%u:%g", "/b/root", "/b/d/f"]).ok();
    assert_eq!(seen, "0:0\n1000:1000\n");
    user.run(&["-v", &bind], &["rm", "-r", "/b/d"]).ok();
}

fn no_way_to_what_is_roots(user: &User) {
    for flags in [&[][..], &["--privileged"], &["--cap-add", "ALL"]] {
        let flags = [&["-v", "/etc:/mnt"], flags].concat();
        let read = user.run(&flags, &["cat", "/mnt/shadow"]);
        assert_eq!(read.code, 1, "{read:?}");
        assert!(read.err.contains("Permission denied"), "{read:?}");
        let written = user.run(&flags, &["touch", "/mnt/wharf-was-here"]);
        assert_eq!(written.code, 1, "{written:?}");
        let made = user.run(&flags, &["mknod", "/disk", "b", "254", "0"]);
        assert_eq!(made.code, 1, "{made:?}");
        let parameter = user.run(&flags, &["sh", "-c", "echo 1 > /proc/sys/kernel/panic"]);
        assert_ne!(parameter.code, 0, "{parameter:?}");
    }
    assert!(!Path::new("/etc/wharf-was-here").exists());
    let mode = std::fs::metadata(user.run_dir()).unwrap();
    assert_eq!((mode.uid(), mode.mode() & 0o777), (user.uid, 0o700));
}

fn what_needs_root_says_so(user: &User) {
    for flags in [&["-m", "64m"][..], &["--cpus", "1"], &["--pids-limit", "9"]] {
        let refused = user.run(flags, &["true"]);
        assert_eq!(refused.code, 125, "{refused:?}");
        assert!(refused.err.contains("needs a cgroup"), "{refused:?}");
    }
    for verb in [&["pause", "other"][..], &["stats", "--no-stream", "other"]] {
        let refused = user.wharf(verb);
        assert_eq!(refused.code, 1, "{refused:?}");
        assert!(refused.err.contains("needs cgroups"), "{refused:?}");
    }
    let beyond = user.run(&["--user", "70000"], &["true"]);
    assert!(beyond.err.contains("beyond the 65537 ids"), "{beyond:?}");
    let audit = user.wharf(&["audit", "other"]).ok();
    assert!(audit.contains("the user who runs the engine"), "{audit}");
}

/// Images and files go in and out.
fn images_and_files(user: &User) {
    user.wharf(&["exec", "other", "sh", "-c", "echo made > /made; chown 1000 /made"]).ok();
    user.docker(&["commit", "other", "again"]).ok();
    let archive = user.at("home/again.tar");
    let archive = archive.to_str().unwrap();
    user.docker(&["save", "-o", archive, "again"]).ok();
    user.wharf(&["rmi", "again"]).ok();
    user.wharf(&["load", "-i", archive]).ok();
    let run = ["run", "--rm", "--network", "container:other", "again", "stat", "-c", "%u", "/made"];
    assert_eq!(user.docker(&run).ok(), "1000\n");
    assert!(user.docker(&["diff", "other"]).ok().contains("A /made\n"));
}

/// SIGKILL; the next engine joins the namespace that the containers live in.
fn containers_outlive_the_engine(user: &mut User) {
    let loops = "i=0; while :; do echo $i; i=$((i+1)); sleep 0.05; done";
    let create = ["run", "-d", "--name", "box", "--restart", "always", "--network", "none"];
    user.wharf(&[&create[..], &["busybox", "sh", "-c", loops]].concat()).ok();
    user.wharf(&["exec", "box", "touch", "/before"]).ok();
    let pid = user.wharf(&["inspect", "-f", "{{.State.Pid}}", "box"]).ok();
    user.kill_engine();
    user.begin();
    assert_eq!(user.wharf(&["inspect", "-f", "{{.State.Pid}}", "box"]).ok(), pid);
    assert_eq!(user.docker(&["exec", "-u", "1000", "box", "ls", "/before"]).ok(), "/before\n");
    let namespace = |of: &str| std::fs::read_link(format!("/proc/{}/ns/user", of.trim())).unwrap();
    let processes = user.processes();
    let monitors = processes.iter().filter(|pid| {
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        name.starts_with("wharf-monitor")
    });
    let engine = namespace(&user.engine.as_ref().unwrap().id().to_string());
    let mut monitors = monitors.map(|pid| namespace(&pid.to_string()));
    assert!(monitors.all(|of_monitor| of_monitor == engine), "another namespace was made");
    let top = user.wharf(&["top", "box", "-o", "comm"]).ok();
    assert!(top.contains("sh"), "{top}");
    let said = user.wharf(&["logs", "box"]).ok().lines().count();
    until("it says more", || user.wharf(&["logs", "box"]).ok().lines().count() > said);
    user.wharf(&["cp", "box:/before", user.at("shared/copied").to_str().unwrap()]).ok();
    user.wharf(&["stop", "-t", "0", "box"]).ok();
    user.wharf(&["start", "box"]).ok();
    assert_eq!(user.wharf(&["exec", "box", "ls", "/before"]).ok(), "/before\n");
}

#[test]
fn without_subordinate_ids_there_is_root_only() {
    let mut user = User::new(false);
    user.begin();
    assert!(user.log().contains("usermod --add-subuids"), "{}", user.log());
    user.import();
    assert_eq!(user.run(&[], &["id"]).ok(), "uid=0(root) gid=0(root)\n");
    assert!(user.run(&["-t"], &["tty"]).ok().starts_with("/dev/pts/0"));
    let refused = user.run(&["--user", "1000"], &["id"]);
    assert!(refused.err.contains("beyond the 1 ids"), "{refused:?}");
    let refused = user.run(&["--group-add", "5"], &["id"]);
    assert_eq!(refused.code, 125, "{refused:?}");
    let warned = user.docker(&["info", "--format", "{{.Warnings}}"]).ok();
    assert!(warned.contains("no subordinate ids"), "{warned}");
    let other = user.at("home/other.tar");
    pack(&user.at("tree"), &["--owner=7", "--group=7", "-cf"], &other);
    let refused = user.wharf(&["import", other.to_str().unwrap(), "other"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.err.contains("its owner 7:7 is none of the ids"), "{refused:?}");
    user.finish();
}
