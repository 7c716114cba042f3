//! What the program does before all else when it is to enter a container: `sys::entry`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::harness::make_tree;

const WHARF: &str = env!("CARGO_BIN_EXE_wharf");

/// A bundle, and the directory of its state.
struct Bundle {
    dir: tempfile::TempDir,
    id: String,
}

impl Bundle {
    fn new() -> Bundle {
        let dir = tempfile::tempdir().unwrap();
        make_tree(&dir.path().join("rootfs"));
        let id = format!("entry-test-{}", std::process::id());
        let bundle = Bundle { dir, id };
        let made = bundle.call(WHARF, &["runtime"], &["spec", "--bundle"]).arg(bundle.path());
        assert!(made.status().unwrap().success());
        let file = bundle.path().join("config.json");
        let mut config: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        config["process"]["terminal"] = false.into();
        config["linux"]["cgroupsPath"] = format!("/{}", bundle.id).into();
        std::fs::write(file, config.to_string()).unwrap();
        bundle
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn call(&self, program: impl AsRef<std::ffi::OsStr>, first: &[&str], words: &[&str]) -> Call {
        let mut command = Command::new(program);
        command.args(first).arg("--root").arg(self.path().join("state")).args(words);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Call(command)
    }
}

impl Drop for Bundle {
    fn drop(&mut self) {
        let delete = ["delete", "--force", &self.id];
        drop(self.call(WHARF, &["runtime"], &delete).status());
    }
}

/// A command that is put together word by word.
struct Call(Command);

impl Call {
    fn arg(mut self, word: impl AsRef<std::ffi::OsStr>) -> Call {
        self.0.arg(word);
        self
    }

    fn status(mut self) -> std::io::Result<std::process::ExitStatus> {
        self.0.status()
    }
}

/// The texts in a file of the kernel, each of which ends with a NUL.
fn texts(path: PathBuf) -> Vec<String> {
    let bytes = std::fs::read(path).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    text.strip_suffix('\0').unwrap().split('\0').map(str::to_owned).collect()
}

/// What waits in the container runs from a mount on which nobody writes, and has the words and
/// variables of who called it.
fn check(program: &str, first: &[&str]) {
    let bundle = Bundle::new();
    let (directory, pid_file) = (bundle.path().to_str().unwrap(), bundle.path().join("pid"));
    let pid_word = pid_file.to_str().unwrap().to_owned();
    let words = ["create", "--bundle", directory, "--pid-file", &pid_word, &bundle.id];
    let mut create = bundle.call(program, first, &words);
    // Of a variable without a name, the Rust library knows nothing: had it been asked for the
    // variables, this one would be lost.
    create.0.env_clear().env("", "nameless").env("EMPTY", "").env("LONG", "x".repeat(100_000));
    assert!(create.status().unwrap().success());
    let pid = std::fs::read_to_string(pid_file).unwrap();
    let of = |name: &str| Path::new("/proc").join(&pid).join(name);
    // To be emptied: without that, the kernel finds first that it is running.
    let opened = std::fs::OpenOptions::new().write(true).truncate(true).open(of("exe"));
    assert_eq!(opened.unwrap_err().raw_os_error(), Some(sys::libc::EROFS));
    let state = bundle.path().join("state").to_str().unwrap().to_owned();
    let expect = [&[program], first, &["--root", &state], &words].concat();
    assert_eq!(texts(of("cmdline")), expect);
    let variables = BTreeSet::from_iter(texts(of("environ")));
    let long = format!("LONG={}", "x".repeat(100_000));
    let expect = ["=nameless".to_owned(), "EMPTY=".to_owned(), long];
    assert_eq!(variables, BTreeSet::from(expect));
}

#[test]
fn who_enters_runs_from_a_read_only_mount_from_the_first_instruction_on() {
    check(WHARF, &["runtime"]);
    let dir = tempfile::tempdir().unwrap();
    let named = dir.path().join("wharf-runtime");
    std::os::unix::fs::symlink(WHARF, &named).unwrap();
    check(named.to_str().unwrap(), &[]);
}

#[test]
fn who_may_not_mount_goes_on_as_usual() {
    let bundle = Bundle::new();
    let poor = |words: &[&str]| -> Output {
        let mut command = Command::new("setpriv");
        command.args(["--bounding-set", "-sys_admin", WHARF, "runtime"]).args(words);
        command.output().unwrap()
    };
    let help = poor(&["run", "--help"]);
    assert!(help.status.success() && !help.stdout.is_empty(), "{help:?}");
    // It is told later, and nothing is run from a mount that can be written.
    let state = bundle.path().join("state");
    let (state, directory) = (state.to_str().unwrap(), bundle.path().to_str().unwrap());
    let refused = poor(&["--root", state, "run", "--bundle", directory, &bundle.id]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("protect the runtime's own binary: Operation not permitted"), "{said}");
    assert_eq!(refused.status.code(), Some(1));
}
