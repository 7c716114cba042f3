use docker_api::{BindOptions, DeviceMapping, Mount, Resources, Ulimit};

use super::namespaces::{IdRange, host_ids_reason};
use super::*;

fn words(words: &[&str]) -> Option<Vec<String>> {
    Some(words.iter().map(|word| (*word).to_owned()).collect())
}

/// A container as `create` makes it of these wishes.
fn compiled(change: impl FnOnce(&mut ContainerConfig, &mut HostConfig)) -> LaunchPlan {
    let mut config = ContainerConfig {
        hostname: "0123456789ab".to_owned(),
        cmd: words(&["sleep", "300"]),
        ..ContainerConfig::default()
    };
    let mut host = HostConfig::default();
    change(&mut config, &mut host);
    crate::defaults::fill(&mut host, false);
    let modes = Modes::parse(&host).unwrap();
    let ids = match host_ids_reason(&host, &modes) {
        Some(reason) => IdSource::Host { reason },
        None if modes.joined().next().is_some() => IdSource::Joined,
        None => IdSource::Leased(IdRange { start: 1 << 20, count: 65_536 }),
    };
    let map = IdRange { start: 1 << 21, count: 65_536 }.map();
    let other = Joinable { id: "other".to_owned(), pid: 77, map };
    let joinable: Vec<Joinable> = modes.joined().take(1).map(|_| other.clone()).collect();
    let inputs = Inputs {
        config: &config,
        host: &host,
        ids: &ids,
        no_new_privileges: false,
        root: RootPlan::Overlay {
            layers_dir: "/root/layers".into(),
            lowers: vec!["a/fs".into(), "b/fs".into()],
            rw_dir: "/root/rw".into(),
            volatile: host.auto_remove,
        },
        cgroup_path: "/wharf/0123456789abcdef".to_owned(),
        files_dir: Path::new("/root/containers/0123456789abcdef"),
        init_file: Path::new("/run/wharf/docker-init"),
        sockets: &["/run/wharf/wharf.sock".into()],
        joinable: &joinable,
        machine_masks: &[],
        cdi_dirs: &[],
    };
    compile(inputs, &SeccompCache::new("6.1.0").unwrap()).unwrap()
}

/// Compares with the document of this name. The filter is a matter of the crate `seccomp`: only
/// whether there is one shows. Set `WHARF_WRITE_GOLDEN` to write what is there now.
fn check(name: &str, change: impl FnOnce(&mut ContainerConfig, &mut HostConfig)) {
    let mut plan = compiled(change);
    if let Some(seccomp) = plan.process.seccomp.as_mut() {
        seccomp.program_hex = "...".to_owned();
    }
    let got = serde_json::to_string_pretty(&plan).unwrap() + "\n";
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("src/golden").join(format!("{name}.json"));
    if std::env::var_os("WHARF_WRITE_GOLDEN").is_some() {
        std::fs::write(&path, &got).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    assert_eq!(got, expected, "{name}");
}

#[test]
fn default() {
    check("default", |_, _| ());
}

#[test]
fn everything_a_user_can_say() {
    check("full", |config, host| {
        config.tty = true;
        config.user = "1000:100".to_owned();
        config.working_dir = "/w".to_owned();
        config.env = words(&["A=1"]);
        config.domainname = "example".to_owned();
        host.init = Some(true);
        host.readonly_rootfs = true;
        host.auto_remove = true;
        host.console_size = [24, 80];
        host.cap_drop = words(&["ALL"]);
        host.cap_add = words(&["NET_ADMIN"]);
        host.security_opt = words(&["seccomp=unconfined", "writable-cgroups=true"]);
        host.group_add = words(&["audio"]);
        host.oom_score_adj = 100;
        host.ipc_mode = "none".to_owned();
        host.masked_paths = Some(Vec::new());
        host.readonly_paths = Some(Vec::new());
        host.sysctls = Some([("net.ipv4.ip_forward".to_owned(), "1".to_owned())].into());
        host.binds = words(&["/src:/dst:ro", "/var/run/docker.sock:/var/run/docker.sock"]);
        host.tmpfs = Some([("/tmp".to_owned(), "size=1m,exec".to_owned())].into());
        host.mounts = Some(vec![Mount {
            kind: "bind".to_owned(),
            source: "/shared".to_owned(),
            target: "/dst/shared".to_owned(),
            bind_options: Some(BindOptions {
                propagation: "rshared".to_owned(),
                ..BindOptions::default()
            }),
            ..Mount::default()
        }]);
        host.resources = Resources {
            memory: 64 << 20,
            nano_cpus: 500_000_000,
            pids_limit: Some(50),
            ulimits: Some(vec![Ulimit { name: "nofile".to_owned(), soft: 10, hard: 20 }]),
            devices: Some(vec![DeviceMapping {
                path_on_host: "/dev/null".to_owned(),
                path_in_container: "/dev/nil".to_owned(),
                cgroup_permissions: "rw".to_owned(),
            }]),
            device_cgroup_rules: words(&["c 13:* rwm"]),
            ..Resources::default()
        };
    });
}

#[test]
fn namespaces_of_the_host() {
    check("host-namespaces", |_, host| {
        host.network_mode = "host".to_owned();
        host.pid_mode = "host".to_owned();
        host.ipc_mode = "host".to_owned();
        host.uts_mode = "host".to_owned();
    });
    check("host-namespaces-own-ids", |_, host| {
        host.network_mode = "host".to_owned();
        host.pid_mode = "host".to_owned();
        host.ipc_mode = "host".to_owned();
        host.userns_mode = "private".to_owned();
    });
}

#[test]
fn joined_namespaces() {
    check("joined", |_, host| {
        host.network_mode = "container:other".to_owned();
        host.pid_mode = "container:other".to_owned();
    });
}

#[test]
fn privileged_has_no_walls() {
    let plan = compiled(|_, host| host.privileged = true);
    assert!(matches!(plan.user_namespace, UserNamespace::Host));
    assert!(plan.masked_paths.is_empty() && plan.readonly_paths.is_empty());
    assert!(plan.process.seccomp.is_none());
    assert_eq!(plan.process.capabilities.bounding, seccomp::CapSet::ALL.bits());
    assert!(plan.cgroup.limits.devices.is_empty());
    for target in ["/sys", "/sys/fs/cgroup"] {
        let mount = plan.mounts.iter().find(|mount| mount.target == Path::new(target)).unwrap();
        assert!(!mount.attributes.read_only, "{target}");
    }
}

#[test]
fn a_users_mount_takes_the_place_of_ours() {
    let plan = compiled(|_, host| {
        host.tmpfs = Some([("/dev/shm".to_owned(), String::new())].into());
        host.binds = words(&["/x:/etc/hosts"]);
    });
    let at = |target: &str| {
        let found = plan.mounts.iter().filter(|mount| mount.target == Path::new(target));
        found.cloned().collect::<Vec<_>>()
    };
    assert_eq!((at("/dev/shm").len(), at("/etc/hosts").len()), (1, 1));
    assert!(matches!(&at("/etc/hosts")[0].kind,
        MountKind::Bind { source, .. } if source == Path::new("/x")));
    assert_eq!(at("/etc/hostname").len(), 1);
}
