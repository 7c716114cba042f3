//! Bad input: Docker's words, Docker's exit codes, nothing left behind.

use crate::harness::{BOTH, Cli, Engine};

/// Runs a command that must fail and returns its standard error.
fn fails(engine: &Engine, cli: Cli, args: &[&str], code: i32, text: &str) {
    let ran = engine.cli(cli, args);
    assert_eq!(ran.code, code, "{cli:?} {args:?}: {ran:?}");
    assert!(ran.err.contains(text), "{cli:?} {args:?} should say `{text}`: {ran:?}");
}

#[test]
fn mistakes_of_run() {
    let engine = Engine::start();
    let long = |flags: &[&'static str], command: &[&'static str]| {
        [&["run", "--rm", "--network", "none"], flags, &["busybox"], command].concat()
    };
    let commands = [
        ("nosuchcmd", 127, "exec: \"nosuchcmd\": executable file not found in $PATH"),
        ("/nosuch", 127, "no such file or directory"),
        ("/etc", 126, "exec: \"/etc\": is a directory: permission denied"),
        ("/etc/passwd", 126, "permission denied"),
    ];
    let flags: &[(&[&str], &str)] = &[
        (&["-u", "nouser"], "unable to find user nouser: no matching entries in passwd file"),
        (&["-u", "0:nogroup1"], "unable to find group nogroup1"),
        (&["-m", "1k"], "Minimum memory limit allowed is 6MB"),
        (&["--cap-add", "BOGUS"], "unknown capability: \"CAP_BOGUS\""),
        (&["--security-opt", "seccomp=/nosuch"], "opening seccomp profile (/nosuch) failed"),
        (&["--bogus"], "unknown flag: --bogus"),
        (
            &["--name", "u"],
            "Invalid container name (u), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
        ),
        (
            &["--mount", "type=bind,src=/no/such/dir,dst=/x"],
            "bind source path does not exist: /no/such/dir",
        ),
        (&["-v", "named:/x"], "has no volumes yet"),
        (&["-p", "1234:80"], "not supported"),
        (&["--log-driver", "bogus"], "bogus"),
        (&["-w", "relative"], "relative"),
        (&["--ulimit", "nofile=999999999:999999999"], "nofile"),
    ];
    for cli in BOTH {
        for (command, code, text) in commands {
            fails(&engine, cli, &long(&[], &[command]), code, text);
        }
        for (flags, text) in flags {
            fails(&engine, cli, &long(flags, &["true"]), 125, text);
        }
        let text = "Unable to find image 'nosuchimage:latest' locally";
        fails(&engine, cli, &["run", "nosuchimage", "true"], 125, text);
    }
    // Nothing is left of any of them.
    assert_eq!(engine.wharf(["ps", "-aq"]).ok(), "");
    engine.finish();
}

#[test]
fn mistakes_with_names_and_states() {
    let engine = Engine::start();
    engine.wharf(["create", "--name", "one", "--network", "none", "busybox", "true"]).ok();
    for cli in BOTH {
        let text = "Conflict. The container name \"/one\" is already in use by container";
        fails(&engine, cli, &["create", "--name", "one", "busybox", "true"], 1, text);
        for verb in ["start", "stop", "kill", "pause", "rm", "logs", "top", "attach"] {
            fails(&engine, cli, &[verb, "nosuch"], 1, "No such container: nosuch");
        }
        fails(&engine, cli, &["exec", "nosuch", "true"], 1, "No such container: nosuch");
        fails(&engine, cli, &["exec", "one", "true"], 1, "is not running");
        fails(&engine, cli, &["kill", "one"], 1, "is not running");
        fails(&engine, cli, &["pause", "one"], 1, "is not running");
        fails(&engine, cli, &["inspect", "nosuch"], 1, "o such object: nosuch");
        fails(&engine, cli, &["rmi", "nosuch"], 1, "No such image: nosuch");
        fails(&engine, cli, &["tag", "nosuch", "x:y"], 1, "No such image: nosuch");
        let text = "repository name (library/BAD) must be lowercase";
        fails(&engine, cli, &["tag", "busybox", "BAD:x"], 1, text);
        fails(&engine, cli, &["ps", "--filter", "bogus=1"], 1, "invalid filter 'bogus'");
        let text = "map has no entry for key \"NoSuch\"";
        fails(&engine, cli, &["inspect", "-f", "{{.NoSuch}}", "one"], 1, text);
        fails(&engine, cli, &["rmi", "busybox"], 1, "is using its referenced image");
        // Removing by force what is not there is said, and is no failure.
        let ran = engine.cli(cli, ["rm", "-f", "nosuch"]);
        assert_eq!(ran.code, 0, "{ran:?}");
    }
    fails(&engine, Cli::Docker, &["kill", "-s", "BADSIG", "one"], 1, "BADSIG");
    engine.finish();
}

#[test]
fn what_is_not_there_says_so() {
    let engine = Engine::start();
    engine.wharf(["create", "--name", "one", "--network", "none", "busybox", "true"]).ok();
    let rows: &[&[&str]] = &[&["network", "create", "x"], &["volume", "create", "x"]];
    for args in rows {
        let ran = engine.docker(*args);
        assert_eq!(ran.code, 1, "{args:?}: {ran:?}");
        assert!(ran.err.contains("not supported"), "{args:?}: {ran:?}");
    }
    let swarm = engine.docker(["service", "ls"]);
    assert!(swarm.err.contains("This node is not a swarm manager"), "{swarm:?}");
    engine.finish();
}
