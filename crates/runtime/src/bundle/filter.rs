//! `linux.seccomp`.

use seccomp::{Arch, LinuxSeccomp, Options};
use serde::Deserialize;
use serde_json::Value;

use super::BundleError;
use crate::plan::{ListenerPlan, SeccompPlan};

/// `SECCOMP_FILTER_FLAG_NEW_LISTENER`.
const NEW_LISTENER: u32 = 1 << 3;

/// Who decides about calls that the profile asks about; none if it asks about none.
pub(super) fn listener(profile: &Value) -> Result<Option<ListenerPlan>, BundleError> {
    let profile = LinuxSeccomp::deserialize(profile)
        .map_err(|cause| BundleError::invalid("linux.seccomp", cause.to_string()))?;
    let path = profile.listener_path.as_ref().filter(|_| profile.notifies());
    let metadata = profile.listener_metadata.clone().unwrap_or_default();
    Ok(path.map(|path| ListenerPlan { path: path.into(), metadata }))
}

/// Compiles it.
pub(super) fn plan(profile: &Value) -> Result<SeccompPlan, BundleError> {
    let profile = LinuxSeccomp::deserialize(profile)
        .map_err(|cause| BundleError::invalid("linux.seccomp", cause.to_string()))?;
    let Some(native) = Arch::native() else {
        let reason = "there is no table of system calls for this architecture";
        return Err(BundleError::unsupported("linux.seccomp", reason));
    };
    let filter = seccomp::compile(&profile, &Options::new(native)).map_err(BundleError::Seccomp)?;
    let program_hex = stdx::id::hex(&filter.program.to_bytes());
    let asks = if filter.notifies { NEW_LISTENER } else { 0 };
    Ok(SeccompPlan { program_hex, flags: filter.flags | asks })
}
