//! Id maps, and whose files are made for a container.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use sys::process::{CloneSpec, Fork};

use crate::failure::Failure;
use crate::plan::{IdMapping, LaunchPlan, UserNamespace};

/// Writes `/proc/PID/uid_map` and `gid_map`.
pub(crate) fn write_maps(
    pid: i32,
    uid_map: &[IdMapping],
    gid_map: &[IdMapping],
) -> Result<(), Failure> {
    for (name, map) in [("uid_map", uid_map), ("gid_map", gid_map)] {
        let text: String = map
            .iter()
            .map(|line| format!("{} {} {}\n", line.inside, line.outside, line.count))
            .collect();
        std::fs::write(format!("/proc/{pid}/{name}"), text)
            .map_err(Failure::at(format!("write `{name}`")))?;
    }
    Ok(())
}

/// A user namespace that only has these maps, for mounts to be shown through.
pub(super) fn namespace_of(
    uid_map: &[IdMapping],
    gid_map: &[IdMapping],
) -> Result<OwnedFd, Failure> {
    let spec = CloneSpec { flags: sys::namespace::USER, ..CloneSpec::default() };
    let holder = match sys::process::clone3(&spec)
        .map_err(Failure::at("make a user namespace for a mount"))?
    {
        Fork::Child => {
            // It only has to be there until it is killed, or its parent is gone.
            drop(sys::process::set_parent_death_signal(sys::libc::SIGKILL));
            loop {
                sys::signal::pause();
            }
        }
        Fork::Parent(child) => child,
    };
    let namespace = write_maps(holder.pid, uid_map, gid_map).and_then(|()| {
        File::open(format!("/proc/{}/ns/user", holder.pid))
            .map(OwnedFd::from)
            .map_err(Failure::at("open the user namespace of a mount"))
    });
    super::end(&holder);
    namespace
}

/// Who owns what is made for the container, seen from the host.
#[derive(Debug)]
pub(crate) struct Owner {
    /// The host's user id of the container's root.
    pub(crate) root_uid: u32,
    /// The host's group id of the container's root.
    pub(crate) root_gid: u32,
    uid_map: Vec<IdMapping>,
    gid_map: Vec<IdMapping>,
    /// The user namespace, when files are shown through its map.
    idmap: Option<OwnedFd>,
    /// The user namespace whether or not the root is mapped.
    namespace: Option<OwnedFd>,
}

impl Owner {
    /// Of the container that `pid` is the first process of.
    pub(crate) fn of(plan: &LaunchPlan, pid: i32) -> Result<Owner, Failure> {
        let (path, uid_map, gid_map, idmap_root) = match &plan.user_namespace {
            UserNamespace::Host => {
                return Ok(Owner {
                    root_uid: 0,
                    root_gid: 0,
                    uid_map: Vec::new(),
                    gid_map: Vec::new(),
                    idmap: None,
                    namespace: None,
                });
            }
            UserNamespace::New { uid_map, gid_map, idmap_root } => {
                (PathBuf::from(format!("/proc/{pid}/ns/user")), uid_map, gid_map, *idmap_root)
            }
            UserNamespace::Join { path, uid_map, gid_map, idmap_root } => {
                (path.clone(), uid_map, gid_map, *idmap_root)
            }
        };
        let open = || {
            File::open(&path)
                .map(OwnedFd::from)
                .map_err(Failure::at(format!("open the user namespace `{}`", path.display())))
        };
        Ok(Owner {
            root_uid: outside(uid_map, 0)?,
            root_gid: outside(gid_map, 0)?,
            uid_map: uid_map.clone(),
            gid_map: gid_map.clone(),
            idmap: if idmap_root { Some(open()?) } else { None },
            namespace: Some(open()?),
        })
    }

    /// The namespace through whose map the root file system is shown; `None`: as it is.
    pub(crate) fn root_idmap(&self) -> Option<BorrowedFd<'_>> {
        self.idmap.as_ref().map(AsFd::as_fd)
    }

    /// The user namespace; `None`: the host's.
    pub(crate) fn namespace(&self) -> Option<BorrowedFd<'_>> {
        self.namespace.as_ref().map(AsFd::as_fd)
    }

    /// The host's user and group ids of ids inside.
    pub(crate) fn outside(&self, uid: u32, gid: u32) -> Result<(u32, u32), Failure> {
        match self.namespace {
            None => Ok((uid, gid)),
            Some(_) => Ok((outside(&self.uid_map, uid)?, outside(&self.gid_map, gid)?)),
        }
    }
}

fn outside(map: &[IdMapping], id: u32) -> Result<u32, Failure> {
    map.iter()
        .find_map(|line| {
            let offset = id.checked_sub(line.inside).filter(|offset| *offset < line.count)?;
            line.outside.checked_add(offset)
        })
        .ok_or_else(|| Failure::invalid(format!("id {id} is not in the container's id map")))
}
