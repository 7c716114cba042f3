//! All devices, and what some of them change together.

use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::spec::{self, EditsSpec, MountSpec, NodeSpec, Spec};

/// The longest known has some ten thousand bytes.
const FILE_BYTES_MAX: u64 = 4 << 20;
/// Machines have one a vendor.
const FILES_MAX: usize = 1024;

/// All devices of all specifications.
#[derive(Debug, Default)]
pub struct Catalog {
    devices: BTreeMap<String, Found>,
    problems: Vec<Problem>,
}

/// A file or directory that was left out, and why.
#[derive(Debug)]
pub struct Problem {
    /// Which.
    pub path: PathBuf,
    /// Why, in one line.
    pub reason: String,
}

/// Where a device is described.
#[derive(Debug)]
struct Found {
    spec: Arc<Spec>,
    path: PathBuf,
    /// Number of its directory: later ones take precedence.
    priority: usize,
    /// Two files of a directory describe it: neither counts.
    doubled: bool,
}

/// What devices change in a container.
#[derive(Debug, Default)]
pub struct Edits {
    /// `NAME=VALUE`, each in the place of an earlier one of that name.
    pub env: Vec<String>,
    /// Nodes of `/dev`.
    pub nodes: Vec<Node>,
    /// Mounts, each in the place of an earlier one there.
    pub mounts: Vec<MountSpec>,
    /// Groups that the first process is in, too.
    pub groups: Vec<u32>,
}

/// A node of `/dev`.
#[derive(Debug)]
pub struct Node {
    /// Where, inside.
    pub path: PathBuf,
    /// `c`, `b` or `p`.
    pub kind: char,
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
    /// Permission bits.
    pub mode: u32,
    /// Owner; `None` is the user of the container.
    pub uid: Option<u32>,
    /// Group; `None` is that of the user.
    pub gid: Option<u32>,
    /// What its processes may do: some of `rwm`.
    pub permissions: String,
}

/// Why devices cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum InjectError {
    /// Nobody describes them.
    #[error("unresolvable CDI devices {}", names.join(", "))]
    Unresolvable {
        /// Which.
        names: Vec<String>,
    },
    /// A specification wishes what is not done here.
    #[error("`{}` wishes {what}, which this engine does not do", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What.
        what: &'static str,
    },
    /// A node is described by the host's, which is not there or another one.
    #[error("failed to find out about device node `{}`: {reason}", path.display())]
    Node {
        /// The host's node.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

impl Catalog {
    /// Reads the specifications of `dirs`. What is in a later directory takes the place of an
    /// earlier one's; a directory that is not there has none.
    pub fn read(dirs: &[PathBuf]) -> Catalog {
        let mut catalog = Catalog::default();
        for (priority, dir) in dirs.iter().enumerate() {
            let paths = match files(dir) {
                Ok(paths) => paths,
                Err(reason) => {
                    catalog.problems.push(Problem { path: dir.clone(), reason });
                    continue;
                }
            };
            for path in paths {
                match read_spec(&path) {
                    Ok(spec) => catalog.add(Arc::new(spec), &path, priority),
                    Err(reason) => catalog.problems.push(Problem { path, reason }),
                }
            }
        }
        catalog
    }

    fn add(&mut self, spec: Arc<Spec>, path: &Path, priority: usize) {
        for device in &spec.devices {
            let name = format!("{}={}", spec.kind, device.name);
            let (spec, path) = (spec.clone(), path.to_owned());
            let found = Found { spec, path, priority, doubled: false };
            match self.devices.get_mut(&name) {
                Some(other) if other.priority == priority => {
                    other.doubled = true;
                    let reason = format!(
                        "conflicting device {name:?}, which `{}` has, too",
                        other.path.display()
                    );
                    self.problems.push(Problem { path: found.path, reason });
                }
                _ => drop(self.devices.insert(name, found)),
            }
        }
    }

    /// The devices that there are, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.devices.iter().filter(|(_, found)| !found.doubled).map(|(name, _)| name.as_str())
    }

    /// Whether there is such a device.
    pub fn has(&self, name: &str) -> bool {
        self.devices.get(name).is_some_and(|found| !found.doubled)
    }

    /// What was left out.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// What `names` change together. Looks at the host's nodes.
    ///
    /// # Errors
    /// All names that nobody describes; wishes that are not done here.
    pub fn inject(&self, names: &[String]) -> Result<Edits, InjectError> {
        let unknown: Vec<String> = names.iter().filter(|name| !self.has(name)).cloned().collect();
        if !unknown.is_empty() {
            return Err(InjectError::Unresolvable { names: unknown });
        }
        let mut edits = Edits::default();
        let mut seen: Vec<&Path> = Vec::new();
        for name in names {
            let Some(found) = self.devices.get(name) else { continue };
            if !seen.contains(&found.path.as_path()) {
                seen.push(&found.path);
                edits.add(&found.spec.container_edits, &found.path)?;
            }
            let own = name.rsplit_once('=').map_or("", |(_, own)| own);
            for device in found.spec.devices.iter().filter(|device| device.name == own) {
                edits.add(&device.container_edits, &found.path)?;
            }
        }
        Ok(edits)
    }
}

impl Edits {
    fn add(&mut self, wish: &EditsSpec, path: &Path) -> Result<(), InjectError> {
        let unsupported = |what| InjectError::Unsupported { path: path.to_owned(), what };
        // A hook is a program of the host that reads what the container's image wrote, as root
        // (CVE-2025-23266); it also wants a bundle to look at, and there is none.
        if !wish.hooks.is_empty() {
            return Err(unsupported("hooks"));
        }
        if wish.intel_rdt.is_some() {
            return Err(unsupported("intelRdt"));
        }
        self.env.extend(wish.env.iter().cloned());
        for node in &wish.device_nodes {
            let node = resolve(node)?;
            self.nodes.retain(|other| other.path != node.path);
            self.nodes.push(node);
        }
        for mount in &wish.mounts {
            self.mounts.retain(|other| other.container_path != mount.container_path);
            self.mounts.push(mount.clone());
        }
        for group in wish.additional_gids.iter().filter(|group| **group != 0) {
            if !self.groups.contains(group) {
                self.groups.push(*group);
            }
        }
        Ok(())
    }
}

/// Completes a node by what the host's is.
fn resolve(wish: &NodeSpec) -> Result<Node, InjectError> {
    let host = if wish.host_path.is_empty() { &wish.path } else { &wish.host_path };
    let failed = |reason: String| InjectError::Node { path: host.into(), reason };
    let said = match wish.kind.as_str() {
        "u" => "c",
        kind => kind,
    };
    let mut node = Node {
        path: wish.path.clone().into(),
        kind: said.chars().next().unwrap_or('c'),
        major: wish.major,
        minor: wish.minor,
        mode: wish.file_mode.unwrap_or(0o666) & 0o777,
        uid: wish.uid,
        gid: wish.gid,
        permissions: match wish.permissions.as_str() {
            "" => "rwm".to_owned(),
            letters => letters.to_owned(),
        },
    };
    if said == "p" || !said.is_empty() && wish.major != 0 {
        return Ok(node);
    }
    let metadata = std::fs::metadata(host).map_err(|cause| failed(cause.to_string()))?;
    let file_type = metadata.file_type();
    node.kind = match () {
        () if file_type.is_char_device() => 'c',
        () if file_type.is_block_device() => 'b',
        () if file_type.is_fifo() => 'p',
        () => return Err(failed("it is no device".to_owned())),
    };
    if !said.is_empty() && !said.starts_with(node.kind) {
        return Err(failed(format!("it is of type {}, not {said}", node.kind)));
    }
    if wish.major == 0 && wish.minor == 0 && node.kind != 'p' {
        node.major = sys::rustix::fs::major(metadata.rdev());
        node.minor = sys::rustix::fs::minor(metadata.rdev());
    }
    Ok(node)
}

/// The specifications in a directory, in order of their names.
fn files(dir: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = match std::fs::read_dir(dir) {
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(|cause| format!("failed to read the directory: {cause}"))?,
    };
    let metadata = std::fs::metadata(dir).map_err(|cause| format!("failed to stat it: {cause}"))?;
    trusted(&metadata)?;
    let mut paths: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "json" || end == "yaml"))
        .filter(|path| !path.is_dir())
        .collect();
    paths.sort();
    match paths.len() > FILES_MAX {
        true => Err(format!("more than {FILES_MAX} specifications")),
        false => Ok(paths),
    }
}

fn read_spec(path: &Path) -> Result<Spec, String> {
    let flags = sys::libc::O_NOFOLLOW | sys::libc::O_NONBLOCK;
    let file = std::fs::File::options().read(true).custom_flags(flags).open(path);
    let file = file.map_err(|cause| format!("failed to open it: {cause}"))?;
    let metadata = file.metadata().map_err(|cause| format!("failed to stat it: {cause}"))?;
    if !metadata.is_file() {
        return Err("it is no regular file".to_owned());
    }
    trusted(&metadata)?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|cause| format!("failed to read it: {cause}"))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("it has more than {FILE_BYTES_MAX} bytes"));
    }
    let spec = match path.extension().is_some_and(|end| end == "yaml") {
        true => spec::parse_yaml(&bytes),
        false => spec::parse_json(&bytes),
    };
    spec.map_err(|error| error.to_string())
}

/// Only root, and who the engine runs as, may say what containers get of the host.
fn trusted(metadata: &std::fs::Metadata) -> Result<(), String> {
    let own = sys::rustix::process::geteuid().as_raw();
    if metadata.uid() != 0 && metadata.uid() != own {
        return Err(format!("it belongs to user {}, not to root", metadata.uid()));
    }
    match metadata.mode() & 0o022 {
        0 => Ok(()),
        _ => Err(format!("others than root may write it (mode {:o})", metadata.mode() & 0o7777)),
    }
}
