use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use cgroup::Hierarchy;
use oci::runtime_spec::{Process, Status};

use super::making::{self, Streams};
use super::{Flag, Globals, HELP, Order, Parsed, Verb};
use crate::bundle::{self, Bundle, BundleError};
use crate::cli::error::CliError;
use crate::cli::state::{Container, StateRecord};
use crate::cli::{console, flags, foreground, listener, protect};
use crate::exec::exec_with;
use crate::launch::StageOptions;
use crate::plan::ExecPlan;

pub(super) const VERB: Verb = Verb {
    name: "exec",
    words: "ID COMMAND [ARGS]",
    about: "run a further process in a container",
    flags: FLAGS,
    order: Order::AfterId,
    run: exec,
};

const FLAGS: &[Flag] = &[
    Flag::value("process", 'p', "file with the process, as in config.json"),
    Flag::value("cwd", ' ', "working directory"),
    Flag::value("env", 'e', "NAME=value"),
    Flag::value("user", 'u', "UID[:GID]"),
    Flag::value("additional-gids", 'g', "a further group"),
    Flag::value("cap", 'c', "a further capability"),
    Flag::switch("no-new-privs", ' ', "no privileges by programs"),
    Flag::switch("tty", 't', "with a terminal"),
    Flag::switch("detach", 'd', "leave it running"),
    Flag::switch("ignore-paused", ' ', "in a paused container, too"),
    making::CONSOLE_SOCKET,
    making::PID_FILE,
    making::PIDFD_SOCKET,
    Flag::value("cgroup", ' ', "[CONTROLLERS:]PATH below the container's cgroup to run in"),
    Flag::value("apparmor", ' ', "not supported: AppArmor profile"),
    Flag::value("process-label", ' ', "not supported: SELinux label"),
    making::PRESERVE_FDS,
    HELP,
];

/// No honest document is larger.
const PROCESS_BYTES_MAX: u64 = 16 << 20;

fn exec(globals: &Globals, parsed: &Parsed) -> Result<i32, CliError> {
    exec_in(globals, parsed).map_err(|error| CliError::Exec(Box::new(error)))
}

fn exec_in(globals: &Globals, parsed: &Parsed) -> Result<i32, CliError> {
    protect::ensure()?;
    let mut options = making::stage_options(parsed)?;
    options.patient = parsed.is_set("ignore-paused");
    options.plain_lines = !parsed.is_set("detach");
    let Some((id, command)) = parsed.words.split_first() else {
        return Err(CliError::usage("an id is required"));
    };
    let container = Container::named(&globals.root, id)?;
    let record = container.read()?;
    let process = match parsed.path("process") {
        Some(path) => {
            let bytes = stdx::fs::read(&path, PROCESS_BYTES_MAX).map_err(CliError::File)?;
            bundle::parse(&path, &bytes).map_err(CliError::Bundle)?
        }
        None => of_flags(&record, parsed, command)?,
    };
    let plan = Bundle::further_process(&process, record.seccomp.clone(), record.process.clone());
    let plan = ExecPlan {
        init_pid: record.pid,
        cgroup_path: record.cgroup_path.clone(),
        process: plan.map_err(CliError::Bundle)?,
        sub_cgroups: sub_cgroups(&record, parsed)?,
    };
    let streams = if parsed.is_set("detach") { Streams::Caller } else { Streams::Ours };
    let socket = parsed.path("console-socket");
    making::check_terminal(process.terminal, socket.is_some(), streams)?;
    refuse_state(&container, &record, parsed)?;
    start(&plan, &record, parsed, options, socket.as_deref(), streams)
}

fn start(
    plan: &ExecPlan,
    record: &StateRecord,
    parsed: &Parsed,
    options: StageOptions,
    socket: Option<&Path>,
    streams: Streams,
) -> Result<i32, CliError> {
    let hierarchy = Hierarchy::detect().map_err(CliError::cgroup("find the cgroups"))?;
    let ours =
        [sys::rustix::stdio::stdin(), sys::rustix::stdio::stdout(), sys::rustix::stdio::stderr()];
    let signals = match streams {
        Streams::Ours => Some(foreground::Signals::catch()?),
        Streams::Caller => None,
    };
    let listener = plan.process.bundle.listener.as_ref();
    let state = record.state(Status::Running);
    let on_listener = &mut |pid, fd| listener::send(listener, &state, pid, fd);
    let mut executed =
        exec_with(plan, &hierarchy, &ours, options, on_listener).map_err(CliError::Start)?;
    if let Some(socket) = socket
        && let Some(master) = executed.terminal.take()
    {
        console::send(socket, &master)?;
    }
    if let Some(path) = parsed.path("pid-file") {
        making::write_pid(&path, executed.pid)?;
    }
    if let Some(socket) = parsed.path("pidfd-socket") {
        console::send_process(&socket, &executed.pidfd)?;
    }
    let Some(signals) = signals else { return Ok(0) };
    let terminal = executed.terminal.take();
    foreground::hold(&executed.pidfd, terminal, &signals).map(|exit| exit.shell_code())
}

fn refuse_state(
    container: &Container,
    record: &StateRecord,
    parsed: &Parsed,
) -> Result<(), CliError> {
    let refused =
        |status| Err(CliError::State { action: "exec in", id: container.id.clone(), status });
    match container.status_or_paused(record) {
        status @ (Status::Stopped | Status::Creating) => refused(status),
        Status::Paused if !parsed.is_set("ignore-paused") => Err(CliError::Paused),
        Status::Paused | Status::Running | Status::Created => Ok(()),
    }
}

/// Directories below the container's cgroup, by `--cgroup`: `sub`, or on version 1 also
/// `memory,pids:sub`.
fn sub_cgroups(record: &StateRecord, parsed: &Parsed) -> Result<Vec<PathBuf>, CliError> {
    let mut chosen = Vec::new();
    for word in parsed.all("cgroup") {
        let word = flags::text(word)?;
        let (controllers, path) = match word.split_once(':') {
            Some((controllers, path)) => (controllers.split(',').collect(), path),
            None => (Vec::new(), word),
        };
        let below = Path::new(path.trim_matches('/'));
        if !below.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(CliError::usage(format!("bad sub cgroup path: {path}")));
        }
        let directories = record.live_cgroup()?.directories();
        let known = |name: &&str| directories.iter().any(|(directory, _)| directory == name);
        if let Some(unknown) = controllers.iter().find(|name| !known(name)) {
            return Err(CliError::usage(format!("unknown controller {unknown}")));
        }
        let is_chosen = |name: &str| controllers.is_empty() || controllers.contains(&name);
        let wished = directories.iter().filter(|(name, _)| is_chosen(name));
        chosen.extend(wished.map(|(_, directory)| directory.join(below)));
    }
    Ok(chosen)
}

/// The container's own process with another command and what the flags change.
fn of_flags(
    record: &StateRecord,
    parsed: &Parsed,
    command: &[OsString],
) -> Result<Process, CliError> {
    let bundle = Bundle::read(&record.bundle).map_err(CliError::Bundle)?;
    let missing =
        || BundleError::Invalid { field: "process".to_owned(), reason: "it is missing".to_owned() };
    let mut process = bundle.spec.process.ok_or_else(missing).map_err(CliError::Bundle)?;
    process.args = command
        .iter()
        .map(|word| flags::text(word).map(str::to_owned))
        .collect::<Result<_, _>>()?;
    process.terminal = parsed.is_set("tty");
    process.no_new_privileges |= parsed.is_set("no-new-privs");
    process.apparmor_profile = parsed.text("apparmor")?.unwrap_or_default().to_owned();
    process.selinux_label = parsed.text("process-label")?.unwrap_or_default().to_owned();
    if let Some(cwd) = parsed.text("cwd")? {
        process.cwd = cwd.to_owned();
    }
    for line in parsed.all("env") {
        process.env.push(flags::text(line)?.to_owned());
    }
    let number = |text: &str| {
        text.parse().map_err(|_| CliError::usage(format!("`{text}` is not a number of an id")))
    };
    if let Some(user) = parsed.text("user")? {
        let (uid, gid) = user.split_once(':').unwrap_or((user, ""));
        process.user.uid = number(uid)?;
        if !gid.is_empty() {
            process.user.gid = number(gid)?;
        }
    }
    for gid in parsed.all("additional-gids") {
        process.user.additional_gids.push(number(flags::text(gid)?)?);
    }
    for name in parsed.all("cap") {
        let name = flags::text(name)?.to_owned();
        let sets = process.capabilities.get_or_insert_default();
        for set in [&mut sets.bounding, &mut sets.effective, &mut sets.permitted] {
            set.push(name.clone());
        }
        // Where the first process has ambient ones, so has this one.
        if !sets.ambient.is_empty() {
            sets.ambient.push(name.clone());
            sets.inheritable.push(name);
        }
    }
    Ok(process)
}
