//! Devices by request: `--device vendor.com/class=name` and `--gpus`, both by the crate `cdi`.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use cdi::{Catalog, Edits, InjectError, MountSpec, Node};
use cgroup::{Access, DeviceKind, DeviceRule};
use docker_api::DeviceRequest;
use oci::runtime_spec::Mount;
use runtime::bundle;
use runtime::plan::{BindIds, DevicePlan, LaunchPlan, MountKind, MountPlan};
use stdx::Kind;

use crate::error::{PlanError, Result};
use crate::process;

/// The kind under which the vendor of the first GPUs describes them.
const GPU_KIND: &str = "nvidia.com/gpu";

/// What a request for GPUs may wish of them: all that Docker's own driver knows.
const GPU_CAPABILITIES: [&str; 8] =
    ["gpu", "nvidia", "compute", "compat32", "graphics", "utility", "video", "display"];

/// What the requests change in a container. Specifications are read anew: they come and go with
/// drivers.
///
/// # Errors
/// Docker's words, as of its own faults: they come when a container is started.
pub fn edits(requests: &[DeviceRequest], dirs: &[PathBuf]) -> Result<Edits> {
    if requests.is_empty() {
        return Ok(Edits::default());
    }
    let catalog = Catalog::read(dirs);
    for problem in catalog.problems() {
        let (path, reason) = (problem.path.display(), &problem.reason);
        tracing::warn!(%path, reason, "a CDI specification is left out");
    }
    let mut names = Vec::new();
    for request in requests {
        names.extend(names_of(request, &catalog)?);
    }
    catalog.inject(&names).map_err(|error| {
        let kind = match error {
            InjectError::Unsupported { .. } => Kind::Unsupported,
            InjectError::Unresolvable { .. } | InjectError::Node { .. } => Kind::Internal,
        };
        PlanError::new(kind, format!("CDI device injection failed: {error}"))
    })
}

/// The devices that one request means.
fn names_of(request: &DeviceRequest, catalog: &Catalog) -> Result<Vec<String>> {
    let failed = |text: String| PlanError::new(Kind::Internal, text);
    let ids = request.device_ids.clone().unwrap_or_default();
    if request.driver == "cdi" {
        let options = request.options.as_ref().is_some_and(|options| !options.is_empty());
        return match () {
            () if request.count != 0 => {
                Err(failed("unexpected count in CDI device request".to_owned()))
            }
            () if options => Err(failed("unexpected options in CDI device request".to_owned())),
            () => Ok(ids),
        };
    }
    let is_gpu = |set: &Vec<String>| set.iter().all(|c| GPU_CAPABILITIES.contains(&c.as_str()));
    let wants_gpus = request.capabilities.iter().flatten().any(is_gpu);
    let has_gpus = catalog.names().any(|name| name.starts_with(&format!("{GPU_KIND}=")));
    if !(wants_gpus && has_gpus && matches!(request.driver.as_str(), "" | "nvidia")) {
        return Err(failed(no_driver(request)));
    }
    match (request.count, ids.is_empty()) {
        (0, true) => Ok(vec![format!("{GPU_KIND}=all")]),
        (0, false) => Ok(ids.iter().map(|id| gpu(id)).collect()),
        (_, false) => {
            Err(failed("cannot set both Count and DeviceIDs on device request".to_owned()))
        }
        (count, true) if count < 0 => Ok(vec![format!("{GPU_KIND}=all")]),
        (count, true) => Ok((0..count.min(GPUS_MAX)).map(|id| gpu(&id.to_string())).collect()),
    }
}

/// No machine has as many; a wish for more ends with names that nobody has.
const GPUS_MAX: i64 = 1024;

fn gpu(id: &str) -> String {
    match cdi::is_qualified(id) {
        true => id.to_owned(),
        false => format!("{GPU_KIND}={id}"),
    }
}

fn no_driver(request: &DeviceRequest) -> String {
    let sets = request.capabilities.iter().flatten();
    let sets: Vec<String> = sets.map(|set| format!("[{}]", set.join(" "))).collect();
    let (driver, sets) = (&request.driver, sets.join(" "));
    format!("could not select device driver {driver:?} with capabilities: [{sets}]")
}

/// What the processes of the container may do with the nodes.
pub fn rules(edits: &Edits) -> Vec<DeviceRule> {
    let nodes = edits.nodes.iter().filter(|node| node.kind != 'p');
    nodes
        .filter_map(|node| {
            Some(DeviceRule {
                allow: true,
                kind: if node.kind == 'b' { DeviceKind::Block } else { DeviceKind::Char },
                major: Some(node.major),
                minor: Some(node.minor),
                access: Access::parse(&node.permissions)?,
            })
        })
        .collect()
}

/// Makes the edits. They take the place of what the image and the user say, as in Docker.
///
/// # Errors
/// Mounts and nodes that cannot be made.
pub fn apply(edits: Edits, plan: &mut LaunchPlan) -> Result<()> {
    let env = std::mem::take(&mut plan.process.env);
    plan.process.env = process::replace(env, &edits.env);
    let groups = &mut plan.process.additional_groups;
    groups.extend(edits.groups.iter().map(u32::to_string));
    for node in &edits.nodes {
        let node = device(node, &plan.process.user)?;
        plan.devices.retain(|other| other.path != node.path);
        plan.devices.push(node);
    }
    if edits.mounts.is_empty() {
        return Ok(());
    }
    let mounts: Vec<MountPlan> = edits.mounts.iter().map(mount).collect::<Result<_>>()?;
    let targets: HashSet<&Path> = mounts.iter().map(|mount| mount.target.as_path()).collect();
    plan.mounts.retain(|other| !targets.contains(other.target.as_path()));
    plan.mounts.extend(mounts);
    // Outer before inner.
    plan.mounts.sort_by_key(|mount| mount.target.components().count());
    Ok(())
}

fn device(node: &Node, user: &str) -> Result<DevicePlan> {
    let path = node.path.to_string_lossy();
    if !path.starts_with("/dev/") || path.split('/').any(|part| part == "..") {
        return Err(PlanError::unsupported(format!(
            "CDI device injection failed: nodes can only be made below /dev, not at {path}"
        )));
    }
    // A name is looked up in the container's own files, which are not looked at here.
    let (uid, gid) = user.split_once(':').unwrap_or((user, "0"));
    let number = |text: &str| text.parse().unwrap_or(0);
    Ok(DevicePlan {
        path: node.path.clone(),
        kind: node.kind,
        major: node.major,
        minor: node.minor,
        mode: node.mode,
        uid: node.uid.unwrap_or_else(|| number(uid)),
        gid: node.gid.unwrap_or_else(|| number(gid)),
    })
}

fn mount(wish: &MountSpec) -> Result<MountPlan> {
    let failed = |text: &str| PlanError::invalid(format!("CDI device injection failed: {text}"));
    if !wish.container_path.starts_with('/') {
        return Err(failed(&format!("mount path {:?} is not absolute", wish.container_path)));
    }
    let mount = Mount {
        destination: wish.container_path.clone(),
        source: wish.host_path.clone(),
        kind: wish.kind.clone(),
        options: wish.options.clone(),
        ..Mount::default()
    };
    let mut plan =
        bundle::mount(&mount).map_err(|error| failed(&stdx::error::chain(&error).to_string()))?;
    if let MountKind::Bind { ids, .. } = &mut plan.kind {
        *ids = BindIds::Mapped;
    }
    Ok(plan)
}

#[cfg(test)]
mod tests;
