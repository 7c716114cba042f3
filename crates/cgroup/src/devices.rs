use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A kernel device number.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Hash, Serialize, Deserialize)]
pub struct DeviceNumber {
    /// The driver.
    pub major: u32,
    /// The driver's unit.
    pub minor: u32,
}

impl std::fmt::Display for DeviceNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.major, self.minor)
    }
}

/// What kind of device a rule is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceKind {
    /// Both.
    All,
    /// Character devices.
    Char,
    /// Block devices.
    Block,
}

/// What is done with a device.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Access {
    /// Open for reading.
    pub read: bool,
    /// Open for writing.
    pub write: bool,
    /// Make a node.
    pub mknod: bool,
}

impl Access {
    /// All of it.
    pub const ALL: Self = Self { read: true, write: true, mknod: true };

    /// From letters of `rwm`, in any order; `None` for others.
    pub fn parse(letters: &str) -> Option<Self> {
        let known = !letters.is_empty() && letters.bytes().all(|letter| b"rwm".contains(&letter));
        known.then(|| Self {
            read: letters.contains('r'),
            write: letters.contains('w'),
            mknod: letters.contains('m'),
        })
    }

    /// The bits of `BPF_DEVCG_ACC_*` in `linux/bpf.h`.
    fn bits(self) -> u8 {
        u8::from(self.mknod) | u8::from(self.read) << 1 | u8::from(self.write) << 2
    }
}

/// One rule; in a list, later rules override earlier ones.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct DeviceRule {
    /// Allow, or deny.
    pub allow: bool,
    /// Which kind.
    pub kind: DeviceKind,
    /// Which driver; `None` is any.
    pub major: Option<u32>,
    /// Which unit; `None` is any.
    pub minor: Option<u32>,
    /// Which uses.
    pub access: Access,
}

impl DeviceRule {
    /// Denies everything: the first rule of a list that names what is allowed.
    pub const DENY_ALL: Self =
        Self { allow: false, kind: DeviceKind::All, major: None, minor: None, access: Access::ALL };
}

/// A rule list brought to what the kernel keeps: a default and the exceptions to it, which are all
/// allowed or all denied, so that their order does not matter.
///
/// It follows the version 1 kernel (`security/device_cgroup.c`), and both versions are made from
/// it, so that they agree.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct DevicePolicy {
    pub deny_by_default: bool,
    pub exceptions: BTreeMap<Exception, u8>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd)]
pub(crate) struct Exception {
    /// [`DeviceKind::Char`] or [`DeviceKind::Block`].
    pub kind: DeviceKind,
    pub major: Option<u32>,
    pub minor: Option<u32>,
}

impl DevicePolicy {
    pub fn of(rules: &[DeviceRule]) -> Self {
        let mut policy = Self::default();
        for rule in rules {
            policy.apply(rule);
        }
        policy
    }

    fn apply(&mut self, rule: &DeviceRule) {
        let everything = rule.major.is_none() && rule.minor.is_none() && rule.access == Access::ALL;
        if rule.kind == DeviceKind::All && everything {
            self.deny_by_default = !rule.allow;
            self.exceptions.clear();
            return;
        }
        let kinds: &[DeviceKind] = match rule.kind {
            DeviceKind::All => &[DeviceKind::Char, DeviceKind::Block],
            DeviceKind::Char => &[DeviceKind::Char],
            DeviceKind::Block => &[DeviceKind::Block],
        };
        for kind in kinds {
            let key = Exception { kind: *kind, major: rule.major, minor: rule.minor };
            if rule.allow == self.deny_by_default {
                *self.exceptions.entry(key).or_default() |= rule.access.bits();
            } else if let Some(bits) = self.exceptions.get_mut(&key) {
                *bits &= !rule.access.bits();
                if *bits == 0 {
                    self.exceptions.remove(&key);
                }
            }
        }
    }

    /// The exceptions as lines for `devices.allow` or `devices.deny`.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.exceptions.iter().map(|(key, bits)| {
            let kind = if key.kind == DeviceKind::Block { 'b' } else { 'c' };
            let number = |number: Option<u32>| number.map_or("*".to_owned(), |n| n.to_string());
            let letters: String = [(2, 'r'), (4, 'w'), (1, 'm')]
                .into_iter()
                .filter_map(|(bit, letter)| (bits & bit != 0).then_some(letter))
                .collect();
            format!("{kind} {}:{} {letters}", number(key.major), number(key.minor))
        })
    }
}

#[cfg(test)]
mod tests;
