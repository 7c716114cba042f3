//! Which namespaces a container gets, and whose.

use docker_api::HostConfig;
use runtime::plan::{IdMapping, Namespace, Namespaces, UserNamespace};
use serde::{Deserialize, Serialize};

use crate::error::{PlanError, Result};

/// Where the ids of a container come from.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub enum IdSource {
    /// The host's user namespace.
    Host {
        /// Why; inspect shows it.
        reason: String,
    },
    /// A range of its own.
    Leased(IdRange),
    /// That of the container whose namespaces it joins.
    Joined,
}

/// A leased range of ids, of users and groups alike.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct IdRange {
    /// First id outside.
    pub start: u32,
    /// How many.
    pub count: u32,
}

impl IdRange {
    /// As a map from zero.
    pub fn map(self) -> Vec<IdMapping> {
        vec![IdMapping { inside: 0, outside: self.start, count: self.count }]
    }
}

/// One of the modes `""`, `host`, `private`, `shareable`, `none`, `container:ID`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Mode {
    /// A new namespace.
    Private,
    /// A new one, and no file system for it (`--ipc none`).
    PrivateBare,
    /// The host's.
    Host,
    /// Another container's.
    Container(String),
}

/// The modes of a container.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Modes {
    /// Network.
    pub net: Mode,
    /// Process ids.
    pub pid: Mode,
    /// System V IPC.
    pub ipc: Mode,
    /// Host name.
    pub uts: Mode,
    /// Cgroup root.
    pub cgroup: Mode,
}

impl Modes {
    /// Reads and checks the modes. A host configuration that went through `create` has them all.
    pub fn parse(host: &HostConfig) -> Result<Modes> {
        let mode = |text: &str, field: &str| match text {
            "" | "private" | "none" | "default" => Ok(Mode::Private),
            "host" => Ok(Mode::Host),
            text => match text.strip_prefix("container:") {
                Some("") | None => Err(PlanError::invalid(format!("invalid {field} mode: {text}"))),
                Some(other) => Ok(Mode::Container(other.to_owned())),
            },
        };
        let no_container = |parsed: Mode, field: &str, text: &str| match parsed {
            Mode::Container(_) => Err(PlanError::invalid(format!("invalid {field} mode: {text}"))),
            other => Ok(other),
        };
        Ok(Modes {
            net: mode(&host.network_mode, "network")?,
            pid: mode(&host.pid_mode, "PID")?,
            ipc: match host.ipc_mode.as_str() {
                "none" => Mode::PrivateBare,
                "shareable" => Mode::Private,
                text => mode(text, "IPC")?,
            },
            uts: no_container(mode(&host.uts_mode, "UTS")?, "UTS", &host.uts_mode)?,
            cgroup: no_container(
                mode(&host.cgroupns_mode, "cgroup namespace")?,
                "cgroup namespace",
                &host.cgroupns_mode,
            )?,
        })
    }

    /// The containers that this one joins.
    pub fn joined(&self) -> impl Iterator<Item = &str> {
        [&self.net, &self.ipc, &self.pid].into_iter().filter_map(|mode| match mode {
            Mode::Container(id) => Some(id.as_str()),
            _ => None,
        })
    }
}

/// Whether the container lives in the host's user namespace, and why.
///
/// A container with a namespace of the host in a user namespace of its own could not mount sysfs,
/// proc or mqueue, nor bind low ports: namespaces are owned by the user namespace they were made
/// in.
pub fn host_ids_reason(host: &HostConfig, modes: &Modes) -> Option<String> {
    let reason = match host.userns_mode.as_str() {
        "host" => "--userns host",
        "private" => return None,
        _ if host.privileged => "--privileged implies --userns host",
        _ if modes.net == Mode::Host => "--network host implies --userns host",
        _ if modes.pid == Mode::Host => "--pid host implies --userns host",
        _ if modes.ipc == Mode::Host => "--ipc host implies --userns host",
        _ => return None,
    };
    Some(reason.to_owned())
}

/// A running container whose namespaces another one joins.
#[derive(Clone, Debug)]
pub struct Joinable {
    /// The id, as the joining container's modes have it.
    pub id: String,
    /// Its first process.
    pub pid: i32,
    /// Its user namespace's map; empty: the host's.
    pub map: Vec<IdMapping>,
}

/// The namespaces of a plan.
pub fn namespaces(modes: &Modes, joinable: &[Joinable]) -> Result<Namespaces> {
    let one = |mode: &Mode, name: &str| match mode {
        Mode::Private | Mode::PrivateBare => Ok(Namespace::New),
        Mode::Host => Ok(Namespace::Host),
        Mode::Container(id) => {
            let other = find(joinable, id)?;
            Ok(Namespace::Join(format!("/proc/{}/ns/{name}", other.pid).into()))
        }
    };
    Ok(Namespaces {
        net: one(&modes.net, "net")?,
        pid: one(&modes.pid, "pid")?,
        ipc: one(&modes.ipc, "ipc")?,
        uts: one(&modes.uts, "uts")?,
        cgroup: one(&modes.cgroup, "cgroup")?,
        time: Namespace::Host,
    })
}

/// The user namespace of a plan.
pub fn user_namespace(
    ids: &IdSource,
    modes: &Modes,
    joinable: &[Joinable],
) -> Result<UserNamespace> {
    match ids {
        IdSource::Host { .. } => {
            // Its own ids would be nobody's in namespaces that belong to a user namespace.
            if let Some(other) = joinable.iter().find(|other| !other.map.is_empty()) {
                return Err(PlanError::conflict(format!(
                    "cannot join namespaces of container {}: it has a user namespace of its own, \
                     and this container was created with the host's",
                    other.id
                )));
            }
            Ok(UserNamespace::Host)
        }
        IdSource::Leased(range) => {
            Ok(UserNamespace::New { uid_map: range.map(), gid_map: range.map(), idmap_root: true })
        }
        IdSource::Joined => {
            let mut others = modes.joined().map(|id| find(joinable, id));
            let first = others.next().unwrap_or_else(|| {
                Err(PlanError::new(stdx::Kind::Internal, "no container is joined"))
            })?;
            for other in others {
                let other = other?;
                if other.map != first.map {
                    return Err(PlanError::conflict(format!(
                        "cannot join namespaces of containers {} and {}: they have different user \
                         namespaces",
                        first.id, other.id
                    )));
                }
            }
            Ok(match first.map.is_empty() {
                true => UserNamespace::Host,
                false => UserNamespace::Join {
                    path: format!("/proc/{}/ns/user", first.pid).into(),
                    uid_map: first.map.clone(),
                    gid_map: first.map.clone(),
                    idmap_root: true,
                },
            })
        }
    }
}

fn find<'a>(joinable: &'a [Joinable], id: &str) -> Result<&'a Joinable> {
    joinable
        .iter()
        .find(|other| other.id == id)
        .ok_or_else(|| PlanError::not_found(format!("No such container: {id}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(change: impl FnOnce(&mut HostConfig)) -> HostConfig {
        let mut host = HostConfig { network_mode: "none".to_owned(), ..HostConfig::default() };
        change(&mut host);
        host
    }

    fn reason(change: impl FnOnce(&mut HostConfig)) -> Option<String> {
        let host = host(change);
        host_ids_reason(&host, &Modes::parse(&host).unwrap())
    }

    #[test]
    fn what_implies_the_hosts_ids() {
        assert_eq!(reason(|_| ()), None);
        assert_eq!(reason(|h| h.uts_mode = "host".to_owned()), None);
        assert_eq!(
            reason(|h| h.privileged = true).as_deref(),
            Some("--privileged implies --userns host")
        );
        assert!(reason(|h| h.network_mode = "host".to_owned()).is_some());
        assert!(reason(|h| h.pid_mode = "host".to_owned()).is_some());
        assert!(reason(|h| h.ipc_mode = "host".to_owned()).is_some());
        let insists = |h: &mut HostConfig| {
            h.privileged = true;
            h.userns_mode = "private".to_owned();
        };
        assert_eq!(reason(insists), None);
    }

    #[test]
    fn joining_takes_the_others_ids() {
        let joining = host(|h| h.network_mode = "container:abc".to_owned());
        let modes = Modes::parse(&joining).unwrap();
        let map = IdRange { start: 1 << 20, count: 65536 }.map();
        let other = Joinable { id: "abc".to_owned(), pid: 77, map: map.clone() };
        let others = [other];
        let net = namespaces(&modes, &others).unwrap().net;
        assert_eq!(net, Namespace::Join("/proc/77/ns/net".into()));
        let user = user_namespace(&IdSource::Joined, &modes, &others).unwrap();
        assert!(matches!(user, UserNamespace::Join { uid_map, .. } if uid_map == map));
        let host_ids = IdSource::Host { reason: "--userns host".to_owned() };
        assert!(user_namespace(&host_ids, &modes, &others).is_err());
        assert!(namespaces(&modes, &[]).is_err());
    }

    #[test]
    fn modes_are_checked() {
        for (field, text) in [
            ("pid", "invalid PID mode: bogus"),
            ("ipc", "invalid IPC mode: bogus"),
            ("uts", "invalid UTS mode: bogus"),
        ] {
            let host = host(|h| {
                let slot = match field {
                    "pid" => &mut h.pid_mode,
                    "ipc" => &mut h.ipc_mode,
                    _ => &mut h.uts_mode,
                };
                *slot = "bogus".to_owned();
            });
            assert_eq!(Modes::parse(&host).unwrap_err().to_string(), text);
        }
    }
}
