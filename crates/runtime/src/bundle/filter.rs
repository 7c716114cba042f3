//! `linux.seccomp`.

use seccomp::{Arch, LinuxSeccomp, Options};
use serde::Deserialize;
use serde_json::Value;

use super::BundleError;
use crate::plan::SeccompPlan;

/// Compiles it.
pub(super) fn plan(profile: &Value) -> Result<SeccompPlan, BundleError> {
    let profile = LinuxSeccomp::deserialize(profile)
        .map_err(|cause| BundleError::invalid("linux.seccomp", cause.to_string()))?;
    let listener = profile.listener_path.as_ref().is_some_and(|path| !path.is_empty());
    if listener || profile.notifies() {
        let reason = "notification of a listener is not built";
        return Err(BundleError::unsupported("linux.seccomp.listenerPath", reason));
    }
    let Some(native) = Arch::native() else {
        let reason = "there is no table of system calls for this architecture";
        return Err(BundleError::unsupported("linux.seccomp", reason));
    };
    let filter = seccomp::compile(&profile, &Options::new(native)).map_err(BundleError::Seccomp)?;
    let program_hex = stdx::id::hex(&filter.program.to_bytes());
    Ok(SeccompPlan { program_hex, flags: filter.flags })
}
