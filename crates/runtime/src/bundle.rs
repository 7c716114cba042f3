//! A bundle of the OCI runtime specification, made into a plan.
//!
//! A bundle is a directory with a `config.json`. Everything in it is checked here, before anything
//! is started: what cannot be honored is an error that names the field, never left out silently.
//!
//! - `filter`: `linux.seccomp`
//! - [`hooks`]: programs run along the way
//! - `limits`: `linux.resources`
//! - `mounts`: `mounts`, and the `/dev` that devices need
//! - `namespaces`: `linux.namespaces` and id mappings
//! - `nodes`: `linux.devices`
//! - `process`: `process`
//! - `sysctls`: `linux.sysctl`
//! - `tuning`: scheduling, memory policy, execution domain

use std::path::{Path, PathBuf};

use oci::JsonError;
use oci::runtime_spec::{CONFIG_BYTES_MAX, Linux, Process, Resources, Spec, State, Status};
use serde::de::DeserializeOwned;
use stdx::Kind;
use stdx::fs::PathError;

use crate::plan::{
    AffinityPlan, BundleProcess, BundleStart, CgroupPlan, LaunchPlan, MountPlan, ProcessPlan,
    Propagation, RootPlan, SeccompPlan, StartHooks, UserNamespace,
};

mod filter;
pub mod hooks;
mod limits;
mod mounts;
mod namespaces;
mod nodes;
mod process;
mod sysctls;
mod tuning;

/// Name of the configuration in a bundle.
pub const CONFIG: &str = "config.json";

/// A bundle that was read.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// Its directory, absolute.
    pub dir: PathBuf,
    /// Its configuration.
    pub spec: Spec,
}

/// Why a bundle cannot be made into a plan.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The file is not there or cannot be read.
    #[error("failed to read the container's configuration")]
    Read(#[source] PathError),
    /// It is not a configuration.
    #[error("failed to understand `{}`", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        cause: JsonError,
    },
    /// A value is wrong.
    #[error("failed to accept `{field}` of the configuration: {reason}")]
    Invalid {
        /// Which.
        field: String,
        /// What is wrong.
        reason: String,
    },
    /// A value is right, but this runtime or machine cannot do it.
    #[error("failed to honor `{field}` of the configuration: {reason}")]
    Unsupported {
        /// Which.
        field: String,
        /// What is missing.
        reason: String,
    },
    /// The filter of system calls cannot be made.
    #[error("failed to honor `linux.seccomp` of the configuration")]
    Seccomp(#[source] seccomp::CompileError),
}

impl BundleError {
    /// What sort of failure this is.
    pub fn kind(&self) -> Kind {
        match self {
            BundleError::Read(cause) if cause.is_not_found() => Kind::NotFound,
            BundleError::Read(_) => Kind::Internal,
            BundleError::Unsupported { .. } => Kind::Unsupported,
            BundleError::Parse { .. } | BundleError::Invalid { .. } | BundleError::Seccomp(_) => {
                Kind::Invalid
            }
        }
    }

    fn invalid(field: impl Into<String>, reason: impl Into<String>) -> BundleError {
        BundleError::Invalid { field: field.into(), reason: reason.into() }
    }

    fn unsupported(field: impl Into<String>, reason: impl Into<String>) -> BundleError {
        BundleError::Unsupported { field: field.into(), reason: reason.into() }
    }
}

/// What one mount with the runtime specification's words means; its source is absolute.
///
/// # Errors
/// [`BundleError::Invalid`] and [`BundleError::Unsupported`] with the field.
pub fn mount(mount: &oci::runtime_spec::Mount) -> Result<MountPlan, BundleError> {
    mounts::one(mount, "mount", &UserNamespace::Host, Path::new("/"))
}

impl Bundle {
    /// Reads the bundle in the directory `dir`.
    ///
    /// # Errors
    /// [`BundleError::Read`], [`BundleError::Parse`], [`BundleError::Invalid`] for the version.
    pub fn read(dir: &Path) -> Result<Bundle, BundleError> {
        let dir = std::path::absolute(dir)
            .map_err(PathError::of("find bundle", dir))
            .map_err(BundleError::Read)?;
        let path = dir.join(CONFIG);
        let bytes = stdx::fs::read(&path, CONFIG_BYTES_MAX as u64).map_err(BundleError::Read)?;
        let spec = Spec::parse(&bytes).map_err(|cause| BundleError::Parse { path, cause })?;
        if !spec.oci_version.starts_with("1.") {
            let reason = format!("version `{}` is not one of 1.x", spec.oci_version);
            return Err(BundleError::invalid("ociVersion", reason));
        }
        Ok(Bundle { dir, spec })
    }

    /// Where the root file system is.
    pub fn root(&self) -> Option<PathBuf> {
        self.spec.root.as_ref().map(|root| self.dir.join(&root.path))
    }

    /// Everything that a start needs.
    ///
    /// # Errors
    /// Those of what cannot be honored, with its field.
    pub fn plan(&self, id: &str) -> Result<LaunchPlan, BundleError> {
        let spec = &self.spec;
        let none = Linux::default();
        let linux = spec.linux.as_ref().unwrap_or(&none);
        refuse_unknown(linux)?;
        let Some(process) = &spec.process else {
            return Err(BundleError::invalid("process", "it is missing"));
        };
        let (user_namespace, namespaces) = namespaces::plan(linux)?;
        for (field, name) in [("hostname", &spec.hostname), ("domainname", &spec.domainname)] {
            if !name.is_empty() && namespaces.uts == crate::plan::Namespace::Host {
                let reason = "it cannot be set without a private UTS namespace";
                return Err(BundleError::invalid(field, reason));
            }
        }
        let text = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        let paths = |paths: &[String]| paths.iter().map(PathBuf::from).collect();
        Ok(LaunchPlan {
            root: RootPlan::Directory(self.root_directory()?),
            root_read_only: spec.root.as_ref().is_some_and(|root| root.readonly),
            root_propagation: root_propagation(&linux.rootfs_propagation)?,
            mounts: mounts::plan(spec, &user_namespace, &self.dir)?,
            devices: nodes::plan(&linux.devices)?,
            masked_paths: masked_paths(&linux.masked_paths),
            readonly_paths: paths(&linux.readonly_paths),
            hostname: text(&spec.hostname),
            domainname: text(&spec.domainname),
            sysctls: sysctls::plan(&linux.sysctl, &namespaces)?,
            cgroup: CgroupPlan {
                path: Some(cgroup_path(&linux.cgroups_path, id)?),
                limits: limits::limits(linux.resources.as_ref(), limits::Devices::DenyUnlisted)?,
            },
            process: process::plan(
                process,
                "process",
                self.filter()?,
                BundleProcess {
                    // It applies to further processes only.
                    affinity: AffinityPlan::All,
                    ..tuning::of_process(process, "process", self.for_all_processes()?)?
                },
            )?,
            bundle: BundleStart {
                time_offsets: namespaces::time_offsets(linux)?,
                mount_namespace: namespaces::mount(linux),
                mounts_in_order: true,
                hooks: self.start_hooks(id),
            },
            user_namespace,
            namespaces,
        })
    }

    /// What a further process of the container is: `process` with the container's filter.
    ///
    /// # Errors
    /// As [`Bundle::plan`].
    pub fn further_process(
        process: &Process,
        filter: Option<SeccompPlan>,
        container: BundleProcess,
    ) -> Result<ProcessPlan, BundleError> {
        process::plan(
            process,
            "process",
            filter,
            tuning::of_process(process, "process", container)?,
        )
    }

    /// What every process of the container has: the first one's, and what `linux` says.
    ///
    /// # Errors
    /// As [`Bundle::plan`].
    pub fn for_all_processes(&self) -> Result<BundleProcess, BundleError> {
        let none = Linux::default();
        let linux = self.spec.linux.as_ref().unwrap_or(&none);
        let mut all = tuning::of_container(linux)?;
        all.affinity = AffinityPlan::All;
        all.listener = linux.seccomp.as_ref().map(filter::listener).transpose()?.flatten();
        match &self.spec.process {
            Some(process) => tuning::of_process(process, "process", all),
            None => Ok(all),
        }
    }

    /// Hooks that the container's own process runs, or waits for.
    fn start_hooks(&self, id: &str) -> Option<StartHooks> {
        let hooks = self.spec.hooks.as_ref()?;
        Some(StartHooks {
            state: State {
                oci_version: oci::runtime_spec::VERSION.to_owned(),
                id: id.to_owned(),
                status: Status::Creating,
                pid: None,
                bundle: self.dir.to_string_lossy().into_owned(),
                annotations: self.spec.annotations.clone(),
            },
            create_container: hooks.create_container.clone(),
            start_container: hooks.start_container.clone(),
        })
    }

    /// What is left out, for the operator.
    pub fn warnings(&self) -> Vec<String> {
        let unknown = self.spec.process.as_ref().map(process::unknown_capabilities);
        match unknown.unwrap_or_default().as_slice() {
            [] => Vec::new(),
            names => {
                vec![format!("ignoring unknown or unavailable capabilities: [{}]", names.join(" "))]
            }
        }
    }

    fn filter(&self) -> Result<Option<SeccompPlan>, BundleError> {
        match self.spec.linux.as_ref().and_then(|linux| linux.seccomp.as_ref()) {
            Some(profile) => filter::plan(profile).map(Some),
            None => Ok(None),
        }
    }

    fn root_directory(&self) -> Result<PathBuf, BundleError> {
        let path = match &self.spec.root {
            Some(root) if !root.path.is_empty() => self.dir.join(&root.path),
            _ => return Err(BundleError::invalid("root.path", "it is missing")),
        };
        match std::fs::metadata(&path) {
            Ok(found) if found.is_dir() => Ok(path),
            Ok(_) => {
                let reason = format!("`{}` is not a directory", path.display());
                Err(BundleError::invalid("root.path", reason))
            }
            Err(cause) => {
                let reason = format!("`{}`: {}", path.display(), crate::failure::plain(&cause));
                Err(BundleError::invalid("root.path", reason))
            }
        }
    }
}

/// The limits of a container that runs; its device rules stay as they are.
///
/// # Errors
/// The field that is wrong or cannot be honored.
pub fn limits_of_update(resources: &Resources) -> Result<cgroup::Limits, BundleError> {
    limits::limits(Some(resources), limits::Devices::Keep)
}

/// Options of mounts that are known, sorted.
pub fn mount_options() -> Vec<String> {
    mounts::known_options()
}

/// Modes of `linux.memoryPolicy`.
pub fn memory_policy_modes() -> Vec<&'static str> {
    tuning::MODES.iter().map(|(name, _)| *name).collect()
}

/// Flags of `linux.memoryPolicy`.
pub fn memory_policy_flags() -> Vec<&'static str> {
    tuning::MODE_FLAGS.iter().map(|(name, _)| *name).collect()
}

/// Capabilities that can be given here, by name.
pub fn capabilities() -> Vec<String> {
    let known = sys::credentials::bounding_set();
    seccomp::CapSet::from_bits(known).names().collect()
}

/// Reads a part of a configuration that is in a file of its own, at `path`.
///
/// # Errors
/// [`BundleError::Parse`].
pub fn parse<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T, BundleError> {
    oci::json::read_object(bytes, CONFIG_BYTES_MAX)
        .map_err(|cause| BundleError::Parse { path: path.to_owned(), cause })
}

/// Each once: the second mask would cover the first one only.
fn masked_paths(paths: &[String]) -> Vec<PathBuf> {
    let mut masked: Vec<PathBuf> = Vec::new();
    for path in paths.iter().map(PathBuf::from) {
        if !masked.contains(&path) {
            masked.push(path);
        }
    }
    masked
}

/// Fields that are known and would change what runs, but are not honored.
fn refuse_unknown(linux: &Linux) -> Result<(), BundleError> {
    for (field, is_set) in [
        ("linux.netDevices", !linux.net_devices.is_empty()),
        ("linux.intelRdt", linux.intel_rdt.is_some()),
        ("linux.mountLabel", !linux.mount_label.is_empty()),
    ] {
        if is_set {
            return Err(BundleError::unsupported(field, "this runtime does not know it"));
        }
    }
    Ok(())
}

/// Cgroup of containers whose configuration names none.
const CGROUP_PARENT: &str = "/wharf-runtime";

/// The cgroup below each hierarchy's root; relative paths are taken from there too.
fn cgroup_path(path: &str, id: &str) -> Result<String, BundleError> {
    if path.is_empty() {
        return Ok(format!("{CGROUP_PARENT}/{id}"));
    }
    if path.contains(':') && !path.contains('/') {
        let reason = format!("`{path}` is a path for systemd, which this runtime does not drive");
        return Err(BundleError::unsupported("linux.cgroupsPath", reason));
    }
    let mut clean = String::new();
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part == ".." {
            let reason = format!("`{path}` has a `..` component");
            return Err(BundleError::invalid("linux.cgroupsPath", reason));
        }
        clean.push('/');
        clean.push_str(part);
    }
    match clean.is_empty() {
        true => Err(BundleError::invalid("linux.cgroupsPath", "it is the root cgroup")),
        false => Ok(clean),
    }
}

fn root_propagation(name: &str) -> Result<Propagation, BundleError> {
    match name {
        "" => Ok(Propagation::Private),
        name => mounts::propagation(name).ok_or_else(|| {
            let reason = format!("`{name}` is not private, slave, shared or unbindable");
            BundleError::invalid("linux.rootfsPropagation", reason)
        }),
    }
}

#[cfg(test)]
mod tests;
