//! The engine is killed, at any moment; nothing of its containers is lost.

use crate::harness::{Cli, Engine, until};

#[test]
fn containers_run_on_without_an_engine_and_their_end_is_known() {
    let mut engine = Engine::start();
    // Each container has a directory of the host, through which it is told to end.
    let gate = |engine: &Engine, name: &str| engine.dir.path().join("gates").join(name);
    let run = |engine: &Engine, name: &str, more: &[&str], script: &str| {
        std::fs::create_dir_all(gate(engine, name)).unwrap();
        let bind = format!("{}:/gate", gate(engine, name).display());
        engine.background(name, &[&["-v", &bind], more].concat(), &["sh", "-c", script]);
    };
    let wait = "while [ ! -e /gate/go ]; do sleep 0.02; done; rm /gate/go";
    run(&engine, "lives", &[], "i=0; while :; do echo $i; i=$((i+1)); sleep 0.02; done");
    run(&engine, "ends", &[], &format!("{wait}; echo bye; exit 42"));
    run(&engine, "again", &["--restart", "always"], &format!("echo up; {wait}; exit 1"));
    run(&engine, "gone", &["--rm"], wait);
    let pid = engine.inspect("lives")["State"]["Pid"].as_i64().unwrap();
    let gates = ["ends", "again", "gone"].map(|name| gate(&engine, name).join("go"));
    engine.kill();
    for gate in &gates {
        std::fs::write(gate, "").unwrap();
    }
    until("they ended without an engine", || gates.iter().all(|gate| !gate.exists()));
    engine.begin(&[]);
    assert_eq!(engine.inspect("lives")["State"]["Pid"].as_i64(), Some(pid));
    assert_eq!(engine.inspect("lives")["State"]["Status"], "running");
    until("the end is known", || engine.state("ends") == "exited");
    assert_eq!(engine.inspect("ends")["State"]["ExitCode"], 42);
    assert_eq!(engine.wharf(["logs", "ends"]).ok(), "bye\n");
    until("the policy went on", || engine.wharf(["logs", "again"]).ok() == "up\nup\n");
    until("it was removed", || engine.get("/containers/gone/json").unwrap().0 == 404);
    // The log has no gap.
    let log = engine.wharf(["logs", "lives"]).ok();
    for (index, line) in log.lines().enumerate() {
        assert_eq!(line, index.to_string());
    }
    assert!(log.lines().count() > 3);
    assert_eq!(engine.wharf(["exec", "lives", "echo", "still"]).ok(), "still\n");
    engine.wharf(["stop", "-t", "0", "lives"]).ok();
    engine.finish();
}

#[test]
fn an_exec_and_an_attached_client_survive() {
    let mut engine = Engine::start();
    let bind = format!("{}:/gate", engine.dir.path().display());
    engine.background("cc", &["-v", &bind], &["sleep", "1000"]);
    let script = "echo begun; while [ ! -e /gate/go ]; do sleep 0.02; done; echo ended; exit 6";
    let mut client = engine
        .command(Cli::Docker, ["exec", "cc", "sh", "-c", script])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut begun = [0u8; 6];
    std::io::Read::read_exact(client.stdout.as_mut().unwrap(), &mut begun).unwrap();
    engine.kill();
    engine.begin(&[]);
    std::fs::write(engine.dir.path().join("go"), "").unwrap();
    let ran = crate::harness::Ran::from(client.wait_with_output().unwrap());
    // The stream went past the engine; the exit code is asked of the new one.
    assert_eq!((ran.code, ran.out.as_str()), (6, "ended\n"), "{ran:?}");
    engine.finish();
}

#[test]
fn a_monitor_that_is_killed_leaves_its_container_running() {
    let mut engine = Engine::start();
    engine.background("cc", &[], &["sleep", "1000"]);
    let id = engine.inspect("cc")["Id"].as_str().unwrap().to_owned();
    let record = engine.run_dir().join("containers").join(&id).join("started.json");
    let record = std::fs::read_to_string(record).unwrap();
    let record: serde_json::Value = serde_json::from_str(&record).unwrap();
    let monitor = record["monitor_pid"].as_i64().unwrap() as i32;
    sys::signal::kill(monitor, sys::libc::SIGKILL).unwrap();
    until("the engine noticed", || {
        engine.inspect("cc")["State"]["Error"].as_str().unwrap().contains("degraded")
    });
    assert_eq!(engine.state("cc"), "running");
    // Also for an engine that comes later.
    engine.kill();
    engine.begin(&[]);
    assert_eq!(engine.state("cc"), "running");
    engine.wharf(["kill", "cc"]).ok();
    until("its end is known", || engine.state("cc") == "exited");
    engine.finish();
}

/// Engines that are killed at the same time: the machine is busy, as it is when engines die.
const SWEEPERS: usize = 3;

#[test]
fn the_engine_dies_at_every_failpoint_under_load_and_nothing_is_lost() {
    let next = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..SWEEPERS {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    let Some(point) = engine::failpoint::NAMES.get(number) else { return };
                    dies_at(point);
                }
            });
        }
    });
}

/// One engine with a container that writes its log all the time, and one with an exec.
fn dies_at(point: &str) {
    let mut engine = Engine::start();
    engine.background("old", &[], &["sleep", "1000"]);
    engine.wharf(["exec", "-d", "old", "sleep", "2000"]).ok();
    let script = "i=0; while :; do echo $i; i=$((i+1)); usleep 5000; done";
    engine.background("writer", &[], &["sh", "-c", script]);
    let pid = |engine: &Engine, name: &str| engine.inspect(name)["State"]["Pid"].as_i64().unwrap();
    let pids = ["old", "writer"].map(|name| pid(&engine, name));
    engine.kill();
    engine.begin(&[("WHARF_FAILPOINT", point)]);
    // One of these meets the failpoint; all the others must not mind.
    let file = engine.busybox();
    let file = file.to_str().unwrap();
    let steps: [&[&str]; 10] = [
        &["run", "--name", "new", "--network", "none", "busybox", "sh", "-c", "echo x; exit 3"],
        &["restart", "-t", "0", "new"],
        &["rename", "new", "renamed"],
        &["rename", "renamed", "new"],
        &["update", "--pids-limit", "77", "old"],
        &["cp", file, "new:/copied"],
        &["cp", file, "old:/copied"],
        &["commit", "old", "committed"],
        &["rm", "-f", "new"],
        &["run", "--rm", "--name", "rm", "--network", "none", "busybox", "true"],
    ];
    for step in steps {
        if !engine.is_dead() {
            engine.wharf(step);
        }
    }
    assert!(engine.is_dead(), "nothing met the failpoint `{point}`");
    engine.wait_for_death();
    engine.begin(&[]);
    assert_eq!(["old", "writer"].map(|name| pid(&engine, name)), pids, "{point}");
    assert_eq!(engine.state("old"), "running", "{point}");
    let processes = engine.wharf(["top", "old"]).ok();
    assert!(processes.contains("sleep 2000"), "{point}: the exec is gone: {processes}");
    // No line is missing, from the first one to those written after the engine was back.
    let count = || {
        let log = engine.wharf(["logs", "writer"]).ok();
        for (number, line) in log.lines().enumerate() {
            assert_eq!(line, number.to_string(), "{point}");
        }
        log.lines().count()
    };
    let before = count();
    until("the writer goes on", || count() > before);
    // Whatever is there is whole: it can be inspected, and run again or removed.
    for name in ["new", "renamed", "rm"] {
        if let Some((200, _)) = engine.get(&format!("/containers/{name}/json")) {
            until("its state settles", || {
                let (status, body) = engine.get(&format!("/containers/{name}/json")).unwrap();
                status == 404
                    || ["\"created\"", "\"exited\""]
                        .iter()
                        .any(|state| body.contains(&format!("\"Status\":{state}")))
            });
            engine.wharf(["rm", "-f", name]).ok();
        }
    }
    let again = engine.run(Cli::Wharf, &["--name", "new"], &["echo", "fine"]);
    assert_eq!(again.ok(), "fine\n", "{point}");
    engine.finish();
}

#[test]
fn the_health_of_what_has_ended_is_remembered() {
    let mut engine = Engine::start();
    let check = ["--health-cmd", "echo ill; exit 1", "--health-interval", "20ms"];
    for name in ["ended", "frozen"] {
        engine.background(name, &check, &["sleep", "1000"]);
    }
    let health = |engine: &Engine, name: &str| engine.inspect(name)["State"]["Health"].clone();
    for name in ["ended", "frozen"] {
        until("it was probed", || health(&engine, name)["Log"][0]["Output"] == "ill\n");
    }
    engine.wharf(["kill", "ended"]).ok();
    engine.wharf(["pause", "frozen"]).ok();
    until("it has ended", || engine.state("ended") == "exited");
    let before = health(&engine, "ended");
    assert_eq!(before["Status"], "unhealthy");
    engine.kill();
    engine.begin(&[]);
    assert_eq!(health(&engine, "ended"), before);
    assert_eq!(health(&engine, "frozen")["Log"][0]["Output"], "ill\n");
    // As in Docker, a start begins anew, and what was said before can still be read.
    engine.wharf(["start", "ended"]).ok();
    assert_eq!(health(&engine, "ended")["Log"][0]["Output"], "ill\n");
    engine.finish();
}

#[test]
fn a_second_engine_in_the_same_run_directory_is_refused() {
    let engine = Engine::start();
    engine.background("keep", &[], &["sleep", "1000"]);
    let other = engine.dir.path().join("other");
    let ran: crate::harness::Ran = std::process::Command::new(env!("CARGO_BIN_EXE_wharf"))
        .arg("engine")
        .arg("--root")
        .arg(&other)
        .arg("--run")
        .arg(engine.run_dir())
        .output()
        .unwrap()
        .into();
    assert_ne!(ran.code, 0);
    assert!(ran.err.contains("another engine is using it"), "{ran:?}");
    assert_eq!(engine.wharf(["exec", "keep", "echo", "here"]).ok(), "here\n");
    engine.finish();
}

#[test]
fn a_second_engine_on_the_same_root_is_refused() {
    let engine = Engine::empty();
    let other = engine.dir.path().join("other");
    let ran: crate::harness::Ran = std::process::Command::new(env!("CARGO_BIN_EXE_wharf"))
        .arg("engine")
        .arg("--root")
        .arg(engine.root())
        .arg("--run")
        .arg(&other)
        .output()
        .unwrap()
        .into();
    assert_ne!(ran.code, 0);
    assert!(ran.err.contains("another engine is using it"), "{ran:?}");
    engine.finish();
}
