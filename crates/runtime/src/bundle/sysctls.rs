//! `linux.sysctl`: only parameters of namespaces that are the container's own.

use std::collections::BTreeMap;

use super::BundleError;
use crate::plan::{Namespace, Namespaces};

/// Parameters of the IPC namespace (ipc_namespaces(7)).
const IPC: [&str; 8] = [
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.shm_rmid_forced",
];

/// Checks them: written with the host's namespace, a parameter would change the host.
pub(super) fn plan(
    sysctls: &BTreeMap<String, String>,
    namespaces: &Namespaces,
) -> Result<Vec<(String, String)>, BundleError> {
    let mut checked = Vec::new();
    for (name, value) in sysctls {
        let name = name.replace('/', ".");
        let namespace = if IPC.contains(&name.as_str()) || name.starts_with("fs.mqueue.") {
            Some(&namespaces.ipc)
        } else if name.starts_with("net.") {
            Some(&namespaces.net)
        } else if name == "kernel.domainname" {
            Some(&namespaces.uts)
        } else {
            None
        };
        match namespace {
            Some(Namespace::New | Namespace::Join(_)) => checked.push((name, value.clone())),
            Some(Namespace::Host) | None => {
                let reason = format!("sysctl `{name}` is not in a separate kernel namespace");
                return Err(BundleError::invalid("linux.sysctl", reason));
            }
        }
    }
    Ok(checked)
}
