//! From the flags of `run` and `create` to the body of `POST /containers/create`, exactly as the
//! Docker CLI builds it: the tests compare both, byte for byte where order has a meaning.

use std::collections::BTreeMap;

use docker_api::{
    ContainerConfig, CreateRequest, HostConfig, LogConfig, Mount, Resources, RestartPolicy,
};

use crate::flags::parse::Parsed;

pub mod csv;
pub mod device;
pub mod env;
pub mod health;
pub mod mount;
pub mod network;
pub mod port;
pub mod security;
pub mod ulimit;

#[cfg(test)]
mod tests;

type StringMap = BTreeMap<String, String>;

/// The body for these flags. `api_socket` is the path of the engine's socket, for
/// `--use-api-socket`. Errors are Docker's words.
pub fn create_request(flags: &Parsed, api_socket: Option<&str>) -> Result<CreateRequest, String> {
    let swappiness = flags.int("memory-swappiness");
    if !(-1..=100).contains(&swappiness) {
        return Err(format!("invalid value: {swappiness}. Valid memory swappiness range is 0-100"));
    }
    let mac = flags.text("mac-address");
    if !mac.is_empty() && !crate::flags::check::hardware_address(mac) {
        return Err(format!("{mac} is not a valid mac address"));
    }
    let ports = port::parse(flags.list("publish"), flags.list("expose"))?;
    let volumes = mount::volumes(flags.list("volume"))?;
    let mut host_config = host_config(flags, api_socket)?;
    host_config.binds = none_if_empty(volumes.binds);
    host_config.port_bindings = Some(ports.bindings);
    let mut config = config(flags)?;
    config.volumes = Some(volumes.anonymous.into_iter().map(|v| (v, docker_api::Empty)).collect());
    config.exposed_ports = Some(ports.exposed).filter(|ports| !ports.is_empty());
    let networking_config = network::endpoints(flags)?;
    let restart = &host_config.restart_policy.name;
    if host_config.auto_remove && !matches!(restart.as_str(), "no" | "") {
        return Err("conflicting options: cannot specify both --restart and --rm".into());
    }
    Ok(CreateRequest { host_config, networking_config, config })
}

fn config(flags: &Parsed) -> Result<ContainerConfig, String> {
    let streams = flags.list("attach");
    let attached = |stream: &str| streams.iter().any(|s| s == stream);
    let interactive = flags.switch("interactive");
    let attach_stdin = interactive || attached("stdin");
    let entrypoint = flags.text("entrypoint");
    let text = |name: &str| flags.text(name).to_owned();
    Ok(ContainerConfig {
        hostname: text("hostname"),
        domainname: text("domainname"),
        user: text("user"),
        attach_stdin,
        attach_stdout: streams.is_empty() || attached("stdout"),
        attach_stderr: streams.is_empty() || attached("stderr"),
        tty: flags.switch("tty"),
        open_stdin: interactive,
        stdin_once: interactive && attach_stdin,
        env: none_if_empty(env::variables(flags.list("env-file"), flags.list("env"))?),
        healthcheck: health::check(flags)?,
        image: flags.args.first().cloned().unwrap_or_default(),
        working_dir: text("workdir"),
        labels: Some(env::labels(flags.list("label-file"), flags.list("label"))?),
        stop_signal: text("stop-signal"),
        stop_timeout: flags.is_set("stop-timeout").then(|| flags.int("stop-timeout")),
        cmd: none_if_empty(flags.args.iter().skip(1).cloned().collect()),
        entrypoint: flags.is_set("entrypoint").then(|| vec![entrypoint.to_owned()]),
        ..ContainerConfig::default()
    })
}

fn host_config(flags: &Parsed, api_socket: Option<&str>) -> Result<HostConfig, String> {
    let text = |name: &str| flags.text(name).to_owned();
    let list = |name: &str| none_if_empty(flags.list(name).to_vec());
    let mode = |name: &str, ok: bool, what: &str| match ok {
        true => Ok(text(name)),
        false => Err(format!("--{name}: invalid {what} mode")),
    };
    let pid = flags.text("pid");
    let container = pid.strip_prefix("container:").is_some_and(|id| !id.is_empty());
    let capabilities = |name: &str| none_if_empty(security::capabilities(flags.list(name)));
    let security = security::options(flags.list("security-opt"))?;
    let mut mounts = mount::all(flags.list("mount"))?;
    if flags.switch("use-api-socket") {
        mounts.push(api_socket_mount(api_socket)?);
    }
    Ok(HostConfig {
        container_id_file: text("cidfile"),
        log_config: log_config(flags)?,
        network_mode: network::mode(flags.list("network")),
        restart_policy: restart_policy(flags.text("restart"))?,
        auto_remove: flags.switch("rm"),
        volume_driver: text("volume-driver"),
        volumes_from: list("volumes-from"),
        annotations: some_map(env::map(flags.list("annotation"))),
        cgroupns_mode: {
            let cgroupns = flags.text("cgroupns");
            mode("cgroupns", matches!(cgroupns, "" | "host" | "private"), "CGROUP")?
        },
        dns: Some(flags.list("dns").to_vec()),
        dns_options: Some(flags.list("dns-option").to_vec()),
        dns_search: Some(flags.list("dns-search").to_vec()),
        extra_hosts: list("add-host"),
        group_add: list("group-add"),
        ipc_mode: text("ipc"),
        links: list("link"),
        oom_score_adj: flags.int("oom-score-adj"),
        pid_mode: mode("pid", matches!(pid, "" | "host") || container, "PID")?,
        privileged: flags.switch("privileged"),
        publish_all_ports: flags.switch("publish-all"),
        readonly_rootfs: flags.switch("read-only"),
        security_opt: security.options,
        storage_opt: some_map(storage_options(flags.list("storage-opt"))?),
        tmpfs: some_map(mount::tmpfs(flags.list("tmpfs"))),
        uts_mode: mode("uts", matches!(flags.text("uts"), "" | "host"), "UTS")?,
        userns_mode: mode("userns", matches!(flags.text("userns"), "" | "host"), "USER")?,
        shm_size: flags.int("shm-size"),
        sysctls: some_map(env::map(flags.list("sysctl"))),
        runtime: text("runtime"),
        isolation: text("isolation"),
        mounts: none_if_empty(mounts),
        masked_paths: security.system_paths.clone(),
        readonly_paths: security.system_paths,
        init: flags.is_set("init").then(|| flags.switch("init")),
        cap_add: capabilities("cap-add"),
        cap_drop: capabilities("cap-drop"),
        resources: resources(flags)?,
        ..HostConfig::default()
    })
}

fn resources(flags: &Parsed) -> Result<Resources, String> {
    let devices = device::devices(flags.list("device"))?;
    let requests = device::requests(flags.list("gpus"), devices.cdi_names)?;
    let text = |name: &str| flags.text(name).to_owned();
    let throttle = |name: &str, parse: fn(&str) -> Result<_, String>| {
        flags.list(name).iter().map(|value| parse(value)).collect::<Result<Vec<_>, _>>().map(Some)
    };
    let weights = flags.list("blkio-weight-device").iter().map(|w| device::weight(w));
    Ok(Resources {
        cpu_shares: flags.int("cpu-shares"),
        memory: flags.int("memory"),
        nano_cpus: flags.int("cpus"),
        cgroup_parent: text("cgroup-parent"),
        blkio_weight: u16::try_from(flags.int("blkio-weight")).unwrap_or(0),
        blkio_weight_device: Some(weights.collect::<Result<_, _>>()?),
        blkio_device_read_bps: throttle("device-read-bps", device::bytes_rate)?,
        blkio_device_write_bps: throttle("device-write-bps", device::bytes_rate)?,
        blkio_device_read_iops: throttle("device-read-iops", device::operations_rate)?,
        blkio_device_write_iops: throttle("device-write-iops", device::operations_rate)?,
        cpu_period: flags.int("cpu-period"),
        cpu_quota: flags.int("cpu-quota"),
        cpu_realtime_period: flags.int("cpu-rt-period"),
        cpu_realtime_runtime: flags.int("cpu-rt-runtime"),
        cpuset_cpus: text("cpuset-cpus"),
        cpuset_mems: text("cpuset-mems"),
        devices: Some(devices.mappings),
        device_cgroup_rules: none_if_empty(flags.list("device-cgroup-rule").to_vec()),
        device_requests: none_if_empty(requests),
        memory_reservation: flags.int("memory-reservation"),
        memory_swap: flags.int("memory-swap"),
        memory_swappiness: Some(flags.int("memory-swappiness")),
        oom_kill_disable: Some(flags.switch("oom-kill-disable")),
        pids_limit: Some(flags.int("pids-limit")),
        ulimits: Some(ulimit::all(flags.list("ulimit"))?),
        cpu_count: flags.int("cpu-count"),
        cpu_percent: flags.int("cpu-percent"),
        io_maximum_iops: u64::try_from(flags.int("io-maxiops")).unwrap_or(0),
        io_maximum_bandwidth: u64::try_from(flags.int("io-maxbandwidth")).unwrap_or(0),
        ..Resources::default()
    })
}

fn log_config(flags: &Parsed) -> Result<LogConfig, String> {
    let driver = flags.text("log-driver").to_owned();
    let config = env::map(flags.list("log-opt"));
    if driver == "none" && !config.is_empty() {
        return Err("invalid logging opts for driver none".into());
    }
    Ok(LogConfig { driver, config: Some(config) })
}

/// `always`, `on-failure:3`.
pub fn restart_policy(text: &str) -> Result<RestartPolicy, String> {
    let fail = |why: &str| Err(format!("invalid restart policy format: {why}"));
    let (name, count) = match text.split_once(':') {
        Some(("", _)) => return fail("no policy provided before colon"),
        Some((name, count)) => match count.parse() {
            Ok(count) => (name, count),
            Err(_) => return fail("maximum retry count must be an integer"),
        },
        None => (text, 0),
    };
    Ok(RestartPolicy { name: name.to_owned(), maximum_retry_count: count })
}

fn storage_options(options: &[String]) -> Result<StringMap, String> {
    let pair = |option: &String| {
        let (key, value) = option.split_once('=').ok_or("invalid storage option")?;
        Ok((key.to_owned(), value.to_owned()))
    };
    options.iter().map(pair).collect()
}

fn api_socket_mount(path: Option<&str>) -> Result<Mount, String> {
    let path = path.ok_or("flag --use-api-socket can only be used with unix sockets")?;
    Ok(Mount {
        kind: "bind".into(),
        source: path.to_owned(),
        target: "/var/run/docker.sock".into(),
        bind_options: Some(docker_api::BindOptions::default()),
        ..Mount::default()
    })
}

fn none_if_empty<T>(list: Vec<T>) -> Option<Vec<T>> {
    Some(list).filter(|list| !list.is_empty())
}

fn some_map(map: StringMap) -> Option<StringMap> {
    Some(map).filter(|map| !map.is_empty())
}
