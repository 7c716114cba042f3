//! Engines in temporary directories, and what is left of them.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;

/// No condition is waited for longer.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Which command line drives the engine.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cli {
    Docker,
    Wharf,
}

pub const BOTH: [Cli; 2] = [Cli::Docker, Cli::Wharf];

/// A running engine with the image `busybox`.
pub struct Engine {
    pub dir: tempfile::TempDir,
    child: Option<Child>,
    /// How many descriptors its process had when it began.
    descriptors: usize,
    /// Arguments beside those of its directories.
    args: Vec<String>,
}

/// What a command printed, and how it ended.
#[derive(Debug, Eq, PartialEq)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// The output of a command that must have succeeded.
    pub fn ok(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.out
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Ran {
        use std::os::unix::process::ExitStatusExt;
        let code = output.status.code();
        Ran {
            code: code.unwrap_or_else(|| 128 + output.status.signal().unwrap_or(0)),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// The docker command line that the suite brings; without it nothing here means anything.
pub fn docker() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        let path = std::env::var_os("WHARF_TEST_DOCKER").unwrap_or_else(|| "docker".into());
        let version = Command::new(&path).arg("--version").output();
        let version = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        match version {
            Ok(text) if text.starts_with("Docker version 28.") => PathBuf::from(path),
            other => panic!(
                "the docker CLI 28 is missing ({other:?}): `make test` brings it, or set \
                 WHARF_TEST_DOCKER"
            ),
        }
    })
}

impl Engine {
    /// Starts one and imports the image.
    pub fn start() -> Engine {
        let engine = Engine::empty();
        engine.wharf(["import", engine.busybox().to_str().unwrap(), "busybox"]).ok();
        engine
    }

    /// Starts one without images.
    pub fn empty() -> Engine {
        Engine::with_args(|_| Vec::new())
    }

    /// Starts one with arguments that may need files in its directory, and imports the image.
    pub fn prepared(prepare: impl FnOnce(&Path) -> Vec<String>) -> Engine {
        let engine = Engine::with_args(prepare);
        engine.wharf(["import", engine.busybox().to_str().unwrap(), "busybox"]).ok();
        engine
    }

    fn with_args(prepare: impl FnOnce(&Path) -> Vec<String>) -> Engine {
        let dir = tempfile::tempdir().unwrap();
        let args = prepare(dir.path());
        let mut engine = Engine { dir, child: None, descriptors: 0, args };
        engine.begin(&[]);
        engine
    }

    /// Starts the engine's process in the same directories as before.
    pub fn begin(&mut self, env: &[(&str, &str)]) {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.dir.path().join("engine.log"))
            .unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_wharf"));
        command
            .arg("engine")
            .arg("--root")
            .arg(self.root())
            .arg("--run")
            .arg(self.run_dir())
            .arg("--host")
            .arg(self.host())
            .args(&self.args)
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        self.child = Some(command.spawn().unwrap());
        until("the engine answers", || {
            let child = self.child.as_mut().unwrap();
            if let Some(status) = child.try_wait().unwrap() {
                panic!("the engine ended ({status}):\n{}", self.log());
            }
            self.get("/_ping").is_some_and(|(status, _)| status == 200)
        });
        self.descriptors = self.count_descriptors();
    }

    pub fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    pub fn run_dir(&self) -> PathBuf {
        self.dir.path().join("run")
    }

    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("run/wharf.sock")
    }

    pub fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("engine.log")).unwrap_or_default()
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// SIGKILL, as at any moment.
    pub fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Waits for a death that a failpoint causes.
    pub fn wait_for_death(&mut self) {
        let child = self.child.as_mut().unwrap();
        until("the engine dies", || child.try_wait().unwrap().is_some());
        self.child = None;
    }

    /// Whether the process is gone already.
    pub fn is_dead(&mut self) -> bool {
        self.child.as_mut().is_none_or(|child| child.try_wait().unwrap().is_some())
    }

    /// A command of either command line, with this engine's socket.
    pub fn command<S: AsRef<OsStr>>(&self, cli: Cli, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = match cli {
            Cli::Docker => Command::new(docker()),
            Cli::Wharf => Command::new(env!("CARGO_BIN_EXE_wharf")),
        };
        command
            .args(args)
            .env("DOCKER_HOST", self.host())
            .env_remove("WHARF_HOST")
            .env("DOCKER_CONFIG", self.dir.path().join("docker-config"))
            .env("HOME", self.dir.path())
            .stdin(Stdio::null());
        command
    }

    pub fn cli<S: AsRef<OsStr>>(&self, cli: Cli, args: impl IntoIterator<Item = S>) -> Ran {
        self.command(cli, args).output().unwrap().into()
    }

    pub fn wharf<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Ran {
        self.cli(Cli::Wharf, args)
    }

    pub fn docker<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Ran {
        self.cli(Cli::Docker, args)
    }

    /// Runs a command in a new container without a network, which is removed when it ends.
    pub fn run(&self, cli: Cli, flags: &[&str], command: &[&str]) -> Ran {
        let run = ["run", "--rm", "--network", "none"];
        self.cli(cli, [&run[..], flags, &["busybox"], command].concat())
    }

    /// Starts a container without a network, which runs until somebody ends it.
    pub fn background(&self, name: &str, flags: &[&str], command: &[&str]) {
        let run = ["run", "-d", "--name", name, "--network", "none"];
        self.wharf([&run[..], flags, &["busybox"], command].concat()).ok();
    }

    /// Runs a command with this standard input.
    pub fn with_input(&self, cli: Cli, args: &[&str], input: &[u8]) -> Ran {
        let mut child = self
            .command(cli, args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        child.wait_with_output().unwrap().into()
    }

    /// `wharf inspect` of one container.
    pub fn inspect(&self, id: &str) -> Value {
        let (status, body) = self.get(&format!("/containers/{id}/json")).unwrap();
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    pub fn state(&self, id: &str) -> String {
        self.inspect(id)["State"]["Status"].as_str().unwrap().to_owned()
    }

    pub fn get(&self, path: &str) -> Option<(u16, String)> {
        self.call("GET", path, None)
    }

    pub fn post(&self, path: &str, body: &Value) -> (u16, String) {
        self.call("POST", path, Some(&body.to_string())).unwrap()
    }

    /// One HTTP call over the socket; `None` when nobody listens.
    pub fn call(&self, method: &str, path: &str, body: Option<&str>) -> Option<(u16, String)> {
        let mut stream = UnixStream::connect(self.socket()).ok()?;
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let body = body.unwrap_or("");
        // In one piece: an answer that does not want the body may come before a second one.
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, rest) = answer.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
        Some((status, if chunked { unchunk(rest) } else { rest.to_owned() }))
    }

    /// A root file system with busybox, as a tar file.
    pub fn busybox(&self) -> PathBuf {
        let tar = self.dir.path().join("busybox.tar");
        if !tar.exists() {
            let tree = self.dir.path().join("tree");
            make_tree(&tree);
            pack(&tree, &["--owner=0", "--group=0", "-cf"], &tar);
        }
        tar
    }

    /// Removes all containers, stops the engine and checks that nothing of it is left.
    pub fn finish(mut self) {
        let all = self.wharf(["ps", "-aq", "--no-trunc"]).ok();
        for id in all.lines() {
            self.wharf(["rm", "-f", id]).ok();
        }
        // What an engine opens once and keeps (its database, its store) is a handful.
        until("its descriptors are back", || self.count_descriptors() <= self.descriptors + 4);
        let pid = self.pid();
        sys::signal::kill(pid as i32, sys::libc::SIGTERM).unwrap();
        self.wait_for_death();
        let log = self.log();
        let cgroup = log.split("cgroup=\"/").nth(1).and_then(|rest| rest.split('"').next());
        let cgroup = cgroup.expect("the engine says where its cgroup is").to_owned();
        let dir = self.dir.path().to_str().unwrap().to_owned();
        until("everything of the engine is gone", || {
            leftovers(&dir, &self.root(), &cgroup).is_empty()
        });
    }

    fn count_descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid())).map_or(0, Iterator::count)
    }
}

impl Drop for Engine {
    /// A test that failed leaves no containers either.
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("engine log:\n{}", self.log());
        }
        if let Some(child) = &mut self.child {
            drop(child.kill());
            drop(child.wait());
        }
        let runs = std::fs::read_dir(self.run_dir().join("containers")).into_iter().flatten();
        for run in runs.flatten() {
            let started = std::fs::read_to_string(run.path().join("started.json"));
            let pid = started
                .ok()
                .and_then(|text| serde_json::from_str::<Value>(&text).ok()?["pid"].as_i64());
            if let Some(pid) = pid {
                drop(sys::signal::kill(pid as i32, sys::libc::SIGKILL));
            }
        }
    }
}

/// Makes a tar file of a directory; the last flag is the one that takes its name.
pub fn pack(tree: &Path, flags: &[&str], tar: &Path) {
    let mut command = Command::new("tar");
    let made = command.arg("-C").arg(tree).args(flags).arg(tar).arg(".").status().unwrap();
    assert!(made.success());
}

pub fn make_tree(tree: &Path) {
    for dir in ["bin", "etc", "tmp", "root", "home"] {
        std::fs::create_dir_all(tree.join(dir)).unwrap();
    }
    std::fs::copy("/bin/busybox", tree.join("bin/busybox")).expect("busybox-static is installed");
    let applets = Command::new("/bin/busybox").arg("--list").output().unwrap();
    for applet in String::from_utf8_lossy(&applets.stdout).lines() {
        if applet != "busybox" {
            std::os::unix::fs::symlink("busybox", tree.join("bin").join(applet)).unwrap();
        }
    }
    std::fs::write(tree.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\nu:x:1000:1000::/home:\n")
        .unwrap();
    std::fs::write(tree.join("etc/group"), "root:x:0:\nu:x:1000:\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o1777);
    std::fs::set_permissions(tree.join("tmp"), mode).unwrap();
}

/// What an engine in `dir` has left: processes, mounts, cgroups, directories.
fn leftovers(dir: &str, root: &Path, cgroup: &str) -> Vec<String> {
    let mut left = Vec::new();
    let hierarchies = std::fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten();
    let places = hierarchies.map(|entry| entry.path()).chain(["/sys/fs/cgroup".into()]);
    for place in places.map(|place| place.join(cgroup)).filter(|place| place.exists()) {
        left.push(format!("cgroup {}", place.display()));
    }
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.bytes().all(|b| b.is_ascii_digit()) && name != std::process::id().to_string() {
            let text = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            if String::from_utf8_lossy(&text).contains(dir) {
                left.push(format!("process {name}"));
            }
            let mounts = std::fs::read_to_string(entry.path().join("mountinfo"));
            if mounts.is_ok_and(|text| text.contains(dir)) {
                left.push(format!("a mount in process {name}"));
            }
        }
    }
    let rw = std::fs::read_dir(root.join("containers")).into_iter().flatten().flatten();
    left.extend(rw.map(|entry| format!("directory {}", entry.path().display())));
    left
}

fn unchunk(mut text: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = text.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        if size == 0 {
            break;
        }
        whole.push_str(rest.get(..size).unwrap_or(rest));
        text = rest.get(size + 2..).unwrap_or("");
    }
    whole
}

/// Waits for a condition, with a deadline.
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < DEADLINE, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
