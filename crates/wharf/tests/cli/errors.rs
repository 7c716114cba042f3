//! Command lines that are wrong.

use crate::docker::{docker, require, wharf};

/// `''` is an empty word.
const WRONG: &[&str] = &[
    "run",
    "run -z",
    "run -itz x",
    "run --nope",
    "run ---x a",
    "run --=x a",
    "run -d",
    "run --memory foo x",
    "run --memory",
    "run -m",
    "run -h",
    "run --memory 5x x",
    "run --cpus abc x",
    "run --cpus 0.0000000001 x",
    "run --init=foo x",
    "run -it=foo x",
    "run -a foo x",
    "run --mount foo x",
    "run --mount type=bind,src=/a x",
    "run --mount type=bind,src=/a,dst=/b,ro=x x",
    "run --mount type=bind,src=/a,dst=/b,volume-nocopy x",
    "run --mount type=bind,src=/a,dst=/b,foo=bar x",
    "run --mount type=bind,src=/a,dst=/b,bind-recursive=foo x",
    "run --mount type=bind,src=/a,dst=/b,bind-recursive=writable x",
    "run --mount type=tmpfs,dst=/b,tmpfs-mode=x x",
    "run --ulimit foo x",
    "run --ulimit foo=5 x",
    "run --ulimit nofile=2:1 x",
    "run --ulimit nofile=1:2:3 x",
    "run --ulimit nofile=x x",
    "run --restart on-failure:x x",
    "run --restart :3 x",
    "run --rm --restart always x",
    "run -p abc:def x",
    "run -p 99999:80 x",
    "run -p 80:80/foo x",
    "run -p 5: x",
    "run -p 1.2.3:80:80 x",
    "run -p 80-82:90-95 x",
    "run --expose 80:90 x",
    "run --expose x x",
    "run --expose 5-1 x",
    "run --expose 70000 x",
    "run --env-file /nope x",
    "run --health-interval 5 x",
    "run --health-interval x x",
    "run --health-interval 1d x",
    "run --health-interval -1s x",
    "run --health-cmd a --no-healthcheck x",
    "run --stop-timeout x y",
    "run --pull foo x",
    "run --link '' x",
    "run --link a:b:c x",
    "run --privileged=maybe x",
    "run -d -a stdin x",
    "run --sysctl a=b x",
    "run --label =x x",
    "run --label '' x",
    "run -e =x y",
    "run --security-opt foo x",
    "run --security-opt seccomp=/nope x",
    "run --network name=foo,bar=x x",
    "run --network alias=x x",
    "run --network a --network a x",
    "run --network-alias q x",
    "run --network name=a,ip=1.1.1.1 --ip 1.2.3.4 x",
    "run --network host --network a x",
    "run --mac-address foo x",
    "run --pid foo x",
    "run --uts foo x",
    "run --userns foo x",
    "run --cgroupns foo x",
    "run --memory-swappiness 101 x",
    "run --blkio-weight 70000 x",
    "run --blkio-weight-device x x",
    "run --blkio-weight-device /dev/a:5 x",
    "run --device-read-bps /dev/a:x x",
    "run --device-write-iops /dev/a:-1 x",
    "run --device-cgroup-rule foo x",
    "run --add-host a x",
    "run --add-host a:b x",
    "run --dns x x",
    "run --dns-search -x x",
    "run --gpus foo x",
    "run --log-driver none --log-opt a=b x",
    "run --storage-opt x x",
    "run -v :/b x",
    "run -v /a: x",
    "create",
    "create -d x",
    "create --restart :3 x",
    "exec",
    "exec a",
    "exec -z",
    "exec -e =x a b",
    "ps a",
    "ps -z",
    "ps --nope",
    "ps --last x",
    "ps --all=x",
    "ps --filter foo",
    "container ls x",
    "container list x",
    "container nosuch",
    "image nosuch",
    "system nosuch",
    "nosuch",
    "-z",
    "--nope",
    "-l foo ps",
    "help nosuch",
    "rm",
    "stop",
    "stop -t x a",
    "stop --tim 4 a",
    "kill",
    "kill -s",
    "pause",
    "wait",
    "start",
    "start -a a b",
    "rename a",
    "rename a b c",
    "tag a",
    "tag a BAD",
    "tag BAD:x y",
    "rmi",
    "import",
    "import nofile",
    "load x",
    "load -i nofile",
    "logs",
    "logs a b",
    "attach a b",
    "top",
    "top -o pid a",
    "events a",
    "events --since foo",
    "inspect",
    "inspect --type foo x",
    "container inspect",
    "image inspect",
    "version a",
    "info a",
];

#[test]
fn are_refused_in_the_same_words() {
    require();
    let directory = tempfile::tempdir().unwrap();
    let host = "unix:///nonexistent/engine.sock";
    let mut different = Vec::new();
    for line in WRONG {
        let words: Vec<String> =
            line.split(' ').map(|word| if word == "''" { "" } else { word }.to_owned()).collect();
        let theirs = docker(&words, host, directory.path(), "");
        let ours = wharf(&words, host, directory.path(), "");
        if ours != theirs {
            different.push(format!("{line}\nours:   {ours:?}\ntheirs: {theirs:?}\n"));
        }
    }
    assert!(different.is_empty(), "{} differ:\n{}", different.len(), different.join("\n"));
}

#[test]
fn a_reader_that_leaves_ends_the_program_quietly() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_wharf"));
    let output = command.args(["completion", "bash"]).stdout(writer).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), told.as_str()), (Some(141), ""));
}
