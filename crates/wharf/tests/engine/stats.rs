//! What containers use, by the socket and by both command lines.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{BOTH, DEADLINE, Engine, until};

const HEADING: &str = "CONTAINER ID   NAME      CPU %     MEM USAGE / LIMIT   MEM %     NET I/O   \
                       BLOCK I/O   PIDS";

/// One line of a container.
fn once(engine: &Engine, name: &str) -> Value {
    let (status, body) = engine.get(&format!("/containers/{name}/stats?stream=0")).unwrap();
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

fn number(line: &Value, path: &str) -> f64 {
    line.pointer(path).and_then(Value::as_f64).unwrap_or_else(|| panic!("{path}: {line}"))
}

fn nanos(line: &Value, key: &str) -> f64 {
    let text = line[key].as_str().unwrap();
    docker_api::Timestamp::parse(text).unwrap().nanos().unwrap() as f64
}

/// A stream of lines.
struct Lines(BufReader<UnixStream>);

impl Lines {
    fn open(engine: &Engine, target: &str) -> Lines {
        let mut stream = UnixStream::connect(engine.socket()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        // HTTP/1.0 has no chunks.
        write!(stream, "GET {target} HTTP/1.0\r\nHost: x\r\n\r\n").unwrap();
        let mut lines = Lines(BufReader::new(stream));
        while lines.text().is_some_and(|text| !text.trim().is_empty()) {}
        lines
    }

    fn text(&mut self) -> Option<String> {
        let mut text = String::new();
        (self.0.read_line(&mut text).unwrap() > 0).then_some(text)
    }

    fn next(&mut self) -> Option<Value> {
        self.text().map(|text| serde_json::from_str(&text).unwrap())
    }
}

#[test]
fn processor_time_is_that_of_the_processes() {
    let engine = Engine::start();
    engine.background("burns", &[], &["sh", "-c", "while :; do :; done"]);
    engine.background("sleeps", &["-m", "64m", "--pids-limit", "77"], &["sleep", "1000"]);
    // At once, though nobody has asked before, and with a time to compare with.
    let begin = Instant::now();
    let first = once(&engine, "burns");
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    assert!(nanos(&first, "read") > nanos(&first, "preread"));
    let pid = engine.inspect("burns")["State"]["Pid"].as_u64().unwrap();
    let ticks = || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()
    };
    let used = |line: &Value| number(line, "/cpu_stats/cpu_usage/total_usage");
    until("a good deal was used", || used(&once(&engine, "burns")) > 5e8);
    let (before, line, after) = (ticks() * 1e7, once(&engine, "burns"), ticks() * 1e7);
    // Answered from the ring, which is up to a second old; a tick is 10 milliseconds.
    assert!(used(&line) > before - 1.2e9 && used(&line) < after + 2e7, "{before} {after} {line}");
    // Docker's formula comes to the time used by the time passed.
    let system = number(&line, "/cpu_stats/system_cpu_usage")
        - number(&line, "/precpu_stats/system_cpu_usage");
    let spent = used(&line) - number(&line, "/precpu_stats/cpu_usage/total_usage");
    let share = spent / system * number(&line, "/cpu_stats/online_cpus");
    let passed = nanos(&line, "read") - nanos(&line, "preread");
    assert!((share - spent / passed).abs() < 0.02, "{share} {spent} {passed}");
    assert!(share > 0.05 && share < 1.05, "{share}");
    let idle = once(&engine, "sleeps");
    let spent = used(&idle) - number(&idle, "/precpu_stats/cpu_usage/total_usage");
    assert!(spent < 0.05 * passed, "{idle}");
    assert_eq!(number(&idle, "/memory_stats/limit"), f64::from(64 << 20));
    assert_eq!(number(&idle, "/pids_stats/limit"), 77.0);
    // Without a limit it is the machine's memory.
    let machine = std::fs::read_to_string("/proc/meminfo").unwrap();
    let kib: f64 = machine.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert_eq!(number(&line, "/memory_stats/limit"), kib * 1024.0);
    engine.finish();
}

#[test]
fn memory_processes_and_disks_are_seen() {
    let engine = Engine::start();
    let script = "(head -c 52428800 /dev/zero; sleep 1000) | tail -c 52428800 & \
                  dd if=/dev/zero of=/file bs=1M count=4 oflag=direct; wait";
    engine.background("uses", &[], &["sh", "-c", script]);
    let mut line = Value::Null;
    until("50 MiB are in use", || {
        line = once(&engine, "uses");
        number(&line, "/memory_stats/usage") > 50.0 * 1048576.0
    });
    let usage = number(&line, "/memory_stats/usage");
    assert!(usage < 70.0 * 1048576.0, "{line}");
    let processes = || {
        let (_, body) = engine.get("/containers/uses/top").unwrap();
        let top: Value = serde_json::from_str(&body).unwrap();
        top["Processes"].as_array().unwrap().len()
    };
    until("all processes are counted", || {
        let count = number(&once(&engine, "uses"), "/pids_stats/current");
        count >= 3.0 && count == processes() as f64
    });
    let written = || {
        let line = once(&engine, "uses");
        let all = line["blkio_stats"]["io_service_bytes_recursive"].as_array().cloned();
        let all = all.unwrap_or_default();
        let is_write = |one: &&Value| one["op"].as_str().unwrap().eq_ignore_ascii_case("write");
        all.iter().filter(is_write).map(|one| one["value"].as_u64().unwrap()).sum::<u64>()
    };
    until("4 MiB were written", || written() >= 4 << 20);
    for cli in BOTH {
        let format = "{{.MemUsage}} {{.BlockIO}} {{.PIDs}}";
        let text = engine.cli(cli, ["stats", "--no-stream", "--format", format, "uses"]).ok();
        let words: Vec<&str> = text.split_whitespace().collect();
        let mebibytes: f64 = words[0].strip_suffix("MiB").unwrap().parse().unwrap();
        assert!((50.0..70.0).contains(&mebibytes), "{text}");
        assert_eq!(words[5..], ["4.19MB", &processes().to_string()], "{text}");
    }
    engine.finish();
}

#[test]
fn traffic_is_that_of_the_containers_own_network() {
    let engine = Engine::start();
    let script = "ip link add v0 type veth && ip link set v0 up; ip link set veth0 up; sleep 1000";
    engine.background("talks", &["--cap-add", "NET_ADMIN"], &["sh", "-c", script]);
    // The kernel itself sends some packets to find its neighbors.
    let mut line = Value::Null;
    until("something is sent", || {
        line = once(&engine, "talks");
        line.pointer("/networks/v0/tx_bytes").and_then(Value::as_u64).is_some_and(|n| n > 0)
    });
    let keys: Vec<&String> = line["networks"].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["v0", "veth0"]);
    // Who joins sees the same; the machine's own traffic is nobody's.
    engine
        .wharf([
            "run",
            "-d",
            "--name",
            "joins",
            "--network",
            "container:talks",
            "busybox",
            "sleep",
            "1000",
        ])
        .ok();
    engine
        .wharf(["run", "-d", "--name", "host", "--network", "host", "busybox", "sleep", "1000"])
        .ok();
    engine.background("silent", &[], &["sleep", "1000"]);
    assert!(number(&once(&engine, "joins"), "/networks/v0/tx_bytes") > 0.0);
    for name in ["host", "silent"] {
        assert_eq!(once(&engine, name).get("networks"), None, "{name}");
    }
    engine.finish();
}

#[test]
fn answers_to_what_does_not_run_and_to_mistakes() {
    let engine = Engine::start();
    engine.wharf(["create", "--name", "stats", "--network", "none", "busybox", "true"]).ok();
    let line = once(&engine, "stats");
    assert_eq!(line["name"], "/stats");
    for key in ["read", "preread"] {
        assert_eq!(line[key], "0001-01-01T00:00:00Z");
    }
    assert_eq!(line["memory_stats"], serde_json::json!({}));
    assert_eq!(line["blkio_stats"]["io_serviced_recursive"], Value::Null);
    let one = "/containers/stats/stats?stream=0";
    let many = "/containers/stats?stream=0";
    let field = "invalid field \"cpus\": it must be one of pids, blkio, cpu, memory, networks";
    let rows = [
        ("/containers/nosuch/stats".to_owned(), 404, "No such container: nosuch"),
        (format!("{many}&container=nosuch"), 404, "No such container: nosuch"),
        (format!("{one}&interval=99ms"), 400, "it must be between 100ms and 1h"),
        (format!("{many}&interval=61m"), 400, "it must be between 100ms and 1h"),
        (format!("{one}&interval=-5s"), 400, "it must be between 100ms and 1h"),
        (format!("{one}&interval=often"), 400, "time: invalid duration"),
        (format!("{one}&fields=cpus"), 400, &field.replace('"', "\\\"")),
        (
            format!("{many}&filters=%7B%22bogus%22%3A%5B%221%22%5D%7D"),
            400,
            "invalid filter 'bogus'",
        ),
        (
            "/containers/stats/stats?one-shot=1".to_owned(),
            400,
            "cannot have stream=true and one-shot=true",
        ),
        // As old a client does not know the parameter.
        ("/v1.40/containers/stats/stats?one-shot=1&stream=0".to_owned(), 200, "0001-01-01"),
        (many.to_owned(), 200, ""),
        (format!("{many}&all=1"), 200, "\"name\":\"/stats\""),
        (format!("{many}&container=stats&fields=cpu"), 200, "\"precpu_stats\":{"),
    ];
    for (path, status, text) in rows {
        let (got, body) = engine.get(&path).unwrap();
        assert_eq!(got, status, "{path}: {body}");
        assert!(body.contains(text), "{path}: {body}");
    }
    for cli in BOTH {
        let ran = engine.cli(cli, ["stats", "--no-stream", "nosuch"]);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.err.contains("No such container: nosuch"), "{ran:?}");
        let text = engine.cli(cli, ["stats", "--no-stream"]).ok();
        assert_eq!(text, format!("{HEADING}\n"));
        let row = "stats     0.00%     0B / 0B             0.00%     0B / 0B   0B / 0B     0\n";
        let text = engine.cli(cli, ["stats", "-a", "--no-stream"]).ok();
        assert!(text.starts_with(HEADING) && text.ends_with(row), "{text}");
    }
    engine.finish();
}

#[test]
fn one_stream_for_containers_that_come_and_go() {
    let engine = Engine::start();
    engine.background("stays", &["-l", "kind=x"], &["sleep", "1000"]);
    engine.background("goes", &["-l", "kind=x"], &["sleep", "1000"]);
    engine.background("other", &[], &["sleep", "1000"]);
    let filter = "filters=%7B%22label%22%3A%5B%22kind%3Dx%22%5D%7D";
    let target = format!("/containers/stats?interval=100ms&fields=pids&{filter}");
    let mut lines = Lines::open(&engine, &target);
    let mut names = || {
        let line = lines.next().unwrap();
        (line["name"].as_str().unwrap().to_owned(), line["read"] != "0001-01-01T00:00:00Z")
    };
    assert_eq!(names(), ("/goes".to_owned(), true));
    assert_eq!(names(), ("/stays".to_owned(), true));
    engine.wharf(["kill", "goes"]).ok();
    engine.background("comes", &["-l", "kind=x"], &["sleep", "1000"]);
    let (mut ended, mut came) = (0, false);
    until("one has ended and another has come", || {
        let (name, runs) = names();
        assert_ne!(name, "/other");
        ended += usize::from(name == "/goes" && !runs);
        came |= name == "/comes" && runs;
        ended > 0 && came
    });
    for _ in 0..10 {
        assert_ne!(names().0, "/goes");
    }
    // A stream of one container outlives its end, and ends with its removal.
    let mut lines = Lines::open(&engine, "/containers/comes/stats?interval=100ms");
    let counts = |line: &Value| line["read"] != "0001-01-01T00:00:00Z";
    assert!(counts(&lines.next().unwrap()));
    engine.wharf(["kill", "comes"]).ok();
    until("it has ended", || !counts(&lines.next().unwrap()));
    engine.wharf(["start", "comes"]).ok();
    until("it runs again", || counts(&lines.next().unwrap()));
    engine.wharf(["rm", "-f", "comes"]).ok();
    until("it is removed", || lines.next().is_none());
    engine.finish();
}

#[test]
fn both_command_lines_show_them_live() {
    let engine = Engine::start();
    engine.background("one", &[], &["sleep", "1000"]);
    for cli in BOTH {
        let mut child = engine
            .command(cli, ["stats", "--no-trunc", "--format", "{{.ID}} {{.Name}} {{.PIDs}}"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let id = engine.inspect("one")["Id"].as_str().unwrap().to_owned();
        let mut wait_for = |name: &str, there: bool| {
            let mut text = String::new();
            let mut missing = 0;
            until(name, || {
                text.clear();
                lines.read_line(&mut text).unwrap();
                match text.contains(&format!(" {name} 1")) {
                    true => missing = 0,
                    false => missing += 1,
                }
                (missing == 0) == there && (there || missing > 6)
            });
            text.clone()
        };
        assert!(wait_for("one", true).contains(&format!("{id} one 1")));
        engine.background("two", &[], &["sleep", "1000"]);
        wait_for("two", true);
        engine.wharf(["rm", "-f", "two"]).ok();
        wait_for("two", false);
        sys::signal::kill(child.id() as i32, sys::libc::SIGINT).unwrap();
        // The docker command line writes a last screen, and must be able to.
        std::thread::scope(|scope| {
            scope.spawn(move || drop(lines.read_to_end(&mut Vec::new())));
            assert_eq!(child.wait().unwrap().code(), Some(130), "{cli:?}");
        });
    }
    let text = engine.wharf(["stats", "--interval", "99ms"]);
    assert_eq!(text.code, 1);
    assert!(text.err.contains("it must be between 100ms and 1h"), "{text:?}");
    let text = engine.wharf(["stats", "--no-stream", "--format", "json", "one"]).ok();
    let row: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&row["Container"], &row["Name"]), (&"one".into(), &"one".into()));
    engine.finish();
}

#[test]
fn clients_that_do_not_read_cost_nothing() {
    let engine = Engine::start();
    for number in 0..4 {
        engine.background(&format!("c{number}"), &[], &["sleep", "1000"]);
    }
    // One that takes nothing is left alone, and what it misses is not kept for it.
    let mut slow = Lines::open(&engine, "/containers/stats?interval=100ms");
    slow.next().unwrap();
    let waiting =
        |lines: &Lines| sys::rustix::io::ioctl_fionread(lines.0.get_ref().as_fd()).unwrap();
    let (mut before, mut since) = (0, Instant::now());
    until("nothing more is sent", || {
        let now = waiting(&slow);
        if now != before {
            (before, since) = (now, Instant::now());
        }
        since.elapsed() > Duration::from_millis(1500)
    });
    let stalled = Instant::now();
    let crowd: Vec<UnixStream> = (0..1000)
        .map(|_| {
            let mut stream = UnixStream::connect(engine.socket()).unwrap();
            stream.write_all(b"GET /containers/c0/stats HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
            stream
        })
        .collect();
    // The engine and its other clients go on.
    let begin = Instant::now();
    let text = engine.wharf(["stats", "--no-stream", "--format", "{{.Name}}"]).ok();
    assert_eq!(text, "c3\nc2\nc1\nc0\n");
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    until("all of the crowd have an answer", || {
        crowd.iter().all(|one| sys::rustix::io::ioctl_fionread(one.as_fd()).unwrap() > 0)
    });
    let status = std::fs::read_to_string(format!("/proc/{}/status", engine.pid())).unwrap();
    let resident = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
    let kib: u64 = resident.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(kib < 128 << 10, "{resident}");
    drop(crowd);
    // What is in the sockets is old; then comes what is new, without what was in between.
    let missed = stalled.elapsed().as_nanos() as f64;
    let mut last = nanos(&slow.next().unwrap(), "read");
    until("the gap", || {
        let read = nanos(&slow.next().unwrap(), "read");
        read - std::mem::replace(&mut last, read) > missed
    });
    drop(slow);
    engine.finish();
}
