//! The flags that `run` and `create` share.

use super::{Flag, Kind, check};
use crate::body::{device, mount, network, ulimit};

/// Only on `run`.
pub const RUN_ONLY: &[Flag] = &[
    Flag::switch("detach", "Leave the container in the background and print its id").short('d'),
    Flag::text("detach-keys", "Keys that leave an attached container running"),
    Flag::switch("sig-proxy", "Pass signals on to the process").default("true"),
];

/// What runs, as whom, with what around it.
pub const PROCESS: &[Flag] = &[
    Flag::checked("attach", check::stream, "Attach to STDIN, STDOUT or STDERR").short('a'),
    Flag::of("annotation", Kind::List("map", check::any), "Annotation for the OCI runtime"),
    Flag::text("cidfile", "Write the container's id to this file"),
    Flag::switch("disable-content-trust", "Accepted and without effect").default("true"),
    Flag::text("domainname", "NIS domain name"),
    Flag::text("entrypoint", "Program to run instead of the image's"),
    Flag::checked("env", check::env, "Set an environment variable").short('e'),
    Flag::list("env-file", "Read environment variables from a file"),
    Flag::list("group-add", "Further groups of the process"),
    Flag::text("hostname", "Host name in the container").short('h'),
    Flag::switch("init", "Run a small init that reaps processes and passes signals on"),
    Flag::switch("interactive", "Keep standard input open").short('i'),
    Flag::text("isolation", "Isolation technology (Windows only)"),
    Flag::checked("label", check::label, "Attach a key and a value to the container").short('l'),
    Flag::list("label-file", "Read labels from a file"),
    Flag::text("log-driver", "Where the output is logged"),
    Flag::list("log-opt", "Options of the log driver"),
    Flag::text("name", "Name of the container"),
    Flag::text("platform", "Operating system and architecture of the image to use"),
    Flag::text("pull", "Pull the image (\"always\", \"missing\", \"never\")").default("missing"),
    Flag::switch("quiet", "Do not show the progress of a pull").short('q'),
    Flag::text("restart", "What to do when the container exits").default("no"),
    Flag::switch("rm", "Remove the container and its anonymous volumes when it exits"),
    Flag::text("runtime", "OCI runtime to use"),
    Flag::text("stop-signal", "Signal that stops the container"),
    Flag::int("stop-timeout", "Seconds between the stop signal and SIGKILL"),
    Flag::switch("tty", "Give the process a terminal").short('t'),
    Flag::text("user", "User and group (<name|uid>[:<group|gid>])").short('u'),
    Flag::text("workdir", "Working directory in the container").short('w'),
];

/// Health check.
pub const HEALTH: &[Flag] = &[
    Flag::text("health-cmd", "Command that tells whether the container is healthy"),
    Flag::duration("health-interval", "Time between two checks (ms|s|m|h)"),
    Flag::int("health-retries", "Failed checks in a row that make it unhealthy"),
    Flag::duration("health-start-interval", "Time between checks while it starts (ms|s|m|h)"),
    Flag::duration("health-start-period", "Time to start, in which failures do not count"),
    Flag::duration("health-timeout", "Longest time that one check may take (ms|s|m|h)"),
    Flag::switch("no-healthcheck", "Ignore the image's HEALTHCHECK"),
];

/// Isolation and rights.
pub const SECURITY: &[Flag] = &[
    Flag::list("cap-add", "Give a Linux capability"),
    Flag::list("cap-drop", "Take a Linux capability away"),
    Flag::text("cgroup-parent", "Cgroup below which the container's is made"),
    Flag::text("cgroupns", "Cgroup namespace: \"host\" or \"private\""),
    Flag::list("device", "Make a host device available"),
    Flag::checked("device-cgroup-rule", check::device_rule, "Allow devices by a cgroup rule"),
    Flag::of("gpus", Kind::List("gpu-request", device::check_gpus), "GPUs to make available"),
    Flag::text("ipc", "IPC namespace"),
    Flag::text("pid", "Process id namespace"),
    Flag::switch("privileged", "Give the container the rights of the host's root"),
    Flag::switch("read-only", "Mount the root file system read-only"),
    Flag::list("security-opt", "Security options"),
    Flag::of("sysctl", Kind::List("map", check::sysctl), "Kernel parameters of its namespaces"),
    Flag::switch("use-api-socket", "Mount the socket of the engine in the container"),
    Flag::text("userns", "User namespace"),
    Flag::text("uts", "UTS namespace"),
];

/// Files.
pub const FILES: &[Flag] = &[
    Flag::of("mount", Kind::List("mount", mount::check), "Attach a mount"),
    Flag::list("storage-opt", "Options of the storage"),
    Flag::list("tmpfs", "Mount a tmpfs"),
    Flag::list("volume", "Mount a directory or a volume").short('v'),
    Flag::text("volume-driver", "Volume driver"),
    Flag::list("volumes-from", "Mount the volumes of another container"),
];

/// Network.
pub const NETWORK: &[Flag] = &[
    Flag::checked("add-host", check::extra_host, "Add a line to /etc/hosts (host:ip)"),
    Flag::checked("dns", check::address, "Address of a DNS server"),
    Flag::list("dns-opt", "DNS options").alias("dns-option", false),
    Flag::list("dns-option", "DNS options"),
    Flag::checked("dns-search", check::domain, "DNS search domains"),
    Flag::list("expose", "Expose a port or a range of ports"),
    Flag::text("ip", "IPv4 address"),
    Flag::text("ip6", "IPv6 address"),
    Flag::checked("link", check::link, "Link to another container"),
    Flag::list("link-local-ip", "Link-local addresses"),
    Flag::text("mac-address", "Hardware address (92:d0:c6:0a:29:33)"),
    Flag::of("net", Kind::List("network", network::check), "Network").alias("network", false),
    Flag::list("net-alias", "Further name in the network").alias("network-alias", false),
    Flag::of("network", Kind::List("network", network::check), "Connect to a network"),
    Flag::list("network-alias", "Further name in the network"),
    Flag::list("publish", "Make a port reachable on the host").short('p'),
    Flag::switch("publish-all", "Publish every exposed port on some free port").short('P'),
];

/// Limits.
pub const LIMITS: &[Flag] = &[
    Flag::of("blkio-weight", Kind::Uint16, "Relative block IO weight, 10 to 1000; 0: none")
        .default("0"),
    Flag::checked("blkio-weight-device", device::check_weight, "Block IO weight of a device"),
    Flag::int("cpu-count", "Number of CPUs (Windows only)"),
    Flag::int("cpu-percent", "Percentage of CPUs (Windows only)"),
    Flag::int("cpu-period", "Period of the CPU quota in microseconds"),
    Flag::int("cpu-quota", "CPU time in a period, in microseconds"),
    Flag::int("cpu-rt-period", "Period of real-time CPU limit in microseconds"),
    Flag::int("cpu-rt-runtime", "Real-time CPU time in a period, in microseconds"),
    Flag::int("cpu-shares", "Relative CPU weight").short('c'),
    Flag::of("cpus", Kind::Decimal, "Number of CPUs"),
    Flag::text("cpuset-cpus", "CPUs to run on (0-3, 0,1)"),
    Flag::text("cpuset-mems", "Memory nodes to use (0-3, 0,1)"),
    Flag::checked("device-read-bps", device::check_bps, "Bytes a second read from a device"),
    Flag::checked("device-read-iops", device::check_iops, "Reads a second from a device"),
    Flag::checked("device-write-bps", device::check_bps, "Bytes a second written to a device"),
    Flag::checked("device-write-iops", device::check_iops, "Writes a second to a device"),
    Flag::bytes("io-maxbandwidth", "Largest IO bandwidth of the system drive (Windows only)"),
    Flag::of("io-maxiops", Kind::Uint64, "Largest IO rate of the system drive (Windows only)"),
    Flag::bytes("kernel-memory", "Accepted and without effect"),
    Flag::bytes("memory", "Limit of memory").short('m'),
    Flag::bytes("memory-reservation", "Memory to keep when the host is short of it"),
    Flag::of("memory-swap", Kind::BytesOrUnlimited, "Limit of memory and swap; -1: none"),
    Flag::int("memory-swappiness", "How willingly to swap, 0 to 100").default("-1"),
    Flag::switch("oom-kill-disable", "Do not kill processes that lack memory"),
    Flag::int("oom-score-adj", "Who is killed first when memory lacks, -1000 to 1000"),
    Flag::int("pids-limit", "Most processes; -1: no limit"),
    Flag::bytes("shm-size", "Size of /dev/shm"),
    Flag::of("ulimit", Kind::List("ulimit", ulimit::check), "Resource limits"),
];

/// What can be changed later.
pub const UPDATE: &[Flag] = &[
    Flag::of("blkio-weight", Kind::Uint16, "Relative block IO weight, 10 to 1000; 0: none")
        .default("0"),
    Flag::int("cpu-period", "Period of the CPU quota in microseconds"),
    Flag::int("cpu-quota", "CPU time in a period, in microseconds"),
    Flag::int("cpu-rt-period", "Period of real-time CPU limit in microseconds"),
    Flag::int("cpu-rt-runtime", "Real-time CPU time in a period, in microseconds"),
    Flag::int("cpu-shares", "Relative CPU weight").short('c'),
    Flag::of("cpus", Kind::Decimal, "Number of CPUs"),
    Flag::text("cpuset-cpus", "CPUs to run on (0-3, 0,1)"),
    Flag::text("cpuset-mems", "Memory nodes to use (0-3, 0,1)"),
    Flag::bytes("kernel-memory", "Accepted and without effect").hidden(),
    Flag::bytes("memory", "Limit of memory").short('m'),
    Flag::bytes("memory-reservation", "Memory to keep when the host is short of it"),
    Flag::of("memory-swap", Kind::BytesOrUnlimited, "Limit of memory and swap; -1: none"),
    Flag::int("pids-limit", "Most processes; -1: no limit"),
    Flag::text("restart", "What to do when the container exits"),
];
