//! `wharf audit`: what containers could do, what they were seen to use, and that what is proposed
//! from it holds.

use serde_json::Value;

use crate::harness::{BOTH, Cli, Engine, until};

const RECORD: &[&str] = &["--security-opt", "audit=record"];

fn audit(engine: &Engine, name: &str) -> Value {
    serde_json::from_str(&engine.wharf(["audit", "--json", name]).ok()).unwrap()
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

/// Severity and use of one finding.
fn found<'a>(audit: &'a Value, area: &str, subject: &str) -> Option<(&'a str, &'a str)> {
    let rows = audit["Findings"].as_array().unwrap();
    let row = rows
        .iter()
        .find(|row| row["Area"] == area && row["Subject"].as_str().unwrap().starts_with(subject))?;
    Some((row["Severity"].as_str().unwrap(), row["Used"].as_str().unwrap()))
}

#[test]
fn what_is_proposed_lets_the_same_work_pass_and_nothing_else() {
    let engine = Engine::start();
    let work = "echo text > /tmp/file; chown 5 /tmp/file; cat /tmp/file";
    for cli in BOTH {
        let name = format!("rec-{cli:?}").to_lowercase();
        let run = ["run", "--name", &name, "--network", "none"];
        let ran = engine.cli(cli, [&run[..], RECORD, &["busybox", "sh", "-c", work]].concat());
        assert_eq!(ran.ok(), "text\n");
    }
    let file = engine.dir.path().join("profile.json");
    let file = file.to_str().unwrap();
    let shown = engine.wharf(["audit", "--profile", file, "rec-docker"]).ok();
    assert!(shown.contains(&format!("seccomp={file}")), "{shown}");
    let report = audit(&engine, "rec-docker");
    assert_eq!(report["Observation"]["Status"], "ended");
    assert_eq!(report["Observation"]["FromStart"], true);
    let used = texts(&report["Syscalls"]["Used"]);
    assert!(used.contains(&"exit_group") && !used.contains(&"mount"), "{used:?}");
    let knows_capabilities = report["Observation"]["Capabilities"] == true;

    let place = format!("seccomp={file}");
    let flags: Vec<&str> = texts(&report["Proposal"]["Flags"])
        .into_iter()
        .map(|flag| if flag == "seccomp=PROFILE" { place.as_str() } else { flag })
        .collect();
    assert!(flags.contains(&"--read-only") && flags.contains(&"/tmp"), "{flags:?}");
    for cli in BOTH {
        let again = engine.run(cli, &flags, &["sh", "-c", work]);
        assert_eq!(again.ok(), "text\n", "{flags:?}");
        // What is not part of the work: allowed by default, refused under the proposal.
        for outside in ["mkdir /tmp/dir", "ln -s a /tmp/link", "chroot / true"] {
            engine.run(cli, &[], &["sh", "-c", outside]).ok();
            let refused = engine.run(cli, &flags, &["sh", "-c", outside]);
            assert!(refused.err.contains("not permitted"), "{outside}: {refused:?}");
        }
        // As another user the filter is loaded at another place, with a terminal there is more.
        let user = [&flags[..], &["-u", "u", "-t"]].concat();
        engine.run(cli, &user, &["cat", "/etc/group"]).ok();
        let status = engine.run(cli, &flags, &["cat", "/proc/self/status"]).ok();
        if knows_capabilities {
            let held = status.lines().find(|line| line.starts_with("CapBnd")).unwrap();
            let held = u64::from_str_radix(held.split_whitespace().nth(1).unwrap(), 16).unwrap();
            assert_eq!(held & 1, 1, "CHOWN was used: {held:x}");
            assert_eq!(held & 1 << 18, 0, "SYS_CHROOT was not: {held:x}");
            assert_eq!(found(&report, "capability", "CAP_CHOWN"), Some(("low", "used")));
            let chroot = found(&report, "capability", "CAP_SYS_CHROOT");
            assert_eq!(chroot, Some(("low", "never used")));
        }
    }
    engine.finish();
}

#[test]
fn nothing_observed_is_said_and_watching_ends_it() {
    let engine = Engine::start();
    engine.background("cc", &[], &["sh", "-c", "while :; do mkdir /tmp/d; rmdir /tmp/d; done"]);
    let before = audit(&engine, "cc");
    assert_eq!(before["Observation"]["Status"], "none");
    assert_eq!(before["Proposal"], Value::Null);
    assert_eq!(found(&before, "capability", "CAP_CHOWN").unwrap().1, "not observed");
    let ran = engine.wharf(["audit", "--profile", "/dev/null", "cc"]);
    assert!(ran.code == 1 && ran.err.contains("audit=record"), "{ran:?}");

    let watched = engine.wharf(["audit", "--json", "--watch", "300ms", "cc"]).ok();
    let watched: Value = serde_json::from_str(&watched).unwrap();
    assert!(texts(&watched["Syscalls"]["Used"]).contains(&"mkdir"), "{watched}");
    assert_eq!(watched["Observation"]["FromStart"], false);
    // It is kept, and the watching has ended with it.
    let after = audit(&engine, "cc");
    assert_eq!(after["Observation"]["Status"], "ended");
    assert_eq!(after["Syscalls"]["Used"], watched["Syscalls"]["Used"]);
    engine.wharf(["stop", "-t", "0", "cc"]).ok();
    let ran = engine.wharf(["audit", "--watch", "1s", "cc"]);
    assert!(ran.err.contains("is not running"), "{ran:?}");
    for wrong in ["-1s", "0s"] {
        assert_eq!(engine.wharf(["audit", "--watch", wrong, "cc"]).code, 1);
    }
    engine.finish();
}

#[test]
fn execs_count_and_a_killed_engine_loses_nothing() {
    let mut engine = Engine::start();
    engine.background("cc", RECORD, &["sleep", "1000"]);
    engine.kill();
    engine.begin(&[]);
    engine.wharf(["exec", "cc", "mkdir", "/tmp/d"]).ok();
    let report = audit(&engine, "cc");
    assert_eq!(report["Observation"]["Status"], "running");
    let used = texts(&report["Syscalls"]["Used"]);
    assert!(used.contains(&"mkdir"), "{used:?}");
    engine.kill();
    let pid = |engine: &Engine| engine.inspect("cc")["State"]["Pid"].as_i64().unwrap() as i32;
    engine.begin(&[]);
    let first = pid(&engine);
    engine.kill();
    sys::signal::kill(first, sys::libc::SIGKILL).unwrap();
    engine.begin(&[]);
    until("the end is known", || engine.state("cc") == "exited");
    let report = audit(&engine, "cc");
    assert_eq!(report["Observation"]["Status"], "ended");
    assert!(texts(&report["Syscalls"]["Used"]).contains(&"mkdir"));
    // A second run adds to the first.
    engine.wharf(["start", "cc"]).ok();
    let report = audit(&engine, "cc");
    assert_eq!(report["Observation"]["Runs"], 2);
    assert!(texts(&report["Syscalls"]["Used"]).contains(&"mkdir"));
    engine.finish();
}

#[test]
fn what_leads_to_the_host_is_called_grave() {
    let engine = Engine::start();
    let rows: &[(&[&str], &str, &str, &str)] = &[
        (&[], "identity", "user root inside", "low"),
        (&["-u", "u"], "identity", "user u inside", "info"),
        (&["--userns", "host"], "identity", "root of the host", "high"),
        (&["--privileged"], "identity", "privileged", "high"),
        (&["--privileged"], "syscalls", "seccomp unconfined", "high"),
        (&["--privileged"], "device", "all", "high"),
        (&["--pid", "host"], "namespace", "pid of the host", "high"),
        (&["-v", "/var/run/docker.sock:/s"], "mount", "", "high"),
        (&["-v", "/etc:/e"], "mount", "/etc at /e (rw)", "high"),
        (&["-v", "/etc:/e:ro"], "mount", "/etc at /e (ro)", "medium"),
        (&["-v", "/opt:/o"], "mount", "/opt at /o (rw)", "low"),
        (&["--cap-add", "SYS_ADMIN"], "capability", "CAP_SYS_ADMIN", "medium"),
        (&["--cap-add", "BPF", "--userns", "host"], "capability", "CAP_BPF", "high"),
        (&[], "limit", "no memory limit", "medium"),
        (&["--pids-limit", "-1"], "limit", "no limit of processes", "medium"),
        (&["--device", "/dev/fuse"], "device", "/dev/fuse", "medium"),
        (&["--security-opt", "systempaths=unconfined"], "identity", "no masked paths", "high"),
    ];
    for (number, (flags, area, subject, severity)) in rows.iter().enumerate() {
        let name = format!("c{number}");
        let create = ["create", "--name", &name, "--network", "none"];
        engine.docker([&create[..], flags, &["busybox", "true"]].concat()).ok();
        let report = audit(&engine, &name);
        let row = found(&report, area, subject);
        assert_eq!(row.map(|row| row.0), Some(*severity), "{flags:?} {subject}: {report}");
    }
    // Gone when the flag is given.
    let flags = ["-m", "64m", "--cpus", "1", "--read-only", "--cap-drop", "ALL"];
    let create = ["create", "--name", "tight", "--network", "none"];
    engine.docker([&create[..], &flags, &["busybox", "true"]].concat()).ok();
    let report = audit(&engine, "tight");
    assert!(found(&report, "limit", "").is_none(), "{report}");
    assert!(found(&report, "capability", "").is_none(), "{report}");
    assert!(found(&report, "mount", "").is_none(), "{report}");
    let text = engine.wharf(["audit", "tight"]).ok();
    assert!(text.contains("SEVERITY") && text.contains("not observed"), "{text}");
    assert_eq!(engine.wharf(["audit", "none"]).err.trim(), no_such("none"));
    let other = engine.run(Cli::Wharf, &["--security-opt", "audit=maybe"], &["true"]);
    assert!(other.err.contains("invalid --security-opt 2: \"audit=maybe\""), "{other:?}");
    engine.finish();
}

fn no_such(name: &str) -> String {
    format!("Error response from daemon: No such container: {name}")
}
