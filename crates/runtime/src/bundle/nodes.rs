//! `linux.devices`, and the devices that every container has.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use oci::runtime_spec::Device;

use super::BundleError;
use crate::plan::DevicePlan;

/// Name and number below `/dev` (runtime-spec config-linux.md#default-devices).
const DEFAULT: [(&str, u32, u32); 6] = [
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
];

/// Nodes that `/dev` has as something else: a link, or the container's own terminal.
const OWN: [&str; 2] = ["/dev/ptmx", "/dev/console"];

const MODE_DEFAULT: u32 = 0o666;

/// All nodes; those of the configuration take the place of the default ones.
pub(super) fn plan(devices: &[Device]) -> Result<Vec<DevicePlan>, BundleError> {
    let mut nodes: BTreeMap<PathBuf, DevicePlan> = DEFAULT
        .into_iter()
        .map(|(name, major, minor)| {
            let path = Path::new("/dev").join(name);
            let node = DevicePlan {
                path: path.clone(),
                kind: 'c',
                major,
                minor,
                mode: MODE_DEFAULT,
                uid: 0,
                gid: 0,
            };
            (path, node)
        })
        .collect();
    for (index, device) in devices.iter().enumerate() {
        let field = |name: &str| format!("linux.devices[{index}].{name}");
        let path = below_dev(&device.path).ok_or_else(|| {
            let reason = format!("`{}` is not below /dev", device.path);
            BundleError::unsupported(field("path"), reason)
        })?;
        if OWN.iter().any(|own| path == Path::new(own)) {
            continue;
        }
        let kind = match device.kind.as_str() {
            "c" | "u" => 'c',
            "b" => 'b',
            "p" => 'p',
            other => {
                let reason = format!("`{other}` is not c, u, b or p");
                return Err(BundleError::invalid(field("type"), reason));
            }
        };
        let number = |name: &str, value: i64| match kind {
            'p' => Ok(0),
            _ => u32::try_from(value).map_err(|_| {
                BundleError::invalid(field(name), format!("`{value}` is not a device number"))
            }),
        };
        let node = DevicePlan {
            kind,
            major: number("major", device.major)?,
            minor: number("minor", device.minor)?,
            mode: device.file_mode.unwrap_or(MODE_DEFAULT) & 0o7777,
            uid: device.uid.unwrap_or(0),
            gid: device.gid.unwrap_or(0),
            path: path.clone(),
        };
        nodes.insert(path, node);
    }
    Ok(nodes.into_values().collect())
}

/// The path without what is superfluous in it, if it is one below `/dev`.
fn below_dev(path: &str) -> Option<PathBuf> {
    let below = Path::new(path).strip_prefix("/dev").ok()?;
    let normal = below.components().all(|part| matches!(part, Component::Normal(_)));
    (normal && !below.as_os_str().is_empty()).then(|| Path::new("/dev").join(below))
}
