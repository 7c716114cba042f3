//! `run -it` at a real terminal, against the scripted engine.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use sys::rustix::process::{Pid, Signal, kill_process};
use sys::rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use sys::rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use crate::fake::{FakeEngine, Heard};

const DEADLINE: Duration = Duration::from_secs(20);

struct Terminal {
    master: File,
    peer: File,
}

impl Terminal {
    fn open() -> Terminal {
        let master: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let peer = OpenOptions::new().read(true).write(true).open(name).unwrap();
        Terminal { master: File::from(master), peer }
    }

    fn set_size(&self, rows: u16, columns: u16) {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.master, size).unwrap();
    }

    fn is_raw(&self) -> bool {
        let modes = tcgetattr(&self.peer).unwrap().local_modes;
        !modes.intersects(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
    }
}

fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not happen within {DEADLINE:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn exit_code(child: &mut Child) -> Option<i32> {
    let mut status = None;
    until("the end of the program", || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    status.and_then(|status| status.code())
}

#[test]
fn run_follows_the_window_and_leaves_on_detach_keys() {
    let directory = tempfile::tempdir().unwrap();
    let engine = FakeEngine::start(directory.path());
    let mut terminal = Terminal::open();
    terminal.set_size(24, 80);
    let stdio = || terminal.peer.try_clone().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_wharf"))
        .args(["-H", &engine.host, "run", "-it", "x"])
        .stdin(stdio())
        .stdout(stdio())
        .stderr(stdio())
        .spawn()
        .unwrap();
    let heard = |path: &str| engine.peek().iter().any(|request| request.path.ends_with(path));
    until("the first size", || heard("/resize?h=24&w=80"));
    until("raw mode", || terminal.is_raw());
    terminal.set_size(40, 132);
    kill_process(Pid::from_child(&child), Signal::WINCH).unwrap();
    until("the second size", || heard("/resize?h=40&w=132"));
    // An interrupt is a byte for the container, the keys are for us.
    terminal.master.write_all(b"hi\x03\x10x\x10\x11").unwrap();
    assert_eq!(exit_code(&mut child), Some(0));
    assert!(!terminal.is_raw(), "the terminal is as it was");
    let input = |request: &Heard| request.method == "INPUT";
    until("the end of the input", || engine.peek().iter().any(input));
    let requests = engine.heard();
    let typed = requests.iter().find(|request| input(request)).unwrap();
    assert_eq!(typed.body, "hi\x03\x10x");
    let create = requests.iter().find(|r| r.path.starts_with("/containers/create")).unwrap();
    assert_eq!(create.body["HostConfig"]["ConsoleSize"], serde_json::json!([24, 80]));
}
