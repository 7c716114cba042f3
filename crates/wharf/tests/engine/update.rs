//! Limits and restart policies that change.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use crate::harness::{BOTH, Cli, Engine, until};

/// Flags, a file of version 1 and one of version 2, and what they say afterwards.
type Row = (&'static [&'static str], &'static str, &'static str, [&'static str; 2]);

const ROWS: &[Row] = &[
    (&["-m", "32m"], "memory/memory.limit_in_bytes", "memory.max", ["33554432", "33554432"]),
    // More than memory and swap together were: both at once, in whichever order works.
    (
        &["-m", "256m", "--memory-swap", "512m"],
        "memory/memory.limit_in_bytes",
        "memory.max",
        ["268435456", "268435456"],
    ),
    (
        &["-m", "16m", "--memory-swap", "16m"],
        "memory/memory.limit_in_bytes",
        "memory.max",
        ["16777216", "16777216"],
    ),
    (&["--pids-limit", "50"], "pids/pids.max", "pids.max", ["50", "50"]),
    (&["--pids-limit", "-1"], "pids/pids.max", "pids.max", ["max", "max"]),
    (&["--cpu-shares", "512"], "cpu/cpu.shares", "cpu.weight", ["512", "59"]),
    (&["--cpus", "0.5"], "cpu/cpu.cfs_quota_us", "cpu.max", ["50000", "50000 100000"]),
    (
        &["--memory-reservation", "8m"],
        "memory/memory.soft_limit_in_bytes",
        "memory.low",
        ["8388608", "8388608"],
    ),
];

fn is_v2() -> bool {
    std::path::Path::new("/sys/fs/cgroup/cgroup.controllers").exists()
}

/// A limit of a running container, as the container sees it.
fn seen(engine: &Engine, name: &str, row: &Row) -> String {
    let file = if is_v2() { row.2 } else { row.1 };
    let text = engine.wharf(["exec", name, "cat", &format!("/sys/fs/cgroup/{file}")]).ok();
    text.trim().to_owned()
}

/// On which processors a container may run.
fn processors(engine: &Engine, name: &str) -> String {
    let pid = &engine.inspect(name)["State"]["Pid"];
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    line.unwrap().trim().to_owned()
}

fn expected(row: &Row) -> &'static str {
    row.3[usize::from(is_v2())]
}

#[test]
fn limits_of_what_runs_change_at_once_and_stay() {
    let mut engine = Engine::start();
    for cli in BOTH {
        let name = format!("up-{cli:?}").to_lowercase();
        engine.background(&name, &["-m", "64m"], &["sleep", "1000"]);
        for row in ROWS {
            let mut words = vec!["update"];
            words.extend(row.0);
            words.push(&name);
            assert_eq!(engine.cli(cli, &words).ok(), format!("{name}\n"), "{words:?}");
            assert_eq!(seen(&engine, &name, row), expected(row), "{cli:?} {words:?}");
        }
        // Version 1 has a directory for this only from now on.
        engine.cli(cli, ["update", "--cpuset-cpus", "0", &name]).ok();
        assert_eq!(processors(&engine, &name), "0");
        let host = engine.inspect(&name)["HostConfig"].clone();
        assert_eq!(host["Memory"], 16 << 20);
        assert_eq!(host["MemorySwap"], 16 << 20);
        assert_eq!(host["NanoCpus"], 500_000_000);
        assert_eq!(host["PidsLimit"], -1);
    }
    let last = |engine: &Engine, when: &str| {
        for row in ROWS.iter().skip(2).filter(|row| row.0 != ["--pids-limit", "50"]) {
            assert_eq!(seen(engine, "up-wharf", row), expected(row), "{when} {:?}", row.0);
        }
    };
    engine.kill();
    engine.begin(&[]);
    last(&engine, "after a new engine");
    engine.wharf(["restart", "-t", "0", "up-wharf"]).ok();
    last(&engine, "after a new start");
    assert_eq!(processors(&engine, "up-wharf"), "0");
    engine.finish();
}

#[test]
fn a_stopped_container_has_its_new_limits_when_it_starts() {
    let engine = Engine::start();
    for cli in BOTH {
        let name = format!("stopped-{cli:?}").to_lowercase();
        engine.cli(cli, ["create", "--name", &name, "--network", "none", "busybox", "sleep", "99"]);
        let update = ["update", "--pids-limit", "50", "--restart", "on-failure:3", &name];
        engine.cli(cli, update).ok();
        engine.cli(cli, ["start", &name]).ok();
        assert_eq!(seen(&engine, &name, &ROWS[3]), "50");
        let policy = engine.inspect(&name)["HostConfig"]["RestartPolicy"].clone();
        assert_eq!(policy, json!({"Name": "on-failure", "MaximumRetryCount": 3}));
    }
    engine.finish();
}

#[test]
fn a_new_restart_policy_counts_for_the_next_exit() {
    let engine = Engine::start();
    engine.background("policy", &[], &["sleep", "1000"]);
    engine.wharf(["update", "--restart", "always", "policy"]).ok();
    let pid = engine.inspect("policy")["State"]["Pid"].as_i64().unwrap();
    sys::signal::kill(pid as i32, sys::libc::SIGKILL).unwrap();
    until("it runs again", || engine.inspect("policy")["RestartCount"] == 1);
    engine.wharf(["update", "--restart", "no", "policy"]).ok();
    until("it runs", || engine.state("policy") == "running");
    let pid = engine.inspect("policy")["State"]["Pid"].as_i64().unwrap();
    sys::signal::kill(pid as i32, sys::libc::SIGKILL).unwrap();
    until("it has ended", || engine.state("policy") == "exited");
    engine.finish();
}

#[test]
fn refusals_have_dockers_words_and_change_nothing() {
    let engine = Engine::start();
    engine.background("no", &["-m", "64m", "--cpus", "1"], &["sleep", "1000"]);
    let before = engine.inspect("no")["HostConfig"].clone();
    let rows: &[(&[&str], &str)] = &[
        (&["-m", "1m"], "Minimum memory limit allowed is 6MB"),
        (&["-m", "1g"], "Memory limit should be smaller than already set memoryswap limit"),
        (&["--memory-swap", "8m"], "Minimum memoryswap limit should be larger than memory limit"),
        (&["--cpu-quota", "5000"], "CPU Quota cannot be updated as NanoCPUs has already been set"),
        (&["--cpuset-cpus", "9999"], "value of out range, maximum is 8191"),
        (&["--cpuset-cpus", "4000"], "Requested CPUs are not available - requested 4000"),
        (&["--cpus", "4000"], "range of CPUs is from 0.01 to"),
        (&["--restart", "bogus"], "unknown policy 'bogus'"),
        (&["--restart", "always:3"], "maximum retry count can only be used with 'on-failure'"),
    ];
    for cli in BOTH {
        for (flags, text) in rows {
            let ran = engine.cli(cli, [&["update"], *flags, &["no"]].concat());
            assert_eq!(ran.code, 1, "{flags:?}: {ran:?}");
            assert!(ran.err.contains(text), "{flags:?}: {ran:?}");
        }
        let ran = engine.cli(cli, ["update", "-m", "32m", "nosuch"]);
        assert!(ran.err.contains("No such container: nosuch"), "{ran:?}");
    }
    // What the kernel refuses after another limit changed is put back.
    let tmpfs = "dd if=/dev/zero of=/dev/shm/x bs=1M count=30; echo full; sleep 1000";
    engine.background("big", &["-m", "64m", "--memory-swap", "64m"], &["sh", "-c", tmpfs]);
    until("it holds its memory", || engine.wharf(["logs", "big"]).out.contains("full"));
    let ran = engine.wharf(["update", "--cpu-shares", "512", "-m", "8m", "big"]);
    // Version 2 reclaims what it can and kills the rest instead of refusing.
    if !is_v2() {
        assert!(ran.err.contains("Cannot update container"), "{ran:?}");
        assert_eq!(engine.inspect("big")["HostConfig"]["Memory"], 64 << 20);
        assert_eq!(seen(&engine, "big", &ROWS[0]), (64 << 20).to_string());
    }
    assert_eq!(engine.inspect("no")["HostConfig"], before);
    engine.finish();
}

#[test]
fn an_update_is_an_event_and_nothing_more_by_the_api() {
    let engine = Engine::start();
    engine.background("ev", &[], &["sleep", "1000"]);
    let before = engine.inspect("ev")["HostConfig"].clone();
    // What cannot be changed is not looked at.
    let odd = json!({"CgroupParent": "/x", "MemorySwappiness": 5, "PidsLimit": null,
                     "RestartPolicy": {"Name": "", "MaximumRetryCount": 9}});
    for body in [odd, json!({})] {
        let (status, answer) = engine.post("/containers/ev/update", &body);
        assert_eq!((status, answer.trim()), (200, "{\"Warnings\":null}"), "{body}");
    }
    assert_eq!(engine.inspect("ev")["HostConfig"], before);
    let until = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 1;
    let until = until.to_string();
    let events = ["events", "--since", "1", "--until", &until, "--filter", "event=update"];
    for cli in BOTH {
        assert_eq!(engine.cli(cli, events).ok().lines().count(), 2, "{cli:?}");
    }
    engine.finish();
}

/// Real-time is shared out by whoever made the parent: ours has none, as Docker's.
#[test]
fn real_time_comes_out_of_the_parents() {
    let engine = Engine::start();
    let parent = format!("wharf-rt-{}", std::process::id());
    let dir = std::path::Path::new("/sys/fs/cgroup/cpu").join(&parent);
    let flags = ["--cpu-rt-runtime", "4000", "--cpu-rt-period", "100000"];
    let wrong =
        engine.run(Cli::Docker, &["--cpu-rt-runtime", "9", "--cpu-rt-period", "5"], &["true"]);
    if !std::path::Path::new("/sys/fs/cgroup/cpu/cpu.rt_runtime_us").exists() {
        let text = "kernel does not support CPU real-time scheduler";
        assert!(wrong.err.contains(text), "{wrong:?}");
        return engine.finish();
    }
    let text = "cpu real-time runtime cannot be higher than cpu real-time period";
    assert!(wrong.err.contains(text), "{wrong:?}");
    let none = engine.run(Cli::Docker, &flags, &["true"]);
    assert!(none.code != 0 && none.err.contains("cpu.rt_runtime_us"), "{none:?}");
    std::fs::create_dir(&dir).unwrap();
    if let Err(error) = std::fs::write(dir.join("cpu.rt_runtime_us"), "100000") {
        // Enough for both: the first container's group may still be going. All real-time of the
        // machine may be given to somebody else's group.
        eprintln!("skipped: the machine has no real-time left to give: {error}");
        std::fs::remove_dir(&dir).unwrap();
        return engine.finish();
    }
    let script = "cd /sys/fs/cgroup/cpu && cat cpu.rt_runtime_us cpu.rt_period_us";
    for cli in BOTH {
        let parent = format!("/{parent}");
        let flags = [&flags[..], &["--cgroup-parent", &parent]].concat();
        let ran = engine.run(cli, &flags, &["sh", "-c", script]);
        assert_eq!(ran.out, "4000\n100000\n", "{ran:?}");
    }
    until("the parent is empty", || std::fs::remove_dir(&dir).is_ok() || !dir.exists());
    engine.finish();
}
