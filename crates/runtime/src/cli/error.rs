use std::io;

use oci::runtime_spec::Status;
use stdx::fs::PathError;

use crate::bundle::BundleError;
use crate::bundle::hooks::HookError;
use crate::failure::Failure;

/// Why a call failed. Callers recognize some of the texts, which are runc's.
#[derive(Debug, thiserror::Error)]
pub(super) enum CliError {
    /// The words make no sense.
    #[error("{reason}")]
    Usage { reason: String },
    /// Not built.
    #[error("{what} are not supported: {hint}")]
    Unsupported { what: &'static str, hint: &'static str },
    /// The id is taken.
    #[error("container with id exists: {id}")]
    Exists { id: String },
    /// No such container.
    #[error("container does not exist")]
    Absent,
    /// A signal for a container that has ended.
    #[error("container not running")]
    NotRunning,
    /// A further process in a container that stands still.
    #[error("cannot exec in a paused container (use --ignore-paused to override)")]
    Paused,
    /// A further process could not be run.
    #[error("exec failed")]
    Exec(#[source] Box<CliError>),
    /// The container's state forbids the call.
    #[error("cannot {action} container {id} that is {}", shown(*.status))]
    State { action: &'static str, id: String, status: Status },
    /// Only what has stopped is deleted.
    #[error("cannot delete container {id} that is not stopped: {}", shown(*.status))]
    NotStopped { id: String, status: Status },
    /// The bundle is wrong.
    #[error("bundle or process is not usable")]
    Bundle(#[source] BundleError),
    /// The process could not be started.
    #[error("unable to start container process")]
    Start(#[source] Failure),
    /// A hook failed.
    #[error("a hook did not succeed")]
    Hook(#[source] HookError),
    /// A file of ours or of the caller's.
    #[error("unable to use a file")]
    File(#[source] PathError),
    /// A call of the system.
    #[error("failed to {step}")]
    System {
        step: String,
        #[source]
        cause: io::Error,
    },
}

/// The state's word.
pub(super) fn shown(status: Status) -> &'static str {
    match status {
        Status::Creating => "creating",
        Status::Created => "created",
        Status::Running => "running",
        Status::Paused => "paused",
        Status::Stopped => "stopped",
    }
}

impl CliError {
    pub(super) fn usage(reason: impl Into<String>) -> CliError {
        CliError::Usage { reason: reason.into() }
    }

    /// For `map_err(CliError::at("open the gate"))`.
    pub(super) fn at<E: Into<io::Error>>(step: impl Into<String>) -> impl FnOnce(E) -> CliError {
        let step = step.into();
        move |cause| CliError::System { step, cause: cause.into() }
    }

    /// For errors of the crate `cgroup`.
    pub(super) fn cgroup(step: &'static str) -> impl FnOnce(cgroup::CgroupError) -> CliError {
        move |error| {
            let cause = io::Error::other(stdx::error::chain(&error).to_string());
            CliError::System { step: step.to_owned(), cause }
        }
    }

    /// Of the runtime itself; a container's own code is not an error.
    pub(super) fn exit_code(&self) -> i32 {
        match self {
            // The codes below are those of processes.
            CliError::Exec(_) => 255,
            _ => 1,
        }
    }
}
