//! Capability sets from `--cap-add`, `--cap-drop` and `--privileged`.

use runtime::plan::Capabilities;
use seccomp::CapSet;

use crate::error::{PlanError, Result};

/// Docker's fourteen less NET_RAW (ping works through `ping_group_range`), MKNOD (`/dev` is made
/// for the container) and AUDIT_WRITE (no container has business in the host's audit log).
const DEFAULT: [&str; 11] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "FSETID",
    "FOWNER",
    "SETGID",
    "SETUID",
    "SETFCAP",
    "SETPCAP",
    "NET_BIND_SERVICE",
    "SYS_CHROOT",
    "KILL",
];

/// The set that a container gets.
pub fn capabilities(add: &[String], drop: &[String], privileged: bool) -> Result<CapSet> {
    let (add_all, add) = names(add, "CapAdd")?;
    let (drop_all, drop) = names(drop, "CapDrop")?;
    if privileged {
        return Ok(CapSet::ALL);
    }
    let base = match (add_all, drop_all) {
        (true, _) => CapSet::ALL.bits() & !drop,
        // What is dropped by ALL can only come back by name.
        (false, true) => add,
        (false, false) => (default_set().bits() & !drop) | add,
    };
    Ok(CapSet::from_bits(base))
}

/// Docker's sets: nothing inheritable or ambient; the kernel takes away the effective ones when
/// the process becomes another user.
pub fn process_sets(set: CapSet) -> Capabilities {
    let bits = set.bits();
    Capabilities { bounding: bits, effective: bits, permitted: bits, inheritable: 0, ambient: 0 }
}

/// The default set.
pub fn default_set() -> CapSet {
    DEFAULT.iter().fold(CapSet::EMPTY, |set, name| {
        set.with(name).expect("the table has names of capabilities only")
    })
}

/// Whether `ALL` is among the names, and the mask of the others.
fn names(names: &[String], field: &str) -> Result<(bool, u64)> {
    let mut all = false;
    let mut set = CapSet::EMPTY;
    for name in names {
        let upper = name.to_ascii_uppercase();
        if upper == "ALL" {
            all = true;
            continue;
        }
        set = set.with(&upper).ok_or_else(|| {
            let full = match upper.starts_with("CAP_") {
                true => upper.clone(),
                false => format!("CAP_{upper}"),
            };
            PlanError::invalid(format!("invalid {field}: unknown capability: \"{full}\""))
        })?;
    }
    Ok((all, set.bits()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(add: &[&str], drop: &[&str], privileged: bool, expected: u64) {
        let owned = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let set = capabilities(&owned(add), &owned(drop), privileged).unwrap();
        assert_eq!(set.bits(), expected, "+{add:?} -{drop:?} {privileged}: {:x}", set.bits());
    }

    #[test]
    fn docker_semantics() {
        let all = CapSet::ALL.bits();
        check(&[], &[], false, 0x8004_05fb);
        check(&["NET_RAW", "cap_mknod", "AUDIT_WRITE"], &[], false, 0xa804_25fb);
        check(&[], &["ALL"], false, 0);
        check(&["CHOWN"], &["ALL"], false, 1);
        check(&["ALL"], &["CHOWN"], false, all & !1);
        check(&["all"], &["ALL"], false, all);
        check(&[], &["CAP_CHOWN"], false, 0x8004_05fa);
        check(&[], &["ALL"], true, all);
    }

    #[test]
    fn unknown_names_are_refused_in_dockers_words() {
        let error = capabilities(&["BOGUS".to_owned()], &[], false).unwrap_err();
        assert_eq!(error.to_string(), "invalid CapAdd: unknown capability: \"CAP_BOGUS\"");
    }
}
