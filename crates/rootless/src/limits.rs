//! What a container cannot have inside, in words that say what to do.

use docker_api::HostConfig;

/// What `host` asks for and cannot have: limits without cgroups, resources above the user's own.
pub fn refusal(host: &HostConfig) -> Option<String> {
    if let Some(what) = limit(host) {
        return Some(format!(
            "{what} needs a cgroup, and this engine runs without root and has none: start the \
             engine as root, or run the container without the limit"
        ));
    }
    for wish in host.resources.ulimits.iter().flatten() {
        let Some((_, most)) = hard_limit(&wish.name) else { continue };
        if u64::try_from(wish.hard).unwrap_or(u64::MAX) > most {
            return Some(format!(
                "ulimit {}: {} is above this engine's own hard limit of {most}, which it may not \
                 raise without root",
                wish.name, wish.hard
            ));
        }
    }
    if host.pid_mode == "host" && host.sysctls.as_ref().is_some_and(|all| !all.is_empty()) {
        return Some("--sysctl with --pid host needs an engine that runs as root".to_owned());
    }
    if host.oom_score_adj < 0 {
        return Some("--oom-score-adj below 0 needs an engine that runs as root".to_owned());
    }
    None
}

/// The first limit that was asked for, by its flag.
fn limit(host: &HostConfig) -> Option<&'static str> {
    let r = &host.resources;
    let rates = [
        (&r.blkio_device_read_bps, "--device-read-bps"),
        (&r.blkio_device_write_bps, "--device-write-bps"),
        (&r.blkio_device_read_iops, "--device-read-iops"),
        (&r.blkio_device_write_iops, "--device-write-iops"),
    ];
    let rate = rates.into_iter().find(|(rate, _)| rate.as_ref().is_some_and(|r| !r.is_empty()));
    let asked = [
        (r.memory > 0, "--memory"),
        (r.memory_swap > 0, "--memory-swap"),
        (r.memory_reservation > 0, "--memory-reservation"),
        (r.nano_cpus > 0, "--cpus"),
        (r.cpu_quota > 0, "--cpu-quota"),
        (r.cpu_shares > 0, "--cpu-shares"),
        (!r.cpuset_cpus.is_empty(), "--cpuset-cpus"),
        (!r.cpuset_mems.is_empty(), "--cpuset-mems"),
        (r.pids_limit.is_some_and(|most| most > 0), "--pids-limit"),
        (r.blkio_weight > 0, "--blkio-weight"),
        (!r.cgroup_parent.is_empty(), "--cgroup-parent"),
        (rate.is_some(), rate.map_or("", |(_, flag)| flag)),
    ];
    asked.into_iter().find(|(is_asked, _)| *is_asked).map(|(_, flag)| flag)
}

/// Soft and hard limit of this process, by Docker's name.
fn hard_limit(name: &str) -> Option<(u64, u64)> {
    use sys::libc;
    let resource = match name {
        "nofile" => libc::RLIMIT_NOFILE,
        "nproc" => libc::RLIMIT_NPROC,
        "memlock" => libc::RLIMIT_MEMLOCK,
        "core" => libc::RLIMIT_CORE,
        "stack" => libc::RLIMIT_STACK,
        "msgqueue" => libc::RLIMIT_MSGQUEUE,
        "nice" => libc::RLIMIT_NICE,
        "rtprio" => libc::RLIMIT_RTPRIO,
        "rttime" => libc::RLIMIT_RTTIME,
        "sigpending" => libc::RLIMIT_SIGPENDING,
        "as" => libc::RLIMIT_AS,
        "cpu" => libc::RLIMIT_CPU,
        "data" => libc::RLIMIT_DATA,
        "fsize" => libc::RLIMIT_FSIZE,
        "locks" => libc::RLIMIT_LOCKS,
        "rss" => libc::RLIMIT_RSS,
        _ => return None,
    };
    sys::process::rlimit(resource).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_refused_by_their_flag() {
        assert_eq!(refusal(&HostConfig::default()), None);
        let mut host = HostConfig::default();
        host.resources.pids_limit = Some(-1);
        assert_eq!(refusal(&host), None, "no limit is no wish");
        host.resources.memory = 1 << 20;
        let text = refusal(&host).unwrap();
        assert!(text.starts_with("--memory needs a cgroup"), "{text}");
    }
}
