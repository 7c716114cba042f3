//! A monitor for real: a container in it, an engine and clients outside.

use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cgroup::Hierarchy;
use runtime::plan::*;
use serde_json::Value;
use sys::process::{Child, Fork};

use crate::frame::{self, Decoder};
use crate::protocol::*;
use crate::records;

/// No wait in these tests is longer; a test that gets here has failed.
const DEADLINE: Duration = Duration::from_secs(20);

/// A container held by a monitor, and the engine's end of the control stream.
struct Held {
    dir: tempfile::TempDir,
    monitor: Child,
    control: UnixStream,
    decoder: Decoder,
}

impl Held {
    fn start(script: &str, change: impl FnOnce(&mut SpawnRequest, &mut Vec<OwnedFd>)) -> Held {
        let dir = tempfile::tempdir().unwrap();
        let mut request = request(dir.path(), script);
        let (control, theirs) = UnixStream::pair().unwrap();
        control.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut fds = vec![OwnedFd::from(theirs)];
        change(&mut request, &mut fds);
        let hierarchy = Hierarchy::detect().unwrap();
        let monitor = match sys::process::fork().unwrap() {
            Fork::Child => {
                crate::hold::hold(request, fds, &hierarchy);
                sys::process::exit_now(0)
            }
            Fork::Parent(child) => child,
        };
        drop(fds);
        Held { dir, monitor, control, decoder: Decoder::default() }
    }

    fn next(&mut self) -> Event {
        loop {
            if let Some(event) = self.decoder.pop().unwrap() {
                return event;
            }
            let mut buffer = [0u8; 4096];
            let count = self.control.read(&mut buffer).expect("an event before the deadline");
            assert_ne!(count, 0, "the monitor hung up");
            self.decoder.push(&buffer[..count]);
        }
    }

    fn send(&self, request: &Request, fds: &[std::os::fd::BorrowedFd<'_>]) {
        let bytes = frame::encode(request);
        let sent = sys::socket::send_with_fds(self.control.as_fd(), &bytes, fds).unwrap();
        assert_eq!(sent, bytes.len());
    }

    /// Waits for the monitor's own end and returns the log's texts.
    fn end(self) -> String {
        sys::process::wait(self.monitor.pidfd.as_fd(), true).unwrap();
        let log = std::fs::read_to_string(self.dir.path().join("log")).unwrap();
        log.lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .map(|line| line["log"].as_str().unwrap().to_owned())
            .collect()
    }

    fn run_dir(&self) -> PathBuf {
        self.dir.path().join("run")
    }
}

fn request(dir: &Path, script: &str) -> SpawnRequest {
    let bin = dir.join("root/bin");
    std::fs::create_dir_all(&bin).unwrap();
    std::fs::create_dir_all(dir.join("run")).unwrap();
    // A copy could be "text file busy" while a test beside forks.
    std::fs::hard_link("/bin/busybox", bin.join("busybox"))
        .expect("busybox-static is installed, on the file system of the temporary directory");
    for applet in ["sh", "cat", "sleep", "echo", "stty", "seq", "true"] {
        std::os::unix::fs::symlink("busybox", bin.join(applet)).unwrap();
    }
    SpawnRequest {
        container_id: stdx::id::random_hex::<32>(),
        run_dir: dir.join("run"),
        plan: plan(dir, script),
        foreign: None,
        io: IoSpec { open_stdin: false, stdin_once: false },
        log: LogSpec::Files {
            format: logs::Format::JsonFile,
            path: dir.join("log"),
            size_bytes_max: u64::MAX,
            files_max: 1,
            compress: false,
            block_when_full: false,
            kept_bytes_max: None,
            attributes: Default::default(),
        },
        attachments: Vec::new(),
        observe: false,
    }
}

fn plan(dir: &Path, script: &str) -> LaunchPlan {
    let mount = |target: &str, kind, options: &[&str]| MountPlan {
        target: target.into(),
        kind,
        attributes: MountAttributes::default(),
        propagation: None,
        options: options.iter().map(|o| (*o).to_owned()).collect(),
    };
    let fstype =
        |name: &str| MountKind::FileSystem { fstype: name.into(), source: None, copy_up: false };
    LaunchPlan {
        bundle: BundleStart::default(),
        root: RootPlan::Directory(dir.join("root")),
        root_read_only: false,
        root_propagation: Propagation::Private,
        user_namespace: UserNamespace::Host,
        namespaces: Namespaces {
            net: Namespace::New,
            pid: Namespace::New,
            ipc: Namespace::New,
            uts: Namespace::New,
            cgroup: Namespace::New,
            time: Namespace::Host,
        },
        mounts: vec![
            mount("/proc", fstype("proc"), &[]),
            mount("/dev", MountKind::Devices, &["mode=755"]),
            mount("/dev/pts", fstype("devpts"), &["newinstance", "ptmxmode=0666", "mode=0620"]),
        ],
        devices: Vec::new(),
        masked_paths: Vec::new(),
        readonly_paths: Vec::new(),
        hostname: None,
        domainname: None,
        sysctls: Vec::new(),
        cgroup: CgroupPlan {
            path: Some(format!("/wharf-test-{}", stdx::id::random_hex::<8>())),
            limits: cgroup::Limits::default(),
        },
        process: process(script),
    }
}

fn process(script: &str) -> ProcessPlan {
    ProcessPlan {
        bundle: BundleProcess::default(),
        args: vec!["sh".into(), "-c".into(), script.into()],
        env: vec!["PATH=/bin".into()],
        cwd: "/".into(),
        create_cwd: true,
        user: String::new(),
        additional_groups: Vec::new(),
        keep_primary_group: false,
        capabilities: Capabilities::default(),
        no_new_privileges: true,
        rlimits: Vec::new(),
        oom_score_adj: None,
        umask: None,
        seccomp: None,
        terminal: None,
    }
}

fn attach_spec(multiplexed: bool) -> AttachSpec {
    AttachSpec {
        attach_id: 1,
        stdin: true,
        stdout: true,
        stderr: true,
        multiplexed,
        detach_keys: Vec::new(),
        preread: Vec::new(),
    }
}

fn client() -> (UnixStream, OwnedFd) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_read_timeout(Some(DEADLINE)).unwrap();
    (ours, theirs.into())
}

fn read_all(mut stream: &UnixStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("the stream ends before the deadline");
    bytes
}

fn read_until(mut stream: &UnixStream, text: &str) -> String {
    let mut seen = String::new();
    while !seen.contains(text) {
        let mut buffer = [0u8; 1024];
        let count = stream.read(&mut buffer).expect("output before the deadline");
        assert_ne!(count, 0, "`{text}` did not come: {seen}");
        seen.push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
    seen
}

#[test]
fn output_is_logged_and_the_exit_recorded() {
    let mut held = Held::start("echo out; echo err >&2; echo -n tail; exit 3", |_, _| {});
    let Event::Started { pid, started_ns } = held.next() else { panic!("not started") };
    assert!(pid > 0 && started_ns > 0);
    let Event::Exited(record) = held.next() else { panic!("no exit") };
    assert_eq!((record.code, record.oom_killed), (3, false));
    assert_eq!(records::read_exit(&held.run_dir()).unwrap(), Some(record));
    let text = held.end();
    assert!(text.contains("out\n") && text.contains("err\n") && text.ends_with("tail"), "{text}");
}

#[test]
fn a_client_attached_before_the_start_gets_everything_framed() {
    let (ours, theirs) = client();
    let mut held = Held::start("cat; echo done >&2", |request, fds| {
        request.io = IoSpec { open_stdin: true, stdin_once: true };
        request.attachments.push(AttachSpec { preread: b"first ".to_vec(), ..attach_spec(true) });
        fds.push(theirs);
    });
    (&ours).write_all(b"then this\n").unwrap();
    ours.shutdown(std::net::Shutdown::Write).unwrap();
    let bytes = read_all(&ours);
    let mut expected = vec![2, 0, 0, 0, 0, 0, 0, 5];
    expected.extend(b"done\n");
    assert!(bytes.ends_with(&expected), "{bytes:?}");
    assert_eq!(bytes[0], 1);
    assert!(String::from_utf8_lossy(&bytes).contains("then this\n"));
    assert!(matches!(held.next(), Event::Started { .. }));
    assert_eq!(held.end(), "first then this\ndone\n");
}

#[test]
fn a_terminal_is_resized_and_left_by_keys() {
    let (ours, theirs) = client();
    let mut held = Held::start("while read line; do stty size; done", |request, fds| {
        request.io = IoSpec { open_stdin: true, stdin_once: false };
        request.plan.process.terminal = Some(TerminalSize { height: 11, width: 22 });
        let spec = AttachSpec { detach_keys: vec![16, 17], ..attach_spec(false) };
        request.attachments.push(spec);
        fds.push(theirs);
    });
    assert!(matches!(held.next(), Event::Started { .. }));
    (&ours).write_all(b"a\n").unwrap();
    read_until(&ours, "11 22");
    held.send(&Request::Resize(TerminalSize { height: 33, width: 44 }), &[]);
    // The resize comes by another way than the typing: type until it is seen.
    (&ours).write_all(b"a\n").unwrap();
    let mut seen = String::new();
    while !seen.contains("33 44") {
        seen = read_until(&ours, "\r\n");
        (&ours).write_all(b"a\n").unwrap();
    }
    (&ours).write_all(&[16, 16, 17]).unwrap();
    read_all(&ours);
    let Event::Detached { attach_id: 1, by_keys: true } = held.next() else {
        panic!("not detached")
    };
    held.send(&Request::Signal { signal: 9 }, &[]);
    let Event::Exited(record) = held.next() else { panic!("no exit") };
    assert_eq!(record.code, 137);
    held.end();
}

#[test]
fn execs_run_and_their_codes_are_kept_for_a_later_engine() {
    let mut held = Held::start("sleep 100", |_, _| {});
    let Event::Started { pid, .. } = held.next() else { panic!("not started") };
    let exec = |id: &str, script: &str, attach| Request::Exec {
        exec_id: id.into(),
        plan: ExecPlan {
            init_pid: pid,
            cgroup_path: None,
            sub_cgroups: Vec::new(),
            process: process(script),
        },
        attach,
    };
    let (ours, theirs) = client();
    held.send(&exec("one", "cat; exit 4", Some(attach_spec(true))), &[theirs.as_fd()]);
    drop(theirs);
    assert!(matches!(held.next(), Event::ExecStarted { .. }));
    (&ours).write_all(b"in").unwrap();
    ours.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(read_all(&ours), [&[1, 0, 0, 0, 0, 0, 0, 2][..], b"in"].concat());
    let four = ExecExit { exec_id: "one".into(), code: 4 };
    assert!(matches!(held.next(), Event::ExecExited(exit) if exit == four));
    let (ours, theirs) = client();
    let mut missing = exec("two", "", Some(attach_spec(true)));
    if let Request::Exec { plan, .. } = &mut missing {
        plan.process.args = vec!["nosuch".into()];
    }
    held.send(&missing, &[theirs.as_fd()]);
    drop(theirs);
    assert!(matches!(held.next(), Event::ExecFailed { .. }));
    let said = String::from_utf8_lossy(&read_all(&ours)).into_owned();
    assert!(said.contains("OCI runtime exec failed") && said.ends_with("$PATH\r\n"), "{said}");
    held.send(&exec("three", "exit 5", None), &[]);
    assert!(matches!(held.next(), Event::ExecStarted { .. }));
    assert!(matches!(held.next(), Event::ExecExited(_)));
    held.send(&exec("four", "sleep 100", None), &[]);
    assert!(matches!(held.next(), Event::ExecStarted { .. }));
    // By its name, and nobody else.
    for exec_id in ["three", "nosuch", "four"] {
        held.send(&Request::ExecSignal { exec_id: exec_id.into(), signal: 9 }, &[]);
    }
    assert!(matches!(held.next(), Event::ExecExited(exit) if exit.code == 137));
    // The engine dies and another comes.
    held.control = records::connect(&held.run_dir()).unwrap();
    held.control.set_read_timeout(Some(DEADLINE)).unwrap();
    held.decoder = Decoder::default();
    held.send(&Request::Hello { protocol: PROTOCOL }, &[]);
    let Event::Hello { execs_exited, pid: again, .. } = held.next() else { panic!("no hello") };
    assert_eq!(again, pid);
    let codes: Vec<i32> = execs_exited.iter().map(|exit| exit.code).collect();
    assert_eq!(codes, [4, 127, 5, 137]);
    held.send(&Request::Signal { signal: 15 }, &[]);
    held.send(&Request::Signal { signal: 9 }, &[]);
    assert!(matches!(held.next(), Event::Exited(_)));
    held.end();
}

#[test]
fn a_client_that_does_not_read_slows_the_process_and_loses_nothing() {
    let (ours, theirs) = client();
    let mut held = Held::start("seq 1 300000", |request, fds| {
        request.attachments.push(AttachSpec { stdin: false, ..attach_spec(false) });
        fds.push(theirs);
    });
    let started = held.next();
    assert!(matches!(started, Event::Started { .. }), "{started:?}");
    let all = String::from_utf8(read_all(&ours)).unwrap();
    assert_eq!(all.lines().count(), 300_000);
    assert!(all.ends_with("300000\n"));
    assert_eq!(held.end().len(), all.len());
}

#[test]
fn a_failed_start_is_told_and_recorded() {
    let mut held = Held::start("", |request, _| {
        request.plan.process.args = vec!["nosuch".into()];
    });
    let Event::StartFailed(failure) = held.next() else { panic!("started") };
    assert_eq!(failure.kind, FailureKind::CommandNotFound);
    let record = records::read_exit(&held.run_dir()).unwrap().unwrap();
    assert_eq!((record.code, record.failure), (127, Some(failure)));
    sys::process::wait(held.monitor.pidfd.as_fd(), true).unwrap();
}

/// What a container ran by `script` was seen to use.
fn observed(script: &str, change: impl FnOnce(&mut SpawnRequest)) -> Observed {
    let mut held = Held::start(script, |request, _| {
        request.observe = true;
        request.plan.namespaces.pid = Namespace::New;
        change(request);
    });
    loop {
        if let Event::Exited(record) = held.next() {
            assert_eq!(record.code, 0);
            held.end();
            return record.observed.unwrap();
        }
    }
}

#[test]
fn what_a_container_uses_is_observed_and_what_starting_it_takes_is_not() {
    use sys::libc;
    let quiet = observed("true", |_| {});
    assert_eq!(quiet.problem, "");
    assert!(quiet.from_start && !quiet.foreign_calls);
    let has = |observed: &Observed, call: i64| observed.calls.contains(&(call as u32));
    assert!(has(&quiet, libc::SYS_exit_group));
    // The stage mounts, pivots and executes; the program does not.
    for call in [libc::SYS_mount, libc::SYS_pivot_root, libc::SYS_capset, libc::SYS_mkdir] {
        assert!(!has(&quiet, call), "{call} of {:?}", quiet.calls);
    }
    let busy =
        observed("busybox mkdir /x; busybox chown 5 /x; /bin/busybox true; true", |request| {
            let both = 0b11;
            let caps = Capabilities {
                bounding: both,
                effective: both,
                permitted: both,
                ..Default::default()
            };
            request.plan.process.capabilities = caps;
        });
    assert!(has(&busy, libc::SYS_mkdir) && has(&busy, libc::SYS_execve), "{:?}", busy.calls);
    if let (Some(quiet), Some(busy)) = (quiet.capabilities, busy.capabilities) {
        const CHOWN: u64 = 1;
        assert_eq!(quiet & CHOWN, 0);
        assert_eq!(busy & CHOWN, CHOWN);
    } else {
        // Linux 6.13 has the tracepoint.
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
        let mut numbers = release.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
        let version = (numbers.next().unwrap(), numbers.next().unwrap());
        assert!(version < (6, 13), "{release}");
    }
}

#[test]
fn a_container_among_the_hosts_processes_is_not_observed() {
    let observed = observed("true", |request| request.plan.namespaces.pid = Namespace::Host);
    assert!(observed.problem.contains("shares its process ids"), "{}", observed.problem);
    assert!(observed.calls.is_empty());
}
