//! Starting containers with another OCI runtime, by its command line.
//!
//! The runtime gets a bundle that says what our own launch would do, and nothing that it could do
//! differently: the root file system, `/dev` and all binds are mounted here, id-mapped, with their
//! attributes, and handed over as plain binds. They exist only in a mount namespace that lives for
//! as long as the runtime's `create`, so nothing has to be unmounted, whatever is killed when.
//!
//! The container's first process, and those of execs, are children of the runtime, which ends:
//! while it runs, the caller is their subreaper, and so becomes their parent, as with our own.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use cgroup::Hierarchy;
use serde::{Deserialize, Serialize};

use crate::exec::Executed;
use crate::failure::Failure;
use crate::launch::Streams;
use crate::plan::{ExecPlan, LaunchPlan, ProcessPlan};
use crate::stage::accounts::{self, Account, AccountFiles};

mod command;
mod console;
mod document;
mod limits;
mod place;
mod words;

use command::Verb;

/// Which runtime, and how it is called.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ForeignSpec {
    /// Its program: an absolute path.
    pub program: PathBuf,
    /// Arguments before all others.
    pub args: Vec<String>,
    /// An empty directory, which users of every id can enter, with a short path: roots are mounted
    /// over it, in a mount namespace of their own, and sockets are in it for a moment.
    pub place: PathBuf,
    /// `linux.seccomp` of the container. The plan's own filter is compiled: nobody else reads it.
    pub seccomp: Option<serde_json::Value>,
}

/// A container of another runtime.
#[derive(Debug)]
pub struct Foreign {
    spec: ForeignSpec,
    id: String,
    /// Bundle, state and log of the runtime: gone with the container's run directory.
    dir: PathBuf,
    /// Capabilities that its processes can be given.
    held: u64,
}

/// A container that another runtime started.
#[derive(Debug)]
pub struct ForeignStarted {
    /// What further orders go to.
    pub foreign: Foreign,
    /// Its first process.
    pub process: Executed,
    /// What was done otherwise than wished, for the operator.
    pub notes: Vec<String>,
}

/// Starts a container with another runtime. `dir` is where the runtime's things are kept; it is
/// made. `on_created` is told the process id before the program runs.
///
/// Must be called by a single-threaded process with root's rights. On failure nothing is left
/// behind but files in `dir`.
///
/// # Errors
/// A [`Failure`] in words for the user; the runtime's own where it had some.
pub fn start(
    spec: ForeignSpec,
    id: &str,
    dir: PathBuf,
    plan: &LaunchPlan,
    hierarchy: &Hierarchy,
    streams: &Streams<'_>,
    on_created: &mut dyn FnMut(i32),
) -> Result<ForeignStarted, Failure> {
    stdx::fs::create_dir_all(&dir, 0o700)
        .map_err(|error| Failure::at("make the bundle")(stdx::error::chain(&error)))?;
    let held = document::held(&plan.user_namespace)?;
    let foreign = Foreign { spec, id: id.to_owned(), dir, held };
    match foreign.create_and_start(plan, hierarchy, streams, on_created) {
        Ok((process, notes)) => Ok(ForeignStarted { foreign, process, notes }),
        Err(failure) => {
            foreign.delete();
            Err(failure)
        }
    }
}

impl Foreign {
    fn create_and_start(
        &self,
        plan: &LaunchPlan,
        hierarchy: &Hierarchy,
        streams: &Streams<'_>,
        on_created: &mut dyn FnMut(i32),
    ) -> Result<(Executed, Vec<String>), Failure> {
        let (process, notes) = place::with(&self.spec.place, plan, |prepared| {
            let account = account_of(&plan.process, &prepared.root)?;
            let mut spec = document::spec(plan, hierarchy, prepared, &account, self.held)?;
            if let Some(linux) = &mut spec.linux {
                linux.seccomp.clone_from(&self.spec.seccomp);
            }
            self.write("config.json", &spec)?;
            let bundle = self.dir.to_string_lossy().into_owned();
            let args = ["--bundle".to_owned(), bundle];
            self.make(Verb::Create, &args, &plan.process, streams)
        })?;
        on_created(process.pid);
        if let Err(failure) = command::run(&self.call(Verb::Start, &[])) {
            crate::launch::end_process(process.pid, process.pidfd.as_fd());
            return Err(failure);
        }
        Ok((process, notes))
    }

    /// Starts a process in the container; the caller becomes its parent.
    ///
    /// # Errors
    /// As [`start`].
    pub fn exec(&self, plan: &ExecPlan, streams: &Streams<'_>) -> Result<Executed, Failure> {
        let root = place::root_of(plan.init_pid)?;
        let account = account_of(&plan.process, &root)?;
        let file =
            self.write("process.json", &document::process(&plan.process, &account, self.held))?;
        let file = file.to_string_lossy().into_owned();
        let args = ["--detach".to_owned(), "--process".to_owned(), file];
        self.make(Verb::Exec, &args, &plan.process, streams)
    }

    /// Runs a verb that makes a process, and adopts that.
    fn make(
        &self,
        verb: Verb,
        args: &[String],
        process: &ProcessPlan,
        streams: &Streams<'_>,
    ) -> Result<Executed, Failure> {
        let pid_file = self.dir.join("pid");
        drop(std::fs::remove_file(&pid_file));
        let mut args = args.to_vec();
        args.extend(["--pid-file".to_owned(), pid_file.to_string_lossy().into_owned()]);
        let console = match process.terminal {
            Some(_) => Some(console::Console::listen(&self.spec.place)?),
            None => None,
        };
        if let Some(console) = &console {
            args.extend(["--console-socket".to_owned(), console.path()]);
        }
        let null = place::private_null()?;
        let own = |fd| if place::is_null(fd) { null.as_fd() } else { fd };
        let mut call = self.call(verb, &args);
        call.streams = Some(streams.map(own));
        sys::process::set_child_subreaper().map_err(Failure::at("become a subreaper"))?;
        let ran = command::run(&call);
        let adopted = ran.and_then(|()| command::adopt(&pid_file));
        sys::process::unset_child_subreaper().map_err(Failure::at("be a subreaper no more"))?;
        let (pid, pidfd) = adopted?;
        let terminal = match console {
            None => None,
            Some(console) => match console.receive(process.terminal) {
                Ok(master) => Some(master),
                Err(failure) => {
                    crate::launch::end_process(pid, pidfd.as_fd());
                    return Err(failure);
                }
            },
        };
        Ok(Executed { pid, pidfd, terminal })
    }

    /// Sends a signal to the first process, as the runtime does it: of some the first process is
    /// not the user's program.
    ///
    /// # Errors
    /// A [`Failure`] in the runtime's words.
    pub fn kill(&self, signal: i32) -> Result<(), Failure> {
        command::run(&self.call(Verb::Kill, &[signal.to_string()]))
    }

    /// Has the runtime forget the container, whose processes it kills if there are any. What it
    /// has to say to that is of no use: a container that never was is none.
    pub fn delete(&self) {
        drop(command::run(&self.call(Verb::Delete, &["--force".to_owned()])));
    }

    fn call<'a>(&'a self, verb: Verb, args: &[String]) -> command::Call<'a> {
        command::Call {
            spec: &self.spec,
            dir: &self.dir,
            id: &self.id,
            verb,
            args: args.to_vec(),
            streams: None,
        }
    }

    fn write<T: Serialize>(&self, name: &str, document: &T) -> Result<PathBuf, Failure> {
        let path = self.dir.join(name);
        let bytes = serde_json::to_vec(document).map_err(Failure::at(format!("write {name}")))?;
        stdx::fs::replace(&path, &bytes, 0o600, stdx::fs::Durability::Process)
            .map_err(|error| Failure::at(format!("write {name}"))(stdx::error::chain(&error)))?;
        Ok(path)
    }
}

/// Who the process runs as, by the container's own files.
fn account_of(process: &ProcessPlan, root: &OwnedFd) -> Result<Account, Failure> {
    let files = AccountFiles::read(root.as_fd())?;
    let mut account = accounts::resolve(&process.user, &process.additional_groups, &files)?;
    if process.keep_primary_group && !account.groups.contains(&account.gid) {
        account.groups.push(account.gid);
    }
    Ok(account)
}

/// Whether every user can enter this directory and all that lead to it; the one that cannot be.
pub fn closed_ancestor(dir: &Path) -> Option<&Path> {
    use std::os::unix::fs::MetadataExt;
    dir.ancestors()
        .find(|dir| std::fs::metadata(dir).is_ok_and(|metadata| metadata.mode() & 0o001 == 0))
}

#[cfg(test)]
mod tests;
