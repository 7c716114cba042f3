//! Docker's profiles: the OCI object, plus conditions on the host.
//!
//! Unknown keys are errors here: a mistyped condition would make its rule hold everywhere.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::arch::{Arch, ScmpArch};
use crate::caps::CapSet;
use crate::errno;
use crate::error::ProfileError;
use crate::spec::{
    Action, Comparison, Flag, LinuxSeccomp, PROFILE_BYTES_MAX, SyscallRule, null_as_default,
};

/// What conditions are tested against.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Host {
    /// The kernel's architecture.
    pub arch: Arch,
    /// The container's bounding set.
    pub caps: CapSet,
    /// The kernel's version.
    pub kernel: KernelVersion,
}

/// A kernel version: `4.8`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct KernelVersion {
    /// `4` of `4.8`.
    pub major: u32,
    /// `8` of `4.8`.
    pub minor: u32,
}

/// A profile as written.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DockerProfile {
    /// What happens to calls without a rule.
    pub default_action: Action,
    /// Its error number, or the tracer's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_errno_ret: Option<u32>,
    /// The name of that error, as Podman's profiles have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_errno: Option<String>,
    /// Architectures beside the host's own. Not together with `arch_map`.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub architectures: Vec<ScmpArch>,
    /// Architectures by the host's own.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub arch_map: Vec<ArchMapEntry>,
    /// How to load the filter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flags: Option<Vec<Flag>>,
    /// The listener's Unix socket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listener_path: Option<String>,
    /// Opaque text for the listener.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listener_metadata: Option<String>,
    /// The rules.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub syscalls: Vec<DockerRule>,
}

/// Which architectures are covered on hosts of one.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ArchMapEntry {
    /// The host's.
    pub architecture: ScmpArch,
    /// The others.
    #[serde(default, deserialize_with = "null_as_default")]
    pub sub_architectures: Vec<ScmpArch>,
}

/// One rule.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DockerRule {
    /// One system call, as in the oldest profiles. Not together with `names`.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "str::is_empty")]
    pub name: String,
    /// Names of system calls.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<Cow<'static, str>>,
    /// What happens.
    pub action: Action,
    /// The error number, or the tracer's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errno_ret: Option<u32>,
    /// The name of that error, as Podman's profiles have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errno: Option<String>,
    /// When it happens.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<Comparison>,
    /// For readers.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "str::is_empty")]
    pub comment: String,
    /// The rule holds only if all of this does.
    #[serde(default, deserialize_with = "null_as_default")]
    pub includes: Condition,
    /// The rule does not hold if any of this does.
    #[serde(default, deserialize_with = "null_as_default")]
    pub excludes: Condition,
}

/// What a rule asks of the host; empty asks nothing.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Condition {
    /// Capabilities: included all, excluded any.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub caps: Vec<Cow<'static, str>>,
    /// Names of the host's architecture, any of them: `amd64`, `arm64`, ...
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub arches: Vec<Cow<'static, str>>,
    /// The oldest kernel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_kernel: Option<KernelVersion>,
}

impl DockerProfile {
    /// Reads a profile. Fails if it is over [`PROFILE_BYTES_MAX`], no JSON, or has unknown keys.
    /// `{}`, which Docker takes to mean no filter at all, lacks `defaultAction` and fails, too.
    pub fn from_json(text: &[u8]) -> Result<DockerProfile, ProfileError> {
        if text.len() > PROFILE_BYTES_MAX {
            return Err(ProfileError::TooLarge { bytes: text.len() });
        }
        serde_json::from_slice(text).map_err(|source| ProfileError::Decode { source })
    }

    /// The rules that hold on this host.
    pub fn resolve(&self, host: &Host) -> Result<LinuxSeccomp, ProfileError> {
        if !self.architectures.is_empty() && !self.arch_map.is_empty() {
            return Err(ProfileError::ArchitecturesTwice);
        }
        let mut syscalls = Vec::with_capacity(self.syscalls.len());
        for rule in &self.syscalls {
            // Every rule is checked, so that a profile is good or bad on all hosts alike.
            let resolved = rule.resolved()?;
            if rule.holds_on(host) {
                syscalls.push(resolved);
            }
        }
        Ok(LinuxSeccomp {
            default_action: self.default_action,
            default_errno_ret: errno_number(self.default_errno_ret, self.default_errno.as_deref())?,
            architectures: self.architectures_on(host.arch),
            flags: self.flags.clone(),
            listener_path: self.listener_path.clone(),
            listener_metadata: self.listener_metadata.clone(),
            syscalls,
        })
    }

    fn architectures_on(&self, native: Arch) -> Vec<ScmpArch> {
        let of_host = self.arch_map.iter().find(|entry| entry.architecture == native.scmp());
        match of_host {
            Some(entry) => {
                let own = std::iter::once(entry.architecture);
                own.chain(entry.sub_architectures.iter().copied()).collect()
            }
            None => self.architectures.clone(),
        }
    }
}

impl DockerRule {
    fn resolved(&self) -> Result<SyscallRule, ProfileError> {
        let names = match (self.name.is_empty(), self.names.is_empty()) {
            (true, _) => self.names.clone(),
            (false, true) => vec![Cow::Owned(self.name.clone())],
            (false, false) => return Err(ProfileError::NamesTwice),
        };
        self.includes.check()?;
        self.excludes.check()?;
        Ok(SyscallRule {
            names,
            action: self.action,
            errno_ret: errno_number(self.errno_ret, self.errno.as_deref())?,
            args: self.args.clone(),
        })
    }

    fn holds_on(&self, host: &Host) -> bool {
        let excludes = &self.excludes;
        let excluded = excludes.caps.iter().any(|cap| host.caps.contains(cap))
            || excludes.arches.iter().any(|arch| arch == host.arch.docker_name())
            || excludes.min_kernel.is_some_and(|oldest| host.kernel >= oldest);
        let includes = &self.includes;
        let included = includes.caps.iter().all(|cap| host.caps.contains(cap))
            && (includes.arches.is_empty()
                || includes.arches.iter().any(|arch| arch == host.arch.docker_name()))
            && includes.min_kernel.is_none_or(|oldest| host.kernel >= oldest);
        included && !excluded
    }
}

impl Condition {
    /// Capabilities of later kernels are fine and never held; what is no such name is a mistake.
    fn check(&self) -> Result<(), ProfileError> {
        let is_name = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
        let is_cap =
            |cap: &str| cap.starts_with("CAP_") && cap.len() > 4 && cap.bytes().all(is_name);
        match self.caps.iter().find(|cap| !is_cap(cap)) {
            Some(bad) => Err(ProfileError::CapabilityName { name: bad.to_string() }),
            None => Ok(()),
        }
    }
}

/// Podman writes the error's number and its name; either is enough, both must agree.
fn errno_number(number: Option<u32>, name: Option<&str>) -> Result<Option<u32>, ProfileError> {
    let Some(name) = name.filter(|name| !name.is_empty()) else { return Ok(number) };
    match errno::number(name) {
        Some(named) if number.is_none_or(|number| number == named) => Ok(Some(named)),
        _ => Err(ProfileError::ErrnoName { name: name.to_owned(), number }),
    }
}

impl KernelVersion {
    /// The version in a release name as uname(2) gives it: `6.1.0-18-amd64` is 6.1.
    pub fn from_release(release: &str) -> Option<KernelVersion> {
        let (major, rest) = release.split_once('.')?;
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        Some(KernelVersion { major: decimal(major)?, minor: decimal(rest.get(..digits)?)? })
    }
}

fn decimal(digits: &str) -> Option<u32> {
    let all_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if all_digits { digits.parse().ok() } else { None }
}

impl FromStr for KernelVersion {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<KernelVersion, &'static str> {
        let version = text.split_once('.').and_then(|(major, minor)| {
            Some(KernelVersion { major: decimal(major)?, minor: decimal(minor)? })
        });
        version.ok_or("invalid kernel version, expected \"<kernel>.<major>\"")
    }
}

impl fmt::Display for KernelVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl<'de> Deserialize<'de> for KernelVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<KernelVersion, D::Error> {
        Cow::<str>::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl Serialize for KernelVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
