//! Options of `--tmpfs` and `--mount type=tmpfs`.

use docker_api::TmpfsOptions;
use runtime::plan::{MoreAttributes, MountAttributes};

use crate::error::{PlanError, Result};

/// Flags, and options for the file system.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TmpfsPlan {
    /// Flags.
    pub attributes: MountAttributes,
    /// `size=...`, `mode=...`, ...
    pub options: Vec<String>,
}

/// Docker's own: a tmpfs has no business with programs or devices unless the user says so.
const DEFAULT: MountAttributes = MountAttributes {
    read_only: false,
    read_only_recursive: false,
    no_suid: true,
    no_dev: true,
    no_exec: true,
    no_atime: false,
    no_symfollow: false,
    more: MoreAttributes::NONE,
};

/// Options of `--tmpfs PATH:OPTIONS`.
pub fn of_flag(text: &str) -> Result<TmpfsPlan> {
    let mut plan = TmpfsPlan { attributes: DEFAULT, options: Vec::new() };
    for option in text.split(',').filter(|option| !option.is_empty()) {
        apply(&mut plan, option)?;
    }
    Ok(plan)
}

/// Options of `--mount type=tmpfs`.
pub fn of_mount(wish: Option<&TmpfsOptions>, read_only: bool) -> Result<TmpfsPlan> {
    let mut plan = TmpfsPlan { attributes: DEFAULT, options: Vec::new() };
    plan.attributes.read_only = read_only;
    let Some(wish) = wish else { return Ok(plan) };
    if wish.size_bytes != 0 {
        plan.options.push(format!("size={}", wish.size_bytes));
    }
    if wish.mode != 0 {
        plan.options.push(format!("mode={:o}", wish.mode));
    }
    for option in wish.options.iter().flatten() {
        apply(&mut plan, &option.join("="))?;
    }
    Ok(plan)
}

fn apply(plan: &mut TmpfsPlan, option: &str) -> Result<()> {
    let attributes = &mut plan.attributes;
    match option {
        "ro" => attributes.read_only = true,
        "rw" => attributes.read_only = false,
        "suid" => attributes.no_suid = false,
        "nosuid" => attributes.no_suid = true,
        "dev" => attributes.no_dev = false,
        "nodev" => attributes.no_dev = true,
        "exec" => attributes.no_exec = false,
        "noexec" => attributes.no_exec = true,
        "atime" => attributes.no_atime = false,
        "noatime" => attributes.no_atime = true,
        // The kernel's defaults, or of no meaning for a tmpfs.
        "defaults" | "sync" | "async" | "dirsync" | "remount" | "diratime" | "nodiratime"
        | "relatime" | "norelatime" | "strictatime" | "mand" | "nomand" | "private"
        | "rprivate" => {}
        _ => {
            let key = option.split('=').next().unwrap_or_default();
            let has_value = option.len() > key.len() + 1;
            let known = ["size", "mode", "uid", "gid", "nr_inodes", "nr_blocks", "mpol"];
            if !known.contains(&key) || !has_value {
                return Err(PlanError::invalid(format!("invalid tmpfs option {option:?}")));
            }
            plan.options.retain(|old| old.split('=').next() != Some(key));
            plan.options.push(option.to_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_override_defaults_and_the_last_value_counts() {
        let plan = of_flag("rw,exec,size=64k,mode=700,size=1m").unwrap();
        assert_eq!(plan.options, ["mode=700", "size=1m"]);
        assert!(!plan.attributes.no_exec && plan.attributes.no_suid && plan.attributes.no_dev);
        for wrong in ["bogus", "size", "size=", "lowerdir=/x"] {
            let error = of_flag(wrong).unwrap_err();
            assert_eq!(error.to_string(), format!("invalid tmpfs option {wrong:?}"));
        }
    }

    #[test]
    fn long_form() {
        let wish = TmpfsOptions {
            size_bytes: 4096,
            mode: 0o1770,
            options: Some(vec![vec!["exec".to_owned()], vec!["uid".to_owned(), "5".to_owned()]]),
        };
        let plan = of_mount(Some(&wish), true).unwrap();
        assert_eq!(plan.options, ["size=4096", "mode=1770", "uid=5"]);
        assert!(plan.attributes.read_only && !plan.attributes.no_exec);
    }
}
