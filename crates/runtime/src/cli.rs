//! `wharf runtime`: the OCI runtime command line, for callers that expect one (containerd's shim,
//! dockerd, podman's conmon, CRI-O).
//!
//! Words, flags and texts are those of runc where callers read them. What a container is between
//! two calls stands in one directory, `ROOT/ID`; nothing runs between them.
//!
//! - [`flags`]: words to flags, by tables
//! - [`verbs`]: the table of verbs, one file each
//! - [`state`]: what is kept on disk, and what is true of it now
//! - [`foreground`]: holding a process until it ends
//! - [`listener`]: handing over the descriptor that a filter asks through
//! - [`protect`]: our own binary against those inside
//! - [`log`]: what callers read errors from

use std::ffi::OsString;
use std::path::PathBuf;

use self::error::CliError;
use self::flags::{Flag, Parsed};

mod clock;
mod console;
mod error;
mod flags;
mod foreground;
mod listener;
mod log;
mod protect;
mod signals;
mod state;
mod verbs;

/// Where containers' state is kept unless `--root` says otherwise.
const ROOT_DEFAULT: &str = "/run/wharf-runtime";

/// Flags before the verb.
const GLOBAL: &[Flag] = &[
    Flag::value("root", 'r', "directory of the containers' state"),
    Flag::value("log", 'l', "file that errors are appended to"),
    Flag::value("log-format", ' ', "text or json"),
    Flag::value("rootless", ' ', "false or auto; true is not supported"),
    Flag::value("criu", ' ', "accepted, without effect"),
    Flag::value("cgroup-manager", ' ', "cgroupfs only"),
    Flag::switch("debug", ' ', "also log what is done"),
    Flag::switch("systemd-cgroup", ' ', "not supported"),
    Flag::switch("version", 'v', "show the version"),
    Flag::switch("help", 'h', "show this"),
];

/// What holds for every verb.
#[derive(Debug)]
struct Globals {
    root: PathBuf,
    /// It is not the default, which need not exist.
    root_is_given: bool,
}

/// Runs one call, `args` being the words after the program's name; returns its exit code.
pub fn main(args: &[OsString]) -> i32 {
    let mut log = log::Log::none();
    match call(args, &mut log) {
        Ok(code) => code,
        Err(error) => {
            let text = stdx::error::chain(&error).to_string();
            log.error(&text);
            eprintln!("wharf-runtime: {text}");
            error.exit_code()
        }
    }
}

fn call(args: &[OsString], log: &mut log::Log) -> Result<i32, CliError> {
    let parsed = flags::parse(GLOBAL, args, flags::Order::FlagsFirst)?;
    *log = log::Log::of(&parsed)?;
    if parsed.is_set("version") {
        verbs::print(&format!(
            "wharf-runtime version {}\nspec: {}\n",
            env!("CARGO_PKG_VERSION"),
            oci::runtime_spec::VERSION
        ));
        return Ok(0);
    }
    let Some((name, rest)) = parsed.words.split_first().filter(|_| !parsed.is_set("help")) else {
        verbs::print(&verbs::help());
        return Ok(if parsed.is_set("help") { 0 } else { 1 });
    };
    let verb = name.to_str().and_then(verbs::find);
    let verb =
        verb.ok_or_else(|| CliError::usage(format!("No help topic for '{}'", name.display())))?;
    let words = flags::parse(verb.flags, rest, verb.order)?;
    if words.is_set("help") {
        verbs::print(&verbs::help_of(verb));
        return Ok(0);
    }
    refuse_systemd(&parsed)?;
    refuse_rootless(&parsed)?;
    log.debug(&format!("{} {}", verb.name(), words));
    let root_is_given = parsed.path("root").is_some();
    let root = parsed.path("root").unwrap_or_else(|| PathBuf::from(ROOT_DEFAULT));
    let outcome = (verb.run)(&Globals { root, root_is_given }, &words);
    log.debug(&format!(
        "{} ends: {}",
        verb.name(),
        if outcome.is_ok() { "done" } else { "failed" }
    ));
    outcome
}

fn refuse_systemd(parsed: &Parsed) -> Result<(), CliError> {
    let other = parsed.text("cgroup-manager")?.is_some_and(|name| name != "cgroupfs");
    if parsed.is_set("systemd-cgroup") || other {
        return Err(CliError::Unsupported {
            what: "systemd's cgroups (--systemd-cgroup)",
            hint: "let the caller use the cgroupfs driver",
        });
    }
    Ok(())
}

/// Containers of an ordinary user are the engine's to make, in its user namespace.
fn refuse_rootless(parsed: &Parsed) -> Result<(), CliError> {
    match parsed.text("rootless")? {
        None | Some("" | "auto") => Ok(()),
        Some(text) if FALSE.contains(&text) => Ok(()),
        Some(text) if TRUE.contains(&text) => Err(CliError::Unsupported {
            what: "containers without root (--rootless)",
            hint: "run an engine without root (`wharf up`), or a runtime that can",
        }),
        Some(text) => Err(CliError::usage(format!("invalid value {text:?} for flag --rootless"))),
    }
}

/// How Go reads booleans.
const FALSE: [&str; 6] = ["0", "f", "F", "false", "FALSE", "False"];
const TRUE: [&str; 6] = ["1", "t", "T", "true", "TRUE", "True"];

#[cfg(test)]
mod tests;
