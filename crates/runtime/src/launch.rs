//! The caller's half of a start.
//!
//! The order is forced by the kernel:
//! 1. The cgroup exists before the process, which is born in it on v2 and moved into it on v1
//!    before it does anything.
//! 2. The process is cloned with its namespaces and waits. When it must join namespaces, an
//!    intermediate process joins them first and clones the final one as its sibling, so that the
//!    caller is the parent in either case.
//! 3. Its id maps are written from outside, for inside it has no right to.
//! 4. With the user namespace in existence, layers and binds are id-mapped and the overlay is
//!    mounted, detached, with the caller's rights.
//! 5. The stage gets all these mounts as descriptors and builds its file system from them.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use cgroup::{Cgroup, Hierarchy};
use sys::process::{Child, CloneSpec, Fork};

use crate::failure::Failure;
use crate::handshake::{self, FromStage, Upper};
use crate::plan::{LaunchPlan, Namespace, ProcessPlan, UserNamespace};
use crate::stage;

pub(crate) mod binds;
mod devices;
pub(crate) mod ids;
pub(crate) mod root;
mod writing;

pub use writing::claim_files;

/// A started container.
#[derive(Debug)]
pub struct Launched {
    /// Its first process in the caller's process ids.
    pub pid: i32,
    /// The same, not to be confused with another.
    pub pidfd: OwnedFd,
    /// Master of its pseudo-terminal, if the plan has one.
    pub terminal: Option<OwnedFd>,
    /// Its cgroup, if the plan has one.
    pub cgroup: Option<Cgroup>,
    /// What was done otherwise than wished, for the operator: binds that could not be id-mapped.
    pub notes: Vec<String>,
}

/// How long the processes of a failed start may take to leave their cgroup.
const REMOVAL_DEADLINE: Duration = Duration::from_secs(2);

/// When the program is executed.
#[derive(Debug)]
pub enum Gate<'a> {
    /// At once.
    Open,
    /// When a byte can be read from this FIFO, opened for reading and writing.
    Fifo(BorrowedFd<'a>),
}

/// The standard streams of a process without a terminal: input, output, error.
pub type Streams<'a> = [BorrowedFd<'a>; 3];

/// What few callers wish.
pub struct LaunchOptions<'a> {
    /// How the new process is set up.
    pub stage: StageOptions,
    /// Called with the process id when the process exists, but before its file system is built;
    /// a new network namespace may still be in the making. When it fails, so does the start.
    pub on_created: &'a mut dyn FnMut(i32) -> Result<(), Failure>,
    /// Called when its mounts are there, if the plan has hooks. When it fails, so does the start.
    pub on_built: &'a mut dyn FnMut() -> Result<(), Failure>,
    /// Called with the descriptor that the filter asks through. When it fails, so does the start.
    pub on_listener: &'a mut OnListener<'a>,
}

/// Takes the descriptor that the filter of a process asks through, and the process's id.
pub type OnListener<'a> = dyn FnMut(i32, OwnedFd) -> Result<(), Failure> + 'a;

/// For filters that ask nobody.
///
/// # Errors
/// Always.
pub fn no_listener(_: i32, _: OwnedFd) -> Result<(), Failure> {
    Err(Failure::invalid("the system call filter asks a listener, but none is known"))
}

/// How the new process is set up.
#[derive(Clone, Copy, Debug)]
pub struct StageOptions {
    /// How many of the caller's descriptors from 3 on the program gets. They must all be open:
    /// a number that is free could become one of our own.
    pub preserved_fds: u32,
    /// The program gets a session keyring of its own, not the caller's.
    pub new_keyring: bool,
    /// The start may take long: the cgroup may be frozen.
    pub patient: bool,
    /// The terminal does not write a carriage return before each new line: its other end is not
    /// another terminal.
    pub plain_lines: bool,
}

impl Default for StageOptions {
    fn default() -> StageOptions {
        StageOptions { preserved_fds: 0, new_keyring: true, patient: false, plain_lines: false }
    }
}

/// Starts a container; `streams` are its standard streams unless the plan has a terminal.
///
/// Must be called by a single-threaded process with root's rights. On failure nothing is left
/// behind: no process, no mount, no cgroup.
///
/// # Errors
/// A [`Failure`] in words for the user.
pub fn launch(
    plan: &LaunchPlan,
    hierarchy: &Hierarchy,
    streams: &Streams<'_>,
    gate: &Gate<'_>,
) -> Result<Launched, Failure> {
    let mut options = LaunchOptions {
        stage: StageOptions::default(),
        on_created: &mut |_| Ok(()),
        on_built: &mut || Ok(()),
        on_listener: &mut no_listener,
    };
    launch_with(plan, hierarchy, streams, gate, &mut options)
}

/// Like [`launch`], with options.
///
/// # Errors
/// A [`Failure`] in words for the user.
pub fn launch_with(
    plan: &LaunchPlan,
    hierarchy: &Hierarchy,
    streams: &Streams<'_>,
    gate: &Gate<'_>,
    options: &mut LaunchOptions<'_>,
) -> Result<Launched, Failure> {
    let cgroup = match &plan.cgroup.path {
        Some(path) => Some(
            Cgroup::create(hierarchy, path, &plan.cgroup.limits)
                .map_err(|error| Failure::at("create the cgroup")(stdx::error::chain(&error)))?,
        ),
        None => None,
    };
    match launch_in(plan, cgroup.as_ref(), streams, gate, options) {
        Ok((child, terminal, notes)) => {
            Ok(Launched { pid: child.pid, pidfd: child.pidfd, terminal, cgroup, notes })
        }
        Err(failure) => {
            if let Some(cgroup) = cgroup {
                // The failure to report is the first one; the engine sweeps what stays.
                drop(cgroup.remove(REMOVAL_DEADLINE));
            }
            Err(failure)
        }
    }
}

type Running = (Child, Option<OwnedFd>, Vec<String>);

fn launch_in(
    plan: &LaunchPlan,
    cgroup: Option<&Cgroup>,
    streams: &Streams<'_>,
    gate: &Gate<'_>,
    options: &mut LaunchOptions<'_>,
) -> Result<Running, Failure> {
    let (mut upper, lower) = handshake::pair().map_err(Failure::at("make a socket pair"))?;
    if plan.bundle.hooks.is_some() {
        upper.be_patient();
    }
    let born_in = match cgroup.map(Cgroup::join_fd).transpose() {
        Ok(fd) => fd.flatten(),
        Err(error) => return Err(Failure::at("open the cgroup")(stdx::error::chain(&error))),
    };
    let entries = match cgroup.map(Cgroup::entry_files).transpose() {
        Ok(files) => files.unwrap_or_default(),
        Err(error) => return Err(Failure::at("open the cgroup")(stdx::error::chain(&error))),
    };
    let views = cgroup.map_or_else(Vec::new, Cgroup::directories);
    let spec = CloneSpec {
        flags: if needs_joining(plan) { 0 } else { clone_flags(plan) },
        cgroup: born_in.as_ref().map(AsFd::as_fd),
    };
    let first = match sys::process::clone3(&spec).map_err(Failure::at("clone the process"))? {
        Fork::Child => {
            drop(upper);
            let views = views.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
            let context = stage::Context { streams, lower: &lower, options: options.stage };
            stage::container(plan, &context, spec.cgroup, &entries, &views)
        }
        Fork::Parent(child) => child,
    };
    drop(lower);
    drop(entries);
    let child = match needs_joining(plan) {
        true => adopt_final(&upper, first)?,
        false => first,
    };
    let result = map_ids_and_limit(plan, &child)
        .and_then(|()| (options.on_created)(child.pid))
        .and_then(|()| prepare(plan, &views, &child, &upper, gate))
        .and_then(|notes| {
            let open = matches!(gate, Gate::Open);
            let terminal =
                await_start(&upper, open, &child, options.on_built, options.on_listener)?;
            Ok((terminal, notes))
        });
    match result {
        Ok((terminal, notes)) => Ok((child, terminal, notes)),
        Err(failure) => {
            end(&child);
            Err(failure)
        }
    }
}

/// Whether an intermediate process must join namespaces before the final one is made.
fn needs_joining(plan: &LaunchPlan) -> bool {
    let ns = &plan.namespaces;
    [&ns.net, &ns.pid, &ns.ipc, &ns.uts, &ns.cgroup, &ns.time]
        .iter()
        .any(|ns| matches!(ns, Namespace::Join(_)))
        || matches!(plan.user_namespace, UserNamespace::Join { .. })
        || plan.bundle.mount_namespace.is_some()
}

/// The namespaces that are made with the process. The cgroup namespace is not: its root is the
/// cgroup of the moment. Nor is the network namespace, which takes the kernel longer than all
/// others: the process makes it while the launcher prepares the mounts.
pub(crate) fn clone_flags(plan: &LaunchPlan) -> u64 {
    use sys::namespace as kind;
    let ns = &plan.namespaces;
    let new = |namespace: &Namespace, flag| match namespace {
        Namespace::New => flag,
        Namespace::Host | Namespace::Join(_) => 0,
    };
    let user = match plan.user_namespace {
        UserNamespace::New { .. } => kind::USER,
        UserNamespace::Host | UserNamespace::Join { .. } => 0,
    };
    let mount = if plan.bundle.mount_namespace.is_some() { 0 } else { kind::MOUNT };
    // With offsets, the process makes it itself: they can be set before anybody is in it only.
    let time = if plan.bundle.time_offsets.is_empty() { kind::TIME } else { 0 };
    mount
        | user
        | new(&ns.pid, kind::PID)
        | new(&ns.ipc, kind::IPC)
        | new(&ns.uts, kind::UTS)
        | new(&ns.time, time)
}

/// The final process that the intermediate `first` made; `first` is reaped.
pub(crate) fn adopt_final(upper: &Upper, first: Child) -> Result<Child, Failure> {
    let said = upper.receive().map_err(Failure::at("hear from the stage"));
    let child = match said {
        Ok(FromStage::Pid(pid)) => sys::process::pidfd_open(pid)
            .map(|pidfd| Child { pid, pidfd })
            .map_err(Failure::at("open the process")),
        Ok(FromStage::Failed(failure)) => Err(failure),
        Ok(_) => Err(Failure::at("join namespaces")("the stage died")),
        Err(failure) => Err(failure),
    };
    // It ends by itself once it has said its word; if it could not, it is ended.
    if child.is_err() {
        drop(sys::process::pidfd_send_signal(first.pidfd.as_fd(), sys::libc::SIGKILL));
    }
    drop(sys::process::wait(first.pidfd.as_fd(), true));
    child
}

/// Kills and reaps a process that shall not run.
pub(crate) fn end(child: &Child) {
    drop(sys::process::pidfd_send_signal(child.pidfd.as_fd(), sys::libc::SIGKILL));
    drop(sys::process::wait(child.pidfd.as_fd(), true));
}

/// The same by its parts.
pub(crate) fn end_process(pid: i32, pidfd: BorrowedFd<'_>) {
    drop(sys::process::pidfd_send_signal(pidfd, sys::libc::SIGKILL));
    drop(sys::process::wait_pid(pid, true));
}

/// Gives the process its ids and its limits.
fn map_ids_and_limit(plan: &LaunchPlan, child: &Child) -> Result<(), Failure> {
    if let UserNamespace::New { uid_map, gid_map, .. } = &plan.user_namespace {
        ids::write_maps(child.pid, uid_map, gid_map)?;
    }
    apply_from_outside(&plan.process, child.pid)
}

/// Makes the mounts that need the host's rights, and says `Go`.
fn prepare(
    plan: &LaunchPlan,
    views: &[(String, PathBuf)],
    child: &Child,
    upper: &Upper,
    gate: &Gate<'_>,
) -> Result<Vec<String>, Failure> {
    let owner = ids::Owner::of(plan, child.pid)?;
    let mut notes = Vec::new();
    let root = root::prepare(plan, &owner)?;
    let binds::Prepared { trees, spare } = binds::prepare(plan, &owner, views, &mut notes)?;
    let mut fds: Vec<BorrowedFd<'_>> = vec![root.as_fd()];
    fds.extend(spare.iter().chain(&trees).map(AsFd::as_fd));
    if let Gate::Fifo(fifo) = gate {
        fds.push(*fifo);
    }
    if fds.len() > sys::socket::DESCRIPTORS_MAX {
        return Err(Failure::invalid("too many mounts: at most 240 binds are possible"));
    }
    upper.go(&fds).map_err(Failure::at("hand over the mounts"))?;
    Ok(notes)
}

/// What a process in a user namespace may not do to itself.
pub(crate) fn apply_from_outside(process: &ProcessPlan, pid: i32) -> Result<(), Failure> {
    for limit in &process.rlimits {
        let (mut soft, mut hard) = (limit.soft, limit.hard);
        if limit.resource == sys::libc::RLIMIT_NOFILE {
            // Only as far as it is raised: the stage still gets descriptors, and lowers it last.
            let (soft_now, hard_now) = sys::process::rlimit(limit.resource)
                .map_err(Failure::at("read the limit of descriptors"))?;
            (soft, hard) = (soft.max(soft_now), hard.max(hard_now));
        }
        sys::process::set_rlimit_of(pid, limit.resource, soft, hard).map_err(|error| {
            let step = format!("set resource limit {}", limit.resource);
            Failure::at(step)(error)
        })?;
    }
    if let Some(score) = process.oom_score_adj {
        std::fs::write(format!("/proc/{pid}/oom_score_adj"), score.to_string())
            .map_err(Failure::at("set the OOM score adjustment"))?;
    }
    Ok(())
}

/// Hears the stage out. With the gate closed, `Ready` is the end; otherwise the exec is.
pub(crate) fn await_start(
    upper: &Upper,
    gate_open: bool,
    child: &Child,
    on_built: &mut dyn FnMut() -> Result<(), Failure>,
    on_listener: &mut OnListener<'_>,
) -> Result<Option<OwnedFd>, Failure> {
    let go_on = || upper.go(&[]).map_err(Failure::at("let the process go on"));
    let mut terminal = None;
    let mut ready = false;
    loop {
        let said = upper
            .receive()
            .map_err(|error: io::Error| Failure::at("hear from the stage")(error))?;
        match said {
            FromStage::Terminal(master) => terminal = Some(master),
            FromStage::Built => {
                on_built()?;
                go_on()?;
            }
            FromStage::Listener(number) => {
                let fd = sys::process::pidfd_getfd(child.pidfd.as_fd(), number)
                    .map_err(Failure::at("take the filter's descriptor"))?;
                on_listener(child.pid, fd)?;
                go_on()?;
            }
            FromStage::Ready if !gate_open => return Ok(terminal),
            FromStage::Ready => ready = true,
            FromStage::Failed(failure) => return Err(failure),
            FromStage::Closed if ready => return Ok(terminal),
            FromStage::Closed | FromStage::Pid(_) => {
                return Err(Failure::at("set the container up")("its first process died"));
            }
        }
    }
}
