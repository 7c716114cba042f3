//! The new process until it executes the user's program.
//!
//! It runs with the container's rights only. Its file system is built after the pivot, so that a
//! link in an image can lead nowhere else; the old root stays attached beneath until the end, for
//! the kernel lets a user namespace mount procfs and sysfs only while it sees whole ones.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use oci::runtime_spec::{Hook, State, Status};
use sys::mount::{self, AttributeChange};
use sys::process::{CloneSpec, Fork};
use sys::rustix::fs::{Mode, OFlags};
use sys::{credentials, namespace, process};

use crate::bundle::hooks;
use crate::failure::Failure;
use crate::handshake::Lower;
use crate::launch::{StageOptions, Streams, clone_flags};
use crate::plan::{
    ExecPlan, LaunchPlan, MountAttributes, Namespace, Propagation, RootPlan, UserNamespace,
};

pub mod accounts;
mod copy_up;
mod mounts;
mod paths;
mod program;
mod terminal;
mod tuning;

/// Exit code of a stage that failed; nobody sees it, for the failure was sent before.
const FAILED: i32 = 255;

/// What a stage has beside its plan.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    pub(crate) streams: &'a Streams<'a>,
    pub(crate) lower: &'a Lower,
    pub(crate) options: StageOptions,
}

/// The child's side of [`crate::launch::launch`]. `views` names the cgroup's directories.
pub(crate) fn container(
    plan: &LaunchPlan,
    context: &Context<'_>,
    cgroup: Option<BorrowedFd<'_>>,
    entries: &[OwnedFd],
    views: &[String],
) -> ! {
    let lower = context.lower;
    let needed: Vec<BorrowedFd<'_>> =
        cgroup.into_iter().chain(entries.iter().map(AsFd::as_fd)).collect();
    let joined = forget_the_launcher(context, &needed)
        .and_then(|()| enter_cgroup(entries))
        .and_then(|()| join_namespaces(plan, cgroup));
    let outcome = joined.and_then(|joined| match joined {
        Joined::Intermediate(pid) => {
            lower.pid(pid).map_err(Failure::at("report the process"))?;
            process::exit_now(0)
        }
        Joined::Final => {
            forget_the_launcher(context, &[])?;
            become_container(plan, context, views)
        }
    });
    let Err(failure) = outcome;
    lower.failed(&failure);
    process::exit_now(FAILED)
}

/// The child's side of [`crate::exec::exec`].
pub(crate) fn exec(
    plan: &ExecPlan,
    target: BorrowedFd<'_>,
    kinds: u64,
    entries: &[OwnedFd],
    context: &Context<'_>,
) -> ! {
    let lower = context.lower;
    let needed: Vec<BorrowedFd<'_>> =
        [target].into_iter().chain(entries.iter().map(AsFd::as_fd)).collect();
    let closed = forget_the_launcher(context, &needed)
        .and_then(|()| tuning::before_cgroup(&plan.process.bundle.affinity));
    let outcome = closed.and_then(|()| enter(target, kinds)).and_then(|joined| match joined {
        Joined::Intermediate(pid) => {
            lower.pid(pid).map_err(Failure::at("report the process"))?;
            process::exit_now(0)
        }
        Joined::Final => {
            // Not before: where the number of processes is used up, none is born, but one may
            // still come in.
            enter_cgroup(entries)?;
            forget_the_launcher(context, &[])?;
            become_exec(plan, kinds, context)
        }
    });
    let Err(failure) = outcome;
    lower.failed(&failure);
    process::exit_now(FAILED)
}

/// Closes the launcher's descriptors, but for the streams, the handshake and `needed`. One
/// directory of the host among them would lead out of the root by `..` and `/proc/self/fd`, for
/// whatever looks the program up, the kernel included (CVE-2024-21626): closing at exec is late.
fn forget_the_launcher(context: &Context<'_>, needed: &[BorrowedFd<'_>]) -> Result<(), Failure> {
    let mut keep = context.streams.to_vec();
    keep.push(context.lower.descriptor());
    keep.extend(needed);
    let first = 3u32.saturating_add(context.options.preserved_fds);
    process::close_all_but(first, &keep).map_err(Failure::at("close the launcher's descriptors"))
}

/// Moves this process into its cgroup, before it does anything (version 1; on version 2 it was
/// born there).
fn enter_cgroup(entries: &[OwnedFd]) -> Result<(), Failure> {
    for file in entries {
        sys::rustix::io::write(file, b"0").map_err(Failure::at("join the cgroup"))?;
    }
    Ok(())
}

enum Joined {
    /// This process has made the final one, of this id.
    Intermediate(i32),
    /// This is the final process.
    Final,
}

/// What never returns when it succeeds.
type Never = std::convert::Infallible;

fn join_namespaces(plan: &LaunchPlan, cgroup: Option<BorrowedFd<'_>>) -> Result<Joined, Failure> {
    let ns = &plan.namespaces;
    let mut joins = Vec::new();
    // With its rights, the others are joined.
    if let UserNamespace::Join { path, .. } = &plan.user_namespace {
        joins.push((path, namespace::USER));
    }
    for (namespace, kind) in [
        (&ns.ipc, namespace::IPC),
        (&ns.uts, namespace::UTS),
        (&ns.net, namespace::NET),
        (&ns.pid, namespace::PID),
        (&ns.cgroup, namespace::CGROUP),
        (&ns.time, namespace::TIME),
    ] {
        if let Namespace::Join(path) = namespace {
            joins.push((path, kind));
        }
    }
    joins.extend(plan.bundle.mount_namespace.as_ref().map(|path| (path, namespace::MOUNT)));
    if joins.is_empty() {
        return Ok(Joined::Final);
    }
    let open = |path: &Path| {
        File::open(path).map_err(Failure::at(format!("open namespace `{}`", path.display())))
    };
    // All are opened before the first is joined: /proc of the host is not seen from all of them.
    let opened = joins.iter().map(|(path, _)| open(path)).collect::<Result<Vec<_>, _>>()?;
    for (file, (path, kind)) in opened.iter().zip(&joins) {
        namespace::join(file.as_fd(), *kind)
            .map_err(Failure::at(format!("join the namespace `{}`", path.display())))?;
    }
    sibling(clone_flags(plan), cgroup)
}

fn enter(target: BorrowedFd<'_>, kinds: u64) -> Result<Joined, Failure> {
    namespace::join(target, kinds).map_err(Failure::at("join the container's namespaces"))?;
    sibling(0, None)
}

fn sibling(flags: u64, cgroup: Option<BorrowedFd<'_>>) -> Result<Joined, Failure> {
    let spec = CloneSpec { flags: flags | namespace::SIBLING, cgroup };
    match process::clone3(&spec).map_err(Failure::at("clone the process"))? {
        Fork::Child => Ok(Joined::Final),
        Fork::Parent(child) => Ok(Joined::Intermediate(child.pid)),
    }
}

fn become_container(
    plan: &LaunchPlan,
    context: &Context<'_>,
    views: &[String],
) -> Result<Never, Failure> {
    let lower = context.lower;
    // Opened first: later it belongs to the host's root.
    let clocks = open_clocks(&plan.bundle.time_offsets)?;
    set_up_namespaces(plan)?;
    let mut fds = lower.wait_for_go().map_err(Failure::at("wait for the launcher"))?.into_iter();
    let root = fds.next().ok_or_else(|| Failure::at("get the root mount")("none came"))?;
    if !matches!(plan.user_namespace, UserNamespace::Host) {
        become_namespace_root()?;
    }
    if context.options.new_keyring {
        // Keys of the engine are not the container's. Kernels without keyrings are fine.
        drop(process::new_session_keyring(c"_wharf"));
    }
    if let Some(clocks) = clocks {
        set_clocks(&plan.bundle.time_offsets, clocks)?;
    }
    let gate = build(plan, lower, root, views, &mut fds)?;
    sys::rustix::process::setsid().map_err(Failure::at("start a session"))?;
    let own = open_root()?;
    if let Some(size) = plan.process.terminal {
        terminal::allocate(own.as_fd(), size, context, true)?;
    } else {
        redirect(context.streams)?;
    }
    let hooks = plan.bundle.hooks.as_ref();
    program::execute(&plan.process, own, context, gate.as_ref().map(AsFd::as_fd), hooks)
}

/// What needs nothing of the launcher, and is done while that prepares the mounts. The ids of a new
/// user namespace are not mapped yet, but its rights are there.
fn set_up_namespaces(plan: &LaunchPlan) -> Result<(), Failure> {
    let ns = &plan.namespaces;
    // The cgroup has been joined by now; its namespace takes it as its root.
    if ns.cgroup == Namespace::New {
        namespace::unshare(namespace::CGROUP).map_err(Failure::at("make a cgroup namespace"))?;
    }
    if ns.net == Namespace::New {
        namespace::unshare(namespace::NET).map_err(Failure::at("make a network namespace"))?;
        namespace::bring_loopback_up().map_err(Failure::at("bring the loopback link up"))?;
    }
    if let Some(name) = &plan.hostname {
        namespace::set_hostname(name).map_err(Failure::at("set the host name"))?;
    }
    if let Some(name) = &plan.domainname {
        namespace::set_domainname(name).map_err(Failure::at("set the domain name"))?;
    }
    Ok(())
}

fn become_exec(plan: &ExecPlan, kinds: u64, context: &Context<'_>) -> Result<Never, Failure> {
    let lower = context.lower;
    lower.wait_for_go().map_err(Failure::at("wait for the launcher"))?;
    if kinds & namespace::USER != 0 {
        become_namespace_root()?;
    }
    sys::rustix::process::setsid().map_err(Failure::at("start a session"))?;
    let own = open_root()?;
    if let Some(size) = plan.process.terminal {
        terminal::allocate(own.as_fd(), size, context, false)?;
    } else {
        redirect(context.streams)?;
    }
    program::execute(&plan.process, own, context, None, None)
}

/// The root file system as the container will see it. Returns the gate.
fn build(
    plan: &LaunchPlan,
    lower: &Lower,
    root: OwnedFd,
    views: &[String],
    fds: &mut impl Iterator<Item = OwnedFd>,
) -> Result<Option<OwnedFd>, Failure> {
    // Slave first: nothing goes out to the host, whatever the plan wants for the new root.
    mount::set_propagation_of_all(sys::libc::MS_SLAVE)
        .map_err(Failure::at("cut the mounts off from the host"))?;
    let (built, old_root) = match &plan.bundle.hooks {
        None => {
            let old_root = open_root()?;
            mount::attach(root.as_fd(), old_root.as_fd())
                .map_err(Failure::at("attach the root mount"))?;
            pivot(plan, root.as_fd())?;
            (mounts::build(plan, root.as_fd(), views, fds)?, old_root)
        }
        Some(hooks) => {
            place(plan, root.as_fd())?;
            let built = mounts::build(plan, root.as_fd(), views, fds)?;
            lower.built().map_err(Failure::at("wait for hooks"))?;
            run_hooks("createContainer", &hooks.create_container, &hooks.state, Status::Creating)?;
            let old_root = open_root()?;
            pivot(plan, root.as_fd())?;
            (built, old_root)
        }
    };
    let gate = mounts::finish(plan, root.as_fd(), built)?;
    leave(old_root)?;
    Ok(gate)
}

/// Puts the root mount where its directory is, for hooks to find it there.
fn place(plan: &LaunchPlan, root: BorrowedFd<'_>) -> Result<(), Failure> {
    let RootPlan::Directory(path) = &plan.root else {
        return Err(Failure::invalid("hooks are for root file systems that are a directory"));
    };
    let step = || format!("mount the root file system on `{}`", path.display());
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let target = sys::rustix::fs::open(path, flags, Mode::empty()).map_err(Failure::at(step()))?;
    mount::attach(root, target.as_fd()).map_err(Failure::at(step()))
}

/// Runs hooks in this process's namespaces.
pub(super) fn run_hooks(
    stage: &'static str,
    hooks: &[Hook],
    state: &State,
    status: Status,
) -> Result<(), Failure> {
    if hooks.is_empty() {
        return Ok(());
    }
    let pid = sys::rustix::process::getpid().as_raw_nonzero().get();
    let state = State { pid: u32::try_from(pid).ok(), status, ..state.clone() };
    let document = serde_json::to_vec(&state).map_err(Failure::at("write the state"))?;
    hooks::run(stage, hooks, &document)
        .map_err(|error| Failure::invalid(stdx::error::chain(&error).to_string()))
}

fn open_clocks(offsets: &[(String, i64, u32)]) -> Result<Option<File>, Failure> {
    if offsets.is_empty() {
        return Ok(None);
    }
    let file = File::options().write(true).open("/proc/self/timens_offsets");
    file.map(Some).map_err(Failure::at("open the clocks' offsets"))
}

/// Makes a time namespace with these offsets; exec enters it (Linux 6.1).
fn set_clocks(offsets: &[(String, i64, u32)], mut file: File) -> Result<(), Failure> {
    namespace::unshare(namespace::TIME).map_err(Failure::at("make a time namespace"))?;
    let lines: String = offsets
        .iter()
        .map(|(clock, seconds, nanoseconds)| format!("{clock} {seconds} {nanoseconds}\n"))
        .collect();
    file.write_all(lines.as_bytes()).map_err(Failure::at("set the clocks"))
}

/// Until its maps exist, a process in a new user namespace is nobody.
fn become_namespace_root() -> Result<(), Failure> {
    credentials::set_groups_or_keep(&[], 0)
        .and_then(|()| credentials::set_gid(0))
        .and_then(|()| credentials::set_uid(0))
        .map_err(Failure::at("become the container's root"))
}

fn redirect(streams: &Streams<'_>) -> Result<(), Failure> {
    for (number, stream) in (0..).zip(streams) {
        process::redirect(*stream, number).map_err(Failure::at("set a standard stream"))?;
    }
    Ok(())
}

fn open_root() -> Result<OwnedFd, Failure> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    sys::rustix::fs::open("/", flags, Mode::empty()).map_err(Failure::at("open `/`"))
}

/// Makes `root`, which is attached, the root directory, with the old one stacked on it.
fn pivot(plan: &LaunchPlan, root: BorrowedFd<'_>) -> Result<(), Failure> {
    sys::rustix::process::fchdir(root).map_err(Failure::at("enter the new root"))?;
    mount::pivot_here().map_err(Failure::at("pivot to the new root"))?;
    // Only now: a shared mount cannot be pivoted to.
    if plan.root_propagation != Propagation::Private {
        let propagation = propagation_bits(plan.root_propagation);
        let change = AttributeChange { propagation, recursive: true, ..AttributeChange::default() };
        mount::set_attributes(root, change)
            .map_err(Failure::at("set the root mount's propagation"))?;
    }
    Ok(())
}

/// Detaches the old root for good.
fn leave(old_root: OwnedFd) -> Result<(), Failure> {
    sys::rustix::process::fchdir(&old_root).map_err(Failure::at("enter the old root"))?;
    mount::detach(Path::new(".")).map_err(Failure::at("detach the old root"))?;
    drop(old_root);
    sys::rustix::process::chdir("/").map_err(Failure::at("enter `/`"))
}

/// The `MOUNT_ATTR_*` bits of a plan's attributes.
pub(crate) fn attribute_bits(attributes: &MountAttributes) -> u64 {
    [
        (attributes.read_only || attributes.read_only_recursive, mount::READ_ONLY),
        (attributes.no_suid, mount::NO_SUID),
        (attributes.no_dev, mount::NO_DEV),
        (attributes.no_exec, mount::NO_EXEC),
        (attributes.no_atime, mount::NO_ATIME),
        (attributes.no_symfollow, mount::NO_SYMFOLLOW),
    ]
    .into_iter()
    .filter(|(wished, _)| *wished)
    .fold(attributes.more.set, |bits, (_, bit)| bits | bit)
}

/// The `MS_*` bit of a propagation.
pub(crate) fn propagation_bits(propagation: Propagation) -> u64 {
    match propagation {
        Propagation::Private => sys::libc::MS_PRIVATE,
        Propagation::Slave => sys::libc::MS_SLAVE,
        Propagation::Shared => sys::libc::MS_SHARED,
        Propagation::Unbindable => sys::libc::MS_UNBINDABLE,
    }
}
