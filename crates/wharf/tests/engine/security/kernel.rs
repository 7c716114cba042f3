//! What of the kernel a container reaches: system calls, parameters, interfaces in `/proc`.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use crate::harness::{Cli, Engine};

const EPERM: i64 = -1;
const ENOSYS: i64 = -38;

/// Makes the program of `calls.c` and runs it; what each call gave.
fn calls(engine: &Engine, flags: &[&str]) -> BTreeMap<String, i64> {
    let program = engine.dir.path().join("calls");
    if !program.exists() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/engine/security/calls.c");
        let mut cc = Command::new("cc");
        cc.args(["-static", "-nostdlib", "-ffreestanding", "-fno-stack-protector", "-O1", "-o"]);
        assert!(cc.arg(&program).arg(source).status().unwrap().success());
    }
    let bind = format!("{}:/calls:ro", program.display());
    let out = engine.run(Cli::Wharf, &[flags, &["-v", &bind]].concat(), &["/calls"]).ok();
    let rows = out.lines().filter_map(|line| line.rsplit_once(' '));
    rows.map(|(name, value)| (name.to_owned(), value.parse().unwrap())).collect()
}

#[cfg(target_arch = "x86_64")]
#[test]
fn sec_k01_dangerous_calls_are_cut_through_every_door() {
    let engine = Engine::start();
    let open = calls(&engine, &["--security-opt", "seccomp=unconfined"]);
    // The test can fail: without the filter most of these are no EPERM.
    for name in ["native socket alg", "native io_uring_setup", "native bpf", "native keyctl"] {
        assert_ne!(open[name], EPERM, "{name}: {open:?}");
    }
    for flags in [&[][..], &["--userns", "host"], &["-u", "u"]] {
        let mut seen = calls(&engine, flags);
        for name in ["native getpid", "native socket inet", "native socketpair alg"] {
            assert_eq!(seen.remove(name), Some(1), "{name} {flags:?}");
        }
        assert_eq!(seen.remove("end"), Some(0));
        assert_eq!(seen.remove("native clone3"), Some(ENOSYS), "C libraries fall back");
        assert_eq!(seen.remove("native newer"), Some(ENOSYS), "C libraries fall back");
        assert_eq!(seen.len(), 25);
        for (name, result) in &seen {
            assert_eq!(*result, EPERM, "{name} {flags:?}");
        }
    }
    engine.finish();
}

#[test]
fn sec_r12_kernel_parameters_of_the_host_stay() {
    let engine = Engine::start();
    let keys = ["kernel/core_pattern", "kernel/hostname", "kernel/shmmax", "vm/overcommit_memory"];
    let read = |key: &str| std::fs::read_to_string(Path::new("/proc/sys").join(key)).unwrap();
    let before = keys.map(read);
    let rows: &[&str] = &[
        "kernel.core_pattern=|/x",
        "kernel/core_pattern=|/x",
        "kernel.shm_rmid_forced/../core_pattern=x",
        "kernel.shm/../core_pattern=x",
        "kernel.shm_evil=1",
        "kernel.msg_evil=1",
        "kernel.sem.x=1",
        "fs.mqueue/../../kernel/core_pattern=x",
        "fs.mqueue.=1",
        "fs.mqueue.no_such=1",
        "net.=1",
        "net..ipv4=1",
        "net.ipv4.ip_forward\n=1",
        "net.ipv4/../../kernel/core_pattern=x",
        "net.\u{2024}\u{2024}.kernel.core_pattern=x",
        "vm.overcommit_memory=1",
        "kernel.hostname=x",
        "user.max_user_namespaces=1",
        "=1",
    ];
    for row in rows {
        let (key, value) = row.split_once('=').unwrap();
        let body = serde_json::json!({
            "Image": "busybox", "Cmd": ["true"],
            "HostConfig": {"NetworkMode": "none", "Sysctls": {key: value}},
        });
        let (status, answer) = engine.post("/containers/create", &body);
        if status == 201 {
            // What the kernel does not have shows at the start only.
            let id = serde_json::from_str::<serde_json::Value>(&answer).unwrap();
            let id = id["Id"].as_str().unwrap().to_owned();
            let ran = engine.wharf(["start", &id]);
            assert_ne!(ran.code, 0, "{row:?}: {ran:?}");
        } else {
            assert_eq!(status, 400, "{row:?}: {answer}");
        }
        assert_eq!(keys.map(read), before, "{row:?}");
    }
    // A value is written as it is, to its own key only.
    let value = "kernel.shm_rmid_forced=1\nkernel.core_pattern=x";
    let ran = engine.run(Cli::Wharf, &["--sysctl", value], &["true"]);
    assert_ne!(ran.code, 0, "{ran:?}");
    assert_eq!(keys.map(read), before);
    let cat = ["cat", "/proc/sys/kernel/shm_rmid_forced"];
    let out = engine.run(Cli::Docker, &["--sysctl", "kernel.shm_rmid_forced=1"], &cat).ok();
    assert_eq!(out, "1\n");
    let host = ["run", "--rm", "--network", "host", "--sysctl", "net.core.x=1", "busybox", "true"];
    let host = engine.wharf(host);
    assert!(host.err.contains("not in a separate kernel namespace"), "{host:?}");
    engine.finish();
}

/// moby's list of 2026 (its own inspect shows the shorter one of 28.5), and ours beyond it.
const HIDDEN: &str = "/proc/acpi /proc/asound /proc/interrupts /proc/kcore /proc/keys \
    /proc/latency_stats /proc/sched_debug /proc/scsi /proc/timer_list \
    /proc/timer_stats /sys/devices/virtual/powercap /sys/firmware \
    /sys/devices/system/cpu/cpu0/thermal_throttle /proc/kallsyms /proc/modules \
    /proc/config.gz /proc/slabinfo /proc/vmallocinfo /proc/pagetypeinfo \
    /sys/kernel/debug /sys/kernel/tracing";

#[test]
fn sec_r15_interfaces_that_tell_of_the_host_are_masked() {
    let engine = Engine::start();
    // 0 bytes or entries of what is there; what is not there says nothing.
    let script = "for p in \"$@\"; do if [ -d $p ]; then n=$(ls -A $p | wc -l); \
                  elif [ -e $p ]; then n=$(cat $p 2>/dev/null | wc -c); else continue; fi; \
                  [ $n = 0 ] || echo SHOWN $p; done";
    let command =
        ["sh", "-c", script, "sh"].into_iter().chain(HIDDEN.split(' ')).collect::<Vec<_>>();
    for flags in [
        &["--network", "none"][..],
        &["--network", "none", "--userns", "host"],
        &["--network", "host"],
    ] {
        let run = [&["run", "--rm"], flags, &["busybox"], &command[..]].concat();
        let out = engine.wharf(run).ok();
        assert_eq!(out, "", "{flags:?}");
    }
    // The test can fail.
    let open = ["--security-opt", "systempaths=unconfined", "--userns", "host"];
    let out = engine.run(Cli::Wharf, &open, &command).ok();
    assert!(out.contains("SHOWN /proc/modules") || out.contains("SHOWN /proc/interrupts"), "{out}");
    // inspect shows Docker's own lists, which clients compare.
    engine.background("cc", &[], &["sleep", "1000"]);
    let host = engine.inspect("cc")["HostConfig"].clone();
    let listed = |key: &str| host[key].as_array().unwrap().len();
    assert_eq!((listed("MaskedPaths"), listed("ReadonlyPaths")), (12, 5));
    engine.finish();
}
