//! `wharf engine`: the wiring of the engine's parts, and nothing else.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::config::{self, EngineSettings};
use crate::failure::{Failure, Outcome};
use crate::flags::parse::Parsed;

/// Set by `wharf up`: the engine leaves the session of the terminal it was started from.
pub const OWN_SESSION: &str = "WHARF_OWN_SESSION";

/// Where an engine keeps its things and where it listens.
#[derive(Debug)]
pub struct EngineSpec {
    /// Images, containers, volumes.
    pub root: PathBuf,
    /// Sockets and process ids.
    pub run: PathBuf,
    /// Sockets to listen on, as `unix://PATH`.
    pub hosts: Vec<String>,
    /// What configuration file and flags say.
    pub settings: EngineSettings,
}

/// Runs the engine until it is told to end.
pub fn main(flags: &Parsed, hosts: &[String]) -> Outcome {
    let run = PathBuf::from(flags.text("run"));
    let hosts = match hosts {
        [] => vec![format!("unix://{}", run.join("wharf.sock").display())],
        given => given.to_vec(),
    };
    for host in &hosts {
        if !host.starts_with("unix:///") {
            return Err(Failure::new(format!(
                "failed to listen on `{host}`: only unix:///PATH is supported"
            )));
        }
    }
    if std::env::var_os(OWN_SESSION).is_some() {
        // Fails only for the leader of a process group, which is in no need of it.
        let _ = sys::rustix::process::setsid();
    }
    let settings = config::read(flags)?;
    let root = PathBuf::from(flags.text("root"));
    crate::serve::serve(EngineSpec { root, run, hosts, settings })
}

/// `wharf runtime`: the OCI runtime command line.
pub fn runtime_main(words: &[String]) -> i32 {
    let words: Vec<OsString> = words.iter().map(OsString::from).collect();
    runtime::cli::main(&words)
}

/// `wharf spawner`: started by an engine only.
pub fn spawner_main() -> i32 {
    monitor::spawner_main()
}

/// `wharf unpack-worker`: started by an engine only.
pub fn unpack_worker_main(words: &[String]) -> i32 {
    let words: Vec<OsString> = words.iter().map(OsString::from).collect();
    store::unpack_worker_main(&words)
}

/// `wharf files-worker`: started by an engine only.
pub fn files_worker_main(words: &[String]) -> i32 {
    let words: Vec<std::ffi::OsString> = words.iter().map(Into::into).collect();
    store::files_worker_main(&words)
}
