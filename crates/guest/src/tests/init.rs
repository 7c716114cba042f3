use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};

use super::{INIT_FILE, eventually};

fn run(arguments: &[&str]) -> Output {
    Command::new(INIT_FILE).args(arguments).output().unwrap()
}

fn check_code(arguments: &[&str], expect: i32) {
    let output = run(arguments);
    assert_eq!(output.status.code(), Some(expect), "{arguments:?} {output:?}");
}

/// Starts a shell script under init and reads the line that it prints when it is ready.
fn start(script: &str) -> (Child, String) {
    let mut child = Command::new(INIT_FILE)
        .args(["--", "sh", "-c", script])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (child, line.trim().to_owned())
}

fn signal(name: &str, pid: u32) {
    let status = Command::new("kill").args(["-s", name, &pid.to_string()]).status().unwrap();
    assert!(status.success());
}

#[test]
fn ends_as_its_command_ends() {
    check_code(&["--", "true"], 0);
    check_code(&["true"], 0);
    check_code(&["--", "sh", "-c", "exit 42"], 42);
    check_code(&["--", "sh", "-c", "exit 255"], 255);
    check_code(&["--", "sh", "-c", "kill -KILL $$"], 137);
    check_code(&["--", "sh", "-c", "kill -TERM $$"], 143);
}

#[test]
fn says_why_a_command_cannot_run() {
    check_failure("wharf-no-such-command", 127, "no such file or directory");
    check_failure("/nowhere/at-all", 127, "no such file or directory");
    check_failure("/dev/null/program", 127, "not a directory");
    check_failure("/etc/passwd", 126, "permission denied");
    check_failure("/", 126, "permission denied");
}

fn check_failure(command: &str, code: i32, reason: &str) {
    let output = run(&["--", command]);
    assert_eq!(output.status.code(), Some(code), "{command}");
    let expect = format!("docker-init: failed to execute `{command}`: {reason}\n");
    assert_eq!(String::from_utf8(output.stderr).unwrap(), expect);
}

#[test]
fn refuses_to_run_nothing() {
    for arguments in [&[][..], &["--"]] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(output.stderr, b"usage: docker-init [--] COMMAND [ARG...]\n");
    }
}

#[test]
fn looks_along_the_path() {
    let directory = std::env::temp_dir().join(format!("guest-path-{}", std::process::id()));
    fs::create_dir(&directory).unwrap();
    // A script without a first line that names its interpreter, and one that may not be run.
    let script = r#"cd "$1" && mkdir refused found && printf 'echo "$0" "$@"' > found/greet &&
        cp found/greet refused/greet && chmod 755 found/greet"#;
    let made = Command::new("sh").args(["-c", script, "sh"]).arg(&directory).status().unwrap();
    assert!(made.success());
    let path = |names: &[&str]| {
        let full: Vec<_> = names.iter().map(|name| directory.join(name)).collect();
        std::env::join_paths(full).unwrap()
    };
    let greet = |path| {
        Command::new(INIT_FILE).args(["--", "greet", "a b"]).env("PATH", path).output().unwrap()
    };
    let found = greet(path(&["missing", "refused", "found"]));
    let refused = greet(path(&["refused", "missing"]));
    let expect = format!("{} a b\n", directory.join("found/greet").display());
    fs::remove_dir_all(&directory).unwrap();
    assert_eq!(String::from_utf8(found.stdout).unwrap(), expect);
    assert_eq!(refused.status.code(), Some(126), "{refused:?}");
}

#[test]
fn default_path_finds_the_shell() {
    let output =
        Command::new(INIT_FILE).args(["--", "sh", "-c", "echo $0"]).env_clear().output().unwrap();
    assert_eq!(output.stdout, b"sh\n");
}

#[test]
fn passes_signals_on() {
    for (name, code) in [("TERM", 1), ("HUP", 2), ("USR1", 3), ("QUIT", 4), ("ABRT", 5)] {
        let script = format!("trap 'exit {code}' {name}; echo ready; while :; do sleep 0.01; done");
        let (mut child, line) = start(&script);
        assert_eq!(line, "ready");
        signal(name, child.id());
        assert_eq!(child.wait().unwrap().code(), Some(code), "{name}");
    }
}

#[test]
fn command_starts_with_the_signals_that_init_had() {
    let output = run(&["--", "cat", "/proc/self/status"]);
    let status = String::from_utf8(output.stdout).unwrap();
    let own = fs::read_to_string("/proc/thread-self/status").unwrap();
    for field in ["SigBlk:", "ShdPnd:"] {
        let line =
            |text: &str| text.lines().find(|line| line.starts_with(field)).map(str::to_owned);
        assert_eq!(line(&status), line(&own));
        assert!(line(&own).is_some());
    }
}

#[test]
fn command_leads_a_group_of_its_own() {
    let (mut child, line) = start("echo $$ $(cut -d' ' -f5 /proc/$$/stat)");
    let (pid, group) = line.split_once(' ').unwrap();
    assert_eq!(pid, group);
    assert_ne!(pid, child.id().to_string());
    assert!(child.wait().unwrap().success());
}

#[test]
fn reaps_orphans() {
    // The inner shell ends at once: its child becomes an orphan, and then a zombie of init.
    let script = "echo $(sh -c 'sleep 0.05 > /dev/null & echo $!'); \
                  trap 'exit 7' TERM; while :; do sleep 0.01; done";
    let (mut child, orphan) = start(script);
    let process = format!("/proc/{}", orphan.parse::<u32>().unwrap());
    eventually("the orphan is reaped", || !std::path::Path::new(&process).exists());
    signal("TERM", child.id());
    assert_eq!(child.wait().unwrap().code(), Some(7));
}

#[test]
fn works_as_process_one() {
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child", "--mount-proc", INIT_FILE, "--", "sh", "-c"]);
    let script = "test $(cat /proc/1/comm) = init && sleep 1000 & test $$ = 2 && exit 42";
    let output = command.arg(script).output().unwrap();
    assert_eq!(output.status.code(), Some(42), "{output:?}");
}

#[test]
fn command_has_the_foreground_of_a_terminal() {
    // A new session with a terminal: fields 5 and 8 of stat are the group and the foreground one.
    let script = "import os, pty, sys\n\
        pid, terminal = pty.fork()\n\
        if pid == 0: os.execv(sys.argv[1], sys.argv[1:])\n\
        text = b''\n\
        try:\n\
        \x20   while piece := os.read(terminal, 1024): text += piece\n\
        except OSError: pass\n\
        print(text.decode(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n";
    let output = Command::new("python3")
        .args(["-c", script, INIT_FILE, "--", "sh", "-c"])
        .arg("cut -d' ' -f5,8 /proc/$$/stat; exit 3")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let words: Vec<_> = text.split_whitespace().collect();
    assert!(output.status.success() && words.len() == 3, "{text} {:?}", output.stderr);
    assert_eq!(words[0], words[1], "group and foreground group");
    assert_eq!(words[2], "3");
}

#[test]
fn idles_in_few_pages() {
    let (mut child, _) = start("echo ready; trap 'exit 0' TERM; while :; do sleep 0.01; done");
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    signal("TERM", child.id());
    assert!(child.wait().unwrap().success());
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kibibytes: u32 = line.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(kibibytes <= 64, "{line}");
}
