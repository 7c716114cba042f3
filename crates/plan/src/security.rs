//! `--security-opt`, the seccomp filter, no-new-privileges.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use runtime::plan::SeccompPlan;
use seccomp::{Arch, ArchScope, CapSet, DockerProfile, Host, KernelVersion, LinuxSeccomp, Options};

use crate::error::{PlanError, Result};

/// What `--security-opt` asks for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SecurityWish {
    /// Which seccomp profile.
    pub seccomp: SeccompWish,
    /// `no-new-privileges`, when it was said.
    pub no_new_privileges: Option<bool>,
    /// `/sys/fs/cgroup` is writable.
    pub writable_cgroups: bool,
    /// `audit=record`: what it uses is noted, from its start on.
    pub audit: bool,
}

/// Which seccomp profile.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum SeccompWish {
    /// The built-in one.
    #[default]
    Default,
    /// No filter.
    Unconfined,
    /// This one, as JSON text: the client sends the file's contents.
    Profile(String),
}

/// Reads the options.
pub fn parse(options: &[String]) -> Result<SecurityWish> {
    let mut wish = SecurityWish::default();
    for option in options {
        if option == "no-new-privileges" {
            wish.no_new_privileges = Some(true);
            continue;
        }
        // Very old clients write a colon.
        let (key, value) = option
            .split_once('=')
            .or_else(|| option.split_once(':'))
            .ok_or_else(|| PlanError::invalid(format!("invalid --security-opt 1: {option:?}")))?;
        match (key, value) {
            ("seccomp", "unconfined") => wish.seccomp = SeccompWish::Unconfined,
            ("seccomp", "builtin" | "default" | "") => wish.seccomp = SeccompWish::Default,
            ("seccomp", profile) => wish.seccomp = SeccompWish::Profile(profile.to_owned()),
            ("no-new-privileges", value) => {
                wish.no_new_privileges = Some(boolean(value).ok_or_else(|| {
                    PlanError::invalid(format!("invalid --security-opt 2: {option:?}"))
                })?);
            }
            ("writable-cgroups", value) => {
                wish.writable_cgroups = boolean(value).ok_or_else(|| {
                    PlanError::invalid(format!("invalid --security-opt 2: {option:?}"))
                })?;
            }
            ("audit", "record") => wish.audit = true,
            ("audit", "off") => wish.audit = false,
            ("apparmor", "unconfined" | "") | ("label", "disable") => {}
            ("apparmor" | "label", _) => {
                return Err(PlanError::unsupported(format!(
                    "--security-opt {option}: this engine loads no AppArmor profiles and sets no \
                     SELinux labels"
                )));
            }
            _ => {
                return Err(PlanError::invalid(format!("invalid --security-opt 2: {option:?}")));
            }
        }
    }
    Ok(wish)
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// Compiled filters by profile and capabilities: a start costs a look-up.
#[derive(Debug)]
pub struct SeccompCache {
    arch: Arch,
    kernel: Option<KernelVersion>,
    compiled: Mutex<HashMap<(String, u64), Arc<SeccompPlan>>>,
}

/// More profiles than this on one machine are somebody's experiment; the cache starts anew.
const CACHED_MAX: usize = 128;

impl SeccompCache {
    /// For this machine; `release` is the kernel's, as `uname -r` prints it.
    ///
    /// # Errors
    /// `Unsupported` on a processor without a system call table here.
    pub fn new(release: &str) -> Result<SeccompCache> {
        let arch = Arch::native().ok_or_else(|| {
            PlanError::unsupported("no system call table for this machine's processor")
        })?;
        let kernel = KernelVersion::from_release(release);
        Ok(SeccompCache { arch, kernel, compiled: Mutex::default() })
    }

    /// The filter for a wish, or `None` when it is to be unconfined.
    pub fn filter(&self, wish: &SeccompWish, caps: CapSet) -> Result<Option<SeccompPlan>> {
        let text = match wish {
            SeccompWish::Unconfined => return Ok(None),
            SeccompWish::Default => "",
            SeccompWish::Profile(text) => text,
        };
        let key = (text.to_owned(), caps.bits());
        if let Some(plan) = self.compiled.lock().expect("nothing panics in here").get(&key) {
            return Ok(Some(SeccompPlan::clone(plan)));
        }
        let plan = self.compile(text, caps)?;
        let mut compiled = self.compiled.lock().expect("nothing panics in here");
        if compiled.len() >= CACHED_MAX {
            compiled.clear();
        }
        compiled.insert(key, Arc::new(plan.clone()));
        Ok(Some(plan))
    }

    /// The machine's own architecture.
    pub fn arch(&self) -> Arch {
        self.arch
    }

    /// The rules for a wish, or `None` when it is to be unconfined.
    pub fn rules(&self, wish: &SeccompWish, caps: CapSet) -> Result<Option<LinuxSeccomp>> {
        let resolved = match wish {
            SeccompWish::Unconfined => return Ok(None),
            SeccompWish::Default => self.resolve("", caps),
            SeccompWish::Profile(text) => self.resolve(text, caps),
        };
        resolved.map(Some)
    }

    fn resolve(&self, text: &str, caps: CapSet) -> Result<LinuxSeccomp> {
        let version = self.kernel.unwrap_or(KernelVersion { major: 5, minor: 19 });
        let host = Host { arch: self.arch, caps, kernel: version };
        let profile = match text {
            "" => seccomp::default_profile(ArchScope::default()),
            text => DockerProfile::from_json(text.as_bytes()).map_err(|e| undecodable(&e))?,
        };
        profile.resolve(&host).map_err(|e| undecodable(&e))
    }

    fn compile(&self, text: &str, caps: CapSet) -> Result<SeccompPlan> {
        let resolved = self.resolve(text, caps)?;
        let filter = seccomp::compile(&resolved, &Options::new(self.arch));
        let filter = filter.map_err(|e| undecodable(&e))?;
        let program_hex = stdx::id::hex(&filter.program.to_bytes());
        Ok(SeccompPlan { program_hex, flags: filter.flags })
    }
}

fn undecodable(cause: &dyn std::error::Error) -> PlanError {
    PlanError::invalid(format!("Decoding seccomp profile failed: {cause}"))
}

/// Whether `no_new_privs` is set, and why: inspect shows both.
///
/// `image_gains` tells whether the image has programs that gain privileges (set-id bits, file
/// capabilities).
pub fn no_new_privileges(
    wish: Option<bool>,
    privileged: bool,
    user: &str,
    image_gains: bool,
) -> (bool, &'static str) {
    let name = user.split(':').next().unwrap_or_default();
    match (wish, privileged) {
        (Some(wish), _) => (wish, "asked for with --security-opt"),
        (None, true) => (false, "the container is privileged"),
        (None, false) if name.is_empty() || name == "0" || name == "root" => {
            (false, "the user is root, who gains nothing")
        }
        (None, false) if image_gains => {
            (false, "the image has programs with set-id bits or file capabilities")
        }
        (None, false) => (true, "the image has no program that gains privileges"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(options: &[&str]) -> Result<SecurityWish> {
        parse(&options.iter().map(|o| (*o).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn options() {
        assert_eq!(parsed(&["seccomp=unconfined"]).unwrap().seccomp, SeccompWish::Unconfined);
        assert_eq!(parsed(&["no-new-privileges"]).unwrap().no_new_privileges, Some(true));
        assert_eq!(parsed(&["no-new-privileges:false"]).unwrap().no_new_privileges, Some(false));
        let json = SeccompWish::Profile("{}".to_owned());
        assert_eq!(parsed(&["seccomp={}", "apparmor=unconfined"]).unwrap().seccomp, json);
        for (option, text) in [
            ("bogus", "invalid --security-opt 1: \"bogus\""),
            ("bogus=1", "invalid --security-opt 2: \"bogus=1\""),
            ("no-new-privileges=2", "invalid --security-opt 2: \"no-new-privileges=2\""),
        ] {
            assert_eq!(parsed(&[option]).unwrap_err().to_string(), text);
        }
    }

    #[test]
    fn filters_are_compiled_once_and_depend_on_capabilities() {
        let cache = SeccompCache::new("6.1.0-18-amd64").unwrap();
        let filter = |wish: &SeccompWish, caps| cache.filter(wish, caps).unwrap();
        let few = filter(&SeccompWish::Default, CapSet::EMPTY).unwrap();
        let all = filter(&SeccompWish::Default, CapSet::ALL).unwrap();
        assert_ne!(few.program_hex, all.program_hex);
        let again = filter(&SeccompWish::Default, CapSet::EMPTY).unwrap();
        assert_eq!(again.program_hex, few.program_hex);
        assert_eq!(cache.compiled.lock().unwrap().len(), 2);
        assert!(filter(&SeccompWish::Unconfined, CapSet::ALL).is_none());
        let broken = SeccompWish::Profile("{".to_owned());
        let error = cache.filter(&broken, CapSet::ALL).unwrap_err();
        assert!(error.to_string().starts_with("Decoding seccomp profile failed: "), "{error}");
    }

    #[test]
    fn no_new_privileges_by_image_and_user() {
        for (wish, privileged, user, gains, expected) in [
            (None, false, "", false, false),
            (None, false, "0:5", false, false),
            (None, false, "1000", false, true),
            (None, false, "app", true, false),
            (None, true, "1000", false, false),
            (Some(true), true, "", true, true),
            (Some(false), false, "1000", false, false),
        ] {
            assert_eq!(no_new_privileges(wish, privileged, user, gains).0, expected, "{user}");
        }
    }
}
