//! Known escapes, each a test that can fail (SEC-R and SEC-D rows).

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use crate::harness::{Cli, Engine, pack};

mod doors;
mod kernel;
mod users;

/// Name, mode, owner, time and content of everything below a directory.
fn canary(dir: &Path) -> BTreeMap<String, String> {
    use std::os::unix::fs::MetadataExt;
    let mut seen = BTreeMap::new();
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(&dir).unwrap().flatten() {
            let stat = entry.metadata().unwrap();
            let content = match stat.is_dir() {
                true => {
                    open.push(entry.path());
                    String::new()
                }
                false => std::fs::read_to_string(entry.path()).unwrap_or_default(),
            };
            let facts = (stat.mode(), stat.uid(), stat.gid(), stat.mtime_nsec(), content);
            seen.insert(entry.path().display().to_string(), format!("{facts:?}"));
        }
    }
    seen
}

fn make_canary(engine: &Engine) -> std::path::PathBuf {
    let dir = engine.dir.path().join("canary");
    std::fs::create_dir_all(dir.join("sub")).unwrap();
    std::fs::write(dir.join("file"), "untouched").unwrap();
    dir
}

fn status_of(engine: &Engine, flags: &[&str]) -> BTreeMap<String, String> {
    let text = engine.run(Cli::Wharf, flags, &["cat", "/proc/self/status"]).ok();
    text.lines()
        .filter_map(|line| line.split_once(":\t"))
        .map(|(key, value)| (key.to_owned(), value.trim().to_owned()))
        .collect()
}

#[test]
fn sec_r08_capabilities_are_exactly_the_defaults() {
    let engine = Engine::start();
    // CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE SYS_CHROOT
    // SETFCAP: Docker's, less NET_RAW, MKNOD and AUDIT_WRITE.
    let default = "00000000800405fb";
    let rows: &[(&[&str], &str, &str)] = &[
        (&[], default, default),
        (&["-u", "u"], "0000000000000000", default),
        (&["--cap-drop", "ALL"], "0000000000000000", "0000000000000000"),
        (&["--cap-drop", "ALL", "--cap-add", "CHOWN"], "0000000000000001", "0000000000000001"),
        (&["--cap-add", "NET_RAW"], "00000000800425fb", "00000000800425fb"),
        (&["--cap-drop", "KILL"], "00000000800405db", "00000000800405db"),
    ];
    for (flags, effective, bounding) in rows {
        let status = status_of(&engine, flags);
        assert_eq!(status["CapEff"], *effective, "{flags:?}");
        assert_eq!(status["CapBnd"], *bounding, "{flags:?}");
        assert_eq!(status["CapInh"], "0000000000000000", "{flags:?}");
        assert_eq!(status["CapAmb"], "0000000000000000", "{flags:?}");
        assert_eq!(status["Seccomp"], "2", "{flags:?}");
    }
    assert_eq!(status_of(&engine, &["--security-opt", "seccomp=unconfined"])["Seccomp"], "0");
    assert_eq!(status_of(&engine, &["--security-opt", "no-new-privileges"])["NoNewPrivs"], "1");
    engine.finish();
}

#[test]
fn sec_r01_the_binary_cannot_be_overwritten() {
    let engine = Engine::start();
    let binary = env!("CARGO_BIN_EXE_wharf");
    let before = std::fs::read(binary).unwrap();
    for userns in ["", "host"] {
        let name = format!("attacker{userns}");
        let script = "while :; do for e in /proc/[0-9]*/exe; do (echo x >> $e) 2>/dev/null && \
                      echo WRITTEN $(readlink $e); done; done";
        let flags = ["--userns", userns];
        let flags = if userns.is_empty() { &[] } else { &flags[..] };
        // busybox itself is busy, so the only thing that could be written is ours.
        engine.background(&name, flags, &["sh", "-c", script]);
        for _ in 0..20 {
            engine.wharf(["exec", &name, "true"]).ok();
        }
        let out = engine.wharf(["logs", &name]).ok();
        assert!(!out.contains("WRITTEN"), "{out}");
        let own = engine.run(Cli::Wharf, &["--entrypoint", "/proc/self/exe"], &["true"]);
        assert_ne!(own.code, 0, "the stage's own binary was executed: {own:?}");
        engine.wharf(["rm", "-f", &name]).ok();
    }
    assert!(std::fs::read(binary).unwrap() == before, "the binary has changed");
    engine.finish();
}

#[test]
fn sec_r02_no_descriptor_leaks() {
    let engine = Engine::start();
    engine.background("cc", &[], &["sleep", "1000"]);
    let list = ["sh", "-c", "ls /proc/self/fd | sort -n | tr '\\n' ' '"];
    let run = engine.run(Cli::Wharf, &[], &list).ok();
    let exec = engine.wharf([&["exec", "cc"], &list[..]].concat()).ok();
    // 0, 1, 2 and what `ls` opens.
    assert_eq!((run.trim(), exec.trim()), ("0 1 2 3", "0 1 2 3"));
    for number in (0..40).chain([100, 255]) {
        let cwd = format!("/proc/self/fd/{number}");
        let ran = engine.wharf(["exec", "-w", &cwd, "cc", "pwd"]);
        assert_ne!(ran.code, 0, "{cwd}: {ran:?}");
        let ran = engine.run(Cli::Wharf, &["-w", &cwd], &["pwd"]);
        assert!(ran.code != 0 || ran.out.starts_with("/proc/"), "{cwd}: {ran:?}");
        let ran = engine.run(Cli::Wharf, &["--entrypoint", &cwd], &[]);
        assert_ne!(ran.code, 0, "{cwd}: {ran:?}");
    }
    engine.finish();
}

#[test]
fn sec_r02_no_descriptor_of_the_host_leads_to_a_program() {
    let engine = Engine::start();
    let marker = engine.dir.path().join("marker");
    std::fs::copy("/bin/busybox", &marker).unwrap();
    engine.background("cc", &[], &["sleep", "1000"]);
    for number in 0..48 {
        let dir =
            format!("/proc/self/fd/{number}/../../../../../..{}", engine.dir.path().display());
        let program = format!("{dir}/marker");
        let exec = engine.wharf(["exec", "cc", &program, "echo", "ESCAPED"]);
        let run = engine.run(Cli::Wharf, &["--entrypoint", &program], &["echo", "ESCAPED"]);
        let path = engine.run(Cli::Wharf, &["-e", &format!("PATH={dir}")], &["marker", "echo"]);
        for ran in [exec, run, path] {
            assert!(ran.code != 0 && !ran.out.contains("ESCAPED"), "{number}: {ran:?}");
        }
    }
    engine.finish();
}

#[test]
fn a_tree_of_any_depth_goes_with_its_container() {
    let engine = Engine::start();
    let script = "i=0; while [ $i -lt 3000 ]; do mkdir d && cd d; i=$((i+1)); done; true";
    engine.run(Cli::Wharf, &["-w", "/deep"], &["sh", "-c", script]);
    let trash = || std::fs::read_dir(engine.root().join("store/tmp")).unwrap().count();
    crate::harness::until("the tree is gone", || trash() == 0);
    engine.finish();
}

#[test]
fn sec_r04_a_stage_that_is_stopped_does_not_stop_its_monitor() {
    let engine = Engine::start();
    let stopper = "while :; do for p in 2 3 4 5 6 7 8 9 10 11 12; do kill -STOP $p; done; done";
    engine.background("cc", &[], &["sh", "-c", &format!("({stopper}) 2>/dev/null")]);
    engine.wharf(["exec", "cc", "true"]);
    engine.wharf(["stop", "-t", "0", "cc"]).ok();
    engine.finish();
}

#[test]
fn sec_r07_procfs_is_not_covered() {
    let engine = Engine::start();
    for target in ["/proc", "/proc/sys", "/proc/self/attr", "/x/../proc/1"] {
        for flag in [format!("--tmpfs={target}"), format!("-v=/tmp:{target}")] {
            let ran = engine.run(Cli::Wharf, &[&flag], &["true"]);
            assert_eq!(ran.code, 125, "{flag}: {ran:?}");
            assert!(ran.err.contains("inside /proc"), "{flag}: {ran:?}");
        }
    }
    engine.finish();
}

#[test]
fn sec_r03_images_with_hostile_paths() {
    let engine = Engine::start();
    let canary_dir = make_canary(&engine);
    let before = canary(&canary_dir);
    let tree = engine.dir.path().join("tree");
    let up = format!("../../../../../../../..{}", canary_dir.display());
    let etc = ["etc/hosts", "etc/hostname", "etc/resolv.conf", "etc/passwd", "etc/group"];
    let paths = [&["proc", "sys", "dev"], &etc[..], &["tmp", "mnt"]].concat();
    let run = ["run", "--rm", "--network", "none", "--tmpfs", "/mnt/x", "-w", "/tmp/w"];
    let script = "echo x > /tmp/y; echo x > /mnt/y; mkdir /dev/y";
    for (index, path) in paths.iter().enumerate() {
        let targets = [
            ("abs", canary_dir.to_str().unwrap()),
            ("up", up.as_str()),
            ("loop", path.rsplit('/').next().unwrap()),
            ("dangling", "/no/such/thing"),
        ];
        for (kind, target) in targets {
            let work = engine.dir.path().join("hostile");
            drop(std::fs::remove_dir_all(&work));
            let copied = Command::new("cp").arg("-a").arg(&tree).arg(&work).status().unwrap();
            assert!(copied.success());
            let victim = work.join(path);
            drop(std::fs::remove_file(&victim));
            drop(std::fs::remove_dir_all(&victim));
            std::fs::create_dir_all(victim.parent().unwrap()).unwrap();
            std::os::unix::fs::symlink(target, &victim).unwrap();
            let tar = engine.dir.path().join("hostile.tar");
            pack(&work, &["-cf"], &tar);
            let image = format!("hostile:{kind}{index}");
            engine.wharf(["import", tar.to_str().unwrap(), &image]).ok();
            // It may run or be refused; it may not touch what is outside.
            engine.wharf([&run[..], &[&image, "sh", "-c", script]].concat());
            assert_eq!(canary(&canary_dir), before, "{path} -> {target}");
        }
    }
    assert_eq!(engine.wharf(["ps", "-aq"]).ok(), "");
    engine.finish();
}

#[test]
fn sec_r05_masks_hold_whatever_dev_null_is() {
    let engine = Engine::start();
    let script = "for p in /proc/acpi /proc/asound /proc/kcore /proc/keys /proc/latency_stats \
                  /proc/timer_list /proc/sched_debug /proc/scsi /sys/firmware; do \
                  if [ -d $p ]; then ls -A $p; elif [ -e $p ]; then cat $p; fi; done; \
                  for p in /proc/sys/kernel/hostname /proc/sysrq-trigger /proc/bus /proc/irq \
                  /proc/fs; do [ -e $p ] && (echo x > $p/x || echo x > $p) 2>/dev/null && \
                  echo WRITTEN $p; done; true";
    let out = engine.run(Cli::Wharf, &[], &["sh", "-c", script]).ok();
    assert_eq!(out, "");
    engine.finish();
}

#[test]
fn sec_r06_consoles_are_the_containers_own() {
    let engine = Engine::start();
    for _ in 0..20 {
        let out = engine.run(Cli::Wharf, &["-t"], &["sh", "-c", "tty; ls /dev/pts"]).ok();
        assert_eq!(out, "/dev/pts/0\r\n0     ptmx\r\n");
    }
    engine.finish();
}

#[test]
fn sec_r11_devices_and_cgroups_are_closed() {
    let engine = Engine::start();
    let script = "for n in '8 0' '1 1' '1 2' '10 200' '254 0' '259 0'; do \
                  mknod /tmp/d b $n 2>/dev/null && echo MADE b $n; \
                  mknod /tmp/d c $n 2>/dev/null && echo MADE c $n; done; \
                  for f in $(find /sys/fs/cgroup -name 'release_agent' -o -name 'cgroup.procs' \
                  -o -name 'notify_on_release' -o -name 'devices.allow'); do \
                  (echo 1 > $f) 2>/dev/null && echo WRITTEN $f; done; \
                  echo x > /dev/null && head -c 1 /dev/zero | wc -c";
    let out = engine.run(Cli::Wharf, &[], &["sh", "-c", script]).ok();
    assert_eq!(out, "1\n");
    // With MKNOD and without a user namespace nodes can be made; the device cgroup keeps them shut.
    let script = "mknod /tmp/d c 1 1 && (head -c 1 /tmp/d) 2>&1";
    let flags = ["--userns", "host", "--cap-add", "MKNOD"];
    let out = engine.run(Cli::Wharf, &flags, &["sh", "-c", script]);
    assert!(out.out.contains("Operation not permitted"), "{out:?}");
    engine.finish();
}

#[test]
fn sec_d03_nothing_of_an_image_is_executed() {
    let engine = Engine::start();
    let tree = engine.dir.path().join("tree");
    let marker = engine.dir.path().join("executed");
    for name in ["xz", "unpigz", "zstd", "lz4", "bzip2", "gzip", "tar", "ldconfig", "docker-init"] {
        let path = tree.join("bin").join(name);
        drop(std::fs::remove_file(&path));
        std::fs::write(&path, format!("#!/bin/sh\ntouch {}\n", marker.display())).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&path, mode).unwrap();
    }
    let tar = engine.dir.path().join("markers.tar.gz");
    pack(&tree, &["-czf"], &tar);
    engine.wharf(["import", tar.to_str().unwrap(), "markers"]).ok();
    engine.wharf(["run", "--rm", "--network", "none", "markers", "true"]).ok();
    engine.wharf(["run", "--rm", "--init", "--network", "none", "markers", "true"]).ok();
    assert!(!marker.exists(), "the host executed something of an image");
    engine.finish();
}

#[test]
fn sec_d04_the_data_root_is_closed() {
    use std::os::unix::fs::PermissionsExt;
    let engine = Engine::start();
    let mode = std::fs::metadata(engine.root()).unwrap().permissions().mode();
    assert_eq!(mode & 0o007, 0, "{mode:o}");
    let mode = std::fs::metadata(engine.socket()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660, "{mode:o}");
    engine.finish();
}

#[test]
fn a_fork_bomb_stays_in_its_container() {
    let engine = Engine::start();
    let script = "f() { f | f & }; f; sleep 1000";
    engine.background("bomb", &["--pids-limit", "50"], &["sh", "-c", script]);
    let begin = std::time::Instant::now();
    engine.run(Cli::Wharf, &[], &["true"]).ok();
    engine.wharf(["rm", "-f", "bomb"]).ok();
    assert!(begin.elapsed() < crate::harness::DEADLINE);
    engine.finish();
}

#[test]
fn limits_are_in_force() {
    let engine = Engine::start();
    let script = "x=$(head -c 60000000 /dev/zero | tr '\\0' x); echo ${#x}";
    let run = ["run", "--name", "hog", "--network", "none", "-m", "32m", "--memory-swap", "32m"];
    let ran = engine.wharf([&run[..], &["busybox", "sh", "-c", script]].concat());
    assert_eq!(ran.code, 137, "{ran:?}");
    assert_eq!(engine.inspect("hog")["State"]["OOMKilled"], true);
    let script = "ulimit -n; ulimit -Hn";
    let out = engine.run(Cli::Wharf, &["--ulimit", "nofile=77:88"], &["sh", "-c", script]);
    assert_eq!(out.ok(), "77\n88\n");
    engine.finish();
}
