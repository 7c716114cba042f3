//! Log drivers and their options.

use std::io::Read as _;
use std::process::Stdio;

use crate::harness::{BOTH, Cli, Engine, Ran, until};

/// Runs a script to its end and keeps the container.
fn write(engine: &Engine, name: &str, flags: &[&str], script: &str) {
    let run = ["run", "--name", name, "--network", "none"];
    let command = ["busybox", "sh", "-c", script];
    engine.wharf([&run[..], flags, &command].concat()).ok();
}

#[test]
fn the_local_driver_has_all_options_of_logs() {
    let engine = Engine::start();
    let script = "echo one; echo two >&2; echo; printf 'par'; sleep 0.1; printf 'tial\\n'; \
                  printf '\\303\\251\\377\\0x\\n'; while [ ! -e /go ]; do sleep 0.05; done; \
                  printf end";
    engine.background("ll", &["--log-driver", "local"], &["sh", "-c", script]);
    until("it has written", || engine.wharf(["logs", "ll"]).out.contains("x\n"));
    for cli in BOTH {
        let all = engine.cli(cli, ["logs", "ll"]);
        assert_eq!(all.out, "one\n\npartial\né\u{fffd}\0x\n", "{cli:?}");
        assert_eq!(all.err, "two\n");
        assert_eq!(engine.cli(cli, ["logs", "-n", "2", "ll"]).ok(), "partial\né\u{fffd}\0x\n");
        let stamped = engine.cli(cli, ["logs", "-t", "--details", "-n", "2", "ll"]).ok();
        let (time, text) = stamped.lines().next().unwrap().split_once(' ').unwrap();
        assert!(time.starts_with("20") && time.ends_with('Z'), "{stamped}");
        // Without attributes there is an empty place for them, as in Docker.
        assert_eq!(text, " partial");
        assert_eq!(engine.cli(cli, ["logs", "--since", "1h", "--until", "30m", "ll"]).ok(), "");
        // Its own time is the first that is not before it.
        let since = engine.cli(cli, ["logs", "--since", time, "ll"]).ok();
        assert_eq!(since, "partial\né\u{fffd}\0x\n", "{cli:?}");
        // What came in the same moment is there too.
        let until = engine.cli(cli, ["logs", "--until", time, "ll"]).ok();
        assert!(until.starts_with("one\n\npartial\n"), "{until}");
    }
    let followers = BOTH.map(|cli| {
        let mut command = engine.command(cli, ["logs", "-f", "-n", "1", "ll"]);
        let mut follower = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // Whoever begins later sees another last line.
        let (mut line, mut byte) = (Vec::new(), [0]);
        while !line.ends_with(b"\n") {
            follower.stdout.as_mut().unwrap().read_exact(&mut byte).unwrap();
            line.extend(byte);
        }
        assert_eq!(String::from_utf8_lossy(&line), "é\u{fffd}\0x\n");
        follower
    });
    engine.wharf(["exec", "ll", "touch", "/go"]).ok();
    for follower in followers {
        let ran = Ran::from(follower.wait_with_output().unwrap());
        assert_eq!(ran.ok(), "end");
    }
    assert_eq!(engine.inspect("ll")["LogPath"], "");
    assert_eq!(engine.inspect("ll")["HostConfig"]["LogConfig"]["Type"], "local");
    engine.finish();
}

#[test]
fn rotated_files_are_compressed_and_read() {
    let engine = Engine::start();
    let rotation = ["--log-opt", "max-size=100k", "--log-opt", "max-file=3"];
    let drivers = [
        ("local", "local-logs/container.log"),
        ("json-file --log-opt compress=true", "ID-json.log"),
    ];
    for (driver, file) in drivers {
        let flags = [&["--log-driver"], &driver.split(' ').collect::<Vec<_>>()[..]].concat();
        write(&engine, "seq", &[&flags[..], &rotation].concat(), "seq 1 20000");
        let id = engine.inspect("seq")["Id"].as_str().unwrap().to_owned();
        let path = engine.root().join("containers").join(&id).join(file.replace("ID", &id));
        let named = |suffix: &str| format!("{}{suffix}", path.display());
        // The end is told before that.
        until("the last is compressed", || !std::fs::exists(named(".1")).unwrap());
        for (suffix, exists) in [(".1.gz", true), (".2.gz", true), (".3.gz", false), (".1", false)]
        {
            assert_eq!(std::fs::exists(named(suffix)).unwrap(), exists, "{driver} {suffix}");
        }
        let out = engine.wharf(["logs", "seq"]).ok();
        let numbers: Vec<u32> = out.lines().map(|line| line.parse().unwrap()).collect();
        let first = 20_001 - numbers.len() as u32;
        assert!(numbers.len() > 2000 && numbers.iter().copied().eq(first..=20_000), "{driver}");
        // A tail that begins in a compressed file.
        let tail = (numbers.len() - 100).to_string();
        let cut = engine.docker(["logs", "-n", &tail, "seq"]).ok();
        assert_eq!(cut.lines().next(), Some((first + 100).to_string().as_str()), "{driver}");
        engine.wharf(["rm", "seq"]).ok();
    }
    engine.finish();
}

#[test]
fn records_say_what_was_asked_for() {
    let engine = Engine::start();
    let words = "--log-opt env=X --log-opt env-regex=^Y --log-opt labels=a --log-opt \
                 labels-regex=b$ -l a=1 -l b=2 -l ab=3 -l d=4 -e X=1 -e YY=2 -e Z=3";
    let tag = ["--log-opt", "tag={{.Name}}/{{.ImageName}}/{{len .FullID}}"];
    let flags = [&tag[..], &words.split(' ').collect::<Vec<_>>()].concat();
    write(&engine, "tagged", &flags, "echo hi");
    for cli in BOTH {
        let out = engine.cli(cli, ["logs", "--details", "tagged"]).ok();
        assert_eq!(out, "X=1,YY=2,a=1,ab=3,b=2,tag=tagged%2Fbusybox%2F64 hi\n", "{cli:?}");
    }
    engine.finish();
}

#[test]
fn wrong_options_are_refused_in_dockers_words() {
    let engine = Engine::start();
    let rows = [
        ("json-file", "nope=1", "unknown log opt 'nope' for json-file log driver"),
        ("local", "tag=x", "unknown log opt 'tag' for log driver local"),
        ("json-file", "mode=foo", "logger: logging mode not supported: foo"),
        ("json-file", "max-size=-1", "invalid size: '-1'"),
        ("json-file", "compress=maybe", "strconv.ParseBool: parsing \"maybe\": invalid syntax"),
        ("local", "max-file=1", "compression cannot be enabled when max file count is 1"),
        ("json-file", "labels-regex=(", "error parsing regexp: missing closing ): `(`"),
        ("json-file", "tag={{", "template: log-tag:1: unclosed action"),
    ];
    for (driver, option, expect) in rows {
        for cli in BOTH {
            let create = ["create", "--log-driver", driver, "--log-opt", option, "busybox", "true"];
            let ran = engine.cli(cli, create);
            assert!(ran.code != 0 && ran.err.contains(expect), "{driver} {option}: {ran:?}");
        }
    }
    assert_eq!(engine.wharf(["ps", "-aq"]).ok(), "");
    write(&engine, "silent", &["--log-driver", "none"], "echo hi");
    for cli in BOTH {
        let ran = engine.cli(cli, ["logs", "silent"]);
        assert!(ran.err.contains("configured logging driver does not support reading"), "{ran:?}");
    }
    engine.finish();
}

#[test]
fn any_bytes_and_endless_lines_come_back() {
    let engine = Engine::start();
    let script = "printf '\\033[31mred\\033[0m\\n'; head -c 100000 /dev/zero; echo; \
                  head -c 20000000 /dev/zero | tr '\\0' a; echo; echo last";
    for driver in ["local", "json-file"] {
        write(&engine, "bytes", &["--log-driver", driver], script);
        let out = engine.cli(Cli::Docker, ["logs", "bytes"]).ok();
        let lines: Vec<&str> = out.split('\n').collect();
        let lengths: Vec<usize> = lines.iter().map(|line| line.len()).collect();
        assert_eq!(lengths, [12, 100_000, 20_000_000, 4, 0], "{driver}");
        assert!(lines[0] == "\u{1b}[31mred\u{1b}[0m" && lines[1].bytes().all(|byte| byte == 0));
        assert!(lines[2].bytes().all(|byte| byte == b'a'));
        engine.wharf(["rm", "bytes"]).ok();
    }
    engine.finish();
}

#[test]
fn a_thousand_logs_are_followed_and_hold_nobody_up() {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;
    // Of these, 128 inotify instances would be more than a user has.
    const FOLLOWERS: usize = 1000;
    let engine = Engine::start();
    let script = "seq 1 200000; while [ ! -e /go ]; do sleep 0.05; done; echo END-OF-IT";
    engine.background("many", &[], &["sh", "-c", script]);
    until("it has written", || {
        engine.wharf(["logs", "-n", "1", "many"]).out.trim_end() == "200000"
    });
    let follow = |tail: &str| {
        let mut socket = UnixStream::connect(engine.socket()).unwrap();
        socket.set_read_timeout(Some(std::time::Duration::from_secs(30))).unwrap();
        let target = format!("/v1.51/containers/many/logs?stdout=1&follow=1&tail={tail}");
        write!(socket, "GET {target} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        socket
    };
    // These take the whole log and read nothing of it.
    let lazy: Vec<_> = (0..100).map(|_| follow("all")).collect();
    let mut eager: Vec<_> = (0..FOLLOWERS).map(|_| follow("0")).collect();
    for socket in &mut eager {
        let mut head = [0; 12];
        socket.read_exact(&mut head).unwrap();
        assert_eq!(&head, b"HTTP/1.1 200");
    }
    engine.wharf(["exec", "many", "touch", "/go"]).ok();
    for socket in &mut eager {
        let mut answer = Vec::new();
        let mut piece = [0; 4096];
        while !answer.ends_with(b"0\r\n\r\n") {
            match socket.read(&mut piece).unwrap() {
                0 => break,
                count => answer.extend_from_slice(&piece[..count]),
            }
        }
        assert!(String::from_utf8_lossy(&answer).contains("END-OF-IT\n"));
    }
    drop((lazy, eager));
    engine.finish();
}

#[test]
fn histories_are_replayed_and_hold_nobody_up() {
    use std::io::Write;
    use std::os::unix::net::UnixStream;
    // More than the engine has threads.
    const LAZY: usize = 600;
    const LINES: usize = 400;
    let engine = Engine::start();
    let script = format!("yes $(head -c 4000 /dev/zero | tr '\\0' x) | head -n {LINES}");
    engine.background("said", &[], &["sh", "-c", &script]);
    until("it has ended", || engine.state("said") == "exited");
    let attach = || {
        let mut socket = UnixStream::connect(engine.socket()).unwrap();
        socket.set_read_timeout(Some(std::time::Duration::from_secs(30))).unwrap();
        let target = "/v1.51/containers/said/attach?logs=1&stdout=1";
        let upgrade = "Host: x\r\nConnection: Upgrade\r\nUpgrade: tcp";
        write!(socket, "POST {target} HTTP/1.1\r\n{upgrade}\r\n\r\n").unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            socket.read_exact(&mut byte).unwrap();
            head.extend(byte);
        }
        assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
        socket
    };
    // These read nothing of it.
    let lazy: Vec<_> = (0..LAZY).map(|_| attach()).collect();
    let begin = std::time::Instant::now();
    let mut answer = Vec::new();
    attach().read_to_end(&mut answer).unwrap();
    engine.run(Cli::Docker, &[], &["true"]).ok();
    assert!(begin.elapsed().as_secs() < 15, "{:?}", begin.elapsed());
    let (mut frames, mut lines) = (&answer[..], 0);
    while let [1, 0, 0, 0, a, b, c, d, rest @ ..] = frames {
        lines += 1;
        let (line, after) = rest.split_at(u32::from_be_bytes([*a, *b, *c, *d]) as usize);
        assert!(line.len() == 4001 && line.ends_with(b"x\n"));
        frames = after;
    }
    assert_eq!((frames.len(), lines), (0, LINES));
    drop(lazy);
    engine.finish();
}

#[test]
fn a_program_waits_for_no_log_when_asked_not_to() {
    let engine = Engine::start();
    let flags = "--log-opt mode=non-blocking --log-opt max-buffer-size=200k";
    let flags: Vec<&str> = flags.split(' ').collect();
    let script = "while [ ! -e /go ]; do sleep 0.02; done; seq 1000000 1200000; touch /done; \
                  while [ ! -e /end ]; do sleep 0.02; done; echo last";
    engine.background("nb", &flags, &["sh", "-c", script]);
    let id = engine.inspect("nb")["Id"].as_str().unwrap().to_owned();
    let log = engine.inspect("nb")["LogPath"].as_str().unwrap().to_owned();
    // The process that writes stands still, as on a disk that does.
    let holds_log = |pid: &u32| {
        let fds = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        fds.map(|fd| std::fs::read_link(fd.path()).unwrap_or_default())
            .any(|to| to.ends_with(&id) || to.to_string_lossy() == log)
    };
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let writers: Vec<u32> = pids.filter(holds_log).collect();
    assert_eq!(writers.len(), 1, "{writers:?}");
    let signal = |name: &str| {
        let mut kill = std::process::Command::new("kill");
        assert!(kill.args([name, &writers[0].to_string()]).status().unwrap().success());
    };
    signal("-STOP");
    engine.wharf(["exec", "nb", "touch", "/go"]).ok();
    until("it has written", || engine.wharf(["exec", "nb", "test", "-e", "/done"]).code == 0);
    signal("-CONT");
    engine.wharf(["exec", "nb", "touch", "/end"]).ok();
    until("what was kept is written", || engine.state("nb") == "exited");
    let lines = engine.wharf(["logs", "nb"]);
    let out: Vec<&str> = lines.out.lines().collect();
    // The first that did not fit was lost, not the last that did.
    assert!(out.len() > 1000 && out.len() < 150_000, "{}", out.len());
    assert_eq!((out[0], out[1000], *out.last().unwrap()), ("1000000", "1001000", "last"));
    assert!(lines.err.contains("log records were lost: the log was too slow"), "{}", lines.err);
    engine.finish();
}
