//! One specification: CDI `SPEC.md`, versions 0.3.0 to 1.0.0.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::{name, yaml};

/// Those that have been published.
const VERSIONS: [&str; 7] = ["0.3.0", "0.4.0", "0.5.0", "0.6.0", "0.7.0", "0.8.0", "1.0.0"];

/// Why a text is no specification.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    /// No text.
    #[error("failed to read the specification: it is not UTF-8")]
    Encoding,
    /// No JSON, or with fields that mean nothing.
    #[error("failed to read the specification as JSON: {0}")]
    Json(String),
    /// No YAML, or with what is not taken of it.
    #[error("failed to read the specification as YAML: {0}")]
    Yaml(String),
    /// Readable, and wrong.
    #[error("failed to read the specification: {0}")]
    Content(String),
}

/// A specification.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Spec {
    cdi_version: String,
    pub(crate) kind: String,
    /// For whoever made it.
    #[serde(default, rename = "annotations")]
    _annotations: BTreeMap<String, String>,
    pub(crate) devices: Vec<DeviceSpec>,
    /// For all of its devices.
    #[serde(default)]
    pub(crate) container_edits: EditsSpec,
}

/// One device.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct DeviceSpec {
    #[serde(deserialize_with = "text")]
    pub(crate) name: String,
    #[serde(default, rename = "annotations")]
    _annotations: BTreeMap<String, String>,
    pub(crate) container_edits: EditsSpec,
}

/// What changes in a container.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct EditsSpec {
    pub(crate) env: Vec<String>,
    pub(crate) device_nodes: Vec<NodeSpec>,
    pub(crate) mounts: Vec<MountSpec>,
    pub(crate) additional_gids: Vec<u32>,
    /// Known, and not done.
    pub(crate) hooks: Vec<Value>,
    pub(crate) intel_rdt: Option<Value>,
}

/// A node of `/dev`. What is not said is that of the host's node.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct NodeSpec {
    pub(crate) path: String,
    #[serde(default)]
    pub(crate) host_path: String,
    #[serde(default, rename = "type")]
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) major: u32,
    #[serde(default)]
    pub(crate) minor: u32,
    pub(crate) file_mode: Option<u32>,
    #[serde(default)]
    pub(crate) permissions: String,
    pub(crate) uid: Option<u32>,
    pub(crate) gid: Option<u32>,
}

/// A mount, with the words of the runtime specification.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct MountSpec {
    /// What.
    pub host_path: String,
    /// Where, inside.
    pub container_path: String,
    /// `ro`, `nosuid`, `rbind`.
    #[serde(default)]
    pub options: Vec<String>,
    /// The file system's type; empty for binds.
    #[serde(default, rename = "type")]
    pub kind: String,
}

/// Devices are called `0`, which YAML takes for a number.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        _ => Err(serde::de::Error::custom("the name of a device is not a text")),
    }
}

/// Reads a `.json` file.
///
/// # Errors
/// What is wrong with it, in one line.
pub fn parse_json(bytes: &[u8]) -> Result<Spec, SpecError> {
    let spec = serde_json::from_slice(bytes).map_err(|e| SpecError::Json(e.to_string()))?;
    checked(spec)
}

/// Reads a `.yaml` file.
///
/// # Errors
/// What is wrong with it, in one line.
pub fn parse_yaml(bytes: &[u8]) -> Result<Spec, SpecError> {
    let text = std::str::from_utf8(bytes).map_err(|_| SpecError::Encoding)?;
    let value = yaml::value(text).map_err(SpecError::Yaml)?;
    let spec = serde_json::from_value(value).map_err(|e| SpecError::Yaml(e.to_string()))?;
    checked(spec)
}

fn checked(spec: Spec) -> Result<Spec, SpecError> {
    content(&spec).map_err(SpecError::Content)?;
    Ok(spec)
}

fn content(spec: &Spec) -> Result<(), String> {
    let version = spec.cdi_version.strip_prefix('v').unwrap_or(&spec.cdi_version);
    if !VERSIONS.contains(&version) {
        return Err(format!("version {version:?} is not one of {}", VERSIONS.join(", ")));
    }
    if !name::is_kind(&spec.kind) {
        return Err(format!("kind {:?} is not VENDOR/CLASS", spec.kind));
    }
    if spec.devices.is_empty() {
        return Err("it has no devices".to_owned());
    }
    edits(&spec.container_edits)?;
    let mut names = BTreeSet::new();
    for device in &spec.devices {
        let name = &device.name;
        if !name::is_device(name) {
            return Err(format!("{name:?} is no name of a device"));
        }
        if !names.insert(name) {
            return Err(format!("device {name:?} is there twice"));
        }
        edits(&device.container_edits).map_err(|why| format!("device {name:?}: {why}"))?;
    }
    Ok(())
}

fn edits(edits: &EditsSpec) -> Result<(), String> {
    let has_zero = |text: &String| text.contains('\0');
    for variable in &edits.env {
        if variable.find('=').is_none_or(|place| place == 0) || has_zero(variable) {
            return Err(format!("variable {variable:?} is not NAME=VALUE"));
        }
    }
    for node in &edits.device_nodes {
        if node.path.is_empty() || has_zero(&node.path) || has_zero(&node.host_path) {
            return Err(format!("{:?} is no path of a device node", node.path));
        }
        if !matches!(node.kind.as_str(), "" | "b" | "c" | "u" | "p") {
            return Err(format!("device node {:?}: type {:?} is unknown", node.path, node.kind));
        }
        if node.permissions.bytes().any(|letter| !b"rwm".contains(&letter)) {
            let permissions = &node.permissions;
            return Err(format!("device node {:?}: permissions {permissions:?}", node.path));
        }
    }
    for mount in &edits.mounts {
        let paths = [&mount.host_path, &mount.container_path];
        if paths.iter().any(|path| path.is_empty() || has_zero(path)) {
            return Err(format!("a mount lacks a path: {paths:?}"));
        }
    }
    Ok(())
}
