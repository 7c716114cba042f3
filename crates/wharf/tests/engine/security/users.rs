//! Who a container's programs are.

use std::os::unix::fs::symlink;
use std::process::Command;

use crate::harness::{Cli, Engine, pack};

/// An image whose `/etc` was changed.
fn image(engine: &Engine, name: &str, change: impl FnOnce(&std::path::Path)) {
    let work = engine.dir.path().join("users");
    drop(std::fs::remove_dir_all(&work));
    let tree = engine.dir.path().join("tree");
    assert!(Command::new("cp").arg("-a").arg(&tree).arg(&work).status().unwrap().success());
    change(&work.join("etc"));
    let tar = engine.dir.path().join("users.tar");
    pack(&work, &["-cf"], &tar);
    engine.wharf(["import", tar.to_str().unwrap(), name]).ok();
}

#[test]
fn sec_r09_a_user_is_what_was_said() {
    let engine = Engine::start();
    image(&engine, "names", |etc| {
        let passwd = "root:x:0:0::/root:/bin/sh\n0:x:1234:1234::/:\n1000:x:0:0::/:\n\
                      big:x:4294967296:0::/:\nminus:x:-1:0::/:\nword:x:word:0::/:\n\
                      # comment:x:0:0::/:\n\nshort\nu:x:1000:2000::/home:/bin/sh\n\
                      twice:x:5:5::/:\ntwice:x:0:0::/:\nnul\0:x:0:0::/:\n";
        std::fs::write(etc.join("passwd"), passwd).unwrap();
        let group = "root:x:0:\n0:x:77:\nstaff:x:50:u\nmore:x:60:x,u\nbad:x:words:u\n";
        std::fs::write(etc.join("group"), group).unwrap();
    });
    // Numbers are never names; names that do not lead to a number are errors; nothing wraps.
    let rows: &[(&str, Result<&str, &str>)] = &[
        ("", Ok("0 0 0")),
        ("0", Ok("0 0 0")),
        ("root", Ok("0 0 0")),
        ("1000", Ok("1000 2000 2000 50 60")),
        ("u", Ok("1000 2000 2000 50 60")),
        ("u:", Ok("1000 2000 2000 50 60")),
        ("u:50", Ok("1000 50 50")),
        ("u:staff", Ok("1000 50 50")),
        ("u:0", Ok("1000 0 0")),
        ("1001", Ok("1001 0 0")),
        ("1001:1002", Ok("1001 1002 1002")),
        ("007", Ok("7 0 0")),
        ("+5", Ok("5 5 5")),
        ("twice", Ok("5 5 5")),
        ("65535", Ok("65535 0 0")),
        ("-1", Err("range")),
        ("-0", Err("")),
        ("4294967295", Err("")),
        ("4294967296", Err("")),
        ("2147483648", Err("")),
        ("99999999999999999999", Err("")),
        ("u:-1", Err("range")),
        ("u:4294967296", Err("range")),
        ("u:none", Err("unable to find group none")),
        ("u:bad", Err("unable to find group bad")),
        ("none", Err("unable to find user none")),
        ("big", Err("unable to find user big")),
        ("minus", Err("unable to find user minus")),
        ("word", Err("unable to find user word")),
        ("short", Err("unable to find user short")),
        ("# comment", Err("unable to find user")),
        ("0x0", Err("unable to find user 0x0")),
        ("0 ", Err("unable to find user")),
        (" 0", Err("unable to find user")),
        ("1e3", Err("unable to find user 1e3")),
        ("٣", Err("unable to find user")),
        ("u:50:0", Err("unable to find group")),
        ("../root", Err("unable to find user")),
        (":0", Ok("0 0 0")),
        ("nul", Err("unable to find user nul")),
    ];
    engine.wharf(["run", "-d", "--name", "cc", "--network", "none", "names", "sleep", "1000"]).ok();
    let show = ["sh", "-c", "echo $(id -u) $(id -g) $(id -G)"];
    for (number, (user, expected)) in rows.iter().enumerate() {
        let exec = ["exec", "-u", user, "cc"];
        let mut runs = vec![engine.wharf([&exec[..], &show].concat())];
        // A first process takes the same way: some rows are enough.
        if number % 5 == 0 {
            let run = ["run", "--rm", "--network", "none", "-u", user, "names"];
            runs.push(engine.wharf([&run[..], &show].concat()));
        }
        for ran in runs {
            match expected {
                Ok(ids) => assert_eq!(ran.ok().trim(), *ids, "{user:?}"),
                Err(text) => {
                    assert_ne!(ran.code, 0, "{user:?} ran: {ran:?}");
                    let said = format!("{}{}", ran.out, ran.err);
                    assert!(said.contains(text), "{user:?}: {ran:?}");
                }
            }
        }
    }
    engine.finish();
}

#[test]
fn sec_r09_account_files_that_are_none() {
    let engine = Engine::start();
    let canary = engine.dir.path().join("canary");
    std::fs::write(&canary, "secret:x:0:0::/:\n").unwrap();
    type Change<'a> = Box<dyn Fn(&std::path::Path) + 'a>;
    let rows: Vec<(&str, Change<'_>)> = vec![
        (
            "fifo",
            Box::new(|path| {
                assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
            }),
        ),
        ("directory", Box::new(|path| std::fs::create_dir(path).unwrap())),
        ("kcore", Box::new(|path| symlink("/proc/kcore", path).unwrap())),
        ("zero", Box::new(|path| symlink("/dev/zero", path).unwrap())),
        (
            "outside",
            Box::new(|path| {
                symlink(format!("../../../../../../..{}", canary.display()), path).unwrap();
            }),
        ),
        (
            "sparse",
            Box::new(|path| {
                std::fs::File::create(path).unwrap().set_len(12 << 20).unwrap();
            }),
        ),
        ("line", Box::new(|path| std::fs::write(path, vec![b'x'; 11 << 20]).unwrap())),
    ];
    for (name, change) in &rows {
        // Both files are read by the same function.
        for file in
            if matches!(*name, "fifo" | "kcore") { &["passwd", "group"][..] } else { &["passwd"] }
        {
            image(&engine, "odd", |etc| {
                std::fs::remove_file(etc.join(file)).unwrap();
                change(&etc.join(file));
            });
            let user = if *file == "passwd" { "secret" } else { "u:secret" };
            let run = ["run", "--rm", "--network", "none", "-u", user, "odd", "true"];
            let ran = engine.wharf(run);
            assert_ne!(ran.code, 0, "{name} {file} {user}: {ran:?}");
        }
    }
    engine.finish();
}

/// Capabilities of run, exec and a health check, root or not, added and dropped, by the rule:
/// the set in force is the bounding set for root and empty for others; nothing is inheritable.
#[test]
fn sec_r08_capabilities_of_further_processes() {
    let engine = Engine::start();
    const DEFAULT: u64 = 0x8004_05fb;
    let rows: &[(&[&str], u64)] = &[
        (&[], DEFAULT),
        (&["--cap-add", "NET_ADMIN"], DEFAULT | 1 << 12),
        (&["--cap-drop", "ALL"], 0),
        (&["--cap-drop", "ALL", "--cap-add", "KILL"], 1 << 5),
        (&["--cap-drop", "CHOWN", "--cap-drop", "SETUID"], DEFAULT & !(1 | 1 << 7)),
    ];
    let check = |status: &str, bounding: u64, is_root: bool, what: &str| {
        let set = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            u64::from_str_radix(line.split_whitespace().nth(1).unwrap(), 16).unwrap()
        };
        let effective = if is_root { bounding } else { 0 };
        let sets = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"].map(set);
        assert_eq!(sets, [0, effective, effective, bounding, 0], "{what}");
    };
    for (flags, bounding) in rows {
        for user in ["0", "u"] {
            let health = [
                "-u",
                user,
                "--health-cmd",
                "grep Cap /proc/self/status > /tmp/health",
                "--health-interval",
                "100ms",
                "--health-retries",
                "1",
            ];
            engine.background("cc", &[flags, &health[..]].concat(), &["sleep", "1000"]);
            let first = engine.wharf(["exec", "-u", "0", "cc", "cat", "/proc/1/status"]);
            let what = format!("{flags:?} {user}");
            check(&first.ok(), *bounding, user == "0", &format!("run {what}"));
            for other in ["0", "u"] {
                let exec = ["exec", "-u", other, "cc", "cat", "/proc/self/status"];
                let status = engine.wharf(exec).ok();
                check(&status, *bounding, other == "0", &format!("exec {other} {what}"));
            }
            let probed = || engine.wharf(["exec", "cc", "cat", "/tmp/health"]);
            crate::harness::until("a probe ran", || probed().out.contains("CapAmb"));
            check(&probed().ok(), *bounding, user == "0", &format!("health {what}"));
            engine.wharf(["rm", "-f", "cc"]).ok();
        }
    }
    let privileged =
        engine.run(Cli::Wharf, &["--privileged", "-u", "u"], &["cat", "/proc/self/status"]);
    let status = privileged.ok();
    let inherited = status.lines().find(|line| line.starts_with("CapInh")).unwrap();
    assert!(inherited.ends_with("0000000000000000"), "{inherited}");
    engine.finish();
}
