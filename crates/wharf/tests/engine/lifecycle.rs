//! From create to rm, by both command lines.

use crate::harness::{BOTH, Engine, until};

#[test]
fn run_prints_and_exits_as_the_program_does() {
    let engine = Engine::start();
    for cli in BOTH {
        let ran = engine.run(cli, &[], &["echo", "hi"]);
        assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (0, "hi\n", ""), "{cli:?}");
        let script = "echo out; echo err >&2; exit 3";
        let ran = engine.run(cli, &[], &["sh", "-c", script]);
        assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (3, "out\n", "err\n"));
        let run = ["run", "-i", "--rm", "--network", "none", "busybox", "cat"];
        assert_eq!(engine.with_input(cli, &run, b"stdin-data\n").ok(), "stdin-data\n");
    }
    assert_eq!(engine.wharf(["ps", "-aq"]).ok(), "");
    engine.finish();
}

#[test]
fn a_container_without_a_network_is_told_so() {
    let engine = Engine::start();
    for cli in BOTH {
        let ran = engine.cli(cli, ["run", "--rm", "busybox", "true"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.err.contains("none"), "{cli:?}: {ran:?}");
    }
    engine.finish();
}

#[test]
fn states_and_their_words() {
    let engine = Engine::start();
    for cli in BOTH {
        let name = format!("box-{cli:?}").to_lowercase();
        let name = name.as_str();
        let create = ["create", "--name", name, "--network", "none", "busybox", "sleep", "1000"];
        engine.cli(cli, create).ok();
        let filter = format!("name={name}");
        let status = |engine: &Engine| {
            let ps = ["ps", "-a", "--filter", &filter, "--format", "{{.Status}}"];
            engine.cli(cli, ps).ok()
        };
        assert_eq!(status(&engine), "Created\n");
        assert_eq!(engine.cli(cli, ["start", name]).ok(), format!("{name}\n"));
        assert!(status(&engine).starts_with("Up "), "{}", status(&engine));
        // Starting what runs has no effect.
        assert_eq!(engine.cli(cli, ["start", name]).ok(), format!("{name}\n"));
        engine.cli(cli, ["pause", name]).ok();
        assert!(status(&engine).contains("(Paused)"), "{}", status(&engine));
        let exec = engine.cli(cli, ["exec", name, "true"]);
        assert!(exec.err.contains("is paused, unpause the container before exec"), "{exec:?}");
        engine.cli(cli, ["unpause", name]).ok();
        assert_eq!(engine.cli(cli, ["unpause", name]).code, 1);
        engine.cli(cli, ["stop", "-t", "0", name]).ok();
        assert!(status(&engine).starts_with("Exited (137) "), "{}", status(&engine));
        engine.cli(cli, ["start", name]).ok();
        engine.cli(cli, ["restart", "-t", "0", name]).ok();
        engine.cli(cli, ["rename", name, &format!("{name}-2")]).ok();
        let name2 = format!("{name}-2");
        let refused = engine.cli(cli, ["rm", &name2]);
        assert_eq!(refused.code, 1);
        let text = "container is running: stop the container before removing or force remove";
        assert!(refused.err.contains(text), "{refused:?}");
        engine.cli(cli, ["kill", "-s", "TERM", &name2]).ok();
        engine.cli(cli, ["kill", &name2]).ok();
        assert_eq!(engine.cli(cli, ["wait", &name2]).ok(), "137\n");
        assert_eq!(engine.cli(cli, ["rm", &name2]).ok(), format!("{name2}\n"));
    }
    engine.finish();
}

#[test]
fn stop_lets_a_program_end_itself() {
    let engine = Engine::start();
    let script = "trap 'echo got TERM; exit 7' TERM; echo ready; while :; do sleep 0.05; done";
    for cli in BOTH {
        let run = ["run", "-d", "--name", "trap", "--network", "none", "busybox"];
        engine.cli(cli, [&run[..], &["sh", "-c", script]].concat()).ok();
        until("the trap is set", || engine.cli(cli, ["logs", "trap"]).ok().contains("ready"));
        engine.cli(cli, ["stop", "trap"]).ok();
        assert_eq!(engine.cli(cli, ["logs", "trap"]).ok(), "ready\ngot TERM\n");
        let format = "{{.State.ExitCode}} {{.State.Status}}";
        let code = engine.cli(cli, ["inspect", "-f", format, "trap"]);
        assert_eq!(code.ok(), "7 exited\n");
        engine.cli(cli, ["rm", "trap"]).ok();
    }
    engine.finish();
}

#[test]
fn execs_have_codes_users_and_directories() {
    let engine = Engine::start();
    engine.background("ex", &[], &["sleep", "1000"]);
    for cli in BOTH {
        let ran = engine.cli(cli, ["exec", "ex", "sh", "-c", "echo out; echo err >&2; exit 4"]);
        assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (4, "out\n", "err\n"));
        assert_eq!(engine.with_input(cli, &["exec", "-i", "ex", "cat"], b"abc").ok(), "abc");
        let script = "pwd; id -u; id -g; echo $X";
        let exec = ["exec", "-e", "X=1", "-w", "/tmp", "-u", "u:root", "ex", "sh", "-c", script];
        let ran = engine.cli(cli, exec);
        assert_eq!(ran.ok(), "/tmp\n1000\n0\n1\n");
        engine.cli(cli, ["exec", "-d", "ex", "touch", "/tmp/detached"]).ok();
        until("the detached exec ran", || {
            engine.cli(cli, ["exec", "ex", "test", "-e", "/tmp/detached"]).code == 0
        });
        engine.cli(cli, ["exec", "ex", "rm", "/tmp/detached"]).ok();
        let ran = engine.cli(cli, ["exec", "ex", "nosuchcmd"]);
        assert_eq!(ran.code, 127, "{ran:?}");
        let said = format!("{}{}", ran.out, ran.err);
        assert!(said.contains("exec: \"nosuchcmd\": executable file not found in $PATH"), "{said}");
    }
    engine.finish();
}

#[test]
fn top_shows_the_processes() {
    let engine = Engine::start();
    engine.background("tt", &[], &["sleep", "1000"]);
    for cli in BOTH {
        let top = engine.cli(cli, ["top", "tt"]).ok();
        let mut lines = top.lines();
        let titles: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
        assert_eq!(titles, ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]);
        assert!(lines.next().unwrap().ends_with("sleep 1000"), "{top}");
    }
    engine.finish();
}

#[test]
fn restart_policies_are_kept() {
    let engine = Engine::start();
    engine.background("loop", &["--restart", "on-failure:2"], &["sh", "-c", "echo x; exit 5"]);
    until("it gave up", || engine.state("loop") == "exited");
    assert_eq!(engine.wharf(["logs", "loop"]).ok(), "x\nx\nx\n");
    assert_eq!(engine.inspect("loop")["RestartCount"], 2);
    engine.finish();
}

#[test]
fn hello_says_what_isolates_it() {
    let engine = Engine::empty();
    let table = engine.wharf(["run", "--rm", "wharf/hello"]).ok();
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    let json = engine.docker(["run", "--rm", "wharf/hello", "--json"]).ok();
    let report: serde_json::Value = serde_json::from_str(&json).expect("a JSON report");
    assert!(report.is_object());
    engine.finish();
}
