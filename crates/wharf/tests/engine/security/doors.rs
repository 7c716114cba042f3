//! The ways to the engine: sockets, bodies of requests, races on what it mounts.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{canary, make_canary};
use crate::harness::{Cli, DEADLINE, Engine};

/// Sends bytes as they are; the status, or 0 when the connection was closed without one. `cut`:
/// no more will come.
fn raw(engine: &Engine, bytes: &[u8], cut: bool) -> (u16, String) {
    let mut stream = UnixStream::connect(engine.socket()).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    // An engine that has refused need not take the rest.
    drop(stream.write_all(bytes));
    if cut {
        drop(stream.shutdown(std::net::Shutdown::Write));
    }
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer));
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    (status, answer)
}

fn request(path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
         Content-Type: application/json\r\n{headers}\r\n"
    );
    [head.as_bytes(), body].concat()
}

fn with_length(path: &str, body: &[u8]) -> Vec<u8> {
    request(path, &format!("Content-Length: {}\r\n", body.len()), body)
}

fn chunked(path: &str, body: &[u8]) -> Vec<u8> {
    let chunks: Vec<u8> = body
        .chunks(7)
        .flat_map(|chunk| [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat())
        .collect();
    request(path, "Transfer-Encoding: chunked\r\n", &[&chunks[..], b"0\r\n\r\n"].concat())
}

/// What is decided is what is done, however a body is sent: one reading, no second one.
#[test]
fn sec_d05_a_body_means_one_thing() {
    let engine = Engine::start();
    engine.background("cc", &[], &["sleep", "1000"]);
    let create = "/containers/create";
    let good = br#"{"Image":"busybox","Cmd":["true"],"HostConfig":{"NetworkMode":"none"}}"#;
    for sent in [with_length(create, good), chunked(create, good)] {
        let (status, answer) = raw(&engine, &sent, false);
        assert_eq!(status, 201, "{answer}");
    }
    let routes = [create, "/containers/cc/exec", "/containers/cc/update", "/exec/none/start"];
    for path in routes {
        let length = format!("Content-Length: {}\r\n", good.len());
        let twice = format!("{length}Content-Length: 1\r\n");
        let both = format!("{length}Transfer-Encoding: chunked\r\n");
        let half = format!("Content-Length: {}\r\n", good.len() * 2);
        let rows: Vec<(&str, Vec<u8>)> = vec![
            ("two lengths", request(path, &twice, good)),
            ("length and chunks", request(path, &both, good)),
            ("cut short", request(path, &half, good)),
            ("bad length", request(path, "Content-Length: -1\r\n", good)),
            ("bad chunk", request(path, "Transfer-Encoding: chunked\r\n", b"zz\r\nx")),
            ("no JSON", with_length(path, b"{")),
            ("two values", with_length(path, b"{}{}")),
            ("a list", with_length(path, b"[]")),
            ("deep", with_length(path, "{\"Labels\":".repeat(100_000).as_bytes())),
            ("deep list", with_length(path, &vec![b'['; 1 << 20])),
            (
                "gzip",
                request(path, "Content-Encoding: gzip\r\nContent-Length: 3\r\n", b"\x1f\x8b\x08"),
            ),
            ("not UTF-8", with_length(path, b"{\"Image\":\"\xff\xfe\"}")),
            ("a bit too long", with_length(path, &padded(good, (4 << 20) + 1))),
        ];
        let count = || engine.wharf(["ps", "-aq"]).ok().lines().count();
        let before = count();
        for (what, bytes) in rows {
            let (status, answer) = raw(&engine, &bytes, what == "cut short");
            assert!(status == 0 || (400..500).contains(&status), "{path} {what}: {answer}");
            assert_eq!(count(), before, "{path} {what} made something");
        }
        let (status, answer) = raw(&engine, &with_length(path, &padded(good, 4 << 20)), false);
        assert!(status != 0 && status != 500, "{path} just fits: {answer}");
    }
    // A key twice is refused: two readers could take a different one.
    for twice in [
        r#"{"Image":"busybox","Cmd":["true"],"Image":"other"}"#,
        r#"{"Image":"busybox","Cmd":["true"],"HostConfig":{"Privileged":false,"Privileged":true}}"#,
        r#"{"Image":"busybox","Cmd":["true"],"HostConfig":{},"HostConfig":{"Privileged":true}}"#,
        r#"{"Image":"busybox","Cmd":["true"],"HostConfig":{"Memory":6291456,"Memory":0}}"#,
    ] {
        let (status, answer) = raw(&engine, &with_length(create, twice.as_bytes()), false);
        assert_eq!(status, 400, "{twice}: {answer}");
    }
    // A key in another case is another key: it takes nothing away and gives nothing.
    let shouted =
        br#"{"Image":"busybox","Cmd":["true"],"HostConfig":{"NetworkMode":"none","PRIVILEGED":true,
                       "privileged":true,"CAPADD":["ALL"]}}"#;
    let (status, answer) = raw(&engine, &with_length(create, shouted), false);
    assert_eq!(status, 201, "{answer}");
    let id = answer.split("\"Id\":\"").nth(1).and_then(|rest| rest.get(..64)).unwrap();
    let host = engine.inspect(id)["HostConfig"].clone();
    assert_eq!(host["Privileged"], false);
    assert!(host["CapAdd"].is_null(), "{host}");
    engine.finish();
}

/// The same body with blanks up to a size.
fn padded(body: &[u8], bytes: usize) -> Vec<u8> {
    let mut all = body.to_vec();
    all.resize(bytes, b' ');
    all
}

#[test]
fn sec_r10_the_engine_is_reached_by_those_who_may() {
    let engine = Engine::start();
    let wharf = format!("{}:/wharf:ro", env!("CARGO_BIN_EXE_wharf"));
    let run = format!("{}:/r", engine.run_dir().display());
    let ask = ["/wharf", "-H", "unix:///r/wharf.sock", "ps", "-q"];
    for user in ["1000", "65534:65534"] {
        let flags = ["run", "--rm", "--network", "host", "-u", user, "-v", &wharf, "-v", &run];
        let ran = engine.wharf([&flags[..], &["busybox"], &ask].concat());
        assert!(ran.code != 0 && ran.out.is_empty(), "user {user} was answered: {ran:?}");
    }
    // The test can fail: the host's root is answered.
    let flags = ["run", "--rm", "--network", "host", "-v", &wharf, "-v", &run];
    engine.wharf([&flags[..], &["busybox"], &ask].concat()).ok();
    // Nothing of ours listens on an abstract socket or on the network.
    let own = std::fs::read_to_string("/proc/net/unix").unwrap();
    assert!(!own.lines().any(|line| line.contains('@') && line.contains("wharf")), "{own}");
    let pids = std::fs::read_dir(format!("/proc/{}/fd", engine.pid())).unwrap();
    let sockets: Vec<String> = pids
        .flatten()
        .filter_map(|fd| std::fs::read_link(fd.path()).ok())
        .filter_map(|to| Some(to.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    for table in ["tcp", "tcp6", "udp", "udp6", "raw", "raw6"] {
        let rows = std::fs::read_to_string(format!("/proc/net/{table}")).unwrap_or_default();
        let ours = rows.lines().find(|row| {
            row.split_whitespace()
                .nth(9)
                .is_some_and(|inode| sockets.iter().any(|own| own == inode))
        });
        assert_eq!(ours, None, "{table}");
    }
    engine.finish();
}

#[test]
fn sec_r13_checkpoints_are_not_taken() {
    let engine = Engine::start();
    engine.background("cc", &[], &["sleep", "1000"]);
    let doors = [("GET", "checkpoints"), ("POST", "checkpoints"), ("DELETE", "checkpoints/x")];
    for (method, path) in doors {
        let (status, body) =
            engine.call(method, &format!("/containers/cc/{path}"), Some("{}")).unwrap();
        assert_eq!(status, 501, "{method} {path}: {body}");
    }
    engine.finish();
}

/// A directory of a shared volume is exchanged for a link again and again while mounts are made
/// below it: each lands inside the container's root or the start fails.
#[test]
fn sec_r04_mounts_below_a_directory_that_becomes_a_link() {
    use sys::rustix::fs::{CWD, RenameFlags, renameat_with};
    let engine = Engine::start();
    let canary_dir = make_canary(&engine);
    let shared = engine.dir.path().join("shared");
    std::fs::create_dir_all(shared.join("dir/below")).unwrap();
    let up = format!("../../../../../../../../..{}", canary_dir.display());
    std::os::unix::fs::symlink(up, shared.join("link")).unwrap();
    let before = canary(&canary_dir);
    let ended = AtomicBool::new(false);
    let (dir, link) = (shared.join("dir"), shared.join("link"));
    std::thread::scope(|scope| {
        let swapper = scope.spawn(|| {
            let mut count = 0u64;
            while !ended.load(Ordering::Relaxed) {
                renameat_with(CWD, &dir, CWD, &link, RenameFlags::EXCHANGE).unwrap();
                count += 1;
            }
            count
        });
        let bind = format!("{}:/s", shared.display());
        let script = "echo x > /s/dir/below/mark; echo x > /s/dir/sub/mark; \
                      grep -c ' /s/dir' /proc/self/mountinfo";
        let mut inside = 0;
        for round in 0..24 {
            let place = ["/s/dir/below", "/s/dir/sub", "/s/dir/file"][round % 3];
            let flags = ["-v", &bind, "--tmpfs", place, "-w", "/s/dir"];
            let ran = engine.run(Cli::Wharf, &flags, &["sh", "-c", script]);
            inside += u32::from(ran.out.trim() == "1");
        }
        ended.store(true, Ordering::Relaxed);
        let swaps = swapper.join().unwrap();
        assert!(swaps > 1000, "the race was none: {swaps}");
        assert!(inside > 0, "no start ever succeeded");
    });
    assert_eq!(canary(&canary_dir), before);
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(canary_dir.to_str().unwrap()), "a mount on the host");
    assert_eq!(engine.wharf(["ps", "-aq"]).ok(), "");
    engine.finish();
}

/// What an image says of devices, hooks and loaders is heard by nobody (CDI, NVIDIA's hooks).
#[test]
fn sec_r14_an_image_asks_for_nothing() {
    let engine = Engine::start();
    let marker = engine.dir.path().join("marker");
    let preload = format!("ENV LD_PRELOAD={0} LD_LIBRARY_PATH={0} LD_AUDIT={0}", marker.display());
    let changes = [
        "LABEL cdi.k8s.io/all=vendor.com/device=all",
        "LABEL io.wharf.privileged=true com.docker.privileged=true io.containerd.restart=always",
        "ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=all",
        &preload,
        "ENV PATH=/bin",
    ];
    let tar = engine.busybox();
    let mut import = vec!["import"];
    changes.iter().for_each(|change| import.extend(["-c", change]));
    import.extend([tar.to_str().unwrap(), "asks"]);
    engine.wharf(import).ok();
    let show = ["sh", "-c", "ls /dev | tr '\\n' ' '; grep CapEff /proc/self/status"];
    let asks =
        engine.wharf([&["run", "--rm", "--network", "none", "asks"], &show[..]].concat()).ok();
    let plain = engine.run(Cli::Wharf, &[], &show).ok();
    assert_eq!(asks, plain);
    assert!(!marker.exists());
    let device = engine.run(Cli::Wharf, &["--device", "vendor.com/device=all"], &["true"]);
    assert_eq!(device.code, 125, "{device:?}");
    engine.finish();
}
