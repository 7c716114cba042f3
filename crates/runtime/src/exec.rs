//! A further process in a running container.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;

use cgroup::{Cgroup, Hierarchy};
use sys::namespace;
use sys::process::{CloneSpec, Fork};

use crate::failure::Failure;
use crate::launch::{self, StageOptions, Streams};
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
    exec_with(plan, hierarchy, streams, StageOptions::default())
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
) -> Result<Executed, Failure> {
    let target = sys::process::pidfd_open(plan.init_pid)
        .map_err(Failure::at("open the container's first process"))?;
    let kinds = different_namespaces(plan.init_pid)?;
    let (upper, lower) = handshake::pair().map_err(Failure::at("make a socket pair"))?;
    let first = match sys::process::clone3(&CloneSpec::default())
        .map_err(Failure::at("clone the process"))?
    {
        Fork::Child => {
            drop(upper);
            let context = stage::Context { streams, lower: &lower, options };
            stage::exec(plan, target.as_fd(), kinds, &context)
        }
        Fork::Parent(child) => child,
    };
    drop(lower);
    let child = launch::adopt_final(&upper, first)?;
    let result = join_cgroup(plan, hierarchy, child.pid)
        .and_then(|()| launch::apply_from_outside(&plan.process, child.pid))
        .and_then(|()| upper.go(&[]).map_err(Failure::at("let the process go on")))
        .and_then(|()| launch::await_start(&upper, true));
    match result {
        Ok(terminal) => Ok(Executed { pid: child.pid, pidfd: child.pidfd, terminal }),
        Err(failure) => {
            launch::end(&child);
            Err(failure)
        }
    }
}

fn join_cgroup(plan: &ExecPlan, hierarchy: &Hierarchy, pid: i32) -> Result<(), Failure> {
    let Some(path) = &plan.cgroup_path else { return Ok(()) };
    Cgroup::open(hierarchy, path)
        .and_then(|cgroup| cgroup.attach(pid.unsigned_abs()))
        .map_err(|error| Failure::at("join the container's cgroup")(stdx::error::chain(&error)))
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
    ] {
        if inode("self", name)? != inode(&pid.to_string(), name)? {
            kinds |= kind;
        }
    }
    Ok(kinds)
}
