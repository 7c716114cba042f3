//! Which OCI runtimes there are beside our own.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::error::{EngineError, Result};

/// Our own runtime.
pub const OWN: &str = "wharf";

/// What clients call Docker's own: ours, unless a runtime of that name was set up.
const DOCKERS: [&str; 2] = ["runc", "io.containerd.runc.v2"];

/// One OCI runtime, called by its command line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RuntimeSpec {
    /// Absolute path.
    pub program: PathBuf,
    /// Arguments before all others.
    pub args: Vec<String>,
}

/// All runtimes that were set up.
#[derive(Clone, Debug)]
pub struct Runtimes {
    named: BTreeMap<String, RuntimeSpec>,
    default: String,
}

impl Default for Runtimes {
    fn default() -> Runtimes {
        Runtimes { named: BTreeMap::new(), default: OWN.to_owned() }
    }
}

impl Runtimes {
    /// Checks a set-up; `default` is the runtime of containers that name none.
    ///
    /// # Errors
    /// `Invalid` with the name that is wrong.
    pub fn new(named: BTreeMap<String, RuntimeSpec>, default: Option<String>) -> Result<Runtimes> {
        for (name, spec) in &named {
            let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            if name.is_empty() || !name.bytes().all(legal) {
                return Err(EngineError::invalid(format!("invalid runtime name: {name:?}")));
            }
            if name == OWN {
                return Err(EngineError::invalid(format!(
                    "runtime name '{OWN}' is reserved: it is the engine's own"
                )));
            }
            if !spec.program.is_absolute() {
                return Err(EngineError::invalid(format!(
                    "runtime {name}: `{}` is not an absolute path",
                    spec.program.display()
                )));
            }
        }
        let runtimes = Runtimes { named, default: default.unwrap_or_else(|| OWN.to_owned()) };
        let default = runtimes.canonical(&runtimes.default).map_err(|_| {
            EngineError::invalid(format!(
                "specified default runtime '{}' does not exist",
                runtimes.default
            ))
        })?;
        Ok(Runtimes { default, ..runtimes })
    }

    /// The name under which a wished runtime is known.
    ///
    /// # Errors
    /// Docker's words for one that was not set up.
    pub fn canonical(&self, wish: &str) -> Result<String> {
        match wish {
            "" => Ok(self.default.clone()),
            name if self.named.contains_key(name) => Ok(name.to_owned()),
            name if name == OWN || DOCKERS.contains(&name) => Ok(OWN.to_owned()),
            name => Err(EngineError::invalid(format!("unknown or invalid runtime name: {name}"))),
        }
    }

    /// How a runtime is called; `None` is our own.
    ///
    /// # Errors
    /// As [`Runtimes::canonical`]: the engine was set up otherwise since the container was made.
    pub fn find(&self, name: &str) -> Result<Option<&RuntimeSpec>> {
        let name = self.canonical(name)?;
        Ok(self.named.get(&name))
    }

    /// By name, without our own.
    pub fn named(&self) -> &BTreeMap<String, RuntimeSpec> {
        &self.named
    }

    /// That of containers that name none.
    pub fn default_name(&self) -> &str {
        &self.default
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runtimes(names: &[&str], default: Option<&str>) -> Result<Runtimes> {
        let spec = || RuntimeSpec { program: "/bin/x".into(), args: Vec::new() };
        let named = names.iter().map(|name| ((*name).to_owned(), spec())).collect();
        Runtimes::new(named, default.map(str::to_owned))
    }

    #[test]
    fn a_runtime_that_was_set_up_takes_the_place_of_dockers_name() {
        let none = Runtimes::default();
        assert_eq!(none.canonical("").unwrap(), OWN);
        assert_eq!(none.canonical("runc").unwrap(), OWN);
        assert!(none.find("runc").unwrap().is_none());
        let error = none.canonical("crun").unwrap_err();
        assert_eq!(error.client_text(), "unknown or invalid runtime name: crun");
        let both = runtimes(&["runc", "crun"], Some("crun")).unwrap();
        assert_eq!(both.canonical("").unwrap(), "crun");
        assert!(both.find("runc").unwrap().is_some());
        assert!(both.find("wharf").unwrap().is_none());
    }

    #[test]
    fn wrong_set_ups_are_refused() {
        assert!(runtimes(&["wharf"], None).is_err());
        assert!(runtimes(&["a b"], None).is_err());
        let error = runtimes(&[], Some("nosuch")).unwrap_err();
        assert_eq!(error.client_text(), "specified default runtime 'nosuch' does not exist");
        let relative = RuntimeSpec { program: "x".into(), args: Vec::new() };
        assert!(Runtimes::new([("x".to_owned(), relative)].into(), None).is_err());
    }
}
