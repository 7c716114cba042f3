use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use super::HELLO_FILE;

/// What the command prints; it must succeed and complain of nothing.
fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && complaint.is_empty(), "{:?} {complaint}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

fn json(command: &mut Command) -> Value {
    serde_json::from_str(&output(command.arg("--json"))).unwrap()
}

/// util-linux's unshare with these options, running `hello`.
fn unshared(options: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    command.args(options).arg(HELLO_FILE);
    command
}

/// A directory that is removed at the end.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("guest-{name}-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn check_table(text: &str) {
    assert!(text.starts_with("Hello from Wharf!"), "{text}");
    for line in text.lines() {
        assert!(line.len() <= 80 && line.is_ascii(), "{line}");
        assert!(!line.contains('\x1b') && line.trim_end() == line, "{line}");
    }
    for label in ["Host name", "User ids", "Namespaces", "Capabilities", "Limits", "Network"] {
        assert!(text.lines().any(|line| line.trim_start().starts_with(label)), "{label}");
    }
}

#[test]
fn table_fits_a_terminal() {
    check_table(&output(&mut Command::new(HELLO_FILE)));
    check_table(&output(&mut unshared(&["--user", "--net", "--uts"])));
}

#[test]
fn keys_are_stable() {
    let report = json(&mut Command::new(HELLO_FILE));
    let mut keys: Vec<_> = report.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(
        keys,
        [
            "capabilities",
            "cgroup",
            "gid",
            "gid_map",
            "host_name",
            "interfaces",
            "kernel",
            "mounts",
            "namespaces",
            "no_new_privileges",
            "pid",
            "seccomp",
            "seccomp_filters",
            "sensitive_paths",
            "uid",
            "uid_map",
            "users_isolated"
        ]
    );
    let cgroup: Vec<_> = report["cgroup"].as_object().unwrap().keys().collect();
    assert_eq!(cgroup, ["cpu_milli", "memory_bytes_max", "pids_max", "version"]);
}

#[test]
fn tells_what_the_kernel_tells() {
    let report = json(&mut Command::new(HELLO_FILE));
    let trimmed = |path| fs::read_to_string(path).unwrap().trim().to_owned();
    assert_eq!(report["host_name"], trimmed("/proc/sys/kernel/hostname"));
    assert_eq!(report["kernel"], trimmed("/proc/sys/kernel/osrelease"));
    for kind in ["user", "pid", "mnt", "net", "ipc", "uts", "cgroup", "time"] {
        let link = fs::read_link(format!("/proc/self/ns/{kind}")).unwrap();
        let inode = &report["namespaces"][kind]["inode"];
        assert_eq!(link.to_str().unwrap(), format!("{kind}:[{inode}]"));
    }
    let names = report["capabilities"]["effective"].as_array().unwrap().len();
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("CapEff:\t")).unwrap();
    assert_eq!(names, u64::from_str_radix(mask, 16).unwrap().count_ones() as usize);
}

#[test]
fn tells_namespaces_of_its_own() {
    let report = json(&mut unshared(&["--user", "--map-root-user", "--net", "--ipc"]));
    assert_eq!(report["users_isolated"], true);
    assert_eq!(report["uid"], 0);
    assert_eq!(report["uid_map"][0]["inside"], 0);
    assert_eq!(report["uid_map"][0]["count"], 1);
    for kind in ["user", "net", "ipc"] {
        assert_eq!(report["namespaces"][kind]["owner"], "own", "{kind}");
    }
    // Another one than this process has, though this one may itself be in a container.
    let pid = fs::read_link("/proc/self/ns/pid").unwrap();
    let inode = &report["namespaces"]["pid"]["inode"];
    assert_eq!(pid.to_str().unwrap(), format!("pid:[{inode}]"));
    assert_eq!(report["interfaces"], serde_json::json!(["lo"]));

    let table = output(&mut unshared(&["--user", "--map-root-user", "--net"]));
    assert!(table.contains("none: only lo"), "{table}");
}

#[test]
fn tells_privileges() {
    let mut command = Command::new("setpriv");
    command.args(["--no-new-privs", "--bounding-set=-all,+chown,+bpf", "--inh-caps=-all"]);
    let report = json(command.arg(HELLO_FILE));
    assert_eq!(report["no_new_privileges"], true);
    let bounding = &report["capabilities"]["bounding"];
    assert_eq!(*bounding, serde_json::json!(["CAP_CHOWN", "CAP_BPF"]));
    assert_eq!(report["capabilities"]["effective"], *bounding);
}

#[test]
fn tells_masked_and_read_only_paths() {
    let script = r#"mount --bind /dev/null /proc/timer_list && mount -t tmpfs none /sys/firmware &&
        mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys && exec "$@""#;
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-ec", script, "sh", HELLO_FILE]);
    let report = json(&mut command);
    assert_eq!(report["sensitive_paths"]["/proc/timer_list"], "masked");
    assert_eq!(report["sensitive_paths"]["/sys/firmware"], "masked");
    assert_eq!(report["sensitive_paths"]["/proc/interrupts"], "readable");
    assert_eq!(report["mounts"]["/proc/sys"], "read-only");
    assert_eq!(report["mounts"]["/proc/fs"], "read-write");
}

#[test]
fn reads_limits_of_both_versions() {
    check_limits(
        "0::/\n",
        &[("memory.max", "max"), ("pids.max", "512"), ("cpu.max", "150000 100000")],
        r#"{"version":2,"memory_bytes_max":"unlimited","pids_max":512,"cpu_milli":1500}"#,
    );
    check_limits(
        "5:memory:/docker/1\n4:cpu,cpuacct:/docker/1\n0::/\n",
        &[
            ("memory/docker/1/memory.limit_in_bytes", "1048576"),
            ("memory/memory.limit_in_bytes", "9223372036854771712"),
            ("cpu,cpuacct/cpu.cfs_quota_us", "-1"),
        ],
        r#"{"version":1,"memory_bytes_max":1048576,"pids_max":null,"cpu_milli":"unlimited"}"#,
    );
    check_limits(
        "5:memory:/../../elsewhere\n3:pids:/x\n2:cpu:/x\n",
        &[
            ("memory/memory.limit_in_bytes", "9223372036854771712"),
            ("pids/x/pids.max", "max"),
            ("cpu/cpu.cfs_quota_us", "50000"),
            ("cpu/cpu.cfs_period_us", "0"),
        ],
        r#"{"version":1,"memory_bytes_max":"unlimited","pids_max":"unlimited","cpu_milli":null}"#,
    );
}

/// Runs `hello` in a root where these are the files of `/proc/self/cgroup` and `/sys/fs/cgroup`.
fn check_limits(groups: &str, files: &[(&str, &str)], expect: &str) {
    let root = Directory::new("limits");
    let proc = root.0.join("proc/self");
    fs::create_dir_all(&proc).unwrap();
    fs::write(proc.join("cgroup"), groups).unwrap();
    for (name, content) in files {
        let path = root.0.join("sys/fs/cgroup").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("{content}\n")).unwrap();
    }
    let report = json(&mut in_root(&root));
    assert_eq!(report["cgroup"], serde_json::from_str::<Value>(expect).unwrap());
}

/// `hello` as the only program of a root directory.
fn in_root(root: &Directory) -> Command {
    let hello = root.0.join("hello");
    // Copied by another process, so that no descriptor open for writing is ever ours.
    assert!(Command::new("cp").arg(HELLO_FILE).arg(&hello).status().unwrap().success());
    let mut command = Command::new("chroot");
    command.arg(&root.0).arg("/hello");
    command
}

#[test]
fn works_where_nothing_is_mounted() {
    let root = Directory::new("bare");
    check_table(&output(&mut in_root(&root)));
    let report = json(&mut in_root(&root));
    for key in ["uid_map", "gid_map", "users_isolated", "seccomp", "interfaces"] {
        assert!(report[key].is_null(), "{key}");
    }
    assert!(report["capabilities"]["effective"].is_null());
    assert_eq!(report["sensitive_paths"]["/proc/kcore"], "absent");
    assert_eq!(report["mounts"]["/proc/sys"], "absent");
    assert_eq!(report["namespaces"]["user"], serde_json::json!({"inode": null, "owner": null}));
}

#[test]
fn names_from_outside_are_quoted() {
    let script = r#"printf 'a"\\\033[31m' > /proc/sys/kernel/hostname && exec "$@""#;
    let unshare = || {
        let mut command = Command::new("unshare");
        command.args(["--uts", "sh", "-ec", script, "sh", HELLO_FILE]);
        command
    };
    assert_eq!(json(&mut unshare())["host_name"], "a\"\\\u{1b}[31m");
    check_table(&output(&mut unshare()));
}

#[test]
fn unknown_arguments_are_refused() {
    for arguments in [&["--jsn"][..], &["--json", "more"]] {
        let output = Command::new(HELLO_FILE).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(output.stdout.is_empty());
        assert_eq!(output.stderr, b"usage: /hello [--json]\n");
    }
}
