//! Containers for real, in temporary roots.

use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use cgroup::Hierarchy;
use sys::process::Exit;

use crate::exec::exec;
use crate::failure::{Failure, FailureKind};
use crate::launch::{Gate, launch};
use crate::plan::*;

mod accounts;

/// A layer with busybox and places for its own root file system.
struct Fixture {
    dir: tempfile::TempDir,
}

/// The programs that the layer has.
const APPLETS: [&str; 22] = [
    "sh", "true", "cat", "id", "ls", "stat", "sleep", "tty", "stty", "touch", "mount", "hostname",
    "readlink", "grep", "mkdir", "echo", "kill", "ps", "pwd", "test", "dd", "ip",
];

impl Fixture {
    fn new() -> Fixture {
        let dir = tempfile::tempdir().unwrap();
        let fs = dir.path().join("layers/base");
        for sub in ["bin", "etc", "tmp", "root"] {
            std::fs::create_dir_all(fs.join(sub)).unwrap();
        }
        std::fs::set_permissions(fs.join("tmp"), PermissionsExt::from_mode(0o1777)).unwrap();
        // A copy could be "text file busy" while a test beside forks.
        std::fs::hard_link("/bin/busybox", fs.join("bin/busybox"))
            .expect("busybox-static is installed, on the file system of the temporary directory");
        for applet in APPLETS {
            symlink("busybox", fs.join("bin").join(applet)).unwrap();
        }
        std::fs::write(fs.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\nu:x:5:6::/h:\n").unwrap();
        std::fs::write(fs.join("etc/group"), "root:x:0:\ng:x:7:u\n").unwrap();
        std::fs::write(fs.join("bin/notexec"), "x").unwrap();
        for sub in ["rw/upper", "rw/work"] {
            std::fs::create_dir_all(dir.path().join(sub)).unwrap();
        }
        Fixture { dir }
    }

    fn layer(&self) -> PathBuf {
        self.dir.path().join("layers/base")
    }

    fn upper(&self) -> PathBuf {
        self.dir.path().join("rw/upper")
    }

    /// A container as the engine makes them: all namespaces, ids 100000 and up.
    fn plan(&self, args: &[&str]) -> LaunchPlan {
        let map = vec![IdMapping { inside: 0, outside: 100_000, count: 65_536 }];
        let new = || Namespace::New;
        LaunchPlan {
            bundle: BundleStart::default(),
            root: RootPlan::Overlay {
                layers_dir: self.dir.path().join("layers"),
                lowers: vec!["base".into()],
                rw_dir: self.dir.path().join("rw"),
                volatile: true,
            },
            root_read_only: false,
            root_propagation: Propagation::Private,
            user_namespace: UserNamespace::New {
                uid_map: map.clone(),
                gid_map: map,
                idmap_root: true,
            },
            namespaces: Namespaces {
                net: new(),
                pid: new(),
                ipc: new(),
                uts: new(),
                cgroup: new(),
                time: Namespace::Host,
            },
            mounts: standard_mounts(),
            devices: standard_devices(),
            masked_paths: ["/proc/kcore", "/proc/acpi", "/proc/keys", "/sys/firmware"]
                .map(PathBuf::from)
                .to_vec(),
            readonly_paths: ["/proc/sys", "/proc/bus"].map(PathBuf::from).to_vec(),
            hostname: Some("box".into()),
            domainname: None,
            sysctls: vec![("net.ipv4.ping_group_range".into(), "0 65535".into())],
            cgroup: CgroupPlan { path: Some(unique_cgroup()), limits: cgroup::Limits::default() },
            process: process(args),
        }
    }
}

fn unique_cgroup() -> String {
    format!("/wharf-test-{}", stdx::id::random_hex::<8>())
}

fn process(args: &[&str]) -> ProcessPlan {
    let caps = 0x0000_0000_0000_05fb;
    ProcessPlan {
        bundle: BundleProcess::default(),
        args: args.iter().map(|arg| (*arg).to_owned()).collect(),
        env: vec!["PATH=/bin".into()],
        cwd: "/".into(),
        create_cwd: true,
        user: String::new(),
        additional_groups: Vec::new(),
        keep_primary_group: false,
        capabilities: Capabilities {
            bounding: caps,
            effective: caps,
            permitted: caps,
            inheritable: 0,
            ambient: 0,
        },
        no_new_privileges: false,
        rlimits: vec![Rlimit { resource: sys::libc::RLIMIT_NOFILE, soft: 100, hard: 200 }],
        oom_score_adj: Some(100),
        umask: None,
        seccomp: None,
        terminal: None,
    }
}

fn standard_mounts() -> Vec<MountPlan> {
    let attributes =
        MountAttributes { no_suid: true, no_exec: true, no_dev: true, ..Default::default() };
    let read_only = MountAttributes { read_only: true, ..attributes };
    let file_system = |target: &str, fstype: &str, options: &[&str]| MountPlan {
        target: target.into(),
        kind: MountKind::FileSystem { fstype: fstype.into(), source: None, copy_up: false },
        attributes,
        propagation: None,
        options: options.iter().map(|o| (*o).to_owned()).collect(),
    };
    let devpts = MountAttributes { no_suid: true, no_exec: true, ..Default::default() };
    vec![
        file_system("/proc", "proc", &[]),
        MountPlan {
            kind: MountKind::Devices,
            ..file_system("/dev", "tmpfs", &["mode=755", "size=65536k"])
        },
        MountPlan {
            attributes: devpts,
            ..file_system(
                "/dev/pts",
                "devpts",
                &["newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
            )
        },
        MountPlan { attributes: read_only, ..file_system("/sys", "sysfs", &[]) },
        MountPlan {
            kind: MountKind::Cgroup,
            attributes: read_only,
            ..file_system("/sys/fs/cgroup", "cgroup", &[])
        },
        file_system("/dev/mqueue", "mqueue", &[]),
        file_system("/dev/shm", "tmpfs", &["mode=1777", "size=65536k"]),
    ]
}

fn standard_devices() -> Vec<DevicePlan> {
    [
        ("null", 1, 3),
        ("zero", 1, 5),
        ("full", 1, 7),
        ("random", 1, 8),
        ("urandom", 1, 9),
        ("tty", 5, 0),
    ]
    .map(|(name, major, minor)| DevicePlan {
        path: Path::new("/dev").join(name),
        kind: 'c',
        major,
        minor,
        mode: 0o666,
        uid: 0,
        gid: 0,
    })
    .to_vec()
}

/// What a container did.
#[derive(Debug)]
struct Outcome {
    exit: Exit,
    output: String,
}

impl Outcome {
    fn line(&self, start: &str) -> &str {
        self.output
            .lines()
            .find(|line| line.starts_with(start))
            .unwrap_or_else(|| panic!("no line `{start}` in:\n{}", self.output))
    }
}

/// Runs a plan to its end and removes its cgroup.
fn run(plan: &LaunchPlan) -> Result<Outcome, Failure> {
    let hierarchy = Hierarchy::detect().unwrap();
    let (mut reader, writer) = std::io::pipe().unwrap();
    let null = File::open("/dev/null").unwrap();
    let streams = [null.as_fd(), writer.as_fd(), writer.as_fd()];
    let launched = launch(plan, &hierarchy, &streams, &Gate::Open)?;
    drop(writer);
    let mut output = String::new();
    match &launched.terminal {
        None => drop(reader.read_to_string(&mut output).unwrap()),
        // A terminal whose last user is gone answers EIO.
        Some(master) => {
            let mut bytes = Vec::new();
            let _ = File::from(master.try_clone().unwrap()).read_to_end(&mut bytes);
            output = String::from_utf8_lossy(&bytes).into_owned();
        }
    }
    let exit = sys::process::wait(launched.pidfd.as_fd(), true).unwrap().unwrap();
    launched.cgroup.unwrap().remove(Duration::from_secs(5)).unwrap();
    Ok(Outcome { exit, output })
}

fn sh(script: &str) -> Outcome {
    run(&Fixture::new().plan(&["sh", "-c", script])).unwrap()
}

#[test]
fn a_container_runs_and_is_isolated() {
    let outcome =
        sh("cat /proc/self/uid_map; hostname; echo pid=$$; id; ls /proc/self/fd | wc -l; \
                      cat /proc/self/cgroup; echo caps; grep Cap /proc/self/status; \
                      ip -o link | grep -c .; cat /proc/self/oom_score_adj; ulimit -n; exit 7");
    assert_eq!(outcome.exit, Exit::Code(7), "{outcome:?}");
    let words: Vec<&str> = outcome.output.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(words, ["0", "100000", "65536"]);
    for expected in ["box", "pid=1", "uid=0(root) gid=0(root)", "100"] {
        assert!(outcome.output.lines().any(|line| line == expected), "{expected}: {outcome:?}");
    }
    assert!(outcome.line("CapEff").ends_with("00000000000005fb"), "{outcome:?}");
    assert!(outcome.line("CapBnd").ends_with("00000000000005fb"), "{outcome:?}");
    assert!(outcome.line("CapInh").ends_with("0000000000000000"), "{outcome:?}");
    // The cgroup namespace hides the host's path.
    assert!(!outcome.output.contains("wharf-test"), "{outcome:?}");
}

#[test]
fn files_keep_their_own_ids_on_disk() {
    use std::os::unix::fs::MetadataExt;
    let fixture = Fixture::new();
    let mut plan = fixture.plan(&["sh", "-c", "touch /mine; stat -c %u /mine /bin/busybox"]);
    let outcome = run(&plan).unwrap();
    assert_eq!(outcome.output, "0\n0\n", "{outcome:?}");
    assert_eq!(std::fs::metadata(fixture.upper().join("mine")).unwrap().uid(), 0);
    plan.process = process(&["sh", "-c", "touch /tmp/users; id -u; id -G; echo $HOME; pwd"]);
    plan.process.user = "u".into();
    plan.process.cwd = "/new/dir".into();
    let outcome = run(&plan).unwrap();
    assert_eq!(outcome.output, "5\n6 7\n/h\n/new/dir\n", "{outcome:?}");
    assert_eq!(std::fs::metadata(fixture.upper().join("tmp/users")).unwrap().uid(), 5);
}

#[test]
fn masks_hide_and_read_only_paths_refuse() {
    let outcome = sh("cat /proc/kcore /proc/keys 2>/dev/null | wc -c; \
                      ls -A /proc/acpi /sys/firmware | grep -v : | wc -w; \
                      echo 1 > /proc/sys/kernel/domainname; touch /sys/x; \
                      touch /sys/fs/cgroup/x; echo x > /dev/null && echo null-works; \
                      cat /proc/sys/net/ipv4/ping_group_range");
    assert!(outcome.output.starts_with("0\n0\n"), "{outcome:?}");
    assert_eq!(outcome.output.matches("Read-only file system").count(), 3, "{outcome:?}");
    assert!(outcome.output.contains("null-works"), "{outcome:?}");
    assert!(outcome.output.contains("0\t65535"), "{outcome:?}");
}

#[test]
fn a_terminal_is_the_containers_own() {
    let fixture = Fixture::new();
    let mut plan = fixture.plan(&["sh", "-c", "tty; stty size; ls -l /dev/console | cut -c1"]);
    plan.process.terminal = Some(TerminalSize { height: 33, width: 99 });
    std::os::unix::fs::symlink("busybox", fixture.layer().join("bin/cut")).unwrap();
    let outcome = run(&plan).unwrap();
    assert_eq!(outcome.output, "/dev/pts/0\r\n33 99\r\nc\r\n", "{outcome:?}");
}

#[test]
fn binds_show_owners_as_on_disk() {
    use std::os::unix::fs::MetadataExt;
    let fixture = Fixture::new();
    let source = fixture.dir.path().join("source");
    std::fs::create_dir(&source).unwrap();
    std::fs::write(source.join("file"), "x").unwrap();
    let script = "stat -c %u /b/file; touch /b/new; touch /ro/no; cat /etc/one";
    let mut plan = fixture.plan(&["sh", "-c", script]);
    let bind = |target: &str, source: PathBuf, read_only| MountPlan {
        target: target.into(),
        kind: MountKind::Bind {
            source,
            recursive: true,
            ids: BindIds::Mapped,
            create_source: false,
        },
        attributes: MountAttributes { read_only, ..Default::default() },
        propagation: Some(Propagation::Private),
        options: Vec::new(),
    };
    plan.mounts.push(bind("/b", source.clone(), false));
    plan.mounts.push(bind("/ro", source.clone(), true));
    plan.mounts.push(bind("/etc/one", source.join("file"), false));
    let outcome = run(&plan).unwrap();
    assert!(outcome.output.starts_with("0\n"), "{outcome:?}");
    assert!(outcome.output.contains("/ro/no: Read-only file system"), "{outcome:?}");
    assert!(outcome.output.ends_with('x'), "{outcome:?}");
    assert_eq!(std::fs::metadata(source.join("new")).unwrap().uid(), 0);
}

#[test]
fn what_cannot_start_says_why_in_runcs_words() {
    let fixture = Fixture::new();
    let failure = |args: &[&str], change: &dyn Fn(&mut LaunchPlan)| {
        let mut plan = fixture.plan(args);
        change(&mut plan);
        let path = plan.cgroup.path.clone().unwrap();
        let failure = run(&plan).unwrap_err();
        let gone = cgroup::Cgroup::open(&Hierarchy::detect().unwrap(), &path);
        assert!(gone.is_err(), "the cgroup stayed");
        (failure.message, failure.kind)
    };
    let same = |_: &mut LaunchPlan| {};
    assert_eq!(
        failure(&["nosuch"], &same),
        (
            "exec: \"nosuch\": executable file not found in $PATH".into(),
            FailureKind::CommandNotFound
        )
    );
    assert_eq!(
        failure(&["/etc"], &same),
        (
            "exec: \"/etc\": is a directory: permission denied".into(),
            FailureKind::CommandNotExecutable
        )
    );
    assert_eq!(
        failure(&["notexec"], &same),
        ("exec: \"notexec\": permission denied".into(), FailureKind::CommandNotExecutable)
    );
    let nobody = failure(&["true"], &|plan| plan.process.user = "nouser".into());
    assert_eq!(
        nobody,
        (
            "unable to find user nouser: no matching entries in passwd file".into(),
            FailureKind::Invalid
        )
    );
    let far = failure(&["true"], &|plan| plan.process.user = "70000".into());
    assert!(far.0.contains("--userns=host"), "{far:?}");
}

#[test]
fn links_in_an_image_lead_nowhere_else() {
    let canary = tempfile::tempdir().unwrap();
    for path in ["proc", "sys", "dev"] {
        let fixture = Fixture::new();
        symlink(canary.path(), fixture.layer().join(path)).unwrap();
        let failure = run(&fixture.plan(&["true"])).unwrap_err();
        assert!(failure.message.contains("symbolic link"), "{failure:?}");
    }
    let fixture = Fixture::new();
    let mut plan = fixture.plan(&["sh", "-c", "ls /inside"]);
    symlink(canary.path(), fixture.layer().join("link")).unwrap();
    std::fs::create_dir_all(fixture.layer().join(canary.path().strip_prefix("/").unwrap()))
        .unwrap();
    plan.mounts.push(MountPlan {
        target: "/link".into(),
        kind: MountKind::FileSystem { fstype: "tmpfs".into(), source: None, copy_up: false },
        attributes: MountAttributes::default(),
        propagation: None,
        options: Vec::new(),
    });
    run(&plan).unwrap();
    assert_eq!(std::fs::read_dir(canary.path()).unwrap().count(), 0);
}

#[test]
fn a_working_directory_cannot_be_a_leaked_descriptor() {
    for number in 0..64 {
        let fixture = Fixture::new();
        let mut plan = fixture.plan(&["pwd"]);
        plan.process.cwd = format!("/proc/self/fd/{number}");
        plan.process.create_cwd = false;
        let outcome = run(&plan);
        assert!(outcome.is_err(), "descriptor {number}: {outcome:?}");
    }
}

#[test]
fn a_second_process_joins() {
    let fixture = Fixture::new();
    let mut plan = fixture.plan(&["sleep", "100"]);
    plan.process.user = "u".into();
    let hierarchy = Hierarchy::detect().unwrap();
    let null = File::options().read(true).write(true).open("/dev/null").unwrap();
    let streams = [null.as_fd(); 3];
    let launched = launch(&plan, &hierarchy, &streams, &Gate::Open).unwrap();
    let (mut reader, writer) = std::io::pipe().unwrap();
    let script =
        "hostname; cat /proc/1/cmdline; id -u; echo $$ > /dev/null; grep Cap /proc/self/status";
    let exec_plan = ExecPlan {
        init_pid: launched.pid,
        cgroup_path: plan.cgroup.path.clone(),
        sub_cgroups: Vec::new(),
        process: process(&["sh", "-c", script]),
    };
    let streams = [null.as_fd(), writer.as_fd(), writer.as_fd()];
    let executed = exec(&exec_plan, &hierarchy, &streams).unwrap();
    drop(writer);
    let mut output = String::new();
    reader.read_to_string(&mut output).unwrap();
    assert_eq!(
        sys::process::wait(executed.pidfd.as_fd(), true).unwrap(),
        Some(Exit::Code(0)),
        "{output}"
    );
    assert!(output.starts_with("box\nsleep\x00100\0"), "{output}");
    assert!(output.contains("CapEff:\t00000000000005fb"), "{output}");
    let mut missing = exec_plan.clone();
    missing.process.args = vec!["nosuch".into()];
    let failure = exec(&missing, &hierarchy, &[null.as_fd(); 3]).unwrap_err();
    assert_eq!(failure.kind, FailureKind::CommandNotFound);
    let mut in_terminal = exec_plan;
    in_terminal.process = process(&["tty"]);
    in_terminal.process.terminal = Some(TerminalSize { height: 10, width: 20 });
    let executed = exec(&in_terminal, &hierarchy, &[null.as_fd(); 3]).unwrap();
    let mut bytes = Vec::new();
    let _ = File::from(executed.terminal.unwrap()).read_to_end(&mut bytes);
    assert_eq!(bytes, b"/dev/pts/0\r\n");
    sys::process::wait(executed.pidfd.as_fd(), true).unwrap();
    sys::process::pidfd_send_signal(launched.pidfd.as_fd(), 9).unwrap();
    sys::process::wait(launched.pidfd.as_fd(), true).unwrap();
    launched.cgroup.unwrap().remove(Duration::from_secs(5)).unwrap();
}

#[test]
fn a_container_joins_anothers_network() {
    let fixture = Fixture::new();
    let hierarchy = Hierarchy::detect().unwrap();
    let null = File::options().read(true).write(true).open("/dev/null").unwrap();
    let first_plan = fixture.plan(&["sleep", "100"]);
    let first = launch(&first_plan, &hierarchy, &[null.as_fd(); 3], &Gate::Open).unwrap();
    let second = Fixture::new();
    let mut plan = second.plan(&["readlink", "/proc/self/ns/net"]);
    let path = |name: &str| PathBuf::from(format!("/proc/{}/ns/{name}", first.pid));
    let UserNamespace::New { uid_map, gid_map, .. } = plan.user_namespace.clone() else {
        unreachable!("the fixture's plan has one")
    };
    plan.user_namespace =
        UserNamespace::Join { path: path("user"), uid_map, gid_map, idmap_root: true };
    plan.namespaces.net = Namespace::Join(path("net"));
    plan.sysctls.clear();
    let outcome = run(&plan).unwrap();
    let expected = std::fs::read_link(path("net")).unwrap();
    assert_eq!(outcome.output.trim(), expected.to_str().unwrap());
    sys::process::pidfd_send_signal(first.pidfd.as_fd(), 9).unwrap();
    sys::process::wait(first.pidfd.as_fd(), true).unwrap();
    first.cgroup.unwrap().remove(Duration::from_secs(5)).unwrap();
}

#[test]
fn without_a_user_namespace_root_is_root() {
    let fixture = Fixture::new();
    let mut plan = fixture.plan(&["sh", "-c", "cat /proc/self/uid_map; touch /x; id -u"]);
    plan.user_namespace = UserNamespace::Host;
    plan.namespaces.net = Namespace::Host;
    plan.sysctls.clear();
    let outcome = run(&plan).unwrap();
    assert!(outcome.output.contains("4294967295"), "{outcome:?}");
    assert_eq!(outcome.exit, Exit::Code(0), "{outcome:?}");
}

#[test]
fn the_gate_holds_the_program_back() {
    let fixture = Fixture::new();
    let plan = fixture.plan(&["true"]);
    let fifo_path = fixture.dir.path().join("fifo");
    let mode = sys::rustix::fs::Mode::from_raw_mode(0o600);
    let cwd = sys::rustix::fs::CWD;
    sys::rustix::fs::mknodat(cwd, &fifo_path, sys::rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let fifo = File::options().read(true).write(true).open(&fifo_path).unwrap();
    let null = File::options().read(true).write(true).open("/dev/null").unwrap();
    let hierarchy = Hierarchy::detect().unwrap();
    let launched =
        launch(&plan, &hierarchy, &[null.as_fd(); 3], &Gate::Fifo(fifo.as_fd())).unwrap();
    assert_eq!(sys::process::wait(launched.pidfd.as_fd(), false).unwrap(), None);
    std::fs::write(&fifo_path, "x").unwrap();
    let exit = sys::process::wait(launched.pidfd.as_fd(), true).unwrap();
    assert_eq!(exit, Some(Exit::Code(0)));
    launched.cgroup.unwrap().remove(Duration::from_secs(5)).unwrap();
}
