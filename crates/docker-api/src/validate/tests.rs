use super::*;

fn text(result: Result<(), Refusal>) -> String {
    result.map_or_else(|refusal| refusal.text, |()| "ok".to_owned())
}

#[test]
fn names() {
    for name in ["ab", "/ab", "a.b", "A_-9", "00"] {
        assert_eq!(container_name(name), Ok(()), "{name}");
    }
    for name in ["", "u", "/u", "-ab", "_ab", "a b", "a/b", "ä9", "a\n"] {
        let expect =
            format!("Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed");
        assert_eq!(text(container_name(name)), expect);
    }
}

#[test]
fn policies() {
    for (name, count, expect) in [
        ("", 3, "ok"),
        ("no", 0, "ok"),
        ("on-failure", 3, "ok"),
        (
            "always",
            1,
            "invalid restart policy: maximum retry count can only be used with 'on-failure'",
        ),
        (
            "no",
            -1,
            "invalid restart policy: maximum retry count can only be used with 'on-failure' and \
             cannot be negative",
        ),
        ("on-failure", -1, "invalid restart policy: maximum retry count cannot be negative"),
        (
            "bad",
            0,
            "invalid restart policy: unknown policy 'bad'; use one of 'no', 'always', \
             'on-failure', or 'unless-stopped'",
        ),
    ] {
        let policy = RestartPolicy { name: name.to_owned(), maximum_retry_count: count };
        assert_eq!(text(restart_policy(&policy)), expect);
    }
}

#[test]
fn limits() {
    let base = Resources::default;
    for (wish, expect) in [
        (base(), "ok"),
        (Resources { memory: 1024, ..base() }, "Minimum memory limit allowed is 6MB"),
        (Resources { memory: -1, ..base() }, "Minimum memory limit allowed is 6MB"),
        (Resources { memory: 64 << 20, memory_swap: -1, ..base() }, "ok"),
        (Resources { memory_swappiness: Some(-1), ..base() }, "ok"),
        (
            Resources { memory_swappiness: Some(101), ..base() },
            "Invalid value: 101, valid memory swappiness range is 0-100",
        ),
        (
            Resources { nano_cpus: 3_000_000_000, ..base() },
            "range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available",
        ),
        (
            Resources { nano_cpus: 1, cpu_period: 1000, ..base() },
            "Conflicting options: Nano CPUs and CPU Period cannot both be set",
        ),
        (Resources { blkio_weight: 5, ..base() }, "Range of blkio weight is from 10 to 1000"),
    ] {
        assert_eq!(text(resources(&wish, 2)), expect);
    }
}

#[test]
fn contradictions() {
    let config = ContainerConfig::default;
    let host = HostConfig::default;
    let always = RestartPolicy { name: "always".to_owned(), maximum_retry_count: 0 };
    for (config, host, expect) in [
        (config(), host(), "ok"),
        (
            config(),
            HostConfig { auto_remove: true, restart_policy: always, ..host() },
            "can't create 'AutoRemove' container with restart policy",
        ),
        (
            ContainerConfig { working_dir: "x".to_owned(), ..config() },
            host(),
            "the working directory 'x' is invalid, it needs to be an absolute path",
        ),
        (
            ContainerConfig { hostname: "h".to_owned(), ..config() },
            HostConfig { uts_mode: "host".to_owned(), ..host() },
            "conflicting options: hostname and the UTS mode",
        ),
        (
            ContainerConfig { hostname: "h".to_owned(), ..config() },
            HostConfig { network_mode: "container:x".to_owned(), ..host() },
            "conflicting options: hostname and the network mode",
        ),
        (
            config(),
            HostConfig { userns_mode: "x".to_owned(), ..host() },
            "invalid user namespace mode: x",
        ),
        (
            config(),
            HostConfig { pid_mode: "container:".to_owned(), ..host() },
            "invalid PID mode: container:",
        ),
        (
            ContainerConfig { stop_signal: "BAD".to_owned(), ..config() },
            host(),
            "invalid signal: BAD",
        ),
        (
            ContainerConfig { env: Some(vec!["=x".to_owned()]), ..config() },
            host(),
            "invalid environment variable: =x",
        ),
    ] {
        assert_eq!(text(create(&config, &host)), expect);
    }
}
