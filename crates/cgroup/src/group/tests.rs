//! On the real hierarchy; what only version 2 writes, into a directory of plain files.

use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};

use super::*;
use crate::{Access, DeviceKind, DeviceNumber, DeviceRate, DeviceRule, Limit, device_program};

const DEADLINE: Duration = Duration::from_secs(20);

/// A cgroup that goes with all its processes.
struct Temporary(Cgroup);

impl Temporary {
    fn try_new(name: &str, limits: &Limits) -> Result<Self, CgroupError> {
        let hierarchy = Hierarchy::detect()?;
        let path = format!("/wharf-test-{}-{name}/group", std::process::id());
        Cgroup::create(&hierarchy, &path, limits).map(Self)
    }

    fn new(name: &str, limits: Limits) -> Self {
        Self::try_new(name, &limits).unwrap_or_else(|error| panic!("{error:?}"))
    }

    /// What a version 1 file says.
    fn file(&self, controller: Controller, file: &str) -> String {
        self.0.legacy(controller).unwrap().read(file).unwrap().trim_end().to_owned()
    }

    /// A shell that joins, and then does `script`.
    fn shell(&self, script: &str) -> Child {
        let mut child = Command::new("/bin/sh")
            .args(["-c", &format!("read go; {script}")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        self.0.attach(child.id()).unwrap();
        child.stdin.take().unwrap().write_all(b"go\n").unwrap();
        child
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let ended = self.0.kill().and_then(|()| self.0.remove(DEADLINE));
        let parent = self.0.relative.rsplit_once('/').unwrap().0;
        for mount in self.0.hierarchy.mounts(true) {
            let _absent_or_reported_below = mount.at(parent).remove();
        }
        let absent = self.0.hierarchy.mounts(true).all(|mount| !mount.at(parent).exists("."));
        if !std::thread::panicking() {
            ended.unwrap();
            assert!(absent, "{parent} is left");
        }
    }
}

/// Waits for `true`.
fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < DEADLINE, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn is_v2() -> bool {
    Hierarchy::detect().unwrap().version() == Version::V2
}

#[test]
fn paths_are_checked() {
    for path in ["", "/", "a", "/a//b", "/../a", "/a/.", "/a\nb", &format!("/{}", "x".repeat(256))]
    {
        assert!(check_path(path).is_err(), "{path}");
    }
    assert_eq!(check_path("/wharf/a..b"), Ok("wharf/a..b"));
}

#[test]
fn processes_join_and_are_listed_and_killed() {
    let group = Temporary::new("kill", Limits::default());
    let mut child = group.shell("sleep 1000 & sleep 1000 & wait");
    eventually("three processes", || group.0.pids().unwrap().len() == 3);
    assert!(group.0.processes().unwrap().contains(&child.id()));
    assert!(!group.0.wait_empty(Duration::from_millis(1)).unwrap());
    group.0.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    assert!(group.0.wait_empty(DEADLINE).unwrap());
    assert!(group.0.pids().unwrap().is_empty());
}

#[test]
fn kill_one_by_one_lets_no_fork_escape() {
    if is_v2() {
        return; // The kernel kills them itself.
    }
    let limits = Limits { pids: Some(Limit::At(64)), ..Limits::default() };
    let group = Temporary::new("forks", limits);
    let mut child = group.shell("f() { while :; do (f) & sleep 0.001; done; }; f 2>/dev/null");
    eventually("some forks", || group.0.pids().unwrap().len() > 8);
    // What is done where `cgroup.kill` is missing.
    group.0.kill_one_by_one().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    assert!(group.0.wait_empty(DEADLINE).unwrap());
}

#[test]
fn frozen_processes_stand_still_and_can_be_killed() {
    let group = Temporary::new("freeze", Limits::default());
    let mut child = group.shell("while :; do :; done");
    let used = || group.0.counters().unwrap().cpu.unwrap().total_ns;
    eventually("processor time", || used() > 1_000_000);
    group.0.freeze(DEADLINE).unwrap();
    assert!(group.0.is_frozen().unwrap());
    // The kernel charges the last tick late; then nothing more is added.
    let mut before = used();
    eventually("the processes stand still", || {
        std::thread::sleep(Duration::from_millis(30));
        std::mem::replace(&mut before, used()) == before
    });
    group.0.thaw(DEADLINE).unwrap();
    eventually("more processor time", || used() > before + 1_000_000);
    group.0.freeze(DEADLINE).unwrap();
    group.0.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    if !is_v2() {
        // Older kernels let a frozen process die only after it is thawed.
        assert!(!group.0.is_frozen().unwrap());
    }
}

#[test]
fn memory_limit_kills_and_is_counted() {
    let limits = Limits {
        memory_bytes: Some(Limit::At(32 << 20)),
        memory_swap_bytes: Some(Limit::At(32 << 20)),
        ..Limits::default()
    };
    let group = Temporary::new("memory", limits);
    assert_eq!(group.0.oom_kills().unwrap(), 0);
    let status = group.shell("exec tail /dev/zero").wait().unwrap();
    assert_eq!(status.signal(), Some(9));
    assert_eq!(group.0.oom_kills().unwrap(), 1);
    let memory = group.0.counters().unwrap().memory.unwrap();
    assert_eq!(memory.limit, Limit::At(32 << 20));
    assert!(memory.usage_bytes_max.unwrap() > 16 << 20);
    assert!(memory.stat.value("inactive_file").is_some());
}

#[test]
fn memory_limits_grow_and_shrink() {
    let both = |bytes| Limits {
        memory_bytes: Some(Limit::At(bytes)),
        memory_swap_bytes: Some(Limit::At(bytes * 2)),
        ..Limits::default()
    };
    let group = Temporary::new("resize", both(64 << 20));
    let limit = || group.0.counters().unwrap().memory.unwrap().limit;
    for megabytes in [512, 16, 1024] {
        group.0.update(&both(megabytes << 20)).unwrap();
        assert_eq!(limit(), Limit::At(megabytes << 20));
    }
    let memory = |limit| Limits { memory_bytes: Some(limit), ..Limits::default() };
    if !is_v2() {
        let error = group.0.update(&memory(Limit::At(1 << 40))).unwrap_err();
        assert!(error.to_string().contains("memory and swap"), "{error}");
        let mut child =
            group.shell("head -c 8000000 /dev/zero | tail -n 1 >/dev/null; exec sleep 1000");
        eventually("some use", || {
            group.0.counters().unwrap().memory.unwrap().usage_bytes_max > Some(200_000)
        });
        let error = group.0.update(&memory(Limit::At(4096))).unwrap_err();
        assert!(matches!(error, CgroupError::MemoryInUse { .. }), "{error:?}");
        group.0.kill().unwrap();
        child.wait().unwrap();
    }
    let unlimited =
        Limits { memory_swap_bytes: Some(Limit::Unlimited), ..memory(Limit::Unlimited) };
    group.0.update(&unlimited).unwrap();
    assert_eq!(limit(), Limit::Unlimited);
    let wrong = Limits { memory_swap_bytes: Some(Limit::At(1)), ..both(1 << 20) };
    assert_eq!(group.0.update(&wrong).unwrap_err().kind(), stdx::Kind::Invalid);
}

#[test]
fn pids_limit_stops_forks() {
    let group = Temporary::new("pids", Limits { pids: Some(Limit::At(4)), ..Limits::default() });
    let mut child = group.shell("sleep 1000 & sleep 1000 & sleep 1000 & sleep 1000 & wait");
    let mut text = String::new();
    let counters = || group.0.counters().unwrap().pids.unwrap();
    eventually("the limit", || counters().current == 4 || child.try_wait().unwrap().is_some());
    assert_eq!(counters().limit, Limit::At(4));
    eventually("the shell gives up", || child.try_wait().unwrap().is_some());
    group.0.kill().unwrap();
    child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    assert!(text.contains("fork"), "{text}");
}

/// Whether a process in `group` can do `script`.
fn succeeds(group: &Temporary, script: &str) -> bool {
    group.shell(script).wait().unwrap().success()
}

fn only_null() -> Vec<DeviceRule> {
    let null = DeviceRule {
        allow: true,
        kind: DeviceKind::Char,
        major: Some(1),
        minor: Some(3),
        access: Access::parse("rw").unwrap(),
    };
    vec![DeviceRule::DENY_ALL, null]
}

fn check_only_null(group: &Temporary) {
    assert!(succeeds(group, ": </dev/null >/dev/null 3<>/dev/null"));
    assert!(!succeeds(group, ": </dev/zero"));
    let node = format!("/tmp/wharf-test-node-{}-{}", std::process::id(), group.0.relative.len());
    assert!(!succeeds(group, &format!("mknod {node} c 1 3")));
    assert!(!std::path::Path::new(&node).exists());
}

#[test]
fn device_rules_deny() {
    let group = Temporary::new("devices", Limits { devices: only_null(), ..Limits::default() });
    check_only_null(&group);
}

#[test]
fn device_program_denies_what_it_should() {
    if Hierarchy::detect().unwrap().version() == Version::V1 {
        return; // No version 2 mount to attach it to.
    }
    let group = Temporary::new("program-deny", Limits::default());
    assert!(succeeds(&group, ": </dev/zero"));
    v2::attach_devices(&group.0, &device_program(&only_null())).unwrap();
    check_only_null(&group);
}

#[test]
fn device_program_allows_by_default() {
    if Hierarchy::detect().unwrap().version() == Version::V1 {
        return;
    }
    let deny = |minor, letters| DeviceRule {
        allow: false,
        kind: DeviceKind::All,
        major: Some(1),
        minor,
        access: Access::parse(letters).unwrap(),
    };
    let group = Temporary::new("program-allow", Limits::default());
    let program = device_program(&[deny(Some(5), "w"), deny(Some(9), "rwm")]);
    v2::attach_devices(&group.0, &program).unwrap();
    assert!(succeeds(&group, ": </dev/zero"));
    assert!(!succeeds(&group, ": >/dev/zero"));
    assert!(!succeeds(&group, ": 3<>/dev/zero"));
    assert!(!succeeds(&group, ": </dev/urandom"));
    assert!(succeeds(&group, ": 3<>/dev/null"));
}

#[test]
fn cpu_limits_throttle() {
    let limits =
        Limits { cpu_shares: Some(512), nano_cpus: Some(100_000_000), ..Limits::default() };
    let group = Temporary::new("cpu", limits);
    let mut child = group.shell("while :; do :; done");
    let cpu = || group.0.counters().unwrap().cpu.unwrap();
    eventually("throttling", || cpu().throttled_periods > 2 && cpu().throttled_ns > 0);
    assert!(cpu().user_ns + cpu().system_ns > 0 && cpu().periods >= cpu().throttled_periods);
    group.0.kill().unwrap();
    child.wait().unwrap();
    if !is_v2() {
        assert_eq!(group.file(Controller::Cpu, "cpu.cfs_quota_us"), "10000");
        assert_eq!(group.file(Controller::Cpu, "cpu.shares"), "512");
    }
    let period = Limits {
        cpu_period_us: Some(20_000),
        cpu_quota_us: Some(Limit::At(5000)),
        ..Limits::default()
    };
    group.0.update(&period).unwrap();
    if !is_v2() {
        assert_eq!(group.file(Controller::Cpu, "cpu.cfs_period_us"), "20000");
        assert_eq!(group.file(Controller::Cpu, "cpu.cfs_quota_us"), "5000");
    }
}

#[test]
fn cpuset_is_inherited_and_narrowed() {
    let cpuset = || Limits { cpuset_cpus: Some("0".into()), ..Limits::default() };
    let group = Temporary::new("cpuset", cpuset());
    assert!(succeeds(&group, "test $(nproc) = 1"));
    // And for one that has run without.
    let late = Temporary::new("cpuset-late", Limits::default());
    let mut child = late.shell("while test $(nproc) != 1; do sleep 0.01; done; sleep 1000");
    let sleeper = || {
        let text =
            late.0.processes().unwrap().into_iter().map(|pid| {
                std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default()
            });
        text.into_iter().any(|text| text.contains("1000") && text.starts_with("sleep"))
    };
    late.0.update(&cpuset()).unwrap();
    eventually("one processor", sleeper);
    late.0.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn device_rates_are_set() {
    let text = std::fs::read_to_string("/proc/partitions").unwrap();
    let words: Vec<&str> = text.lines().nth(2).unwrap().split_ascii_whitespace().collect();
    let device =
        DeviceNumber { major: words[0].parse().unwrap(), minor: words[1].parse().unwrap() };
    let rate = |per_second| vec![DeviceRate { device, per_second }];
    let limits = Limits { read_bps: rate(1 << 20), write_iops: rate(77), ..Limits::default() };
    let group = Temporary::new("rates", limits);
    if !is_v2() {
        let file = |file| group.file(Controller::Blkio, file);
        assert_eq!(file("blkio.throttle.read_bps_device"), format!("{device} 1048576"));
        assert_eq!(file("blkio.throttle.write_iops_device"), format!("{device} 77"));
        group.0.update(&Limits { write_iops: rate(0), ..Limits::default() }).unwrap();
        assert_eq!(file("blkio.throttle.write_iops_device"), "");
    }
}

#[test]
fn a_left_over_is_replaced_and_a_used_one_is_not() {
    let limited = Limits { pids: Some(Limit::At(7)), ..Limits::default() };
    let first = Temporary::new("twice", limited);
    let again = Temporary::new("twice", Limits::default());
    assert_eq!(again.0.counters().unwrap().pids.unwrap().limit, Limit::Unlimited);
    let mut child = again.shell("exec sleep 1000");
    let error = Temporary::try_new("twice", &Limits::default()).map(drop).unwrap_err();
    assert!(matches!(error, CgroupError::Occupied { .. }), "{error:?}");
    assert_eq!(again.0.pids().unwrap(), [child.id()]);
    again.0.kill().unwrap();
    child.wait().unwrap();
    drop(again);
    drop(first);
}

#[test]
fn a_failed_creation_leaves_nothing() {
    let path = format!("/wharf-test-{}-failed", std::process::id());
    let hierarchy = Hierarchy::detect().unwrap();
    let limits = Limits { cpuset_cpus: Some("9999".into()), ..Limits::default() };
    let error = Cgroup::create(&hierarchy, &path, &limits).unwrap_err();
    assert_eq!(error.kind(), stdx::Kind::Invalid, "{error:?}");
    let error = Cgroup::open(&hierarchy, &path).unwrap_err();
    assert_eq!(error.kind(), stdx::Kind::NotFound);
    assert!(hierarchy.mounts(true).all(|mount| !mount.at(&path[1..]).exists(".")));
}

#[test]
fn removal_takes_children_along_and_waits_for_the_dying() {
    let group = Temporary::new("parent", Limits::default());
    let node = group.0.primary();
    let (child, grandchild) =
        (format!("{}/child", node.relative), format!("{}/child/grand", node.relative));
    node.mount.at(&child).make().unwrap();
    node.mount.at(&grandchild).make().unwrap();
    let mut process = group.shell("exec sleep 1000");
    node.mount.at(&grandchild).write("cgroup.procs", &process.id().to_string()).unwrap();
    assert_eq!(group.0.pids().unwrap(), [process.id()]);
    assert!(group.0.processes().unwrap().is_empty());
    let error = group.0.remove(Duration::from_millis(5)).unwrap_err();
    assert!(matches!(error, CgroupError::TimedOut { .. }), "{error:?}");
    // The failed removal has taken what was empty: the cgroup of a hierarchy without processes.
    process.kill().unwrap();
    process.wait().unwrap();
    group.0.remove(DEADLINE).unwrap();
    group.0.remove(Duration::ZERO).unwrap();
    assert!(group.0.pids().unwrap().is_empty());
}

/// A version 2 hierarchy of plain files: what is written where, not what the kernel makes of it.
fn plain_files(root: &std::path::Path, files: &[&str]) -> Cgroup {
    std::fs::create_dir_all(root.join("wharf/a")).unwrap();
    std::fs::write(root.join("cgroup.controllers"), "cpu cpuset io memory pids\n").unwrap();
    for file in ["cgroup.procs"].iter().chain(files) {
        std::fs::write(root.join("wharf/a").join(file), "").unwrap();
    }
    let text = "1 0 0:1 / / rw - cgroup2 cgroup2 rw\n";
    Cgroup::open(&Hierarchy::from_mountinfo(text, root).unwrap(), "/wharf/a").unwrap()
}

#[track_caller]
fn check_v2(limits: Limits, expect: &[(&str, &str)]) {
    let root = tempfile::tempdir().unwrap();
    let names: Vec<&str> = expect.iter().map(|(file, _)| *file).collect();
    let group = plain_files(root.path(), &names);
    group.apply(&limits, Stage::New).unwrap_or_else(|error| panic!("{error:?}"));
    for (file, text) in expect {
        let path = root.path().join("wharf/a").join(file);
        assert_eq!(std::fs::read_to_string(path).unwrap(), *text, "{file}");
    }
}

#[test]
fn version_2_files_are_written() {
    let memory = Limits {
        memory_bytes: Some(Limit::At(1000)),
        memory_swap_bytes: Some(Limit::At(2500)),
        memory_reservation_bytes: Some(Limit::At(10)),
        pids: Some(Limit::Unlimited),
        ..Limits::default()
    };
    check_v2(
        memory,
        &[
            ("memory.max", "1000"),
            ("memory.swap.max", "1500"),
            ("memory.low", "10"),
            ("pids.max", "max"),
        ],
    );
    let cpu = Limits {
        cpu_shares: Some(1024),
        cpu_period_us: Some(5000),
        cpuset_cpus: Some("0-1".into()),
        cpuset_mems: Some("0".into()),
        ..Limits::default()
    };
    check_v2(
        cpu,
        &[
            ("cpu.weight", "100"),
            ("cpu.max", "max 5000"),
            ("cpuset.cpus", "0-1"),
            ("cpuset.mems", "0"),
        ],
    );
    let half = Limits { nano_cpus: Some(500_000_000), ..Limits::default() };
    check_v2(half, &[("cpu.max", "50000 100000")]);
    let quota = Limits { cpu_quota_us: Some(Limit::At(7000)), ..Limits::default() };
    check_v2(quota, &[("cpu.max", "7000")]);
    let weight = || Limits { blkio_weight: Some(1000), ..Limits::default() };
    check_v2(weight(), &[("io.weight", "default 10000")]);
    check_v2(weight(), &[("io.bfq.weight", "default 1000")]);
    check_v2(weight(), &[]);
    let device = DeviceNumber { major: 8, minor: 16 };
    let rate = |per_second| vec![DeviceRate { device, per_second }];
    check_v2(Limits { read_bps: rate(5), ..Limits::default() }, &[("io.max", "8:16 rbps=5")]);
    check_v2(Limits { write_iops: rate(0), ..Limits::default() }, &[("io.max", "8:16 wiops=max")]);
    let unified = [("memory.high".to_owned(), "7".to_owned())].into();
    check_v2(Limits { unified, ..Limits::default() }, &[("memory.high", "7")]);
}

#[test]
fn version_2_refuses_what_is_wrong() {
    let root = tempfile::tempdir().unwrap();
    let group = plain_files(root.path(), &["memory.max", "memory.swap.max"]);
    for key in ["cgroup.procs", "../x", "memory", "memory.max/../cgroup.kill"] {
        let unified = [(key.to_owned(), "1".to_owned())].into();
        let limits = Limits { unified, ..Limits::default() };
        assert_eq!(group.update(&limits).unwrap_err().kind(), stdx::Kind::Invalid, "{key}");
    }
    let swap = |memory, total| {
        v2::swap_of_total(Limit::At(total), memory).map_err(|error| error.to_string())
    };
    assert_eq!(swap(Some(10), 10), Ok(Limit::At(0)));
    assert!(swap(Some(10), 9).is_err() && swap(None, 9).is_err());
}

#[test]
fn version_2_parents_get_controllers_once() {
    let root = tempfile::tempdir().unwrap();
    let group = plain_files(root.path(), &[]);
    for path in ["cgroup.subtree_control", "wharf/cgroup.subtree_control"] {
        std::fs::write(root.path().join(path), "").unwrap();
    }
    group.hierarchy.prepare("wharf/a", false).unwrap();
    let read = |path: &str| std::fs::read_to_string(root.path().join(path)).unwrap();
    assert_eq!(read("cgroup.subtree_control"), "+memory +cpu +pids +io +cpuset");
    assert_eq!(read("wharf/cgroup.subtree_control"), "+memory +cpu +pids +io +cpuset");
    std::fs::write(root.path().join("cgroup.subtree_control"), "").unwrap();
    group.hierarchy.prepare("wharf/b", false).unwrap();
    assert_eq!(read("cgroup.subtree_control"), "");
}
