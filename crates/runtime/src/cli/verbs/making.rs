//! Making a container: what `create` and `run` share.

use std::cell::RefCell;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use cgroup::{Cgroup, Hierarchy};
use oci::runtime_spec::{Hooks, Status};
use stdx::fs::Durability;

use super::{Globals, Parsed};
use crate::bundle::{Bundle, hooks};
use crate::cli::clock;
use crate::cli::error::CliError;
use crate::cli::flags::Flag;
use crate::cli::state::{Container, Lock, StateRecord};
use crate::cli::{console, listener};
use crate::failure::Failure;
use crate::launch::{Gate, LaunchOptions, Launched, StageOptions, launch_with};
use crate::plan::{LaunchPlan, Namespace};

/// Flags of both.
pub(super) const BUNDLE: Flag = Flag::value("bundle", 'b', "directory of the bundle; default `.`");
pub(super) const CONSOLE_SOCKET: Flag =
    Flag::value("console-socket", ' ', "unix socket that gets the terminal's master");
pub(super) const PID_FILE: Flag = Flag::value("pid-file", ' ', "file that gets the process id");
pub(super) const NO_PIVOT: Flag =
    Flag::switch("no-pivot", ' ', "accepted, without effect: the root is always pivoted to");
pub(super) const NO_NEW_KEYRING: Flag =
    Flag::switch("no-new-keyring", ' ', "keep the caller's session keyring");
pub(super) const NO_SUBREAPER: Flag = Flag::switch("no-subreaper", ' ', "accepted, without effect");
pub(super) const PRESERVE_FDS: Flag =
    Flag::value("preserve-fds", ' ', "how many more descriptors, from 3 on, the process gets");

pub(super) const PIDFD_SOCKET: Flag =
    Flag::value("pidfd-socket", ' ', "unix socket that gets the process's descriptor");

/// A container that was made.
pub(super) struct Made {
    pub(super) container: Container,
    pub(super) record: StateRecord,
    pub(super) launched: Launched,
    lock: Option<Lock>,
}

/// Who has the other end of the process's streams.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Streams {
    /// The caller, after we are gone.
    Caller,
    /// We.
    Ours,
}

/// Makes the container; its process waits at the gate when `gated`, else it runs.
pub(super) fn make(
    globals: &Globals,
    parsed: &Parsed,
    stage: StageOptions,
    gated: bool,
    streams: Streams,
) -> Result<Made, CliError> {
    let container = Container::named(&globals.root, parsed.only_word()?)?;
    let dir = parsed.path("bundle").unwrap_or_else(|| PathBuf::from("."));
    let bundle = Bundle::read(&dir).map_err(CliError::Bundle)?;
    let plan = bundle.plan(&container.id).map_err(CliError::Bundle)?;
    for warning in bundle.warnings() {
        eprintln!("wharf-runtime: {warning}");
    }
    let hooks = bundle.spec.hooks.clone().unwrap_or_default();
    hooks::check(&hooks).map_err(CliError::Bundle)?;
    let socket = parsed.path("console-socket");
    check_terminal(plan.process.terminal.is_some(), socket.is_some(), streams)?;
    let lock = container.claim()?;
    let started = start(&container, &bundle, &plan, &hooks, stage, gated);
    let (launched, record) = started.inspect_err(|_| drop(container.forget()))?;
    let mut made = Made { container, record, launched, lock: Some(lock) };
    match hand_over(&mut made, parsed, socket.as_deref(), gated) {
        Ok(()) => Ok(made),
        Err(error) => {
            // The first failure is the one to tell.
            drop(made.undo());
            Err(error)
        }
    }
}

/// How the process is set up. Descriptors to pass on must be open, so that none of ours is passed:
/// to be called before the first one of ours is opened.
pub(super) fn stage_options(parsed: &Parsed) -> Result<StageOptions, CliError> {
    let preserved_fds = parsed.number("preserve-fds")?.unwrap_or(0);
    for number in (3u32..).take(preserved_fds as usize) {
        if std::fs::symlink_metadata(format!("/proc/self/fd/{number}")).is_err() {
            return Err(CliError::usage(format!(
                "descriptor {number} of --preserve-fds {preserved_fds} is not open"
            )));
        }
    }
    let new_keyring = !parsed.is_set("no-new-keyring");
    Ok(StageOptions { preserved_fds, new_keyring, ..StageOptions::default() })
}

/// runc's rules for terminals, with its words.
pub(super) fn check_terminal(
    terminal: bool,
    socket: bool,
    streams: Streams,
) -> Result<(), CliError> {
    match (terminal, socket, streams) {
        (true, false, Streams::Caller) => Err(CliError::usage(
            "cannot allocate tty if runc will detach without setting console socket",
        )),
        (false, true, _) | (_, true, Streams::Ours) => Err(CliError::usage(
            "cannot use console socket if runc will not detach or allocate tty",
        )),
        _ => Ok(()),
    }
}

fn start(
    container: &Container,
    bundle: &Bundle,
    plan: &LaunchPlan,
    hooks: &Hooks,
    stage: StageOptions,
    gated: bool,
) -> Result<(Launched, StateRecord), CliError> {
    let hierarchy = Hierarchy::detect().map_err(CliError::cgroup("find the cgroups"))?;
    refuse_used_cgroup(&hierarchy, plan)?;
    let fifo = if gated { Some(container.make_gate()?) } else { None };
    let gate = fifo.as_ref().map_or(Gate::Open, |fifo| Gate::Fifo(fifo.as_fd()));
    let record = RefCell::new(record_of(container, bundle, plan, hooks)?);
    let on_created = &mut |pid| {
        let mut record = record.borrow_mut();
        record.pid = pid;
        record.start_ticks =
            StateRecord::start_of(pid).map_err(Failure::at("look at the process"))?;
        container
            .write(&record)
            .map_err(|error| Failure::at("keep the state")(stdx::error::chain(&error)))
    };
    let on_built = &mut || {
        let state = record.borrow().document(Status::Creating);
        hooks::run("prestart", &hooks.prestart, &state)
            .and_then(|()| hooks::run("createRuntime", &hooks.create_runtime, &state))
            .map_err(|error| Failure::invalid(stdx::error::chain(&error).to_string()))
    };
    let streams =
        [sys::rustix::stdio::stdin(), sys::rustix::stdio::stdout(), sys::rustix::stdio::stderr()];
    let listener = plan.process.bundle.listener.as_ref();
    let on_listener =
        &mut |pid, fd| listener::send(listener, &record.borrow().state(Status::Creating), pid, fd);
    let mut options = LaunchOptions { stage, on_created, on_built, on_listener };
    let launched = launch_with(plan, &hierarchy, &streams, &gate, &mut options);
    let record = record.into_inner();
    match launched {
        Ok(launched) => {
            for note in &launched.notes {
                eprintln!("wharf-runtime: {note}");
            }
            Ok((launched, record))
        }
        Err(failure) => {
            // Hooks may have run: what they made is theirs to take away.
            if record.pid != 0 {
                let state = record.document(Status::Stopped);
                drop(hooks::run("poststop", &hooks.poststop, &state));
            }
            Err(CliError::Start(failure))
        }
    }
}

/// Another's cgroup is not taken over, and a process in a frozen one would never begin.
fn refuse_used_cgroup(hierarchy: &Hierarchy, plan: &LaunchPlan) -> Result<(), CliError> {
    let Some(cgroup) =
        plan.cgroup.path.as_ref().and_then(|path| Cgroup::open(hierarchy, path).ok())
    else {
        return Ok(());
    };
    if cgroup.is_frozen().unwrap_or(false) {
        return Err(CliError::usage("container's cgroup unexpectedly frozen"));
    }
    match cgroup.pids().map_err(CliError::cgroup("list the processes"))?.len() {
        0 => Ok(()),
        some => Err(CliError::usage(format!(
            "container's cgroup is not empty: {some} process(es) found"
        ))),
    }
}

fn record_of(
    container: &Container,
    bundle: &Bundle,
    plan: &LaunchPlan,
    hooks: &Hooks,
) -> Result<StateRecord, CliError> {
    Ok(StateRecord {
        version: StateRecord::current_version(),
        oci_version: oci::runtime_spec::VERSION.to_owned(),
        id: container.id.clone(),
        pid: 0,
        start_ticks: 0,
        bundle: bundle.dir.clone(),
        rootfs: bundle.root().unwrap_or_default(),
        created: clock::rfc3339(SystemTime::now()),
        annotations: bundle.spec.annotations.clone(),
        cgroup_path: plan.cgroup.path.clone(),
        own_pid_namespace: plan.namespaces.pid == Namespace::New,
        seccomp: plan.process.seccomp.clone(),
        process: bundle.for_all_processes().map_err(CliError::Bundle)?,
        poststart: hooks.poststart.clone(),
        poststop: hooks.poststop.clone(),
    })
}

/// What the caller gets of a process that is there.
fn hand_over(
    made: &mut Made,
    parsed: &Parsed,
    socket: Option<&Path>,
    gated: bool,
) -> Result<(), CliError> {
    if let Some(socket) = socket
        && let Some(master) = made.launched.terminal.take()
    {
        console::send(socket, &master)?;
    }
    if let Some(path) = parsed.path("pid-file") {
        write_pid(&path, made.launched.pid)?;
    }
    if let Some(socket) = parsed.path("pidfd-socket") {
        console::send_process(&socket, &made.launched.pidfd)?;
    }
    match gated {
        true => made.container.close_gate(),
        false => Ok(()),
    }
}

/// Writes a process id in one step: readers wait for the file to appear.
pub(super) fn write_pid(path: &Path, pid: i32) -> Result<(), CliError> {
    stdx::fs::replace(path, pid.to_string().as_bytes(), 0o644, Durability::Process)
        .map_err(CliError::File)
}

impl Made {
    /// Lets others start and delete it.
    pub(super) fn unlock(&mut self) {
        self.lock = None;
    }

    /// Ends and removes it.
    pub(super) fn undo(&self) -> Result<(), CliError> {
        let pidfd = self.launched.pidfd.as_fd();
        // It may have ended by itself.
        drop(sys::process::pidfd_send_signal(pidfd, sys::libc::SIGKILL));
        sys::process::wait(pidfd, true).map_err(CliError::at("wait"))?;
        self.container.destroy_with(&self.record, self.launched.cgroup.as_ref())
    }

    /// Runs the hooks that follow the start. As specified, a failure ends the container.
    pub(super) fn after_start(&self) -> Result<(), CliError> {
        let state = self.record.document(Status::Running);
        hooks::run("poststart", &self.record.poststart, &state).map_err(CliError::Hook)
    }
}
