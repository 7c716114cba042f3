//! The start of a container, by our own runtime or by another.

use std::os::fd::OwnedFd;
use std::path::Path;

use cgroup::{Cgroup, Hierarchy};
use runtime::failure::Failure;
use runtime::foreign::Foreign;
use runtime::launch::{Gate, LaunchOptions, StageOptions, Streams, launch_with};
use stdx::fs::PathError;

use crate::protocol::SpawnRequest;
use crate::records::{self, StartRecord};

/// A container whose first process runs.
pub(crate) struct Begun {
    pub(crate) pid: i32,
    pub(crate) pidfd: OwnedFd,
    pub(crate) terminal: Option<OwnedFd>,
    pub(crate) cgroup: Option<Cgroup>,
    /// The other runtime, if one started it.
    pub(crate) foreign: Option<Foreign>,
}

/// Starts it, or has another runtime start it; `on_created` is told its process id before the
/// program runs.
pub(crate) fn begin(
    request: &SpawnRequest,
    hierarchy: &Hierarchy,
    streams: &Streams<'_>,
    on_created: &mut dyn FnMut(i32),
) -> Result<Begun, Failure> {
    let (begun, notes) = match &request.foreign {
        None => {
            let options = &mut LaunchOptions {
                on_built: &mut || Ok(()),
                on_listener: &mut runtime::launch::no_listener,
                stage: StageOptions::default(),
                on_created: &mut |pid| {
                    on_created(pid);
                    Ok(())
                },
            };
            let launched = launch_with(&request.plan, hierarchy, streams, &Gate::Open, options)?;
            let begun = Begun {
                pid: launched.pid,
                pidfd: launched.pidfd,
                terminal: launched.terminal,
                cgroup: launched.cgroup,
                foreign: None,
            };
            (begun, launched.notes)
        }
        Some(spec) => {
            let dir = request.run_dir.join(records::FOREIGN);
            let id = &request.container_id;
            let plan = &request.plan;
            let started = runtime::foreign::start(
                spec.clone(),
                id,
                dir,
                plan,
                hierarchy,
                streams,
                on_created,
            )?;
            let path = plan.cgroup.path.as_deref();
            let begun = Begun {
                pid: started.process.pid,
                pidfd: started.process.pidfd,
                terminal: started.process.terminal,
                // The runtime made it; one that makes none leaves nothing to count or remove.
                cgroup: path.and_then(|path| Cgroup::open(hierarchy, path).ok()),
                foreign: Some(started.foreign),
            };
            (begun, started.notes)
        }
    };
    for note in notes {
        eprintln!("wharf monitor: container {}: {note}", request.container_id);
    }
    Ok(begun)
}

/// Another runtime leaves children to us; a descriptor that is readable when one has ended.
pub(crate) fn hear_of_children(request: &SpawnRequest) -> Result<Option<OwnedFd>, Failure> {
    let descriptor = || sys::signal::descriptor(&[sys::libc::SIGCHLD]);
    let heard = request.foreign.as_ref().map(|_| descriptor()).transpose();
    heard.map_err(Failure::at("hear of children"))
}

/// Writes down that the container runs.
pub(crate) fn record(run_dir: &Path, pid: i32, started_ns: i64) -> Result<(), PathError> {
    let record = StartRecord {
        pid,
        monitor_pid: std::process::id() as i32,
        started_ns,
        start_ticks: records::start_ticks(pid).unwrap_or(0),
    };
    records::write(run_dir, records::STARTED, &record)
}
