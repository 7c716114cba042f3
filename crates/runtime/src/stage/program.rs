//! From the container's root to the user's program.
//!
//! The order, and why:
//! 1. The account is looked up while the files can be read as root, the working directory made.
//! 2. The bounding set is cut while `CAP_SETPCAP` is held; ids change with capabilities kept;
//!    then the sets become the plan's, with `CAP_SYS_ADMIN` where the filter needs it.
//! 3. The program is looked up as the user and with nothing that the user will not have. A filter
//!    may forbid the calls that this takes.
//! 4. The filter is loaded: with no-new-privileges after all else, without it while
//!    `CAP_SYS_ADMIN` is held, which then goes.
//! 5. The launcher is told, the gate waited for, and the program executed.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use oci::runtime_spec::{Hook, Status};
use sys::credentials::{self, CapabilitySets};
use sys::rustix::fs::{AtFlags, FileType, Mode, OFlags};
use sys::rustix::io::Errno;

use super::accounts::{self, Account, AccountFiles};
use super::paths::{self, Links};
use super::{Context, Never, run_hooks, tuning};
use crate::failure::{Failure, FailureKind, plain};
use crate::plan::{Capabilities, ProcessPlan, StartHooks};

/// Where programs are looked for when the environment has no `PATH`.
const PATH_DEFAULT: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// `CAP_SYS_ADMIN`, without which and without no-new-privileges no filter is loaded (seccomp(2)).
const SYS_ADMIN: u64 = 1 << 21;

/// Executes the plan's program. Returns only when it could not.
pub(super) fn execute(
    plan: &ProcessPlan,
    root: OwnedFd,
    context: &Context<'_>,
    gate: Option<BorrowedFd<'_>>,
    hooks: Option<&StartHooks>,
) -> Result<Never, Failure> {
    tuning::apply(&plan.bundle)?;
    let files = AccountFiles::read(root.as_fd())?;
    let mut account = accounts::resolve(&plan.user, &plan.additional_groups, &files)?;
    if plan.keep_primary_group && !account.groups.contains(&account.gid) {
        account.groups.push(account.gid);
    }
    let cwd = if plan.cwd.is_empty() { "/" } else { &plan.cwd };
    if plan.create_cwd {
        paths::directories(root.as_fd(), Path::new(cwd), Links::Inside)?;
    }
    drop(root);
    let env = environment(plan, &account);
    own_terminal(plan, &account);
    if let Some(umask) = plan.umask {
        sys::process::set_umask(umask);
    }
    let first = 3u32.saturating_add(context.options.preserved_fds);
    sys::process::close_on_exec_from(first).map_err(Failure::at("close descriptors"))?;
    sys::signal::reset_all().map_err(Failure::at("reset signals"))?;
    if gate.is_some() {
        // Who waits may be told to end, as under runc.
        for signal in [sys::libc::SIGTERM, sys::libc::SIGINT, sys::libc::SIGHUP] {
            sys::signal::end_at(signal).map_err(Failure::at("set the action of a signal"))?;
        }
    }
    limit_descriptors(plan)?;
    // As root first, like runc: a directory may be closed to the user. And one may be closed to
    // root only, on a network file system.
    let entered = enter(cwd);
    let final_sets = change_credentials(plan, &account)?;
    entered.or_else(|_| enter(cwd))?;
    let program = look_up(plan, &env)?;
    let args = c_strings(&plan.args)?;
    let start_hooks = hooks.map(|hooks| inherit_environment(hooks, &env));
    let env = c_strings(&env)?;
    if plan.no_new_privileges {
        credentials::set_no_new_privileges().map_err(Failure::at("set no_new_privs"))?;
    }
    load_filter(plan, context)?;
    if let Some(sets) = final_sets {
        credentials::set_capabilities(sets).map_err(Failure::at("give up CAP_SYS_ADMIN"))?;
    }
    context.lower.ready().map_err(Failure::at("report to the launcher"))?;
    if let Some(gate) = gate {
        let mut byte = [0u8; 1];
        sys::rustix::io::read(gate, &mut byte).map_err(Failure::at("wait at the gate"))?;
    }
    let failure = match hooks
        .zip(start_hooks)
        .map(|(hooks, list)| run_hooks("startContainer", &list, &hooks.state, Status::Created))
    {
        Some(Err(failure)) => failure,
        Some(Ok(())) | None => not_executed(&program, &sys::exec::execute(&program, &args, &env)),
    };
    if gate.is_some() {
        // The launcher is long gone: the container's own error stream is left to say it.
        let line = format!("{}\n", failure.message);
        let _ = sys::rustix::io::write(sys::rustix::stdio::stderr(), line.as_bytes());
    }
    Err(failure)
}

/// The limit of descriptors is the one that the start itself needs; it is lowered here.
fn limit_descriptors(plan: &ProcessPlan) -> Result<(), Failure> {
    let resource = sys::libc::RLIMIT_NOFILE;
    let limit = plan.rlimits.iter().find(|limit| limit.resource == resource);
    limit.map_or(Ok(()), |limit| {
        sys::process::set_rlimit(resource, limit.soft, limit.hard)
            .map_err(Failure::at("set the limit of descriptors"))
    })
}

fn not_executed(program: &CStr, error: &std::io::Error) -> Failure {
    Failure {
        message: format!("exec {}: {}", program.to_string_lossy(), plain(error)),
        kind: match error.raw_os_error() {
            Some(sys::libc::ENOENT) => FailureKind::CommandNotFound,
            _ => FailureKind::CommandNotExecutable,
        },
    }
}

/// Hooks in the container that have no environment get the program's, as under runc.
fn inherit_environment(hooks: &StartHooks, env: &[String]) -> Vec<Hook> {
    let mut list = hooks.start_container.clone();
    for hook in list.iter_mut().filter(|hook| hook.env.is_empty()) {
        hook.env = env.to_vec();
    }
    list
}

fn c_strings(texts: &[String]) -> Result<Vec<CString>, Failure> {
    texts
        .iter()
        .map(|text| {
            CString::new(text.as_bytes())
                .map_err(|_| Failure::invalid(format!("a zero byte is in {text:?}")))
        })
        .collect()
}

fn environment(plan: &ProcessPlan, account: &Account) -> Vec<String> {
    let mut env = plan.env.clone();
    if !env.iter().any(|line| line.starts_with("HOME=")) {
        env.push(format!("HOME={}", account.home));
    }
    env
}

/// A terminal belongs to who uses it. Streams from outside keep their owner.
fn own_terminal(plan: &ProcessPlan, account: &Account) {
    if plan.terminal.is_some() {
        let uid = sys::rustix::fs::Uid::from_raw(account.uid);
        // A terminal of a read-only devpts stays root's; programs cope, as they do under runc.
        let _ = sys::rustix::fs::fchown(sys::rustix::stdio::stdin(), Some(uid), None);
    }
}

fn load_filter(plan: &ProcessPlan, context: &Context<'_>) -> Result<(), Failure> {
    let Some(filter) = &plan.seccomp else { return Ok(()) };
    let digits = filter.program_hex.as_bytes();
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let program: Option<Vec<u8>> = digits
        .chunks(2)
        .map(|pair| match *pair {
            [high, low] => Some((digit(high)? * 16 + digit(low)?) as u8),
            _ => None,
        })
        .collect();
    let program =
        program.ok_or_else(|| Failure::at("read the seccomp program")("not hexadecimal"))?;
    let listener = sys::seccomp::load(&program, filter.flags)
        .map_err(Failure::at("load the seccomp filter"))?;
    match listener {
        // Not a listener's descriptor: that is a standard stream.
        0 => Ok(()),
        // It closes at exec; by then the launcher has its own.
        number => context.lower.listener(number).map_err(Failure::at("hand over the listener")),
    }
}

/// Becomes the user. When a filter is still to be loaded that needs `CAP_SYS_ADMIN`, that is kept;
/// the sets that follow are then the answer.
fn change_credentials(
    plan: &ProcessPlan,
    account: &Account,
) -> Result<Option<CapabilitySets>, Failure> {
    let held = credentials::capabilities().map_err(Failure::at("read capabilities"))?.permitted;
    let wished = held_part(plan.capabilities, held);
    credentials::limit_bounding_set(wished.bounding)
        .map_err(Failure::at("limit the capability bounding set"))?;
    credentials::keep_capabilities().map_err(Failure::at("keep capabilities"))?;
    credentials::set_groups_or_keep(&account.groups, account.gid)
        .and_then(|()| credentials::set_gid(account.gid))
        .and_then(|()| credentials::set_uid(account.uid))
        .map_err(|error| match error.raw_os_error() {
            Some(sys::libc::EINVAL) => Failure::invalid(format!(
                "user {}:{} (or one of its groups) is outside the container's 65536 ids: run \
                 with --userns=host",
                account.uid, account.gid
            )),
            _ => Failure::at("change the user")(error),
        })?;
    // Only root is given capabilities in force; another user's come with files or ambient.
    let effective = if account.uid == 0 { wished.effective } else { wished.ambient };
    let permitted = if account.uid == 0 { wished.permitted } else { wished.ambient };
    let inheritable = wished.inheritable | wished.ambient;
    let last = CapabilitySets { effective, permitted, inheritable };
    let kept = match plan.seccomp.is_some() && !plan.no_new_privileges {
        true => SYS_ADMIN & held,
        false => 0,
    };
    let now =
        CapabilitySets { effective: effective | kept, permitted: permitted | kept, inheritable };
    credentials::set_capabilities(now)
        .and_then(|()| credentials::set_ambient(wished.ambient))
        .map_err(Failure::at("set capabilities"))?;
    Ok((now != last).then_some(last))
}

/// What cannot be given because it is not held is left out, as in a machine without it.
fn held_part(wished: Capabilities, held: u64) -> Capabilities {
    Capabilities {
        bounding: wished.bounding & held,
        effective: wished.effective & held,
        permitted: wished.permitted & held,
        inheritable: wished.inheritable & held,
        ambient: wished.ambient & held,
    }
}

/// Enters the working directory, and makes sure that it is one inside the root: a
/// descriptor leaked from the host would lead out of it (CVE-2024-21626).
fn enter(cwd: &str) -> Result<(), Failure> {
    let refused = |error: Errno| {
        Failure::invalid(format!(
            "chdir to cwd (\"{cwd}\") set in config.json failed: {}",
            plain(&error.into())
        ))
    };
    let own = sys::rustix::fs::open(
        "/",
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .map_err(refused)?;
    let dir =
        paths::open(own.as_fd(), Path::new(cwd), OFlags::PATH | OFlags::DIRECTORY, Links::Inside)
            .map_err(refused)?;
    sys::rustix::process::fchdir(&dir).map_err(refused)?;
    let shown = sys::rustix::process::getcwd(Vec::new()).map_err(refused)?;
    if !shown.to_bytes().starts_with(b"/") {
        return Err(Failure::invalid(format!(
            "current working directory (\"{cwd}\") is outside of container mount namespace root"
        )));
    }
    Ok(())
}

/// Finds the program as a shell would, with runc's words for what goes wrong.
fn look_up(plan: &ProcessPlan, env: &[String]) -> Result<CString, Failure> {
    let Some(name) = plan.args.first() else {
        return Err(Failure::invalid("args must not be empty"));
    };
    let not_found = |message: String| Failure { message, kind: FailureKind::CommandNotFound };
    let refused = |message: String| Failure { message, kind: FailureKind::CommandNotExecutable };
    let terminated = |path: &str| {
        CString::new(path).map_err(|_| Failure::invalid(format!("a zero byte is in {path:?}")))
    };
    if name.contains('/') {
        return match executable(name) {
            Ok(()) => terminated(name),
            Err(Errno::NOENT | Errno::NOTDIR) => {
                Err(not_found(format!("exec: {name:?}: stat {name}: no such file or directory")))
            }
            Err(Errno::ISDIR) => {
                Err(refused(format!("exec: {name:?}: is a directory: permission denied")))
            }
            Err(error) => Err(refused(format!("exec: {name:?}: {}", plain(&error.into())))),
        };
    }
    let path = env.iter().find_map(|line| line.strip_prefix("PATH=")).unwrap_or(PATH_DEFAULT);
    let mut denied = false;
    for dir in path.split(':') {
        let dir = if dir.is_empty() { "." } else { dir };
        let candidate = format!("{dir}/{name}");
        match executable(&candidate) {
            Ok(()) => return terminated(&candidate),
            Err(Errno::ACCESS) => denied = true,
            Err(_) => {}
        }
    }
    match denied && !name.is_empty() {
        true => Err(refused(format!("exec: {name:?}: permission denied"))),
        false => Err(not_found(format!("exec: {name:?}: executable file not found in $PATH"))),
    }
}

fn executable(path: &str) -> Result<(), Errno> {
    let stat = sys::rustix::fs::stat(path)?;
    if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
        return Err(Errno::ISDIR);
    }
    if stat.st_mode & 0o111 == 0 {
        return Err(Errno::ACCESS);
    }
    // As the kernel will decide: capabilities in force count, which access(2) itself leaves out.
    let how = sys::rustix::fs::Access::EXEC_OK;
    sys::rustix::fs::accessat(sys::rustix::fs::CWD, path, how, AtFlags::EACCESS)
}
