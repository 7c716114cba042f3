//! Bodies of `POST /containers/create`.

use serde_json::Value;

use crate::docker::{docker, require, wharf};
use crate::fake::FakeEngine;

const SAME: &[&str] = &[
    "x",
    "x echo a b",
    "-i x",
    "-a stdin -a stderr x",
    "-i -a stdout x",
    "--rm --name a x",
    "-e A=1 -e HOME -e NOT_SET_ANYWHERE -e A=2 x",
    "-l a=b --label bare -l c=d=e x",
    "-v /a:/b -v vol:/c -v /anon -v ./rel:/d:ro x",
    "-v z:/c -v a -v / -v a:b:c:d -v /a:/b:zz x",
    "--mount type=bind,src=/x,dst=/y,readonly x",
    "--mount type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=700 x",
    "--mount type=volume,src=v,dst=/v,volume-nocopy,volume-label=a=b,volume-subpath=q x",
    "--mount type=volume,src=v,dst=/v,volume-driver=local,volume-opt=o=x x",
    "--mount type=bind,src=.,dst=/y,bind-propagation=rshared,bind-nonrecursive x",
    "--mount type=bind,src=/a,dst=/b,bind-recursive=disabled --mount src=a,dst=/c x",
    "--mount type=image,src=a,dst=/b,image-subpath=x x",
    "--mount type=bind,src=/a,dst=/b,ro,bind-recursive=readonly,bind-propagation=rprivate x",
    "--mount type=bind,\"src=/a,b\",dst=/c,consistency=cached x",
    "--tmpfs /t --tmpfs /u:size=1m,mode=755 x",
    "-p 80:80 -p 127.0.0.1:5353:53/udp -p 90 -p :91 -p 127.0.0.1::92 x",
    "-p 80-82:90-92 -p [::1]:80:80 -p 7000-7010:70 -p 0:81 --expose 1-3 --expose 53/udp x",
    "-p published=80,target=90,protocol=udp -P x",
    "--restart on-failure:3 x",
    "--restart always x",
    "-m 64m --memory-swap -1 --memory-reservation 1.5g --memory-swappiness 5 --kernel-memory 5m x",
    "--cpus 0.5 --cpu-shares 5 --cpuset-cpus 0-1 --cpu-period 10 --cpu-quota 20 --cpuset-mems 0 x",
    "--cpus 1/2 --cpu-rt-period 3 --cpu-rt-runtime 4 --shm-size 5m --pids-limit 4 x",
    "--ulimit nofile=1:2 --ulimit core=0 --ulimit nproc=5 x",
    "--network foo --network-alias q --ip 1.2.3.4 --link a:b --link-local-ip 169.254.1.1 x",
    "--network name=n1,alias=x,driver-opt=a=b,gw-priority=4 --network n2 x",
    "--network host --link a x",
    "--network foo x",
    "--network container:abc x",
    "--mac-address 02:42:ac:11:00:02 --ip6 fd00::1 x",
    "--device /dev/null:/x:r --device /dev/zero:rw --device-cgroup-rule c;1:3;rwm x",
    "--gpus all x",
    "--gpus device=1 x",
    "--gpus 2 x",
    "--blkio-weight 50 --blkio-weight-device /dev/sda:100 --device-read-bps /dev/sda:1m x",
    "--device-write-iops /dev/sda:5 --device-read-iops /dev/sda:6 --device-write-bps /dev/sda:7k x",
    "--health-cmd true --health-interval 5s --health-retries 3 --health-start-period 1m30s x",
    "--no-healthcheck x",
    "--security-opt no-new-privileges --security-opt seccomp=unconfined x",
    "--security-opt systempaths=unconfined --security-opt label=disable x",
    "--security-opt seccomp=PROFILE x",
    "--env-file ENVFILE -e Q=1 --label-file ENVFILE x",
    "--sysctl net.a=b --annotation x=y --annotation bare --storage-opt size=1g x",
    "--log-driver json-file --log-opt a=b --log-opt bare x",
    "--stop-signal TERM --stop-timeout 4 -h hh --domainname dd -u 1:1 -w /w x",
    "--entrypoint foo --init x",
    "--entrypoint= --init=false x a",
    "--add-host a:1.2.3.4 --add-host b=::1 --dns 1.2.3.4 --dns-search a.b --dns-option x x",
    "--pid host --ipc host --uts host --userns host --cgroupns private --isolation default x",
    "--privileged --read-only --cap-add A --cap-drop B --group-add 5 --oom-kill-disable x",
    "--cap-add ALL --cap-add chown --cap-drop net_raw --cap-drop all x",
    "--cap-add chown --cap-drop CAP_CHOWN --cap-drop b --cap-drop a x",
    "--cap-add b --cap-add a --cap-add A --cap-drop All --cap-drop mknod x",
    "--mount dst=/v,volume-nocopy x",
    "--mount dst=/v,volume-nocopy=false,volume-opt=a=b x",
    "--oom-score-adj -5 --volumes-from a:ro --volume-driver d --runtime r --cgroup-parent /x x",
];

fn sorted(mut body: Value) -> Value {
    // Docker keeps these in a map whose order changes from run to run.
    for pointer in ["/Env", "/HostConfig/Ulimits", "/HostConfig/Binds"] {
        if let Some(Value::Array(list)) = body.pointer_mut(pointer) {
            list.sort_by_key(Value::to_string);
        }
    }
    body
}

/// Where two bodies differ, so that a failure can be read.
fn compare(at: &str, ours: &Value, theirs: &Value, differences: &mut Vec<String>) {
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<_> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let (a, b) = (&ours[key], &theirs[key]);
                // An absent key and null are the same to `[]`, but not to a body.
                if a.is_null() && b.is_null() && ours.get(key) != theirs.get(key) {
                    differences.push(format!("{at}/{key}: only one has it"));
                }
                compare(&format!("{at}/{key}"), a, b, differences);
            }
        }
        _ if ours == theirs => {}
        _ => differences.push(format!("{at}: ours {ours}, theirs {theirs}")),
    }
}

#[test]
fn are_the_ones_that_docker_sends() {
    require();
    let directory = tempfile::tempdir().unwrap();
    let engine = FakeEngine::start(directory.path());
    std::fs::write(directory.path().join("PROFILE"), "{\"b\": [1, 2 ],\n \"a\": \"x \\\" y\"}")
        .unwrap();
    std::fs::write(directory.path().join("ENVFILE"), "F1=a\nHOME\nNOT_SET\n# no\n\n F2=x y \n")
        .unwrap();
    let body = |run: fn(&[String], &str, &std::path::Path, &str) -> crate::docker::Ran,
                words: &[String]| {
        let ran = run(words, &engine.host, directory.path(), "");
        let heard = engine
            .heard()
            .into_iter()
            .find(|request| request.path.starts_with("/containers/create"));
        heard.unwrap_or_else(|| panic!("{words:?}: {ran:?}")).body
    };
    let mut differences = Vec::new();
    for line in SAME {
        let words = std::iter::once("create").chain(line.split(' '));
        let words: Vec<String> = words.map(|word| word.replace(';', " ")).collect();
        let (theirs, ours) = (body(docker, &words), body(wharf, &words));
        compare(line, &sorted(ours), &sorted(theirs), &mut differences);
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
