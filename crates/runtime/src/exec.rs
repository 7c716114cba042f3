//! A further process in a running container.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;

use cgroup::{Cgroup, CgroupError, Hierarchy, Limit};
use sys::namespace;
use sys::process::{CloneSpec, Fork};

use crate::failure::Failure;
use crate::launch::{self, OnListener, StageOptions, Streams};
use crate::plan::ExecPlan;
use crate::{handshake, stage};

/// A started process.
#[derive(Debug)]
pub struct Executed {
    /// Its process id, in the caller's process ids.
    pub pid: i32,
    /// The same, not to be confused with another.
    pub pidfd: OwnedFd,
    /// Master of its pseudo-terminal, if the plan has one.
    pub terminal: Option<OwnedFd>,
}

/// Starts a process in the namespaces and the cgroup of the container whose first process is the
/// plan's `init_pid`; the caller becomes its parent.
///
/// Must be called by a single-threaded process with root's rights, which knows that `init_pid` has
/// not been reaped. On failure nothing is left behind.
///
/// # Errors
/// A [`Failure`] in words for the user.
pub fn exec(
    plan: &ExecPlan,
    hierarchy: &Hierarchy,
    streams: &Streams<'_>,
) -> Result<Executed, Failure> {
    exec_with(plan, hierarchy, streams, StageOptions::default(), &mut launch::no_listener)
}

/// Like [`exec`], with options.
///
/// # Errors
/// A [`Failure`] in words for the user.
pub fn exec_with(
    plan: &ExecPlan,
    hierarchy: &Hierarchy,
    streams: &Streams<'_>,
    options: StageOptions,
    on_listener: &mut OnListener<'_>,
) -> Result<Executed, Failure> {
    let target = sys::process::pidfd_open(plan.init_pid)
        .map_err(Failure::at("open the container's first process"))?;
    let kinds = different_namespaces(plan.init_pid)?;
    let cgroup = plan.cgroup_path.as_ref().map(|path| Cgroup::open(hierarchy, path)).transpose();
    let cgroup = cgroup.map_err(join_failure)?;
    let entrance = cgroup.as_ref().map(Entrance::of).transpose()?.unwrap_or_default();
    let (mut upper, lower) = handshake::pair().map_err(Failure::at("make a socket pair"))?;
    if options.patient {
        upper.be_patient();
    }
    let spec = CloneSpec { flags: 0, cgroup: entrance.born_in.as_ref().map(AsFd::as_fd) };
    let first = match sys::process::clone3(&spec).map_err(Failure::at("clone the process"))? {
        Fork::Child => {
            drop(upper);
            let context = stage::Context { streams, lower: &lower, options };
            stage::exec(plan, target.as_fd(), kinds, &entrance.files, &context)
        }
        Fork::Parent(child) => child,
    };
    drop(lower);
    let child = launch::adopt_final(&upper, first)?;
    let left_outside = cgroup.filter(|_| entrance.by_hand);
    let result = left_outside
        .map_or(Ok(()), |cgroup| cgroup.attach(child.pid.unsigned_abs()).map_err(join_failure))
        .and_then(|()| enter_sub_cgroups(plan, child.pid))
        .and_then(|()| launch::apply_from_outside(&plan.process, child.pid))
        .and_then(|()| upper.go(&[]).map_err(Failure::at("let the process go on")))
        .and_then(|()| launch::await_start(&upper, true, &child, &mut || Ok(()), on_listener));
    match result {
        Ok(terminal) => Ok(Executed { pid: child.pid, pidfd: child.pidfd, terminal }),
        Err(failure) => {
            launch::end(&child);
            Err(failure)
        }
    }
}

fn enter_sub_cgroups(plan: &ExecPlan, pid: i32) -> Result<(), Failure> {
    plan.sub_cgroups.iter().try_for_each(|directory| {
        std::fs::write(directory.join("cgroup.procs"), pid.to_string()).map_err(|error| {
            let (directory, cause) = (directory.display(), crate::failure::plain(&error));
            Failure::invalid(format!("error adding pid {pid} to cgroup `{directory}`: {cause}"))
        })
    })
}

/// How the process gets into the container's cgroup.
#[derive(Debug, Default)]
struct Entrance {
    /// Version 2 and hybrid: it is born there.
    born_in: Option<OwnedFd>,
    /// Version 1 and hybrid: it moves itself, for moving another costs the kernel a grace period,
    /// some 15 milliseconds on an idle machine.
    files: Vec<OwnedFd>,
    /// It is moved all the same: nothing is born where the number of processes is used up, and an
    /// operator must be able to look into just such a container.
    by_hand: bool,
}

impl Entrance {
    fn of(cgroup: &Cgroup) -> Result<Entrance, Failure> {
        let files = cgroup.entry_files().map_err(join_failure)?;
        if files.is_empty() && !has_room(cgroup) {
            return Ok(Entrance { by_hand: true, ..Entrance::default() });
        }
        let born_in = cgroup.join_fd().map_err(join_failure)?;
        Ok(Entrance { born_in, files, by_hand: false })
    }
}

/// Whether the intermediate and the final process fit in.
fn has_room(cgroup: &Cgroup) -> bool {
    match cgroup.tasks() {
        Ok(Some(pids)) => match pids.limit {
            Limit::At(most) => pids.current.saturating_add(2) <= most,
            Limit::Unlimited => true,
        },
        Ok(None) => true,
        // Being moved always works.
        Err(_) => false,
    }
}

fn join_failure(error: CgroupError) -> Failure {
    Failure::at("join the container's cgroup")(stdx::error::chain(&error))
}

/// The kinds of namespaces in which the process is not with us: joining one's own user namespace
/// is an error.
fn different_namespaces(pid: i32) -> Result<u64, Failure> {
    let inode = |pid: &str, name: &str| {
        std::fs::metadata(format!("/proc/{pid}/ns/{name}"))
            .map(|file| file.ino())
            .map_err(Failure::at(format!("look at the container's {name} namespace")))
    };
    let mut kinds = 0;
    for (name, kind) in [
        ("user", namespace::USER),
        ("mnt", namespace::MOUNT),
        ("pid", namespace::PID),
        ("net", namespace::NET),
        ("ipc", namespace::IPC),
        ("uts", namespace::UTS),
        ("cgroup", namespace::CGROUP),
        ("time", namespace::TIME),
    ] {
        if inode("self", name)? != inode(&pid.to_string(), name)? {
            kinds |= kind;
        }
    }
    Ok(kinds)
}
