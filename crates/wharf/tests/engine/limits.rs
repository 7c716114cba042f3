//! Limits that hold: what one container does disturbs neither its neighbors nor the engine
//! (promise S2, SEC-D09).

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::harness::{Cli, DEADLINE, Engine, until};

/// Memory that a flood may cost a process of ours: some buffers, and what the allocator keeps.
const FLOOD_BYTES_MAX: u64 = 16 << 20;

/// The directory of a container in the hierarchy of a version 1 controller, or in the unified one.
fn cgroup(engine: &Engine, name: &str, controller: &str) -> PathBuf {
    let pid = engine.inspect(name)["State"]["Pid"].as_i64().unwrap();
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let rows = text.lines().filter_map(|line| line.split_once(':')?.1.split_once(':'));
    let mut unified = String::new();
    for (controllers, path) in rows {
        if controllers.split(',').any(|found| found == controller) {
            return Path::new("/sys/fs/cgroup").join(controller).join(&path[1..]);
        }
        if controllers.is_empty() {
            unified = path[1..].to_owned();
        }
    }
    Path::new("/sys/fs/cgroup").join(unified)
}

/// A number of a file of `key value` lines.
fn number(file: &Path, key: &str) -> u64 {
    let text = std::fs::read_to_string(file).unwrap();
    let find = |line: &str| line.split_once(' ').filter(|(found, _)| *found == key)?.1.parse().ok();
    text.lines().find_map(find).unwrap_or_else(|| panic!("no {key} in {text}"))
}

/// CPU time of a container in nanoseconds.
fn cpu_ns(engine: &Engine, name: &str) -> u64 {
    match std::fs::read_to_string(cgroup(engine, name, "cpuacct").join("cpuacct.usage")) {
        Ok(text) => text.trim().parse().unwrap(),
        Err(_) => number(&cgroup(engine, name, "cpu").join("cpu.stat"), "usage_usec") * 1000,
    }
}

/// A field of `/proc/PID/status` in bytes.
fn memory(pid: u32, field: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    let kib: String = line.chars().filter(char::is_ascii_digit).collect();
    kib.parse::<u64>().unwrap() << 10
}

/// How much the first process of a container and its children have written.
fn written(engine: &Engine, name: &str) -> u64 {
    let pid = engine.inspect(name)["State"]["Pid"].as_i64().unwrap();
    let text = std::fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
    text.lines().find_map(|line| line.strip_prefix("wchar: ")).map_or(0, |n| n.parse().unwrap())
}

fn monitor(engine: &Engine, name: &str) -> u32 {
    let id = engine.inspect(name)["Id"].as_str().unwrap().to_owned();
    let path = engine.run_dir().join("containers").join(id).join("started.json");
    let started: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    started["monitor_pid"].as_u64().unwrap() as u32
}

/// A request whose answer nobody reads.
fn ask(engine: &Engine, head: &str, body: &str) -> UnixStream {
    let mut stream = UnixStream::connect(engine.socket()).unwrap();
    let length = body.len();
    write!(stream, "{head}\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}").unwrap();
    stream
}

fn descriptors(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

#[test]
fn the_engine_takes_all_descriptors_and_its_containers_do_not() {
    use sys::libc::RLIMIT_NOFILE;
    let (_, hard) = sys::process::rlimit(RLIMIT_NOFILE).unwrap();
    sys::process::set_rlimit(RLIMIT_NOFILE, 1000, hard).unwrap();
    let engine = Engine::start();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", engine.pid())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    assert_eq!(words[3..5], [hard.to_string(), hard.to_string()]);
    let inside = engine.run(Cli::Wharf, &[], &["sh", "-c", "ulimit -Sn; ulimit -Hn"]).ok();
    assert_eq!(inside, format!("1000\n{hard}\n"));
    engine.finish();
}

#[test]
fn a_fork_bomb_is_cut_off_and_can_be_stopped() {
    let engine = Engine::start();
    let bomb = "b() { b | b & }; b 2>/dev/null; while :; do sleep 1; done 2>/dev/null";
    engine.background("bomb", &["--pids-limit", "40"], &["sh", "-c", bomb]);
    engine.background("neighbor", &[], &["sleep", "1000"]);
    let pids = cgroup(&engine, "bomb", "pids");
    let current = || {
        let text = std::fs::read_to_string(pids.join("pids.current")).unwrap();
        text.trim().parse::<u64>().unwrap()
    };
    until("the bomb is at its limit", || number(&pids.join("pids.events"), "max") > 0);
    assert!(current() <= 40, "{}", current());
    engine.wharf(["exec", "neighbor", "true"]).ok();
    engine.run(Cli::Docker, &[], &["true"]).ok();
    // Into the full container: it runs, or it is said why not.
    let exec = engine.wharf(["exec", "bomb", "sh", "-c", "echo inside"]);
    assert!(exec.out == "inside\n" || exec.err.contains("emporarily unavailable"), "{exec:?}");
    engine.wharf(["stop", "-t", "0", "bomb"]).ok();
    assert_eq!(engine.state("bomb"), "exited");
    engine.finish();
}

#[test]
fn a_memory_hog_dies_alone() {
    let engine = Engine::start();
    engine.background("neighbor", &["-m", "32m"], &["sleep", "1000"]);
    let script = "x=$(head -c 60000000 /dev/zero | tr '\\0' x); echo ${#x}";
    let run = ["run", "--name", "hog", "--network", "none", "-m", "24m", "--memory-swap", "24m"];
    let ran = engine.wharf([&run[..], &["busybox", "sh", "-c", script]].concat());
    assert_eq!((ran.code, ran.out.as_str()), (137, ""), "{ran:?}");
    let state = &engine.inspect("hog")["State"];
    assert_eq!((&state["OOMKilled"], &state["ExitCode"]), (&true.into(), &137.into()));
    let filter = ["events", "--since", "1h", "--until", "0s", "--filter", "event=oom"];
    // The command line's "now" is a whole second.
    until("the event is past", || {
        let events = engine.docker(filter).ok();
        events.contains("container oom") && events.contains("name=hog")
    });
    assert_eq!(engine.inspect("neighbor")["State"]["OOMKilled"], false);
    engine.wharf(["exec", "neighbor", "true"]).ok();
    engine.finish();
}

#[test]
fn a_cpu_hog_has_its_quota_and_its_share() {
    let engine = Engine::start();
    let spin = ["sh", "-c", "while :; do :; done"];
    engine.background("quota", &["--cpus", "0.1"], &spin);
    let stat = cgroup(&engine, "quota", "cpu").join("cpu.stat");
    until("it is throttled", || number(&stat, "nr_throttled") >= 5);
    // Counted by the scheduler's own periods, not by our clock: 10 ms in each, and what one tick
    // on each processor may run over.
    let (used, periods) = (cpu_ns(&engine, "quota"), number(&stat, "nr_periods"));
    assert!(used <= (periods + 4) * 15_000_000, "{used} ns in {periods} periods");
    engine.wharf(["rm", "-f", "quota"]).ok();

    let on = |shares| ["--cpuset-cpus", "0", "--cpu-shares", shares];
    engine.background("big", &on("2048"), &spin);
    engine.background("small", &on("256"), &spin);
    let (big, small) = (cpu_ns(&engine, "big"), cpu_ns(&engine, "small"));
    let since = || (cpu_ns(&engine, "big") - big, cpu_ns(&engine, "small") - small);
    until("both have run", || since().0 + since().1 > 400_000_000);
    let (big, small) = since();
    assert!(big > 3 * small, "eight times the shares: {big} and {small} ns");
    engine.wharf(["exec", "small", "true"]).ok();
    engine.finish();
}

#[test]
fn a_log_flood_fills_neither_disk_nor_memory() {
    let engine = Engine::start();
    let options = ["--log-opt", "max-size=1m", "--log-opt", "max-file=2"];
    engine.background("flood", &options, &["yes", "a line of the flood"]);
    let stalled = ask(&engine, "GET /containers/flood/logs?follow=1&stdout=1 HTTP/1.1", "");
    let (engine_before, monitor) = (memory(engine.pid(), "VmRSS:"), monitor(&engine, "flood"));
    let id = engine.inspect("flood")["Id"].as_str().unwrap().to_owned();
    let mut largest = 0;
    until("much was written", || {
        let files = std::fs::read_dir(engine.root().join("containers").join(&id)).unwrap();
        // A file may be renamed while we look.
        let sizes = files.flatten().filter_map(|file| Some(file.metadata().ok()?.len()));
        largest = largest.max(sizes.sum::<u64>());
        written(&engine, "flood") > 20 << 20
    });
    assert!((1 << 20..(2 << 20) + (512 << 10)).contains(&largest), "{largest} bytes on disk");
    let grown = memory(engine.pid(), "VmRSS:").saturating_sub(engine_before);
    assert!(grown < FLOOD_BYTES_MAX, "the engine grew by {grown} bytes");
    let peak = memory(monitor, "RssAnon:");
    assert!(peak < FLOOD_BYTES_MAX, "the monitor has {peak} bytes");
    engine.run(Cli::Wharf, &[], &["true"]).ok();
    drop(stalled);
    engine.finish();
}

#[test]
fn sec_d09_a_stalled_client_of_an_exec_costs_nothing() {
    let engine = Engine::start();
    engine.background("cc", &[], &["sleep", "1000"]);
    let body = r#"{"AttachStdout":true,"Cmd":["yes"]}"#.parse().unwrap();
    let (status, made) = engine.post("/containers/cc/exec", &body);
    assert_eq!(status, 201, "{made}");
    let made: serde_json::Value = serde_json::from_str(&made).unwrap();
    let head = format!(
        "POST /exec/{}/start HTTP/1.1\r\nContent-Type: application/json\r\n\
         Connection: Upgrade\r\nUpgrade: tcp",
        made["Id"].as_str().unwrap()
    );
    let before = memory(engine.pid(), "VmRSS:");
    let mut stalled = ask(&engine, &head, r#"{"Detach":false,"Tty":false}"#);
    let mut first = [0; 12];
    stalled.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 101");
    let monitor = monitor(&engine, "cc");
    // It stops when nobody takes what it says: then its own counter stands still.
    let pid = || {
        let text = engine.wharf(["exec", "cc", "pidof", "yes"]).out;
        text.trim().to_owned()
    };
    until("it runs", || !pid().is_empty());
    let wchar = format!("grep wchar /proc/{}/io", pid());
    let said = || engine.wharf(["exec", "cc", "sh", "-c", &wchar]).ok();
    let mut last = said();
    until("it waits", || {
        let now = said();
        std::mem::replace(&mut last, now.clone()) == now
    });
    let grown = memory(engine.pid(), "VmRSS:").saturating_sub(before);
    assert!(grown < FLOOD_BYTES_MAX, "the engine grew by {grown} bytes");
    let has = memory(monitor, "RssAnon:");
    assert!(has < FLOOD_BYTES_MAX, "the monitor has {has} bytes");
    engine.wharf(["exec", "cc", "true"]).ok();
    drop(stalled);
    // As with Docker, it runs on without its client.
    until("it goes on", || said() != last);
    engine.finish();
}

#[test]
fn sec_d09_aborted_attaches_leave_nothing() {
    let engine = Engine::start();
    engine.background("cc", &[], &["sleep", "1000"]);
    let monitor = monitor(&engine, "cc");
    let counts = || (descriptors(engine.pid()), descriptors(monitor));
    let upgrade = "HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: tcp";
    let abort = || {
        drop(ask(&engine, &format!("POST /containers/cc/attach?stream=1&stdout=1 {upgrade}"), ""));
        drop(ask(&engine, "GET /containers/cc/logs?follow=1&stdout=1 HTTP/1.1", ""));
        drop(ask(&engine, "GET /events HTTP/1.1", ""));
    };
    abort();
    engine.wharf(["exec", "cc", "true"]).ok();
    let before = counts();
    for _ in 0..300 {
        abort();
    }
    until("all descriptors are back", || {
        let now = counts();
        now.0 <= before.0 + 2 && now.1 <= before.1 + 1
    });
    engine.finish();
}

#[test]
fn descriptors_shared_memory_and_tmpfs_end_where_they_should() {
    let engine = Engine::start();
    let script = "i=3; while [ $i -lt 100 ]; do eval \"exec $i</dev/null\" || exit 9; i=$((i+1)); \
                  done";
    let ran = engine.run(Cli::Wharf, &["--ulimit", "nofile=64:64"], &["sh", "-c", script]);
    assert_ne!(ran.code, 0);
    assert!(ran.err.contains("Too many open files"), "{ran:?}");
    let fill = |target: &str| {
        format!("dd if=/dev/zero of={target}/f bs=64k count=64 2>/dev/null; stat -c %s {target}/f")
    };
    let rows: [(&[&str], &str); 3] = [
        (&["--tmpfs", "/t:size=1m"], "/t"),
        (&["--shm-size", "1m"], "/dev/shm"),
        (&["--mount", "type=tmpfs,target=/m,tmpfs-size=1048576"], "/m"),
    ];
    for (flags, target) in rows {
        let out = engine.run(Cli::Wharf, flags, &["sh", "-c", &fill(target)]).ok();
        assert_eq!(out, "1048576\n", "{flags:?}");
    }
    engine.finish();
}

#[test]
fn a_root_file_system_without_quotas_refuses_sizes() {
    let engine = Engine::start();
    for cli in [Cli::Docker, Cli::Wharf] {
        for (option, expect) in [
            ("size=10m", "supported only for overlay over xfs with 'pquota' mount option"),
            ("nope=1", "Unknown option nope"),
        ] {
            let ran = engine.cli(cli, ["create", "--storage-opt", option, "busybox", "true"]);
            assert!(ran.code != 0 && ran.err.contains(expect), "{option}: {ran:?}");
        }
    }
    engine.finish();
}

#[test]
fn the_engine_survives_a_full_descriptor_table() {
    let engine = Engine::start();
    let few = descriptors(engine.pid()) as u64 + 10;
    let nofile = sys::libc::RLIMIT_NOFILE;
    let (_, hard) = sys::process::rlimit(nofile).unwrap();
    sys::process::set_rlimit_of(engine.pid() as i32, nofile, few, hard).unwrap();
    // Beyond the limit they wait in the kernel's queue.
    let mut idle: Vec<UnixStream> =
        (0..40).map(|_| UnixStream::connect(engine.socket()).unwrap()).collect();
    until("the table is full", || descriptors(engine.pid()) as u64 >= few);
    idle.clear();
    until("it answers again", || engine.get("/_ping").is_some_and(|(status, _)| status == 200));
    sys::process::set_rlimit_of(engine.pid() as i32, nofile, hard, hard).unwrap();
    engine.run(Cli::Docker, &[], &["true"]).ok();
    engine.finish();
}

#[test]
fn idle_and_slow_connections_are_cheap() {
    const COUNT: u64 = 6000;
    const EACH_BYTES_MAX: u64 = 40 << 10;
    let engine = Engine::start();
    let nofile = sys::libc::RLIMIT_NOFILE;
    let (_, hard) = sys::process::rlimit(nofile).unwrap();
    sys::process::set_rlimit_of(std::process::id() as i32, nofile, hard, hard).unwrap();
    let before = memory(engine.pid(), "VmRSS:");
    let open = |number| {
        let mut stream = UnixStream::connect(engine.socket()).unwrap();
        // Every other one begins a request and does not go on.
        if number % 2 == 0 {
            stream.write_all(b"GET /_ping HT").unwrap();
        }
        stream
    };
    let idle: Vec<UnixStream> = (0..COUNT).map(open).collect();
    until("all are taken", || descriptors(engine.pid()) as u64 >= COUNT);
    let begin = Instant::now();
    assert_eq!(engine.get("/_ping").unwrap().0, 200);
    assert!(begin.elapsed() < DEADLINE);
    let each = memory(engine.pid(), "VmRSS:").saturating_sub(before) / COUNT;
    assert!(each < EACH_BYTES_MAX, "{each} bytes a connection");
    drop(idle);
    engine.finish();
}

/// A small disk in the place where a container's log will be.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(path: &Path) -> SmallDisk {
        std::fs::create_dir_all(path).unwrap();
        let mut command = std::process::Command::new("mount");
        let mounted = command.args(["-t", "tmpfs", "-o", "size=512k", "tmpfs"]).arg(path).status();
        assert!(mounted.unwrap().success());
        std::fs::write(path.join("filler"), vec![0; 384 << 10]).unwrap();
        SmallDisk(path.to_owned())
    }

    fn make_room(&self) {
        std::fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let gone = std::process::Command::new("umount").arg("-l").arg(&self.0).status();
        assert!(gone.unwrap().success());
    }
}

#[test]
fn a_full_disk_drops_lines_and_says_so_or_blocks() {
    let engine = Engine::start();
    for (mode, lossy) in [("non-blocking", true), ("blocking", false)] {
        let options = ["--log-driver", "local", "--log-opt"];
        let mode = format!("mode={mode}");
        let script =
            "seq 1 10000; touch /written; while [ ! -e /go ]; do sleep 0.05; done; echo end";
        let create = ["create", "--name", "full", "--network", "none"];
        let command = ["busybox", "sh", "-c", script];
        let id = engine.wharf([&create[..], &options, &[&mode], &command].concat()).ok();
        let path = engine.root().join("containers").join(id.trim()).join("local-logs");
        let disk = SmallDisk::mount(&path);
        engine.wharf(["start", "full"]).ok();
        let full = || {
            let size = std::fs::metadata(path.join("container.log")).map_or(0, |file| file.len());
            size > 120 << 10
        };
        until("the disk is full", full);
        let says_all = || engine.wharf(["exec", "full", "test", "-e", "/written"]).code == 0;
        if lossy {
            until("it is not held up", says_all);
        }
        disk.make_room();
        until("it has written", says_all);
        engine.wharf(["exec", "full", "touch", "/go"]).ok();
        engine.wharf(["wait", "full"]).ok();
        let ran = engine.wharf(["logs", "full"]);
        assert!(ran.out.ends_with("end\n"), "{mode}");
        let lost: u64 = match ran.err.strip_prefix("wharf: ") {
            Some(rest) => rest.split(' ').next().unwrap().parse().unwrap(),
            None => 0,
        };
        assert_eq!(lost > 0, lossy, "{mode}: {}", ran.err);
        assert_eq!(ran.out.lines().count() as u64 + lost, 10_001, "{mode}");
        drop(disk);
        engine.wharf(["rm", "full"]).ok();
    }
    engine.finish();
}
