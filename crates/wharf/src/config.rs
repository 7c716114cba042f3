//! The engine's configuration file: JSON, with the keys of Docker's `daemon.json` that mean
//! something here. `docs/engine-configuration.md` tells what each does.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use engine::{RegistriesSpec, RuntimeSpec, Runtimes};
use serde::Deserialize;

use crate::failure::Failure;
use crate::flags::parse::Parsed;

mod registries;

use registries::RegistryKeys;

/// Read when no other is named, if it is there.
pub const PATH: &str = "/etc/wharf/engine.json";

/// Docker's: what packages bring, and what is made anew after each boot.
const CDI_DIRS: [&str; 2] = ["/etc/cdi", "/var/run/cdi"];

/// A file of keys is never longer.
const BYTES_MAX: u64 = 1 << 20;

/// What the file says.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct ConfigFile {
    runtimes: BTreeMap<String, RuntimeKeys>,
    default_runtime: Option<String>,
    cdi_spec_dirs: Vec<PathBuf>,
    #[serde(skip)]
    registries: RegistryKeys,
}

/// One runtime in the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RuntimeKeys {
    path: PathBuf,
    #[serde(default)]
    runtime_args: Vec<String>,
}

/// What file and flags say together.
#[derive(Debug)]
pub struct EngineSettings {
    /// OCI runtimes beside our own.
    pub runtimes: Runtimes,
    /// Directories of the specifications of devices.
    pub cdi_dirs: Vec<PathBuf>,
    /// How registries are found and reached.
    pub registries: RegistriesSpec,
}

/// Reads file and flags. As in Docker, nothing may be said in both.
pub fn read(flags: &Parsed) -> Result<EngineSettings, Failure> {
    let file = read_file(flags)?;
    let own = [
        ("runtimes", !file.runtimes.is_empty(), "add-runtime"),
        ("cdi-spec-dirs", !file.cdi_spec_dirs.is_empty(), "cdi-spec-dir"),
        ("default-runtime", file.default_runtime.is_some(), "default-runtime"),
    ];
    for (key, in_file, flag) in own.into_iter().chain(file.registries.given()) {
        if in_file && flags.is_set(flag) {
            return Err(Failure::new(format!(
                "unable to configure the engine with file {}: the following directives are \
                 specified both as a flag and in the configuration file: {key}",
                flags.text("config-file")
            )));
        }
    }
    let cdi_dirs = cdi_dirs(flags, file.cdi_spec_dirs)?;
    let registries = file.registries.with(flags)?;
    let keys = file.runtimes.into_iter();
    let mut named: BTreeMap<String, RuntimeSpec> = keys
        .map(|(name, keys)| (name, RuntimeSpec { program: keys.path, args: keys.runtime_args }))
        .collect();
    for text in flags.list("add-runtime") {
        let (name, spec) = runtime_of(text)?;
        if named.insert(name.clone(), spec).is_some() {
            return Err(Failure::new(format!("runtime '{name}' was already registered")));
        }
    }
    let given = Some(flags.text("default-runtime").to_owned()).filter(|name| !name.is_empty());
    let runtimes = Runtimes::new(named, given.or(file.default_runtime)).map_err(|error| {
        Failure::new(format!("failed to set up OCI runtimes: {}", error.client_text()))
    })?;
    Ok(EngineSettings { runtimes, cdi_dirs, registries })
}

/// Where specifications of devices are. As in Docker, one empty directory means none.
fn cdi_dirs(flags: &Parsed, in_file: Vec<PathBuf>) -> Result<Vec<PathBuf>, Failure> {
    let mut dirs: Vec<PathBuf> = flags.list("cdi-spec-dir").iter().map(PathBuf::from).collect();
    dirs.extend(in_file);
    match dirs.as_slice() {
        [] => return Ok(CDI_DIRS.iter().map(PathBuf::from).collect()),
        [one] if one.as_os_str().is_empty() => return Ok(Vec::new()),
        _ => {}
    }
    match dirs.iter().find(|dir| !dir.is_absolute()) {
        Some(dir) => {
            Err(Failure::new(format!("CDI spec directory {dir:?} is not an absolute path")))
        }
        None => Ok(dirs),
    }
}

/// `NAME=PATH`; without a name, the name is the program's.
fn runtime_of(text: &str) -> Result<(String, RuntimeSpec), Failure> {
    let (name, path) = match text.split_once('=') {
        Some((name, path)) => (name, path),
        None => (text.rsplit('/').next().unwrap_or_default(), text),
    };
    if name.is_empty() || path.is_empty() {
        return Err(Failure::new(format!(
            "failed to read --add-runtime {text:?}: NAME=PATH is expected"
        )));
    }
    Ok((name.to_owned(), RuntimeSpec { program: path.into(), args: Vec::new() }))
}

fn read_file(flags: &Parsed) -> Result<ConfigFile, Failure> {
    let path = Path::new(flags.text("config-file"));
    let bytes = match stdx::fs::read(path, BYTES_MAX) {
        Err(error) if error.is_not_found() && !flags.is_set("config-file") => {
            return Ok(ConfigFile::default());
        }
        other => other.map_err(|error| {
            let cause = stdx::error::chain(&error).to_string();
            Failure::new(format!("failed to read the engine's configuration: {cause}"))
        })?,
    };
    parse(&bytes).map_err(|error| {
        Failure::new(format!(
            "unable to configure the engine with file {}: {error}",
            path.display()
        ))
    })
}

/// Serde knows no structs inside of others that share their keys and refuse unknown ones.
fn parse(bytes: &[u8]) -> Result<ConfigFile, serde_json::Error> {
    let all: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(bytes)?;
    let of_registries = |key: &str| RegistryKeys::default().given().iter().any(|row| row.0 == key);
    let (registries, own): (serde_json::Map<_, _>, _) =
        all.into_iter().partition(|(key, _)| key == "proxies" || of_registries(key));
    let registries = serde_json::from_value(registries.into())?;
    let file: ConfigFile = serde_json::from_value(serde_json::Value::Object(own))?;
    Ok(ConfigFile { registries, ..file })
}
