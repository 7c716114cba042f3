use super::*;
use crate::container::{Resources, RestartPolicy};

fn policy(name: &str) -> RestartPolicy {
    RestartPolicy { name: name.to_owned(), maximum_retry_count: 0 }
}

fn wish(resources: Resources) -> UpdateRequest {
    UpdateRequest { resources, ..UpdateRequest::default() }
}

fn host(resources: Resources) -> HostConfig {
    HostConfig { resources, ..HostConfig::default() }
}

#[test]
fn what_contradicts_is_refused() {
    let check = |host: &HostConfig, wish: &UpdateRequest, expect: &str| {
        assert_eq!(changed(host, wish).err().unwrap_or_default(), expect);
    };
    let r = Resources::default;
    let cpus = wish(Resources { nano_cpus: 1, ..r() });
    check(
        &host(Resources { cpu_period: 1000, ..r() }),
        &cpus,
        "Conflicting options: Nano CPUs cannot be updated as CPU Period has already been set",
    );
    check(
        &host(Resources { cpu_quota: 1000, ..r() }),
        &cpus,
        "Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set",
    );
    let cpus = host(Resources { nano_cpus: 1, ..r() });
    check(
        &cpus,
        &wish(Resources { cpu_period: 1000, ..r() }),
        "Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set",
    );
    check(
        &cpus,
        &wish(Resources { cpu_quota: 1000, ..r() }),
        "Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set",
    );
    let small = "Memory limit should be smaller than already set memoryswap limit, update the \
                 memoryswap at the same time";
    let memory = |memory, memory_swap| Resources { memory, memory_swap, ..r() };
    check(&host(memory(0, 0)), &wish(memory(100, 0)), small);
    check(&host(memory(50, -1)), &wish(memory(100, 0)), small);
    check(&host(memory(50, 100)), &wish(memory(101, 0)), small);
    check(&host(memory(50, 100)), &wish(memory(100, 0)), "");
    check(&host(memory(0, 0)), &wish(memory(100, 100)), "");
    check(
        &host(memory(50, 100)),
        &wish(memory(0, 49)),
        "Minimum memoryswap limit should be larger than memory limit, see usage",
    );
    let removed = HostConfig { auto_remove: true, ..HostConfig::default() };
    let restart = |name| UpdateRequest { restart_policy: policy(name), ..Default::default() };
    check(
        &removed,
        &restart("always"),
        "Restart policy cannot be updated because AutoRemove is enabled for the container",
    );
    check(&removed, &restart("no"), "");
}

#[test]
fn zero_leaves_what_is() {
    let now = host(Resources {
        memory: 5,
        cpu_shares: 7,
        cpuset_cpus: "0".to_owned(),
        pids_limit: Some(9),
        blkio_weight: 10,
        ..Resources::default()
    });
    assert_eq!(changed(&now, &UpdateRequest::default()), Ok(now.clone()));
}

#[test]
fn what_cannot_change_does_not() {
    let more = Resources {
        cgroup_parent: "/x".to_owned(),
        memory_swappiness: Some(5),
        oom_kill_disable: Some(true),
        cpu_count: 4,
        pids_limit: Some(0),
        ..Resources::default()
    };
    let now = host(Resources { pids_limit: Some(9), ..Resources::default() });
    assert_eq!(changed(&now, &wish(more)), Ok(HostConfig::default()));
}
