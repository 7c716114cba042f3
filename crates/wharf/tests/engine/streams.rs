//! Terminals, attaching, detaching, logs.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Stdio};
use std::time::Instant;

use sys::rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::harness::{BOTH, Cli, DEADLINE, Engine, Ran, until};

/// A command in a terminal of its own.
struct InTerminal {
    child: Child,
    master: File,
    seen: String,
}

impl InTerminal {
    fn start(engine: &Engine, cli: Cli, args: &[&str], height: u16, width: u16) -> InTerminal {
        let master = sys::rustix::pty::openpt(
            sys::rustix::pty::OpenptFlags::RDWR | sys::rustix::pty::OpenptFlags::NOCTTY,
        )
        .unwrap();
        sys::terminal::unlock(master.as_fd()).unwrap();
        let slave = sys::terminal::peer(master.as_fd()).unwrap();
        sys::terminal::set_size(master.as_fd(), height, width).unwrap();
        let stdio = |fd: &OwnedFd| Stdio::from(fd.try_clone().unwrap());
        // setsid makes the terminal the controlling one, so that resizing signals the client.
        let mut command = std::process::Command::new("setsid");
        let inner = engine.command(cli, args);
        command.arg("-c").arg(inner.get_program()).args(inner.get_args());
        for (key, value) in inner.get_envs() {
            match value {
                Some(value) => command.env(key, value),
                None => command.env_remove(key),
            };
        }
        let child = command
            .stdin(stdio(&slave))
            .stdout(stdio(&slave))
            .stderr(stdio(&slave))
            .spawn()
            .unwrap();
        InTerminal { child, master: File::from(master), seen: String::new() }
    }

    fn expect(&mut self, text: &str) {
        let begin = Instant::now();
        while !self.seen.contains(text) {
            assert!(begin.elapsed() < DEADLINE, "`{text}` did not come: {:?}", self.seen);
            let mut fds = [PollFd::new(&self.master, PollFlags::IN)];
            poll(&mut fds, Some(&Timespec { tv_sec: 1, tv_nsec: 0 })).unwrap();
            if fds[0].revents().contains(PollFlags::IN) {
                let mut buffer = [0u8; 4096];
                let count = self.master.read(&mut buffer).unwrap_or(0);
                self.seen.push_str(&String::from_utf8_lossy(&buffer[..count]));
            }
        }
        let end = self.seen.find(text).unwrap() + text.len();
        self.seen.drain(..end);
    }

    fn type_in(&mut self, text: &str) {
        self.master.write_all(text.as_bytes()).unwrap();
    }

    fn resize(&self, height: u16, width: u16) {
        sys::terminal::set_size(self.master.as_fd(), height, width).unwrap();
    }

    fn end(mut self) -> i32 {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap();
            }
            assert!(begin.elapsed() < DEADLINE, "the client does not end: {:?}", self.seen);
            let mut fds = [PollFd::new(&self.master, PollFlags::IN)];
            poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 10_000_000 })).unwrap();
            if fds[0].revents().contains(PollFlags::IN) {
                let mut buffer = [0u8; 4096];
                drop(self.master.read(&mut buffer));
            }
        }
    }
}

#[test]
fn a_shell_with_a_terminal() {
    let engine = Engine::start();
    for cli in BOTH {
        let args = ["run", "-it", "--rm", "--network", "none", "busybox", "sh"];
        let mut shell = InTerminal::start(&engine, cli, &args, 24, 80);
        shell.expect("# ");
        shell.type_in("echo hi $((40+2)); tty\n");
        shell.expect("hi 42");
        shell.expect("/dev/pts/0");
        shell.resize(40, 132);
        shell.expect("# ");
        let wait = "while [ \"$(stty size)\" != '40 132' ]; do sleep 0.1; done";
        shell.type_in(&format!("{wait}; echo resi''zed\n"));
        shell.expect("resized");
        shell.type_in("exit 5\n");
        assert_eq!(shell.end(), 5, "{cli:?}");
    }
    engine.finish();
}

#[test]
fn keys_detach_and_attach_comes_back() {
    let engine = Engine::start();
    for cli in BOTH {
        let args = ["run", "-it", "--name", "dd", "--network", "none", "busybox", "sh"];
        let mut shell = InTerminal::start(&engine, cli, &args, 24, 80);
        shell.expect("# ");
        shell.type_in("X=kept\n");
        shell.expect("# ");
        shell.type_in("\u{10}\u{11}");
        assert_eq!(shell.end(), 0, "{cli:?}");
        assert_eq!(engine.state("dd"), "running");
        let mut again = InTerminal::start(&engine, cli, &["attach", "dd"], 30, 100);
        again.type_in("\necho is-$X\n");
        again.expect("is-kept");
        again.type_in("\u{10}\u{11}");
        again.expect("read escape sequence");
        assert_eq!(again.end(), 1, "{cli:?}");
        engine.cli(cli, ["rm", "-f", "dd"]).ok();
    }
    engine.finish();
}

#[test]
fn exec_has_a_terminal() {
    let engine = Engine::start();
    engine.background("ex", &[], &["sleep", "1000"]);
    for cli in BOTH {
        let mut shell = InTerminal::start(&engine, cli, &["exec", "-it", "ex", "sh"], 24, 80);
        shell.expect("# ");
        shell.type_in("tty; stty size; exit 6\n");
        shell.expect("/dev/pts/0");
        shell.expect("24 80");
        assert_eq!(shell.end(), 6, "{cli:?}");
    }
    engine.finish();
}

#[test]
fn signals_are_passed_on() {
    let engine = Engine::start();
    let script = "trap 'echo TERM; exit 9' TERM; echo ready; while :; do sleep 0.05; done";
    for cli in BOTH {
        let mut child = engine
            .command(cli, ["run", "--rm", "--network", "none", "busybox", "sh", "-c", script])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = [0u8; 6];
        child.stdout.as_mut().unwrap().read_exact(&mut ready).unwrap();
        sys::signal::kill(child.id() as i32, sys::libc::SIGTERM).unwrap();
        let ran = Ran::from(child.wait_with_output().unwrap());
        assert_eq!((ran.code, ran.out.as_str()), (9, "TERM\n"), "{cli:?}: {ran:?}");
    }
    engine.finish();
}

#[test]
fn logs_are_cut_stamped_and_followed() {
    let engine = Engine::start();
    let script = "for i in 1 2 3; do echo line $i; done; echo err >&2; while [ ! -e /go ]; do \
                  sleep 0.05; done; echo last";
    engine.background("ll", &[], &["sh", "-c", script]);
    until("it has written", || engine.wharf(["logs", "ll"]).err.contains("err"));
    for cli in BOTH {
        assert_eq!(engine.cli(cli, ["logs", "--tail", "2", "ll"]).err, "err\n", "{cli:?}");
        assert_eq!(engine.cli(cli, ["logs", "--tail", "3", "ll"]).ok(), "line 2\nline 3\n");
        let stamped = engine.cli(cli, ["logs", "-t", "ll"]).ok();
        let first = stamped.lines().next().unwrap();
        assert!(first.ends_with("Z line 1") && first.starts_with("20"), "{first}");
        assert_eq!(engine.cli(cli, ["logs", "--since", "1h", "--until", "30m", "ll"]).ok(), "");
    }
    let followers: Vec<Child> = BOTH
        .iter()
        .map(|cli| {
            let mut command = engine.command(*cli, ["logs", "-f", "ll"]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    engine.wharf(["exec", "ll", "touch", "/go"]).ok();
    for follower in followers {
        let ran = Ran::from(follower.wait_with_output().unwrap());
        assert_eq!(ran.ok(), "line 1\nline 2\nline 3\nlast\n");
    }
    engine.finish();
}

#[test]
fn much_output_arrives_whole() {
    let engine = Engine::start();
    for cli in BOTH {
        let run = ["run", "--name", "much", "--network", "none", "busybox", "seq", "1", "200000"];
        let out = engine.cli(cli, run).ok();
        assert_eq!(out.lines().count(), 200_000, "{cli:?}");
        assert_eq!(engine.cli(cli, ["logs", "much"]).ok(), out);
        engine.cli(cli, ["rm", "much"]).ok();
    }
    engine.finish();
}
