//! Containers started by another OCI runtime, by its command line: our own `wharf runtime`, which
//! is always at hand, and runc where the peers of the benches have been fetched.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::harness::{Cli, Engine, until};

/// The runtimes by name, and their command lines.
fn runtimes() -> Vec<(&'static str, PathBuf, Vec<&'static str>)> {
    let own = PathBuf::from(env!("CARGO_BIN_EXE_wharf"));
    let mut all = vec![("other", own, vec!["runtime"])];
    let peers = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/tools/reference/bin/runc");
    let runc = std::env::var_os("WHARF_TEST_RUNC").map_or_else(|| peers.into(), PathBuf::from);
    if runc.exists() {
        all.push(("runc", runc, Vec::new()));
    }
    all
}

/// An engine with these runtimes in its configuration file.
fn engine() -> Engine {
    Engine::prepared(|dir| {
        // The roots of containers must be able to enter the run directory.
        std::fs::set_permissions(dir, PermissionsExt::from_mode(0o711)).unwrap();
        let all = runtimes();
        let entries = all.iter().map(|(name, path, args)| {
            ((*name).to_owned(), json!({"path": path, "runtimeArgs": args}))
        });
        let entries: serde_json::Map<_, _> = entries.collect();
        let path = dir.join("engine.json");
        std::fs::write(&path, json!({"runtimes": entries}).to_string()).unwrap();
        vec![format!("--config-file={}", path.display())]
    })
}

#[test]
fn other_runtimes_do_what_our_own_does() {
    let engine = engine();
    let own = observe(&engine, "wharf");
    for (name, _, _) in runtimes() {
        assert_eq!(observe(&engine, name), own, "{name}");
        assert_eq!(engine.inspect("bg")["HostConfig"]["Runtime"], name);
        engine.wharf(["rm", "-f", "bg"]).ok();
    }
    let (_, info) = engine.get("/info").unwrap();
    let info: serde_json::Value = serde_json::from_str(&info).unwrap();
    assert_eq!(info["DefaultRuntime"], "wharf");
    assert_eq!(info["Runtimes"]["other"]["runtimeArgs"], json!(["runtime"]));
    engine.finish();
}

/// What a user sees of containers of this runtime. The last one, `bg`, is left for the caller.
fn observe(engine: &Engine, runtime: &str) -> Vec<String> {
    if engine.get("/containers/bg/json").is_some_and(|(status, _)| status == 200) {
        engine.wharf(["rm", "-f", "bg"]).ok();
    }
    let shared = engine.dir.path().join(format!("shared-{runtime}"));
    std::fs::create_dir(&shared).unwrap();
    std::fs::write(shared.join("file"), "x").unwrap();
    let bind = |at: &str| format!("{}:{at}", shared.display());
    let (writable, read_only) = (bind("/rw"), bind("/ro:ro"));
    let script = "id; pwd; echo $HOME; cat /proc/self/uid_map | tr -s ' ' | cut -d ' ' -f 2,4; \
                  grep -E 'Cap|NoNew|Seccomp:' /proc/self/status; ulimit -n; hostname; \
                  cat /proc/sys/net/ipv4/ip_forward; ls /dev; touch /rw/new /ro/new; ls -ln /rw; \
                  test -w /sys || echo sys; touch /made; cat /proc/kcore | wc -c; exit 7";
    let flags = [
        "--runtime",
        runtime,
        "-u",
        "u:1000",
        "--group-add",
        "5",
        "-w",
        "/tmp",
        "-v",
        &writable,
        "-v",
        &read_only,
        "--ulimit",
        "nofile=77:99",
        "--hostname",
        "box",
        "--sysctl",
        "net.ipv4.ip_forward=1",
        "--device",
        "/dev/null:/dev/nil",
        "--cap-add",
        "NET_RAW",
        "--read-only",
        "--memory",
        "64m",
        "--pids-limit",
        "50",
    ];
    let ran = engine.run(Cli::Wharf, &flags, &["sh", "-c", script]);
    let mut seen = vec![format!("{ran:?}").replace(&shared.display().to_string(), "SHARED")];
    let tty = engine.run(Cli::Wharf, &["--runtime", runtime, "-t"], &["sh", "-c", "tty; ls /dev"]);
    seen.push(tty.ok());
    for command in ["nosuch", "/tmp"] {
        seen.push(engine.run(Cli::Wharf, &["--runtime", runtime], &[command]).code.to_string());
    }
    let joined =
        engine.run(Cli::Docker, &["--runtime", runtime, "--init"], &["cat", "/proc/1/comm"]);
    seen.push(joined.ok());
    let loops = "trap 'echo ended; exit 3' TERM; echo begun; while true; do sleep 0.05; done";
    engine.background("bg", &["--runtime", runtime], &["sh", "-c", loops]);
    seen.push(format!("{:?}", engine.wharf(["exec", "-u", "u", "bg", "sh", "-c", "id; exit 5"])));
    seen.push(engine.wharf(["exec", "bg", "nosuch"]).code.to_string());
    seen.push(engine.wharf(["exec", "-t", "bg", "tty"]).ok());
    seen.push(format!("{:?}", engine.with_input(Cli::Wharf, &["exec", "-i", "bg", "cat"], b"in")));
    let flags = ["--runtime", runtime, "--pid", "container:bg", "--network", "container:bg"];
    let run = ["run", "--rm"];
    let inner = ["busybox", "readlink", "/proc/1/exe"];
    seen.push(engine.wharf([&run[..], &flags, &inner].concat()).ok());
    engine.wharf(["pause", "bg"]).ok();
    seen.push(engine.state("bg"));
    engine.wharf(["unpause", "bg"]).ok();
    engine.wharf(["stop", "-t", "20", "bg"]).ok();
    seen.push(engine.inspect("bg")["State"]["ExitCode"].to_string());
    seen.push(engine.wharf(["logs", "bg"]).ok());
    seen
}

#[test]
fn a_container_of_another_runtime_outlives_the_engine_and_its_monitor() {
    let mut engine = engine();
    engine.background("bg", &["--runtime", "other"], &["sleep", "1000"]);
    engine.kill();
    engine.begin(&[]);
    assert_eq!(engine.state("bg"), "running");
    assert_eq!(engine.wharf(["exec", "bg", "echo", "still"]).ok(), "still\n");
    let id = engine.inspect("bg")["Id"].as_str().unwrap().to_owned();
    let started = engine.run_dir().join("containers").join(&id).join("started.json");
    let started: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(started).unwrap()).unwrap();
    sys::signal::kill(started["monitor_pid"].as_i64().unwrap() as i32, 9).unwrap();
    engine.wharf(["kill", "bg"]).ok();
    until("its end is seen", || engine.state("bg") == "exited");
    engine.finish();
}

#[test]
fn what_is_wrong_with_a_runtime_is_said_in_dockers_words() {
    let engine = Engine::prepared(|dir| {
        std::fs::set_permissions(dir, PermissionsExt::from_mode(0o711)).unwrap();
        let mute = program(dir, "mute", "#!/bin/sh\nexit 9\n");
        let says = "#!/bin/sh\nwhile [ \"$1\" != --log ]; do shift; done\n\
                    echo '{\"level\":\"error\",\"msg\":\"no, thanks\"}' > \"$2\"\nexit 1\n";
        let says = program(dir, "says", says);
        ["--add-runtime", "gone=/nosuch/runtime", "--add-runtime", &mute, "--add-runtime", &says]
            .map(str::to_owned)
            .into()
    });
    let task = "failed to create task for container: failed to create shim task: OCI runtime \
                create failed: ";
    for (runtime, code, text) in [
        ("nosuch", 125, "unknown or invalid runtime name: nosuch".to_owned()),
        ("gone", 127, format!("{task}fork/exec /nosuch/runtime: no such file or directory")),
        ("mute", 125, format!("{task}the runtime ended with code 9")),
        ("says", 125, format!("{task}no, thanks")),
    ] {
        let ran = engine.run(Cli::Docker, &["--runtime", runtime], &["true"]);
        assert_eq!(ran.code, code, "{ran:?}");
        assert!(ran.err.contains(&text), "{ran:?}");
    }
    engine.finish();
}

fn program(dir: &Path, name: &str, text: &str) -> String {
    let path = dir.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    format!("{name}={}", path.display())
}

#[test]
fn cgroup_parents_are_absolute_or_below_ours() {
    let engine = Engine::start();
    let show = ["cat", "/proc/self/cgroup"];
    let absolute = format!("/wharf-test-{}", std::process::id());
    for (wish, expected) in [("nested/deep", "/nested/deep/"), (absolute.as_str(), "")] {
        let flags = ["--cgroup-parent", wish, "--cgroupns", "host"];
        let seen = engine.run(Cli::Docker, &flags, &show).ok();
        let expected = if expected.is_empty() { format!(":{absolute}/") } else { expected.into() };
        assert!(seen.contains(&expected), "{wish}: {seen}");
    }
    // Docker leaves a parent that it made; so do we, where the user named it.
    for entry in std::fs::read_dir("/sys/fs/cgroup").unwrap().flatten() {
        drop(std::fs::remove_dir(entry.path().join(absolute.trim_start_matches('/'))));
    }
    drop(std::fs::remove_dir(format!("/sys/fs/cgroup{absolute}")));
    engine.finish();
}
