//! Flags of `run` and `create`, end to end: what they do is seen from inside.

use serde_json::json;

use crate::harness::{BOTH, Cli, Engine, until};

/// Flags, a shell command, and all that it prints.
const ROWS: &[(&[&str], &str, &str)] = &[
    (
        &["--cpuset-cpus", "0", "--cpuset-mems", "0"],
        "grep -oE '(Cpus|Mems)_allowed_list.*' /proc/self/status | tr '\\t' ' '",
        "Cpus_allowed_list: 0\nMems_allowed_list: 0\n",
    ),
    (&["--oom-score-adj", "300"], "cat /proc/self/oom_score_adj", "300\n"),
    (&["--ulimit", "nofile=100:200"], "ulimit -n; ulimit -Hn", "100\n200\n"),
    (
        &["--ulimit", "nproc=100", "--ulimit", "core=0", "--ulimit", "memlock=65536"],
        "ulimit -u; ulimit -c; ulimit -l",
        "100\n0\n64\n",
    ),
    (
        &["--sysctl", "kernel.msgmax=1000", "--sysctl", "kernel.shm_rmid_forced=1"],
        "cat /proc/sys/kernel/msgmax /proc/sys/kernel/shm_rmid_forced",
        "1000\n1\n",
    ),
    (&["--group-add", "44", "--group-add", "u"], "id -G", "0 44 1000\n"),
    (&["-u", "1000", "--group-add", "7"], "id -u; id -G", "1000\n1000 7\n"),
    (&["--device", "/dev/null:/dev/zz"], "echo x >/dev/zz && cat /dev/zz && echo ok", "ok\n"),
    (&["--device", "/dev/null:/dev/zz:rw"], "test -c /dev/zz && echo ok", "ok\n"),
    (&["--device-cgroup-rule", "c 10:229 rwm"], "echo ok", "ok\n"),
    (
        &["--hostname", "hh", "--domainname", "dd.example"],
        "hostname; cat /proc/sys/kernel/domainname",
        "hh\ndd.example\n",
    ),
    (
        &["--add-host", "h:1.2.3.4", "--add-host", "v6=[::1]"],
        "tail -n 2 /etc/hosts | tr '\\t' ' '",
        "1.2.3.4 h\n::1 v6\n",
    ),
    (
        &["--dns", "1.1.1.1", "--dns-search", "ex.com", "--dns-option", "ndots:3"],
        "grep -v -e '^#' -e '^$' /etc/resolv.conf",
        "nameserver 1.1.1.1\nsearch ex.com\noptions ndots:3\n",
    ),
    (&["--shm-size", "1m"], "df -k /dev/shm | tail -n 1 | awk '{print $2}'", "1024\n"),
    (&["--tmpfs", "/t:size=64k,mode=700"], "ls -ld /t | cut -c1-10", "drwx------\n"),
    (&["--platform", "linux/amd64", "--pull", "never", "-q"], "echo hi", "hi\n"),
    (&["--uts", "host"], "test $(hostname) = $(cat /proc/sys/kernel/hostname) && echo ok", "ok\n"),
    (&["--ipc", "none"], "ls /dev/shm 2>/dev/null; echo gone", "gone\n"),
    (&["--pid", "host"], "test $$ -gt 2 && echo ok", "ok\n"),
    (&["--cgroupns", "private"], "grep -vc ':/$' /proc/self/cgroup", "0\n"),
    (&["--init"], "cat /proc/1/comm", "docker-init\n"),
    (&["--no-healthcheck", "--annotation", "a=b", "--expose", "80-82"], "echo ok", "ok\n"),
    (&["--use-api-socket"], "test -S /var/run/docker.sock && echo ok", "ok\n"),
];

#[test]
fn flags_do_what_they_say() {
    let engine = Engine::start();
    for cli in BOTH {
        for (flags, script, expect) in ROWS {
            let ran = engine.run(cli, flags, &["sh", "-c", script]);
            // grep counts to zero with status 1.
            assert_eq!(ran.out, *expect, "{cli:?} {flags:?}: {ran:?}");
        }
    }
    engine.finish();
}

#[test]
fn files_of_the_command_line() {
    let engine = Engine::start();
    let path = |name: &str| engine.dir.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("env"), "A=1\n# not this\nB=two words\nFROM_HERE\nNOT_SET\n").unwrap();
    std::fs::write(path("labels"), "x=1\ny\n# z=2\n").unwrap();
    for cli in BOTH {
        let name = format!("files-{cli:?}").to_lowercase();
        let (ids, env, labels) = (path(&format!("{name}.id")), path("env"), path("labels"));
        let flags = ["--cidfile", &ids, "--env-file", &env, "--label-file", &labels];
        let create = ["create", "--name", &name, "--network", "none", "-e", "B=3", "-l", "y=4"];
        let words = [&create[..], &flags, &["busybox", "true"]].concat();
        let id = engine.command(cli, &words).env("FROM_HERE", "yes").output().unwrap();
        let id = crate::harness::Ran::from(id).ok();
        assert_eq!(std::fs::read_to_string(&ids).unwrap(), id.trim());
        let config = engine.inspect(&name)["Config"].clone();
        let env = config["Env"].as_array().unwrap();
        for variable in ["A=1", "B=3", "FROM_HERE=yes"] {
            assert!(env.contains(&json!(variable)), "{cli:?} {variable} {env:?}");
        }
        assert_eq!(config["Labels"], json!({"x": "1", "y": "4"}), "{cli:?}");
        // The file must be new: another container's id may be in it.
        let again = ["run", "--cidfile", &ids, "--network", "none", "busybox", "true"];
        let ran = engine.cli(cli, again);
        assert_eq!(ran.code, 125, "{ran:?}");
        assert!(ran.err.contains("container ID file found"), "{ran:?}");
    }
    engine.finish();
}

#[test]
fn health_checks_and_stop_signals_as_flags() {
    let engine = Engine::start();
    for cli in BOTH {
        let name = format!("hc-{cli:?}").to_lowercase();
        let run = ["run", "-d", "--name", &name, "--network", "none", "--stop-timeout", "20"];
        let check = ["--health-cmd", "test -f /x", "--health-interval", "50ms"];
        let more = ["--health-retries", "2", "--health-timeout", "5s", "--stop-signal", "USR1"];
        let script = "trap 'echo usr1; exit 9' USR1; while :; do sleep 0.1; done";
        let words = [&run[..], &check, &more, &["busybox", "sh", "-c", script]].concat();
        engine.cli(cli, words).ok();
        let health = || engine.inspect(&name)["State"]["Health"]["Status"].clone();
        until("it is unhealthy", || health() == "unhealthy");
        let filter = format!("name={name}");
        let ps = ["ps", "--filter", "health=unhealthy", "--filter", &filter];
        let shown = engine.cli(cli, [&ps[..], &["--format", "{{.Status}}"]].concat()).ok();
        assert!(shown.contains("(unhealthy)"), "{shown}");
        engine.cli(cli, ["exec", &name, "touch", "/x"]).ok();
        until("it is healthy", || health() == "healthy");
        engine.cli(cli, ["stop", &name]).ok();
        assert_eq!(engine.inspect(&name)["State"]["ExitCode"], 9);
        assert_eq!(engine.cli(cli, ["logs", &name]).ok(), "usr1\n");
        let config = engine.inspect(&name)["Config"].clone();
        assert_eq!(
            (config["StopSignal"].as_str(), &config["StopTimeout"]),
            (Some("USR1"), &json!(20))
        );
    }
    engine.finish();
}

#[test]
fn probes_that_hang_are_ended() {
    let engine = Engine::start();
    let check = ["--health-cmd", "echo x >> /begun; exec sleep 1234", "--health-interval", "20ms"];
    let more = ["--health-timeout", "100ms", "--health-retries", "2"];
    engine.background("hangs", &[&check[..], &more].concat(), &["sleep", "1000"]);
    let health = || engine.inspect("hangs")["State"]["Health"].clone();
    until("it is unhealthy", || health()["Status"] == "unhealthy");
    let last = health()["Log"][0].clone();
    assert_eq!((last["ExitCode"].as_i64(), &last["Output"]), (Some(-1), &json!(TIMED_OUT)));
    let count = |script: &str| {
        let words = ["exec", "hangs", "sh", "-c", script];
        engine.wharf(words).ok().trim().parse::<u32>().unwrap()
    };
    // The one under way, and one that dies just now.
    until("five have begun", || count("wc -l < /begun") >= 5);
    assert!(count("ps | grep -c '[s]leep 1234'") <= 2);
    engine.finish();
}

const TIMED_OUT: &str = "Health check exceeded timeout (100ms)";

#[test]
fn namespaces_of_other_containers() {
    let engine = Engine::start();
    engine.background("shares", &["--ipc", "shareable"], &["sleep", "1000"]);
    engine.background("alone", &[], &["sleep", "1000"]);
    for cli in BOTH {
        let ran = engine.run(
            cli,
            &["--pid", "container:alone"],
            &["sh", "-c", "ps | grep -c 'sleep 1000'"],
        );
        assert!(ran.out.trim().parse::<u32>().unwrap() >= 1, "{ran:?}");
        let host = ["run", "--rm", "--network", "container:alone", "busybox", "hostname"];
        let expect = engine.wharf(["exec", "alone", "hostname"]).ok();
        assert_eq!(engine.cli(cli, host).ok(), expect);
        engine.run(cli, &["--ipc", "container:shares"], &["true"]).ok();
        let ran = engine.run(cli, &["--ipc", "container:alone"], &["true"]);
        assert!(ran.err.contains("non-shareable IPC (hint: use IpcMode:shareable"), "{ran:?}");
    }
    engine.finish();
}

#[test]
fn warnings_and_refusals_of_limits() {
    let engine = Engine::start();
    for cli in BOTH {
        let ran = engine.run(cli, &["--device-read-bps", "/dev/nosuch:1mb"], &["true"]);
        assert!(ran.err.contains("stat /dev/nosuch: no such file or directory"), "{ran:?}");
        if !std::path::Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
            let ran = engine.run(cli, &["--oom-kill-disable"], &["true"]);
            assert!(ran.err.contains("OOM killer is disabled for the container"), "{ran:?}");
            let ran = engine.run(cli, &["--cpu-shares", "1"], &["true"]);
            assert!(ran.err.contains("the minimum allowed cpu-shares is 2"), "{ran:?}");
        }
    }
    engine.finish();
}

#[test]
fn standard_streams_as_a_connection() {
    let engine = Engine::empty();
    let request = b"GET /_ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    for cli in BOTH {
        let told = engine.with_input(cli, &["system", "dial-stdio"], request).ok();
        assert!(told.starts_with("HTTP/1.1 200 OK\r\n") && told.ends_with("\r\n\r\nOK"), "{told}");
    }
    let absent = [
        ("context", "name the engine by"),
        ("build", "build with another program"),
        ("network", "there are `none`, `host`"),
        ("volume", "bind a directory"),
        ("compose", "networks, which come later"),
    ];
    for (verb, advice) in absent {
        let ran = engine.cli(Cli::Wharf, [verb, "ls"]);
        assert_eq!(ran.code, 1);
        let text = format!("wharf {verb} is not supported: ");
        assert!(ran.err.starts_with(&text) && ran.err.contains(advice), "{ran:?}");
    }
    engine.finish();
}
