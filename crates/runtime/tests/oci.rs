//! The command line as its callers use it, with real containers.

#![allow(clippy::unwrap_used, reason = "a harness may panic: it is a test's")]

use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const APPLETS: [&str; 22] = [
    "sh", "true", "cat", "id", "ls", "sleep", "tty", "stty", "echo", "hostname", "mount", "grep",
    "mkdir", "touch", "readlink", "kill", "wc", "umount", "uname", "cut", "head", "tail",
];

/// A bundle and a place for state.
struct Fixture {
    dir: tempfile::TempDir,
    id: String,
    config: Value,
}

impl Fixture {
    fn new(args: &[&str]) -> Fixture {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("rootfs");
        for sub in ["bin", "proc", "sys", "dev", "tmp", "etc"] {
            std::fs::create_dir_all(root.join(sub)).unwrap();
        }
        // A copy could be "text file busy" while a test beside forks.
        std::fs::hard_link("/bin/busybox", root.join("bin/busybox"))
            .expect("busybox-static is installed, on the file system of the temporary directory");
        for applet in APPLETS {
            symlink("busybox", root.join("bin").join(applet)).unwrap();
        }
        let id = format!("oci-test-{}", stdx::id::random_hex::<6>());
        let out = command(dir.path()).args(["spec", "--bundle"]).arg(dir.path()).output().unwrap();
        assert!(out.status.success(), "{out:?}");
        let text = std::fs::read(dir.path().join("config.json")).unwrap();
        let mut config: Value = serde_json::from_slice(&text).unwrap();
        config["process"]["args"] = json!(args);
        config["process"]["terminal"] = json!(false);
        config["linux"]["cgroupsPath"] = json!(format!("/{id}"));
        Fixture { dir, id, config }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self) {
        let text = serde_json::to_vec(&self.config).unwrap();
        std::fs::write(self.path("config.json"), text).unwrap();
    }

    /// Runs a verb with its flags, and the id.
    fn call(&self, words: &[&str]) -> Output {
        self.write();
        let mut command = command(self.dir.path());
        command.args(words).arg(&self.id).stdin(Stdio::null());
        command.output().unwrap()
    }

    fn ok(&self, words: &[&str]) -> String {
        let out = self.call(words);
        assert!(out.status.success(), "{words:?}: {out:?}");
        String::from_utf8(out.stdout).unwrap()
    }

    fn fails(&self, words: &[&str], text: &str) {
        let out = self.call(words);
        let said = String::from_utf8_lossy(&out.stderr);
        assert!(!out.status.success() && said.contains(text), "{words:?}: {out:?}");
    }

    fn exec(&self, words: &[&str]) -> Output {
        let mut all = vec!["exec"];
        let (flags, rest) = words.split_at(words.iter().position(|w| *w == "ID").unwrap());
        all.extend(flags);
        all.push(&self.id);
        all.extend(&rest[1..]);
        command(self.dir.path()).args(all).stdin(Stdio::null()).output().unwrap()
    }

    fn create(&self) -> i32 {
        self.create_with(&[])
    }

    /// Created containers keep our streams: they get files.
    fn create_with(&self, flags: &[&str]) -> i32 {
        self.write();
        let out = File::create(self.path("out")).unwrap();
        let bundle = self.dir.path().to_str().unwrap().to_owned();
        let pid_file = self.path("pid");
        let status = command(self.dir.path())
            .args(["create", "--bundle", &bundle, "--pid-file"])
            .arg(&pid_file)
            .args(flags)
            .arg(&self.id)
            .stdin(Stdio::null())
            .stdout(out.try_clone().unwrap())
            .stderr(out)
            .status()
            .unwrap();
        assert!(status.success(), "{}", self.output());
        std::fs::read_to_string(pid_file).unwrap().parse().unwrap()
    }

    fn run(&self, flags: &[&str]) -> Output {
        let bundle = self.dir.path().to_str().unwrap().to_owned();
        let mut words = vec!["run", "--bundle", &bundle];
        words.extend(flags);
        self.call(&words)
    }

    fn output(&self) -> String {
        std::fs::read_to_string(self.path("out")).unwrap()
    }

    fn status(&self) -> String {
        let state: Value = serde_json::from_str(&self.ok(&["state"])).unwrap();
        state["status"].as_str().unwrap().to_owned()
    }

    fn wait_for(&self, status: &str) {
        eventually(|| self.status() == status, status);
    }

    /// Nothing is left of it.
    fn is_gone(&self) -> bool {
        let cgroup = cgroup::Hierarchy::detect()
            .and_then(|hierarchy| cgroup::Cgroup::open(&hierarchy, &format!("/{}", self.id)));
        !self.path("state").join(&self.id).exists() && cgroup.is_err()
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        drop(command(self.dir.path()).args(["delete", "--force", &self.id]).output());
    }
}

fn command(dir: &Path) -> Command {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().and_then(Path::parent).unwrap().join("examples/wharf-runtime");
    assert!(program.exists(), "the example is built by `cargo test -p runtime`");
    let mut command = Command::new(program);
    command.arg("--root").arg(dir.join("state")).current_dir("/");
    command
}

fn eventually(mut condition: impl FnMut() -> bool, what: &str) {
    let end = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < end, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn text(out: &Output) -> String {
    String::from_utf8_lossy(&out.stdout).into_owned()
}

#[test]
fn a_container_lives_and_dies() {
    let fixture = Fixture::new(&["sh", "-c", "echo begun; exec sleep 1000"]);
    fixture.fails(&["state"], "container does not exist");
    let pid = fixture.create();
    let state: Value = serde_json::from_str(&fixture.ok(&["state"])).unwrap();
    assert_eq!((&state["status"], &state["pid"]), (&json!("created"), &json!(pid)));
    assert_eq!(state["bundle"], json!(fixture.dir.path()));
    assert_eq!(fixture.output(), "");
    let bundle = fixture.dir.path().to_str().unwrap();
    fixture.fails(&["create", "--bundle", bundle], "container with id exists");
    fixture.ok(&["start"]);
    eventually(|| fixture.output() == "begun\n", "the program runs");
    assert_eq!(fixture.status(), "running");
    fixture.fails(&["start"], "cannot start container");
    fixture.fails(&["delete"], "that is not stopped: running");
    assert!(fixture.ok(&["list", "--quiet"]).contains(&fixture.id));
    fixture.ok(&["pause"]);
    assert_eq!(fixture.status(), "paused");
    assert!(!fixture.exec(&["ID", "true"]).status.success());
    fixture.ok(&["resume"]);
    let kill = command(fixture.dir.path()).args(["kill", &fixture.id, "SIGKILL"]).status();
    assert!(kill.unwrap().success());
    fixture.wait_for("stopped");
    fixture.fails(&["kill"], "container not running");
    fixture.ok(&["kill", "--all"]);
    fixture.ok(&["delete"]);
    assert!(fixture.is_gone());
    fixture.fails(&["delete"], "container does not exist");
    fixture.ok(&["delete", "--force"]);
}

#[test]
fn a_created_container_can_be_deleted_and_a_running_one_forced() {
    let fixture = Fixture::new(&["sleep", "1000"]);
    fixture.create();
    fixture.ok(&["delete"]);
    assert!(fixture.is_gone());
    fixture.create();
    fixture.ok(&["start"]);
    fixture.ok(&["pause"]);
    fixture.ok(&["delete", "--force"]);
    assert!(fixture.is_gone());
}

#[test]
fn the_runtime_is_read_only_to_those_inside() {
    let fixture = Fixture::new(&["true"]);
    let pid = fixture.create();
    let stat = sys::rustix::fs::statvfs(format!("/proc/{pid}/exe")).unwrap();
    assert!(stat.f_flag.contains(sys::rustix::fs::StatVfsMountFlags::RDONLY));
}

#[test]
fn who_waits_to_be_started_ends_when_told_to() {
    let fixture = Fixture::new(&["sleep", "1000"]);
    fixture.create();
    fixture.ok(&["kill"]);
    fixture.wait_for("stopped");
    fixture.ok(&["delete"]);
    assert!(fixture.is_gone());
}

#[test]
fn a_capability_in_force_opens_programs() {
    let mut fixture = Fixture::new(&["/tmp/busybox", "echo", "it ran"]);
    let closed = fixture.path("rootfs/tmp/busybox");
    std::fs::copy("/bin/busybox", &closed).unwrap();
    let mode = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(closed, mode).unwrap();
    fixture.config["process"]["user"] = json!({"uid": 1000, "gid": 100});
    let refused = fixture.run(&[]);
    assert_ne!(refused.status.code(), Some(0), "{refused:?}");
    for set in ["bounding", "effective", "inheritable", "permitted", "ambient"] {
        fixture.config["process"]["capabilities"][set] = json!(["CAP_DAC_OVERRIDE"]);
    }
    let out = fixture.run(&[]);
    assert_eq!(text(&out), "it ran\n", "{out:?}");
}

#[test]
fn run_gives_code_and_output_and_leaves_nothing() {
    let mut fixture = Fixture::new(&["sh", "-c", "hostname; id; pwd; umask; exit 7"]);
    fixture.config["process"]["user"] =
        json!({"uid": 5, "gid": 6, "additionalGids": [6, 9], "umask": 0o77});
    fixture.config["process"]["cwd"] = json!("/tmp");
    let out = fixture.run(&[]);
    assert_eq!(out.status.code(), Some(7), "{out:?}");
    assert_eq!(text(&out), "wharf\nuid=5 gid=6 groups=6,9\n/tmp\n0077\n");
    assert!(fixture.is_gone());
    fixture.run(&["--keep"]);
    assert_eq!(fixture.status(), "stopped");
    fixture.ok(&["delete"]);
}

#[test]
fn failed_starts_leave_nothing_and_tell_the_log() {
    let mut fixture = Fixture::new(&["nosuch"]);
    let log = fixture.path("log.json");
    fixture.write();
    let status = command(fixture.dir.path())
        .arg("--log")
        .arg(&log)
        .args(["--log-format", "json", "create", "--bundle"])
        .arg(fixture.dir.path())
        .arg(&fixture.id)
        .stderr(Stdio::null())
        .status();
    assert_eq!(status.unwrap().code(), Some(1));
    let line: Value = serde_json::from_slice(&std::fs::read(log).unwrap()).unwrap();
    assert_eq!(line["level"], "error");
    let message = line["msg"].as_str().unwrap();
    assert!(message.contains("exec: \"nosuch\": executable file not found in $PATH"), "{message}");
    assert!(fixture.is_gone());
    fixture.config["linux"]["namespaces"] = json!([{"type": "x"}]);
    let bundle = fixture.dir.path().to_str().unwrap();
    fixture.fails(&["create", "--bundle", bundle], "`linux.namespaces`");
    assert!(fixture.is_gone());
    fixture.fails(&["--systemd-cgroup", "state"], "systemd");
    fixture.fails(&["--rootless", "true", "state"], "without root (--rootless) are not supported");
    fixture.fails(&["--rootless=maybe", "state"], "invalid value");
    for value in ["--rootless=false", "--rootless=auto"] {
        let listed = command(fixture.dir.path()).args([value, "list"]).status();
        assert!(listed.unwrap().success(), "{value}");
    }
}

#[test]
fn hooks_run_on_the_host_with_the_state() {
    let mut fixture = Fixture::new(&["true"]);
    let said = fixture.path("said");
    let script = format!("echo $0 >> {0}; cat >> {0}; echo >> {0}", said.display());
    let hook = |name: &str| json!([{"path": "/bin/sh", "args": ["sh", "-c", script, name]}]);
    fixture.config["hooks"] = json!({
        "prestart": hook("prestart"), "createRuntime": hook("createRuntime"),
        "poststart": hook("poststart"), "poststop": hook("poststop"),
    });
    fixture.config["annotations"] = json!({"key": "value"});
    let pid = fixture.create();
    fixture.ok(&["start"]);
    fixture.wait_for("stopped");
    fixture.ok(&["delete"]);
    let text = std::fs::read_to_string(&said).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let names: Vec<&str> = lines.iter().copied().step_by(2).collect();
    assert_eq!(names, ["prestart", "createRuntime", "poststart", "poststop"]);
    let states: Vec<Value> =
        lines.iter().skip(1).step_by(2).map(|line| serde_json::from_str(line).unwrap()).collect();
    let statuses: Vec<_> = states.iter().map(|s| s["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["creating", "creating", "running", "stopped"]);
    assert_eq!((&states[0]["pid"], &states[0]["id"]), (&json!(pid), &json!(fixture.id)));
    assert_eq!(states[3]["annotations"]["key"], "value");
}

#[test]
fn a_failed_hook_ends_the_container() {
    let mut fixture = Fixture::new(&["true"]);
    let bundle = fixture.dir.path().to_str().unwrap().to_owned();
    let hook = json!({"path": "/bin/sh", "args": ["sh", "-c", "echo why >&2; exit 3"]});
    fixture.config["hooks"] = json!({"createRuntime": [hook]});
    fixture.fails(&["create", "--bundle", &bundle], "why");
    assert!(fixture.is_gone());
    let slow = json!({"path": "/bin/sleep", "args": ["sleep", "1000"], "timeout": 1});
    fixture.config["hooks"] = json!({"prestart": [slow]});
    fixture.fails(&["run", "--bundle", &bundle], "within 1 seconds");
    assert!(fixture.is_gone());
}

#[test]
fn further_processes_run_inside() {
    let mut fixture = Fixture::new(&["sleep", "1000"]);
    fixture.config["linux"]["seccomp"] = json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 99}],
    });
    fixture.create();
    fixture.ok(&["start"]);
    let script = "hostname; echo $A; id -u; mkdir /tmp/a; exit 5";
    let out = fixture.exec(&["--env", "A=1", "--user", "3:4", "ID", "sh", "-c", script]);
    assert_eq!(out.status.code(), Some(5), "{out:?}");
    assert_eq!(text(&out), "wharf\n1\n3\n");
    assert!(String::from_utf8_lossy(&out.stderr).contains("Cannot assign requested address"));
    let out = fixture.exec(&["ID", "nosuch"]);
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(said.contains("executable file not found in $PATH"), "{said}");
    // As the shim calls it.
    let process = json!({"args": ["sh", "-c", "exec sleep 999"], "cwd": "/",
                         "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0}});
    let (file, pid_file) = (fixture.path("process.json"), fixture.path("exec-pid"));
    std::fs::write(&file, process.to_string()).unwrap();
    // It keeps its streams: with pipes of ours, their end would never come.
    let status = command(fixture.dir.path())
        .args(["exec", "--process", file.to_str().unwrap(), "--detach", "--pid-file"])
        .args([pid_file.to_str().unwrap(), &fixture.id])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status();
    assert!(status.unwrap().success());
    let pid = std::fs::read_to_string(pid_file).unwrap();
    let listed: Value = serde_json::from_str(&fixture.ok(&["ps", "--format", "json"])).unwrap();
    assert!(listed.as_array().unwrap().contains(&json!(pid.parse::<i32>().unwrap())), "{listed}");
}

#[test]
fn a_terminal_goes_to_the_socket() {
    let mut fixture = Fixture::new(&["sh", "-c", "tty; stty size"]);
    fixture.config["process"]["terminal"] = json!(true);
    fixture.config["process"]["consoleSize"] = json!({"height": 33, "width": 99});
    let bundle = fixture.dir.path().to_str().unwrap().to_owned();
    fixture.fails(&["create", "--bundle", &bundle], "without setting console socket");
    let socket = fixture.path("socket");
    let listener = UnixListener::bind(&socket).unwrap();
    fixture.create_with(&["--console-socket", socket.to_str().unwrap()]);
    let (stream, _) = listener.accept().unwrap();
    let mut name = [0u8; 64];
    let got = sys::socket::receive_with_fds(stream.as_fd(), &mut name, true).unwrap();
    assert!(got.bytes > 0 && got.fds.len() == 1, "{got:?}");
    fixture.ok(&["start"]);
    let mut said = Vec::new();
    // A terminal whose last user is gone answers EIO.
    let _ = File::from(got.fds.into_iter().next().unwrap()).read_to_end(&mut said);
    assert_eq!(String::from_utf8_lossy(&said), "/dev/pts/0\r\n33 99\r\n");
}

#[test]
fn run_is_the_terminal_without_a_socket() {
    let mut fixture = Fixture::new(&["sh", "-c", "tty; read line; echo got $line; exit 3"]);
    fixture.config["process"]["terminal"] = json!(true);
    fixture.write();
    let mut child = command(fixture.dir.path())
        .args(["run", "--bundle"])
        .arg(fixture.dir.path())
        .arg(&fixture.id)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    use std::io::Write;
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"typed\n").unwrap();
    let out = child.wait_with_output().unwrap();
    drop(input);
    assert_eq!(out.status.code(), Some(3), "{out:?}");
    assert!(text(&out).contains("/dev/pts/0") && text(&out).contains("got typed"), "{out:?}");
    assert!(fixture.is_gone());
}

#[test]
fn mounts_limits_and_devices_are_as_configured() {
    let script = "touch /ro/x; ls /ro/in; cat /data/file; touch /data/y; ulimit -n; \
                  cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null; \
                  ls -l /dev/thing; echo x > /dev/thing; echo y > /dev/null && echo done";
    let mut fixture = Fixture::new(&["sh", "-c", script]);
    let data = fixture.path("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("file"), "content\n").unwrap();
    let mounts = fixture.config["mounts"].as_array_mut().unwrap();
    mounts.push(json!({"destination": "/tmp", "type": "tmpfs", "options": ["ro"]}));
    mounts.push(json!({"destination": "/tmp/in", "type": "tmpfs"}));
    mounts.push(json!({"destination": "/bin/../etc", "source": "data",
                       "options": ["bind", "ro"]}));
    fixture.config["process"]["args"][2] =
        json!(script.replace("/ro", "/tmp").replace("/data", "/etc"));
    fixture.config["linux"]["resources"]["pids"] = json!({"limit": 33});
    fixture.config["linux"]["devices"] =
        json!([{"path": "/dev/thing", "type": "c", "major": 10, "minor": 229, "fileMode": 438}]);
    let out = fixture.run(&[]);
    let (said, errors) = (text(&out), String::from_utf8_lossy(&out.stderr).into_owned());
    assert_eq!(errors.matches("Read-only file system").count(), 2, "{out:?}");
    assert!(said.starts_with("content\n1024\n33\n"), "{out:?}");
    assert!(said.contains("10, 229") && said.ends_with("done\n"), "{out:?}");
    // The node is there, but no rule allows its use.
    assert!(errors.contains("can't create /dev/thing: Operation not permitted"), "{out:?}");
}

#[test]
fn ids_are_mapped_as_configured() {
    let mut fixture = Fixture::new(&["sh", "-c", "cat /proc/self/uid_map; id -u; touch /tmp/x"]);
    let map = json!([{"containerID": 0, "hostID": 120_000, "size": 1000}]);
    fixture.config["linux"]["uidMappings"] = map.clone();
    fixture.config["linux"]["gidMappings"] = map;
    fixture.config["root"]["readonly"] = json!(false);
    fixture.config["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": "user"}));
    let tmp = fixture.path("rootfs/tmp");
    std::fs::set_permissions(&tmp, PermissionsExt::from_mode(0o1777)).unwrap();
    let out = fixture.run(&[]);
    let words: Vec<String> = text(&out).split_whitespace().map(str::to_owned).collect();
    assert_eq!(words, ["0", "120000", "1000", "0"], "{out:?}");
    use std::os::unix::fs::MetadataExt;
    assert_eq!(std::fs::metadata(tmp.join("x")).unwrap().uid(), 120_000);
}

#[test]
fn a_user_namespace_without_a_process_in_its_name_is_joined() {
    let mut owner = Fixture::new(&["sleep", "1000"]);
    let maps = [("uidMappings", 100_000), ("gidMappings", 200_000)];
    for (field, host) in maps {
        owner.config["linux"][field] = json!([{"containerID": 0, "hostID": host, "size": 65534}]);
    }
    let namespaces = owner.config["linux"]["namespaces"].as_array_mut().unwrap();
    namespaces.push(json!({"type": "user"}));
    let pid = owner.create();
    let named = owner.path("named");
    std::fs::write(&named, "").unwrap();
    let tree = sys::mount::clone_tree(
        sys::rustix::fs::CWD,
        Path::new(&format!("/proc/{pid}/ns/user")),
        false,
    );
    let tree = tree.unwrap();
    sys::mount::attach(tree.as_fd(), File::open(&named).unwrap().as_fd()).unwrap();
    let mut joining = Fixture::new(&["cat", "/proc/self/uid_map", "/proc/self/gid_map"]);
    let namespaces = joining.config["linux"]["namespaces"].as_array_mut().unwrap();
    namespaces.push(json!({"type": "user", "path": named}));
    let out = joining.run(&[]);
    sys::rustix::mount::unmount(&named, sys::rustix::mount::UnmountFlags::DETACH).unwrap();
    let words: Vec<String> = text(&out).split_whitespace().map(str::to_owned).collect();
    assert_eq!(words, ["0", "100000", "65534", "0", "200000", "65534"], "{out:?}");
}

#[test]
fn descriptors_are_passed_on_wish_only() {
    let fixture = Fixture::new(&["sh", "-c", "cat <&3; ls /proc/self/fd | wc -l"]);
    fixture.write();
    std::fs::write(fixture.path("passed"), "passed\n").unwrap();
    let program = command(fixture.dir.path());
    let run = |flags: &str| {
        Command::new("sh")
            .arg("-c")
            .arg(format!(
                "exec 3<{0}/passed; exec {1} --root {0}/state run {flags} --bundle {0} {2}",
                fixture.dir.path().display(),
                program.get_program().display(),
                fixture.id
            ))
            .output()
            .unwrap()
    };
    let out = run("--preserve-fds 1");
    assert_eq!(text(&out), "passed\n5\n", "{out:?}");
    let out = run("");
    assert!(!text(&out).contains("passed"), "{out:?}");
    let out = run("--preserve-fds 2");
    assert!(String::from_utf8_lossy(&out.stderr).contains("descriptor 4"), "{out:?}");
}

#[test]
fn limits_of_a_running_container_change() {
    let fixture = Fixture::new(&["sleep", "1000"]);
    fixture.create();
    fixture.ok(&["start"]);
    let file = fixture.path("resources.json");
    std::fs::write(&file, r#"{"pids": {"limit": 44}}"#).unwrap();
    fixture.ok(&["update", "--resources", file.to_str().unwrap()]);
    let script = "cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null";
    let out = fixture.exec(&["ID", "sh", "-c", script]);
    assert_eq!(text(&out), "44\n", "{out:?}");
}

#[test]
fn run_passes_signals_on() {
    use std::io::BufRead;
    let script = "trap 'exit 9' TERM; echo ready; while :; do sleep 0.01; done";
    let fixture = Fixture::new(&["sh", "-c", script]);
    fixture.write();
    let mut child = command(fixture.dir.path())
        .args(["run", "--bundle"])
        .arg(fixture.dir.path())
        .arg(&fixture.id)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    sys::signal::kill(child.id() as i32, sys::libc::SIGTERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(9));
    assert!(fixture.is_gone());
}

#[test]
fn hooks_inside_see_the_mounts_and_the_program() {
    let mut fixture = Fixture::new(&["true"]);
    let said = fixture.path("said");
    let note = |name: &str, look: &str| {
        let script = format!("echo {name} $({look}) >> {}", said.display());
        json!([{"path": "/bin/sh", "args": ["sh", "-c", script]}])
    };
    // All but the last one see the host's files, and the container's mounts at its root's place.
    let look = format!("cat {}/tmp/mark", fixture.path("rootfs").display());
    let data = fixture.path("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("mark"), "mounted").unwrap();
    fixture.config["mounts"]
        .as_array_mut()
        .unwrap()
        .push(json!({"destination": "/tmp", "source": data, "options": ["bind"]}));
    fixture.config["process"]["env"] = json!(["PATH=/bin", "OWN=1"]);
    let inside = "echo started $OWN $$ >> /tmp/started; cat >> /tmp/started";
    fixture.config["hooks"] = json!({
        "createRuntime": note("runtime", "echo"),
        "createContainer": note("container", &look),
        "startContainer": [{"path": "/bin/sh", "args": ["sh", "-c", inside]}],
    });
    fixture.create();
    let text = std::fs::read_to_string(&said).unwrap();
    assert_eq!(text, "runtime\ncontainer mounted\n");
    assert!(!data.join("started").exists());
    fixture.ok(&["start"]);
    fixture.wait_for("stopped");
    let text = std::fs::read_to_string(data.join("started")).unwrap();
    assert!(text.starts_with("started 1 "), "{text}");
    let state: Value = serde_json::from_str(text.split_once('\n').unwrap().1).unwrap();
    assert_eq!((&state["status"], &state["pid"]), (&json!("created"), &json!(1)));
    // One that fails is told on the container's error stream, and the program does not run.
    fixture.ok(&["delete"]);
    fixture.config["hooks"]["startContainer"][0]["args"][2] = json!("exit 3");
    let out = fixture.run(&[]);
    let errors = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(errors.contains("error running startContainer hook #0"), "{out:?}");
    assert!(fixture.is_gone());
}

#[test]
fn clocks_personality_and_priorities_are_as_configured() {
    let script = "cat /proc/self/timens_offsets; uname -m; cut -d' ' -f18,41 /proc/self/stat; \
                  head -n 1 /proc/self/numa_maps | cut -d' ' -f2";
    let mut fixture = Fixture::new(&["sh", "-c", script]);
    let namespaces = fixture.config["linux"]["namespaces"].as_array_mut().unwrap();
    namespaces.push(json!({"type": "time"}));
    fixture.config["linux"]["timeOffsets"] = json!({"boottime": {"secs": 77, "nanosecs": 5}});
    fixture.config["linux"]["personality"] = json!({"domain": "LINUX32"});
    fixture.config["linux"]["memoryPolicy"] = json!({"mode": "MPOL_BIND", "nodes": "0"});
    fixture.config["process"]["scheduler"] = json!({"policy": "SCHED_BATCH", "nice": 7});
    let out = fixture.run(&[]);
    let said = text(&out);
    let words: Vec<&str> = said.split_whitespace().collect();
    assert!(words.windows(3).any(|three| three == ["boottime", "77", "5"]), "{out:?}");
    assert_eq!(words[6..], ["i686", "27", "3", "bind:0"], "{out:?}");
}

#[test]
fn a_listener_decides_about_system_calls() {
    let mut fixture = Fixture::new(&["sh", "-c", "mkdir /tmp/asked; true"]);
    let socket = fixture.path("agent");
    let listener = UnixListener::bind(&socket).unwrap();
    fixture.config["linux"]["seccomp"] = json!({
        "defaultAction": "SCMP_ACT_ALLOW", "listenerPath": socket, "listenerMetadata": "whose",
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_NOTIFY"}],
    });
    fixture.create();
    let (stream, _) = listener.accept().unwrap();
    let mut message = vec![0u8; 16 << 10];
    let got = sys::socket::receive_with_fds(stream.as_fd(), &mut message, true).unwrap();
    let state: Value = serde_json::from_slice(&message[..got.bytes]).unwrap();
    assert_eq!((&state["fds"], &state["metadata"]), (&json!(["seccompFd"]), &json!("whose")));
    assert_eq!(state["state"]["id"], json!(fixture.id));
    assert_eq!(got.fds.len(), 1);
    // Nobody decides: when the descriptor closes, the call fails.
    drop(got);
    fixture.ok(&["start"]);
    fixture.wait_for("stopped");
    assert!(fixture.output().contains("Function not implemented"), "{}", fixture.output());
    fixture.ok(&["delete"]);
    drop(listener);
    std::fs::remove_file(&socket).unwrap();
    let bundle = fixture.dir.path().to_str().unwrap().to_owned();
    fixture.fails(&["create", "--bundle", &bundle], "connect with seccomp agent");
}

#[test]
fn mounts_are_copied_up_mapped_and_listed_in_order() {
    let script = "cat /etc/own; ls -ln /mapped | grep -c ' 7 *8 '; \
                  cut -d' ' -f5 /proc/self/mountinfo";
    let mut fixture = Fixture::new(&["sh", "-c", script]);
    std::fs::write(fixture.path("rootfs/etc/own"), "copied\n").unwrap();
    std::fs::create_dir(fixture.path("data")).unwrap();
    std::fs::write(fixture.path("data/file"), "").unwrap();
    let map = |id| json!([{"containerID": 0, "hostID": id, "size": 1}]);
    fixture.config["root"]["readonly"] = json!(false);
    fixture.config["mounts"] = json!([
        {"destination": "/proc", "type": "proc"},
        {"destination": "/mapped", "source": "data", "options": ["bind"],
         "uidMappings": map(7), "gidMappings": map(8)},
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs"},
        {"destination": "/etc", "type": "tmpfs", "options": ["tmpcopyup", "ro"]},
    ]);
    let out = fixture.run(&[]);
    let said = text(&out);
    let words: Vec<&str> = said.split_whitespace().collect();
    assert_eq!(words[..2], ["copied", "1"], "{out:?}");
    assert_eq!(words[3..7], ["/proc", "/mapped", "/dev", "/etc"], "{out:?}");
}

#[test]
fn counters_and_out_of_memory_are_told() {
    use std::io::BufRead;
    let mut fixture = Fixture::new(&["sleep", "1000"]);
    fixture.config["linux"]["resources"]["memory"] = json!({"limit": 16 << 20, "swap": 16 << 20});
    fixture.create();
    fixture.ok(&["start"]);
    let stats: Value = serde_json::from_str(&fixture.ok(&["events", "--stats"])).unwrap();
    assert_eq!((&stats["type"], &stats["id"]), (&json!("stats"), &json!(fixture.id)));
    assert_eq!(stats["data"]["pids"]["current"], 1);
    assert_eq!(stats["data"]["memory"]["usage"]["limit"], 16 << 20);
    let mut events = command(fixture.dir.path())
        .args(["events", "--interval", "100ms", &fixture.id])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufReader::new(events.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().starts_with(r#"{"type":"stats","id":"oci-test-"#));
    // The hog only: the container's first process is not the one to be killed.
    let script = "echo 1000 > /proc/self/oom_score_adj; head -c 64m /dev/zero | tail > /dev/null";
    fixture.exec(&["ID", "sh", "-c", script]);
    assert!(lines.any(|line| line.unwrap().starts_with(r#"{"type":"oom""#)));
    fixture.ok(&["delete", "--force"]);
    // It ends with the container.
    assert!(events.wait().unwrap().success());
    fixture.fails(&["events", "--stats"], "does not exist");
}

#[test]
fn callers_read_these_texts_and_codes() {
    let fixture = Fixture::new(&["sleep", "1000"]);
    fixture.create();
    fixture.ok(&["start"]);
    let state = fixture.ok(&["state"]);
    assert!(state.starts_with("{\n  \"ociVersion\": "), "{state}");
    let list = fixture.ok(&["list", "--format", "json"]);
    assert!(list.starts_with("[{\"ociVersion\":") && list.contains("\"owner\":\"root\""), "{list}");
    assert_eq!(fixture.exec(&["ID", "nosuch"]).status.code(), Some(255));
    assert_eq!(fixture.exec(&["ID", "sh", "-c", "exit 42"]).status.code(), Some(42));
    let out = fixture.exec(&["--cgroup", "..", "ID", "true"]);
    assert!(String::from_utf8_lossy(&out.stderr).contains("bad sub cgroup path"), "{out:?}");
    let out = fixture.exec(&["--cgroup", "nosuch", "ID", "true"]);
    assert!(String::from_utf8_lossy(&out.stderr).contains("error adding pid"), "{out:?}");
    let mut second = Fixture::new(&["true"]);
    second.config["linux"]["cgroupsPath"] = json!(format!("/{}", fixture.id));
    let bundle = second.dir.path().to_str().unwrap().to_owned();
    second.fails(&["create", "--bundle", &bundle], "container's cgroup is not empty");
    second.fails(&["checkpoint"], "not supported");
    second.fails(&["nosuch"], "No help topic for 'nosuch'");
    second.fails(&["--debug", "state"], "level=debug");
    let features: Value = serde_json::from_str(&fixture.ok(&["features"])).unwrap();
    let hooks = features["hooks"].as_array().unwrap();
    assert_eq!(hooks.len(), 6);
    assert!(features["mountOptions"].as_array().unwrap().contains(&json!("rnosymfollow")));
}

#[test]
fn a_process_is_handed_over() {
    let fixture = Fixture::new(&["sleep", "1000"]);
    let socket = fixture.path("socket");
    let listener = UnixListener::bind(&socket).unwrap();
    fixture.create_with(&["--pidfd-socket", socket.to_str().unwrap()]);
    let (stream, _) = listener.accept().unwrap();
    let mut text = [0u8; 64];
    let got = sys::socket::receive_with_fds(stream.as_fd(), &mut text, true).unwrap();
    sys::process::pidfd_send_signal(got.fds[0].as_fd(), sys::libc::SIGKILL).unwrap();
    fixture.wait_for("stopped");
}

#[test]
fn limits_of_descriptors_do_not_hinder_the_start() {
    let mut fixture = Fixture::new(&["sh", "-c", "ulimit -n; mount | grep -c /mnt/"]);
    fixture.config["process"]["rlimits"] =
        json!([{"type": "RLIMIT_NOFILE", "soft": 10, "hard": 10}]);
    fixture.config["root"]["readonly"] = json!(false);
    let mounts = fixture.config["mounts"].as_array_mut().unwrap();
    mounts.extend((0..30).map(|number| {
        json!({"destination": format!("/mnt/{number}"), "source": "/etc", "options": ["bind"]})
    }));
    let out = fixture.run(&[]);
    assert_eq!(text(&out), "10\n30\n", "{out:?}");
}

#[test]
fn without_a_pid_namespace_all_are_killed() {
    let mut fixture = Fixture::new(&["sleep", "1000"]);
    let namespaces = fixture.config["linux"]["namespaces"].as_array_mut().unwrap();
    namespaces.retain(|namespace| namespace["type"] != "pid");
    fixture.create();
    fixture.ok(&["start"]);
    let flags = ["exec", "--detach", &fixture.id, "sleep", "999"];
    let status = command(fixture.dir.path()).args(flags).stdin(Stdio::null()).status();
    assert!(status.unwrap().success());
    let count = || fixture.ok(&["ps", "--format", "json"]).matches(',').count() + 1;
    assert_eq!(count(), 2);
    let kill = command(fixture.dir.path()).args(["kill", &fixture.id, "KILL"]).status();
    assert!(kill.unwrap().success());
    eventually(|| fixture.ok(&["ps", "--format", "json"]).trim() == "[]", "all are gone");
    fixture.ok(&["delete"]);
}
