//! The socket itself.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::harness::{Engine, until};

#[test]
fn versions_are_negotiated() {
    let engine = Engine::empty();
    let too_new = "{\"message\":\"client version 1.99 is too new. Maximum supported API version \
                   is 1.51\"}";
    let too_old = "client version 1.11 is too old. Minimum supported API version is 1.24, please \
                   upgrade your client to a newer version";
    let rows = [
        ("/_ping", 200, "OK"),
        ("/v1.24/_ping", 200, "OK"),
        ("/v1.51/version", 200, "\"ApiVersion\":\"1.51\""),
        ("/v1.99/version", 400, too_new),
        ("/v1.11/version", 400, too_old),
        ("/v1.41/nonexistent", 404, "{\"message\":\"page not found\"}"),
        ("/swarm", 503, "This node is not a swarm manager"),
        ("/plugins", 200, "[]"),
        ("/containers/json?filters=%7B%22label%22%3A%5B%22a%3Db%22%5D%7D&all=True", 200, "[]"),
        ("/containers/json?filters=x", 400, "invalid filter"),
        ("/containers/x/logs", 400, "you must choose at least one stream"),
    ];
    for (path, status, text) in rows {
        let (got, body) = engine.get(path).unwrap();
        assert_eq!(got, status, "{path}: {body}");
        assert!(body.contains(text), "{path}: {body}");
    }
    engine.finish();
}

/// Every key that dockerd sends is sent.
fn same_keys(golden: &Value, ours: &Value, path: &str, missing: &mut Vec<String>) {
    match (golden, ours) {
        (Value::Object(golden), Value::Object(ours)) => {
            for (key, value) in golden {
                let path = format!("{path}.{key}");
                match ours.get(key) {
                    None => missing.push(path),
                    Some(other) => same_keys(value, other, &path, missing),
                }
            }
        }
        (Value::Array(golden), Value::Array(ours)) => {
            if let (Some(golden), Some(ours)) = (golden.first(), ours.first()) {
                same_keys(golden, ours, path, missing);
            }
        }
        _ => {}
    }
}

fn golden(name: &str) -> Value {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../../conformance/reference/dockerd-28");
    let text = std::fs::read_to_string(format!("{dir}/{name}.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn answers_carry_every_key_that_dockerd_sends() {
    let engine = Engine::start();
    engine.background("js", &["-l", "l=m", "-e", "A=1"], &["sleep", "1000"]);
    for (name, path, allowed) in [
        // What belongs to a health check, networks, volumes and ports this container has not.
        (
            "container-inspect",
            "/containers/js/json?size=1",
            &[
                ".State.Health",
                ".Config.ExposedPorts",
                ".Config.Healthcheck",
                ".NetworkSettings.Networks.bridge",
                ".NetworkSettings.Ports",
                ".HostConfig.PortBindings",
                ".Mounts",
            ][..],
        ),
        ("containers", "/containers/json?size=1", &[".NetworkSettings.Networks.bridge"]),
        // Where layers lie is the store's own affair.
        ("image-inspect", "/images/busybox/json", &[".GraphDriver.Data"]),
        ("images", "/images/json", &[]),
        ("version", "/version", &[]),
        // The first two are left out by dockerd as well where there is nothing to say.
        (
            "info",
            "/info",
            &[
                ".FirewallBackend",
                ".KernelMemoryTCP",
                ".Containerd",
                ".Runtimes",
                ".Swarm",
                ".RegistryConfig",
            ],
        ),
        ("top", "/containers/js/top", &[]),
        // There is no network to count.
        ("stats", "/containers/js/stats?stream=false", &[".networks"]),
        ("history", "/images/busybox/history", &[]),
    ] {
        let (status, body) = engine.get(path).unwrap();
        assert_eq!(status, 200, "{path}: {body}");
        let mut missing = Vec::new();
        same_keys(&golden(name), &serde_json::from_str(&body).unwrap(), "", &mut missing);
        missing.retain(|key| !allowed.iter().any(|allowed| key.starts_with(allowed)));
        assert_eq!(missing, Vec::<String>::new(), "{path}");
    }
    engine.finish();
}

#[test]
fn events_are_told_in_dockers_order() {
    let engine = Engine::start();
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    engine.wharf(["run", "--rm", "--name", "ev", "--network", "none", "busybox", "true"]).ok();
    crate::harness::until("it is gone", || engine.get("/containers/ev/json").unwrap().0 == 404);
    // Rounded up, so that the last event is before it.
    let until = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 1;
    let path = format!("/events?since={since}&until={until}");
    let (status, body) = engine.get(&path).unwrap();
    assert_eq!(status, 200);
    let actions: Vec<String> = body
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|event| event["Type"] == "container")
        .map(|event| event["Action"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(actions, ["create", "attach", "start", "die", "destroy"]);
    // Its network is told of, too, and by every filter that names one of them.
    let of = |filters: &str| {
        let (status, body) = engine.get(&format!("{path}&filters={filters}")).unwrap();
        assert_eq!(status, 200, "{filters}: {body}");
        let events = body.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let of_container = |event: &Value| event["Type"] != "image";
        let words = events.filter(of_container).map(|e| e["Action"].as_str().unwrap().to_owned());
        words.collect::<Vec<_>>().join(" ")
    };
    let all = "create attach connect start disconnect die destroy";
    for (filters, expect) in [
        ("", all),
        ("{%22network%22:[%22none%22]}", "connect disconnect"),
        ("{%22type%22:[%22network%22]}", "connect disconnect"),
        ("{%22container%22:[%22ev%22]}", "create attach start die destroy"),
        ("{%22event%22:[%22die%22,%22start%22]}", "start die"),
        ("{%22image%22:[%22busybox%22],%22event%22:[%22start%22]}", "start"),
        ("{%22scope%22:[%22local%22]}", all),
        ("{%22scope%22:[%22swarm%22]}", ""),
        ("{%22daemon%22:[%22x%22]}", ""),
        ("{%22plugin%22:[%22x%22]}", ""),
        ("{%22volume%22:[%22x%22]}", ""),
        ("{%22label%22:[%22x%22]}", ""),
        ("{%22unknown%22:[%22x%22]}", all),
    ] {
        assert_eq!(of(filters), expect, "{filters}");
    }
    let (status, body) = engine.get("/events?since=200&until=100").unwrap();
    let text = "`since` time (200) cannot be after `until` time (100)";
    assert_eq!((status, body.contains(text)), (400, true), "{body}");
    engine.finish();
}

#[test]
fn creation_by_json_is_checked() {
    let engine = Engine::start();
    let with = |host_config: Value| json!({"Image": "busybox", "HostConfig": host_config});
    let rows = [
        (json!({}), 400, "config cannot be empty in order to create a container"),
        (with(json!({"Memory": 1})), 400, "Minimum memory limit"),
        (json!({"Image": "nosuch"}), 404, "No such image: nosuch"),
        (with(json!({"RestartPolicy": {"Name": "bogus"}})), 400, "bogus"),
        (with(json!({"NetworkMode": "mynet"})), 501, "has no networks yet"),
    ];
    for (body, status, text) in rows {
        let (got, answer) = engine.post("/containers/create", &body);
        assert_eq!(got, status, "{body}: {answer}");
        assert!(answer.contains(text), "{body}: {answer}");
    }
    let (status, _) = engine.call("POST", "/containers/create", Some("{")).unwrap();
    assert_eq!(status, 400);
    engine.finish();
}

#[test]
fn an_exec_is_framed_as_its_start_says() {
    let engine = Engine::start();
    engine.background("ex", &[], &["sleep", "1000"]);
    // docker-py starts execs with a terminal without saying so again, and reads frames.
    for (with_terminal, start_says, answer) in [
        (true, true, "hi"),
        (true, false, "\u{1}\0\0\0\0\0\0\u{2}hi"),
        (false, false, "\u{1}\0\0\0\0\0\0\u{2}hi"),
        (false, true, "hi"),
    ] {
        let wish = json!({"Cmd": ["printf", "hi"], "AttachStdout": true, "Tty": with_terminal});
        let (status, body) = engine.post("/containers/ex/exec", &wish);
        assert_eq!(status, 201, "{body}");
        let made: Value = serde_json::from_str(&body).unwrap();
        let path = format!("/exec/{}/start", made["Id"].as_str().unwrap());
        assert_eq!(engine.post(&path, &json!({"Tty": start_says})), (200, answer.to_owned()));
    }
    engine.finish();
}

#[test]
fn a_refused_import_is_answered_while_its_archive_still_comes() {
    let engine = Engine::start();
    // More than the socket holds: a client that is cut off would see a broken pipe.
    let archive = vec![b'x'; 8 << 20];
    let args = ["import", "--change", "BOGUS x", "-", "imported:1"];
    let ran = engine.with_input(crate::harness::Cli::Docker, &args, &archive);
    let refused = "Error response from daemon: BOGUS is not a valid change command";
    assert_eq!((ran.code, ran.err.trim()), (1, refused));
    engine.finish();
}

#[test]
fn events_say_who_called() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;

    use crate::harness::Cli;
    let engine = Engine::prepared(|dir| {
        std::fs::set_permissions(dir, PermissionsExt::from_mode(0o711)).unwrap();
        Vec::new()
    });
    std::fs::set_permissions(engine.socket(), PermissionsExt::from_mode(0o666)).unwrap();
    let begin = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    // The docker command line, for it lies where everybody can reach it.
    let run = ["run", "--name", "xx", "--network", "none", "busybox", "true"];
    let mut command = engine.command(Cli::Docker, run);
    let output = command.uid(12345).gid(23456).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    engine.wharf(["rm", "xx"]).ok();
    let until = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 1;
    let filters = "%7B%22type%22%3A%5B%22container%22%5D%7D";
    let path = format!("/events?since={begin}&until={until}&filters={filters}");
    let (_, body) = engine.get(&path).unwrap();
    let mut seen = Vec::new();
    for line in body.lines().filter(|line| !line.is_empty()) {
        let event: Value = serde_json::from_str(line).unwrap();
        let caller = &event["Caller"];
        let attributes = event["Actor"]["Attributes"].as_object().unwrap();
        assert!(attributes.keys().all(|key| !key.to_lowercase().contains("caller")), "{line}");
        seen.push((event["Action"].clone(), caller["Uid"].clone(), caller["Gid"].clone()));
        assert_eq!(caller["Pid"].as_i64().is_some(), !caller.is_null(), "{line}");
    }
    let user = |action: &str| (json!(action), json!(12345), json!(23456));
    let expected = [
        user("create"),
        user("attach"),
        user("start"),
        // Nobody asked a container to end by itself.
        (json!("die"), Value::Null, Value::Null),
        (json!("destroy"), json!(0), json!(0)),
    ];
    assert_eq!(seen, expected);
    engine.finish();
}

#[test]
fn no_output_comes_along_with_the_head_of_an_upgrade() {
    use std::io::{Read, Write};
    let engine = Engine::start();
    engine.background("up", &[], &["sleep", "1000"]);
    let wish = json!({"Cmd": ["printf", "hi"], "AttachStdout": true});
    let (_, body) = engine.post("/containers/up/exec", &wish);
    let made: Value = serde_json::from_str(&body).unwrap();
    let mut client = std::os::unix::net::UnixStream::connect(engine.socket()).unwrap();
    let path = format!("/exec/{}/start", made["Id"].as_str().unwrap());
    write!(
        client,
        "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\
         Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}"
    )
    .unwrap();
    // A client that is slow to read, as docker-py: what it reads beyond the head is lost to it.
    std::thread::sleep(std::time::Duration::from_millis(50));
    let mut head = [0; 8192];
    let count = client.read(&mut head).unwrap();
    let head = String::from_utf8_lossy(&head[..count]);
    assert!(head.starts_with("HTTP/1.1 101") && head.ends_with("\r\n\r\n"), "{head}");
    let mut output = Vec::new();
    client.read_to_end(&mut output).unwrap();
    assert_eq!(output, b"\x01\0\0\0\0\0\0\x02hi");
    engine.finish();
}

#[test]
fn who_leaves_gives_the_connection_back() {
    use std::io::{Read, Write};
    let engine = Engine::start();
    engine.background("quiet", &[], &["sleep", "1000"]);
    let sockets = || {
        let descriptors = std::fs::read_dir(format!("/proc/{}/fd", engine.pid())).unwrap();
        let targets = descriptors.flatten().filter_map(|one| std::fs::read_link(one.path()).ok());
        targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count()
    };
    let before = sockets();
    for request in [
        "GET /containers/quiet/logs?follow=1&stdout=1",
        "GET /events",
        "POST /containers/quiet/wait",
    ] {
        let mut client = std::os::unix::net::UnixStream::connect(engine.socket()).unwrap();
        write!(client, "{request} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").unwrap();
        client.read_exact(&mut [0; 12]).unwrap();
        assert!(sockets() > before, "{request}");
        drop(client);
        until(request, || sockets() == before);
    }
    engine.finish();
}

#[test]
fn who_said_all_and_left_is_served() {
    use std::io::Write;
    let engine = Engine::start();
    let wish = json!({
        "Image": "busybox", "Cmd": ["true"], "HostConfig": {"NetworkMode": "none"},
        "Labels": {"long": "x".repeat(200_000)},
    });
    for name in ["one", "two", "three"] {
        let mut client = std::os::unix::net::UnixStream::connect(engine.socket()).unwrap();
        let body = wish.to_string();
        let length = body.len();
        let request = format!(
            "POST /containers/create?name={name} HTTP/1.1\r\nHost: x\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        client.write_all(request.as_bytes()).unwrap();
        drop(client);
        let is_there = || engine.get(&format!("/containers/{name}/json")).unwrap().0 == 200;
        until("it is made all the same", is_there);
    }
    engine.finish();
}
