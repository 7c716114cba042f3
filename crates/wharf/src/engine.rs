//! `wharf engine`: the wiring of the engine's parts, and nothing else.

use std::ffi::OsString;
use std::path::PathBuf;

use rootless::Home;

use crate::config::{self, EngineSettings};
use crate::failure::{Failure, Outcome};
use crate::flags::Kind;
use crate::flags::parse::Parsed;
use crate::flags::sets::ENGINE;
use crate::lifecycle::Place;

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
    let place = Place::of(flags, None)?;
    let hosts = match hosts {
        [] => vec![place.host.clone()],
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
    if !sys::rustix::process::geteuid().is_root() {
        return Err(go_inside(flags, &place, &hosts));
    }
    let settings = config::read(flags)?;
    crate::serve::serve(EngineSpec { root: place.root, run: place.run, hosts, settings })
}

/// An ordinary user's engine is executed once more, as root of a namespace of its own: there it
/// cannot tell any more whose it is, so it is told all.
fn go_inside(flags: &Parsed, place: &Place, hosts: &[String]) -> Failure {
    let home = match Home::of_caller() {
        Ok(home) => home,
        Err(error) => return Failure::new(error.to_string()),
    };
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return Failure::new(format!("failed to find this program: {error}")),
    };
    let mut words: Vec<OsString> = ["engine", "--root"].map(OsString::from).to_vec();
    words.extend([place.root.clone().into(), "--run".into(), place.run.clone().into()]);
    words.extend(hosts.iter().flat_map(|host| ["--host".into(), host.into()]));
    let config = match flags.is_set("config-file") {
        true => Some(PathBuf::from(flags.text("config-file"))),
        false => home.map(|home| home.config_file).filter(|path| path.exists()),
    };
    words.extend(config.into_iter().flat_map(|path| ["--config-file".into(), path.into()]));
    words.extend(settings(flags));
    let error = rootless::enter(&place.run, &program, &words);
    let cause = stdx::error::chain(&error);
    Failure::new(format!("failed to start an engine without root: {cause}"))
}

/// The flags that set an engine up, as they were given; its file is told for itself.
fn settings(flags: &Parsed) -> Vec<OsString> {
    let given = ENGINE.iter().filter(|flag| flags.is_set(flag.long) && flag.long != "config-file");
    let words = given.flat_map(|flag| {
        let values = match flag.kind {
            Kind::Int => vec![flags.int(flag.long).to_string()],
            Kind::Text => vec![flags.text(flag.long).to_owned()],
            _ => flags.list(flag.long).to_vec(),
        };
        values.into_iter().map(|value| format!("--{}={value}", flag.long))
    });
    words.map(OsString::from).collect()
}

/// `wharf runtime`: the OCI runtime command line.
pub fn runtime_main(words: &[String]) -> i32 {
    let words: Vec<OsString> = words.iter().map(OsString::from).collect();
    runtime::cli::main(&words)
}

/// `wharf spawner`: started by an engine only.
pub fn spawner_main(words: &[String]) -> i32 {
    monitor::spawner_main(words.first().and_then(|word| word.parse().ok()))
}

/// `wharf unpack-worker`: started by an engine only.
pub fn unpack_worker_main(words: &[String]) -> i32 {
    let words: Vec<OsString> = words.iter().map(OsString::from).collect();
    archive::unpack_worker_main(&words)
}

/// `wharf files-worker`: started by an engine only.
pub fn files_worker_main(words: &[String]) -> i32 {
    let words: Vec<std::ffi::OsString> = words.iter().map(Into::into).collect();
    files::files_worker_main(&words)
}
