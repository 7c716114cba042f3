//! Running both programs.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Longest time that one command line may take.
const DEADLINE: Duration = Duration::from_secs(20);

/// What a program did.
#[derive(Debug, Eq, PartialEq)]
pub struct Ran {
    pub stdout: String,
    pub stderr: String,
    pub code: Option<i32>,
}

/// There must be a Docker CLI 28 to compare with: `WHARF_TEST_DOCKER`, or `docker` in `PATH`.
pub fn require() {
    let version = Command::new(program()).arg("--version").output();
    let here = version.is_ok_and(|v| v.stdout.starts_with(b"Docker version 28."));
    assert!(here, "the docker CLI 28 is missing: `make test` brings it, or set WHARF_TEST_DOCKER");
}

fn program() -> String {
    std::env::var("WHARF_TEST_DOCKER").unwrap_or_else(|_| "docker".into())
}

pub fn docker(words: &[String], host: &str, directory: &Path, stdin: &str) -> Ran {
    run(Command::new(program()).env("DOCKER_HOST", host), words, directory, stdin)
}

pub fn wharf(words: &[String], host: &str, directory: &Path, stdin: &str) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wharf"));
    let mut ran = run(command.env("WHARF_HOST", host), words, directory, stdin);
    // The names of the programs differ, and nothing else.
    ran.stderr = ran.stderr.replace("wharf", "docker");
    ran
}

fn run(command: &mut Command, words: &[String], directory: &Path, stdin: &str) -> Ran {
    let mut child = command
        .args(words)
        .current_dir(directory)
        .env("DOCKER_CONFIG", directory)
        .env_remove("DOCKER_CONTEXT")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that does not read its input may be gone by now.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let pid = child.id();
    let (done, waiting) = std::sync::mpsc::channel::<()>();
    let words = words.to_vec();
    // A program that hangs fails its test instead of stopping all of them.
    let watch = std::thread::spawn(move || {
        if waiting.recv_timeout(DEADLINE) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            eprintln!("killed after {DEADLINE:?}: {words:?}");
            let _ = Command::new("kill").args(["-9", &pid.to_string()]).status();
        }
    });
    let output = child.wait_with_output().unwrap();
    drop(done);
    watch.join().unwrap();
    Ran {
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
        code: output.status.code(),
    }
}
