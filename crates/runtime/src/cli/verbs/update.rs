use std::path::Path;

use oci::runtime_spec::{BlockIo, Cpu, Memory, Pids, Resources};

use super::{Flag, Globals, HELP, Order, Parsed, Verb};
use crate::bundle::{self, limits_of_update};
use crate::cli::error::CliError;
use crate::cli::state::Container;

pub(super) const VERB: Verb = Verb {
    name: "update",
    words: "ID",
    about: "change the limits of a container",
    flags: FLAGS,
    order: Order::Anywhere,
    run: update,
};

const FLAGS: &[Flag] = &[
    Flag::value("resources", 'r', "file with `linux.resources`; - is the standard input"),
    Flag::value("memory", ' ', "bytes, or with a unit: 100M; -1 is no limit"),
    Flag::value("memory-reservation", ' ', "as above"),
    Flag::value("memory-swap", ' ', "as above, memory included"),
    Flag::value("cpu-share", ' ', "relative weight"),
    Flag::value("cpu-period", ' ', "microseconds"),
    Flag::value("cpu-quota", ' ', "microseconds"),
    Flag::value("cpuset-cpus", ' ', "processors"),
    Flag::value("cpuset-mems", ' ', "memory nodes"),
    Flag::value("pids-limit", ' ', "tasks"),
    Flag::value("blkio-weight", ' ', "relative weight of block device time"),
    Flag::value("cpu-burst", ' ', "microseconds saved for a later period"),
    Flag::value("cpu-idle", ' ', "1: run only when nothing else does"),
    Flag::value("cpu-rt-period", ' ', "microseconds of a real-time period"),
    Flag::value("cpu-rt-runtime", ' ', "microseconds of each for real-time tasks"),
    Flag::value("kernel-memory", ' ', "obsolete, without effect"),
    Flag::value("kernel-memory-tcp", ' ', "obsolete, without effect"),
    Flag::value("l3-cache-schema", ' ', "not supported: Intel RDT"),
    Flag::value("mem-bw-schema", ' ', "not supported: Intel RDT"),
    HELP,
];

/// No honest document is larger.
const RESOURCES_BYTES_MAX: u64 = 1 << 20;

fn update(globals: &Globals, parsed: &Parsed) -> Result<i32, CliError> {
    let container = Container::named(&globals.root, parsed.only_word()?)?;
    let record = container.read()?;
    for name in ["l3-cache-schema", "mem-bw-schema"] {
        if parsed.is_set(name) {
            let hint = "leave --l3-cache-schema and --mem-bw-schema out";
            return Err(CliError::Unsupported { what: "Intel RDT's limits", hint });
        }
    }
    let resources = match parsed.path("resources") {
        Some(path) => read(&path)?,
        None => of_flags(parsed)?,
    };
    let limits = limits_of_update(&resources).map_err(CliError::Bundle)?;
    let cgroup = record.live_cgroup()?;
    for discarded in cgroup.update(&limits).map_err(CliError::cgroup("change the limits"))? {
        eprintln!("wharf-runtime: {}", discarded.warning());
    }
    Ok(0)
}

fn read(path: &Path) -> Result<Resources, CliError> {
    let path = if path == Path::new("-") { Path::new("/dev/stdin") } else { path };
    let bytes = stdx::fs::read(path, RESOURCES_BYTES_MAX).map_err(CliError::File)?;
    bundle::parse(path, &bytes).map_err(CliError::Bundle)
}

/// A number of bytes, perhaps with a unit as in `100M`, `1.5GiB` or `64kb`; -1 is no limit.
fn size(parsed: &Parsed, name: &str) -> Result<Option<i64>, CliError> {
    let Some(text) = parsed.text(name)? else { return Ok(None) };
    let bytes = match text {
        "-1" => Some(-1),
        text => stdx::size::parse_binary(text).and_then(|bytes| bytes.try_into().ok()),
    };
    let wrong = || CliError::usage(format!("invalid value {text:?} for flag --{name}"));
    bytes.map(Some).ok_or_else(wrong)
}

fn of_flags(parsed: &Parsed) -> Result<Resources, CliError> {
    fn number<T: std::str::FromStr>(parsed: &Parsed, name: &str) -> Result<Option<T>, CliError> {
        let Some(text) = parsed.text(name)? else { return Ok(None) };
        let wrong = |_| CliError::usage(format!("invalid value {text:?} for flag --{name}"));
        text.parse().map(Some).map_err(wrong)
    }
    Ok(Resources {
        memory: Some(Memory {
            limit: size(parsed, "memory")?,
            reservation: size(parsed, "memory-reservation")?,
            swap: size(parsed, "memory-swap")?,
            ..Memory::default()
        }),
        cpu: Some(Cpu {
            shares: number(parsed, "cpu-share")?,
            period: number(parsed, "cpu-period")?,
            quota: number(parsed, "cpu-quota")?,
            cpus: parsed.text("cpuset-cpus")?.unwrap_or_default().to_owned(),
            mems: parsed.text("cpuset-mems")?.unwrap_or_default().to_owned(),
            burst: number(parsed, "cpu-burst")?,
            idle: number(parsed, "cpu-idle")?,
            realtime_period: number(parsed, "cpu-rt-period")?,
            realtime_runtime: number(parsed, "cpu-rt-runtime")?,
        }),
        block_io: Some(BlockIo { weight: number(parsed, "blkio-weight")?, ..BlockIo::default() }),
        pids: Some(Pids { limit: number(parsed, "pids-limit")? }),
        ..Resources::default()
    })
}
