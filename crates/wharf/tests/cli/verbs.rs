//! Verbs that do their work: output, exit code and requests.

use std::path::Path;

use docker_api::{
    ContainerInspect, ContainerSummary, ImageInspect, ImageSummary, Port, TopResponse,
};
use serde_json::{Value, json};

use crate::docker::{Ran, docker, require, wharf};
use crate::fake::{FakeEngine, Heard};

/// Words of a command line, and its standard input.
const LINES: &[(&str, &str)] = &[
    ("run x", ""),
    ("run -i x cat", "typed\n"),
    ("run --rm x", ""),
    ("run -a stdout -a stderr x", ""),
    ("run --name conflict x", ""),
    ("run missing", ""),
    ("run --pull never missing", ""),
    ("run --name nocmd x nosuchcmd", ""),
    ("run -it x", ""),
    ("run UPPER", ""),
    ("run --cidfile ids x", ""),
    ("create --name a x", ""),
    ("create missing", ""),
    ("create --cpu-count 1 --io-maxiops 5 x", ""),
    ("run --cpu-percent 1 x", ""),
    ("start a b", ""),
    ("start nosuch", ""),
    ("exec -e A=1 -w /w -u u a sh -c x", ""),
    ("exec -i a cat", "typed\n"),
    ("exec -d a x", ""),
    ("exec nosuch x", ""),
    ("stop a b", ""),
    ("stop -t 3 -s INT a", ""),
    ("stop a nosuch", ""),
    ("restart -t 1 a", ""),
    ("kill -s TERM a", ""),
    ("pause a", ""),
    ("unpause a", ""),
    ("wait a b", ""),
    ("wait nosuch", ""),
    ("rm -f -v a nosuch", ""),
    ("rm a", ""),
    ("rm nosuch", ""),
    ("rename a b", ""),
    ("rename nosuch b", ""),
    ("ps", ""),
    ("ps -a -q --no-trunc", ""),
    ("ps -s --filter status=exited --filter label=a=b", ""),
    ("ps -l", ""),
    ("ps -n 2 --format json", ""),
    ("ps --format {{.Names}};{{.Ports}};{{.Label;\"k\"}}", ""),
    ("ps --format table;{{.ID}}\\t{{.Mounts}}\\t{{.Networks}}", ""),
    ("ps --format {{json;.}}", ""),
    ("ps --format {{", ""),
    ("ps --format {{.Nope}}", ""),
    ("images", ""),
    ("images -a --digests --no-trunc", ""),
    ("images -q", ""),
    ("images --format json re*", ""),
    ("image ls --format {{.Repository}}:{{.Tag}}", ""),
    ("images --format {{", ""),
    ("images --format {{.Nope}}", ""),
    ("inspect -f {{ a", ""),
    ("events --format {{", ""),
    ("events --until 5 --format json", ""),
    ("events --until 5 --format {{.Actor.Attributes.name}}", ""),
    ("tag a b:c", ""),
    ("tag a localhost:5000/x", ""),
    ("rmi a nosuch", ""),
    ("rmi -f nosuch", ""),
    ("logs -t -n 5 a", ""),
    ("logs nosuch", ""),
    ("top a", ""),
    ("top a -o pid,comm", ""),
    ("inspect a", ""),
    ("inspect nosuch", ""),
    ("inspect -f {{.Name}};{{.State.Pid}} a", ""),
    ("inspect -f {{.NoSuch}} a", ""),
    ("inspect -f {{json;.Config.Labels}} a", ""),
    ("inspect -f {{index;.Config.Labels;\"none\"}}x a", ""),
    ("inspect -f {{.Id}} nosuch", ""),
    ("inspect --type image a", ""),
    ("container inspect a nosuch", ""),
    ("image inspect -f {{.RepoTags}};{{.Size}} a", ""),
    ("load -q", "archive"),
    ("import - a:b", "archive"),
    ("events --until 5 --filter type=container", ""),
    ("attach --no-stdin a", ""),
    ("update -m 64m --memory-swap -1 --memory-reservation 8m a", ""),
    ("update --cpus 1.5 -c 5 --cpuset-cpus 0 --cpuset-mems 0 a", ""),
    ("update --cpu-period 1000 --cpu-quota 5000 --cpu-rt-period 1 --cpu-rt-runtime 2 a", ""),
    ("update --pids-limit 5 --blkio-weight 100 --restart on-failure:3 a nosuch b", ""),
    ("update --pids-limit 0 a", ""),
    ("update --restart on-failure:x a", ""),
    ("update a", ""),
    ("container update --restart no a", ""),
    ("port a", ""),
    ("port a 80", ""),
    ("port a 80/udp", ""),
    ("port a 8080/tcp", ""),
    ("port a x", ""),
    ("port a 99999", ""),
    ("container port nosuch", ""),
    ("container prune", ""),
    ("container prune", "y\n"),
    ("container prune", "Y\n"),
    ("container prune", "yes\n"),
    ("container prune -f --filter until=1h --filter label!=x", ""),
    ("image prune", "n\n"),
    ("image prune -a", "y\n"),
    ("image prune -f --filter label=x", ""),
    ("system prune", ""),
    ("system prune", "y\n"),
    ("system prune -a --volumes", "n\n"),
    ("system prune -a --volumes --filter label=b --filter label!=a", "y\n"),
    ("system prune --volumes --filter until=5h", ""),
    ("system prune -f --filter until=24h", ""),
    ("system df", ""),
    ("system df --format json", ""),
    ("system df --format {{.Type}};{{.Reclaimable}}", ""),
    ("system df --format table;{{.Type}}\\t{{.Size}}", ""),
    ("system df --format {{", ""),
    ("system df -v", ""),
    ("system df -v --format json", ""),
    ("system df -v --format {{json;.Images}}", ""),
    ("system df -v --format {{len;.Containers}}", ""),
    ("system df -v --format {{range;.Volumes}}{{.Name}};{{.Size}};{{end}}", ""),
];

/// The fake engine's answers that need no state.
pub fn answer(method: &str, parts: &[&str], request: &Heard) -> (u16, String) {
    // As text, so that keys keep the order of the API.
    match (method, parts) {
        ("GET", ["containers", id, "json"]) if *id != "nosuch" => {
            (200, serde_json::to_string(&inspect()).unwrap())
        }
        ("GET", ["images", id, "json"]) if *id != "nosuch" => {
            (200, serde_json::to_string(&image_inspect()).unwrap())
        }
        _ if let Some(answer) = crate::registries::answer(method, parts, request) => answer,
        _ => {
            let (status, body) = value(method, parts, request);
            (status, if body.is_null() { String::new() } else { body.to_string() })
        }
    }
}

fn value(method: &str, parts: &[&str], request: &Heard) -> (u16, Value) {
    let no = |what: &str| (404, json!({ "message": format!("No such {what}: nosuch") }));
    match (method, parts) {
        ("POST", ["containers", "create"]) => create(request),
        ("POST", ["containers", "nosuch", ..]) | ("DELETE", ["containers", "nosuch"]) => {
            no("container")
        }
        ("GET", ["containers", "nosuch", ..]) => no("container"),
        ("GET" | "DELETE", ["images", "nosuch", ..]) => no("image"),
        ("GET", ["containers", "json"]) => (200, json!([container()])),
        ("POST", ["containers", _, "update"]) => (200, json!({"Warnings": ["w1", "w2"]})),
        ("GET", ["containers", _, "top"]) => (200, json!(top())),
        ("POST", ["containers", _, "exec"]) => (201, json!({"Id": "e1"})),
        ("POST", ["containers", _, "start"]) => (
            400,
            json!({"message": "failed to create task: exec: \"nosuchcmd\": executable file not \
                               found in $PATH"}),
        ),
        ("GET", ["exec", "e1", "json"]) => (200, json!({"ID": "e1", "ExitCode": 4})),
        ("GET", ["images", "json"]) => (200, json!([image(), ImageSummary::default()])),
        ("DELETE", ["images", _]) => (200, json!([{"Untagged": "a"}, {"Deleted": "sha256:1"}])),
        ("POST", ["images", "create"]) if request.path.contains("fromImage") => {
            (500, json!({"message": "no network here"}))
        }
        ("POST", ["images", "create"]) => (200, json!({"status": "sha256:1"})),
        ("POST", ["images", "load"]) => (200, json!({"stream": "Loaded image: a:b\n"})),
        ("POST", ["images", _, "tag"]) => (201, Value::Null),
        ("GET", ["info"]) => (200, json!({})),
        ("POST", ["exec", "e1", "start"]) => (200, Value::Null),
        ("GET", ["events"]) => (200, event()),
        ("POST", [kind, "prune"]) => (200, pruned(kind)),
        ("GET", ["system", "df"]) => (200, disk_usage()),
        ("GET" | "HEAD", ["_ping"]) => (200, Value::Null),
        ("POST" | "DELETE", ["containers", ..] | ["exec", ..]) => (204, Value::Null),
        _ => (404, json!({"message": "page not found"})),
    }
}

fn create(request: &Heard) -> (u16, Value) {
    if request.body["Image"] == "missing" {
        return (404, json!({"message": "No such image: missing:latest"}));
    }
    if request.path.contains("name=conflict") {
        return (409, json!({"message": "Conflict. The container name is in use."}));
    }
    let name = if request.path.contains("name=nocmd") { "nocmd" } else { "c" };
    (201, json!({"Id": format!("{name:0<64}"), "Warnings": ["careful"]}))
}

fn container() -> ContainerSummary {
    ContainerSummary {
        id: format!("{:0<64}", "3fe92113bd37"),
        names: vec!["/web".into()],
        image: "bb".into(),
        command: "sh -c 'trap \"echo got TERM; exit 7\" TERM'".into(),
        created: 1_000_000_000,
        ports: vec![Port {
            ip: "0.0.0.0".into(),
            private_port: 80,
            public_port: 8080,
            protocol: "tcp".into(),
        }],
        size_rw: 3,
        size_root_fs: 1_982_315,
        labels: Some([("k".to_owned(), "v".to_owned()), ("a".to_owned(), "<b>".to_owned())].into()),
        state: "running".into(),
        status: "Up 2 seconds".into(),
        ..ContainerSummary::default()
    }
}

fn image() -> ImageSummary {
    ImageSummary {
        id: format!("sha256:{:0<64}", "dd043c441dd1"),
        repo_tags: Some(vec!["bb:latest".into(), "host:5000/a/b:1".into()]),
        repo_digests: Some(vec![format!("bb@sha256:{:0<64}", "1")]),
        created: 1_000_000_000,
        size: 1_982_312,
        shared_size: -1,
        containers: -1,
        ..ImageSummary::default()
    }
}

fn image_inspect() -> ImageInspect {
    ImageInspect {
        id: "sha256:1".into(),
        repo_tags: vec!["a:latest".into()],
        size: 5,
        ..ImageInspect::default()
    }
}

fn inspect() -> ContainerInspect {
    let mut inspect = ContainerInspect { id: format!("{:a<64}", ""), ..Default::default() };
    inspect.name = "/web".into();
    inspect.state.running = true;
    inspect.state.pid = 7;
    inspect.config.labels = Some([("a".to_owned(), "<b>".to_owned())].into());
    inspect.config.cmd = Some(vec!["sh".into()]);
    let at = |ip: &str, port: &str| docker_api::PortBinding {
        host_ip: ip.to_owned(),
        host_port: port.to_owned(),
    };
    inspect.network_settings.ports = Some(
        [
            ("80/tcp", Some(vec![at("0.0.0.0", "8080"), at("::", "8080")])),
            ("9/udp", Some(vec![at("127.0.0.1", "900")])),
            ("443/tcp", None),
        ]
        .map(|(port, bindings)| (port.to_owned(), bindings))
        .into(),
    );
    inspect
}

fn top() -> TopResponse {
    let words = |line: &str| line.split(' ').map(str::to_owned).collect();
    TopResponse {
        titles: Some(words("UID PID CMD")),
        processes: Some(vec![words("root 1 httpd"), words("a-user-with-a-long-name 23 x")]),
    }
}

fn pruned(kind: &str) -> Value {
    match kind {
        "containers" => json!({"ContainersDeleted": ["c1", "c2"], "SpaceReclaimed": 1_515_151}),
        "images" => json!({
            "ImagesDeleted": [{"Untagged": "a:b"}, {"Deleted": "sha256:1"}],
            "SpaceReclaimed": 2_000_000
        }),
        "networks" => json!({"NetworksDeleted": ["n1"]}),
        "volumes" => json!({"VolumesDeleted": ["v1"], "SpaceReclaimed": 7}),
        _ => json!({"CachesDeleted": ["b1"], "SpaceReclaimed": 11}),
    }
}

fn disk_usage() -> Value {
    let image = |id: &str, tags: Value, size, shared, containers| {
        json!({
            "Id": format!("sha256:{id:0<64}"), "RepoTags": tags, "RepoDigests": null,
            "Created": 1_000_000_000, "Size": size, "SharedSize": shared,
            "Containers": containers, "Labels": {"k": "<v>"}
        })
    };
    let mut running = container();
    running.size_rw = 2_555;
    let exited = ContainerSummary {
        state: "exited".into(),
        status: "Exited (0) 2 hours ago".into(),
        names: vec!["/old".into()],
        size_rw: 1_000_000,
        ..container()
    };
    json!({
        "LayersSize": 5_000_000,
        "Images": [
            image("a1", json!(["bb:latest", "cc:1"]), 3_000_000, 1_000_000, 2),
            image("b2", json!(null), 1_555_555, 0, 0),
            image("c3", json!([]), 70, -1, 1),
        ],
        "Containers": [running, exited],
        "Volumes": [
            {"Name": "v1", "Driver": "local", "Mountpoint": "/v/v1", "Labels": {"a": "b"},
             "Scope": "local", "UsageData": {"RefCount": 1, "Size": 4096}},
            {"Name": "v2", "Driver": "local", "Mountpoint": "/v/v2", "Labels": null,
             "Scope": "local", "UsageData": {"RefCount": 0, "Size": 123_456}},
        ],
        "BuildCache": [
            {"ID": "bcbcbcbcbcbcbcbc", "Type": "regular", "Description": "d", "InUse": false,
             "Shared": false, "Size": 4_000, "CreatedAt": "2024-01-02T03:04:05Z",
             "LastUsedAt": "2024-01-02T03:04:05Z", "UsageCount": 3},
            {"ID": "x", "Type": "source.local", "InUse": true, "Shared": true, "Size": 9,
             "CreatedAt": "2024-01-02T03:04:05Z", "LastUsedAt": null, "UsageCount": 0},
        ],
        "BuilderSize": 4_000
    })
}

fn event() -> Value {
    json!({
        "status": "start", "id": "abc", "from": "bb", "Type": "container", "Action": "start",
        "Actor": {"ID": "abc", "Attributes": {"name": "web", "image": "bb"}},
        "scope": "local", "time": 1, "timeNano": 1_000_000_005_u64
    })
}

/// Requests that differ for a reason.
fn comparable(heard: Vec<Heard>, words: &[String]) -> Vec<Heard> {
    let mut kept: Vec<Heard> = Vec::new();
    for request in heard {
        // Docker asks for kinds of objects that we do not have.
        let foreign = request.path.starts_with("/plugins") || request.path == "/info";
        // Docker asks the same twice.
        let again = kept.last() == Some(&request) && request.method == "GET";
        if !foreign && !again {
            kept.push(request);
        }
    }
    // Docker looks again whether the container runs.
    if words[0] == "attach" {
        let first = kept.iter().position(|request| request.method == "GET");
        let mut at = 0..;
        kept.retain(|request| at.next() == first || request.method != "GET");
    }
    // When input ends is up to the other end.
    kept.sort_by_key(|request| request.method == "INPUT");
    // Docker makes these at once, in whatever order.
    if !["run", "exec", "start", "attach", "inspect"].contains(&words[0].as_str()) {
        kept.sort_by(|a, b| a.path.cmp(&b.path));
    }
    kept
}

#[test]
fn do_what_docker_does() {
    require();
    type Program = fn(&[String], &str, &Path, &str) -> Ran;
    let mut different = Vec::new();
    for (line, stdin) in LINES {
        let words: Vec<String> = line.split(' ').map(|word| word.replace(';', " ")).collect();
        let observe = |program: Program| {
            let directory = tempfile::tempdir().unwrap();
            let engine = FakeEngine::start(directory.path());
            let mut ran = program(&words, &engine.host, directory.path(), stdin);
            // These come in an order that changes from run to run.
            let mut lines: Vec<&str> = ran.stdout.lines().collect();
            if ["stop", "rm", "images", "image"].contains(&words[0].as_str()) {
                lines.sort_unstable();
                ran.stdout = lines.join("\n");
            }
            (ran, comparable(engine.heard(), &words))
        };
        let ((ours, our_requests), (theirs, their_requests)) = (observe(wharf), observe(docker));
        if ours != theirs {
            different.push(format!("{line}\nours:   {ours:?}\ntheirs: {theirs:?}\n"));
        }
        if our_requests != their_requests {
            different
                .push(format!("{line}\nours:   {our_requests:?}\ntheirs: {their_requests:?}\n"));
        }
    }
    assert!(different.is_empty(), "{} differ:\n{}", different.len(), different.join("\n"));
}

#[test]
fn run_detached_prints_the_id() {
    let directory = tempfile::tempdir().unwrap();
    let engine = FakeEngine::start(directory.path());
    let words = ["run", "-d", "--name", "a", "x"].map(str::to_owned);
    let ran = wharf(&words, &engine.host, directory.path(), "");
    assert_eq!((ran.stdout.trim(), ran.code), (format!("{:0<64}", "c").as_str(), Some(0)));
    let paths: Vec<String> = engine.heard().into_iter().map(|request| request.path).collect();
    assert_eq!(paths, ["/containers/create?name=a", &format!("/containers/{:0<64}/start", "c")]);
}
