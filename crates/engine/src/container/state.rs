//! Which request is legal in which state, and what it makes the container's task do.

use docker_api::messages;
use serde::{Deserialize, Serialize};
use stdx::Kind;

use crate::error::EngineError;

/// What a container does now; Docker's words.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Never started.
    #[default]
    Created,
    /// Its first process runs.
    Running,
    /// It is frozen.
    Paused,
    /// It waits for its next start by policy.
    Restarting,
    /// It ran.
    Exited,
    /// Its removal failed half-way.
    Dead,
    /// It is being removed.
    Removing,
}

impl State {
    /// As clients read it.
    pub fn name(self) -> &'static str {
        match self {
            State::Created => "created",
            State::Running => "running",
            State::Paused => "paused",
            State::Restarting => "restarting",
            State::Exited => "exited",
            State::Dead => "dead",
            State::Removing => "removing",
        }
    }

    /// Docker counts paused and restarting containers as running.
    pub fn counts_as_running(self) -> bool {
        matches!(self, State::Running | State::Paused | State::Restarting)
    }

    /// A process of it exists.
    pub fn has_process(self) -> bool {
        matches!(self, State::Running | State::Paused)
    }
}

/// What is asked of a container.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Request {
    /// Start it.
    Start,
    /// Signal, grace, SIGKILL.
    Stop,
    /// Stop it if it runs, then start it.
    Restart,
    /// Send a signal.
    Kill,
    /// Freeze it.
    Pause,
    /// Thaw it.
    Unpause,
    /// Remove it.
    Remove {
        /// Kill it first.
        force: bool,
    },
    /// Give it another name.
    Rename,
    /// Change its limits and its restart policy.
    Update,
    /// Start a further process.
    Exec,
    /// Take part in its streams.
    Attach,
    /// Change its terminal's size.
    Resize,
    /// List its processes.
    Top,
}

/// What its task does about a legal request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Action {
    /// Start the first process.
    Launch,
    /// Send the stop signal and watch the clock.
    StopProcess,
    /// The same, thawing it once the signal is sent.
    StopFrozen,
    /// Send a signal.
    Signal,
    /// Give up the coming restart.
    CancelRestart,
    /// Freeze.
    Freeze,
    /// Thaw.
    Thaw,
    /// Change the limits of what runs, too.
    ChangeLimits,
    /// Kill, wait, remove.
    KillAndRemove,
    /// Remove.
    RemoveNow,
    /// Keep the client until the next start.
    Queue,
    /// Just do it.
    Proceed,
}

/// Why a request is not legal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// It is so already.
    NotModified,
    /// Nothing runs.
    NotRunning,
    /// It is paused already.
    AlreadyPaused,
    /// It is not paused.
    NotPaused,
    /// It must be unpaused first.
    PausedBeforeStart,
    /// It must be unpaused first.
    PausedBeforeExec,
    /// It must be unpaused first.
    PausedBeforeAttach,
    /// It waits for its restart.
    Restarting,
    /// It is going away.
    MarkedForRemoval,
    /// It is going away.
    MarkedBeforeUpdate,
    /// It is being removed by another request.
    RemovalInProgress,
    /// It runs, and force was not used.
    RemoveRunning(State),
}

/// The one table of legal requests.
pub fn transition(state: State, request: Request) -> Result<Action, Refusal> {
    use Request as R;
    use State as S;
    match (request, state) {
        (R::Remove { .. }, S::Removing) => Err(Refusal::RemovalInProgress),
        (R::Remove { force: true }, s) if s.has_process() => Ok(Action::KillAndRemove),
        (R::Remove { force: false }, s) if s.counts_as_running() => Err(Refusal::RemoveRunning(s)),
        (R::Remove { .. }, _) => Ok(Action::RemoveNow),
        (R::Update, S::Removing | S::Dead) => Err(Refusal::MarkedBeforeUpdate),
        (_, S::Removing | S::Dead) => Err(Refusal::MarkedForRemoval),

        (R::Start, S::Created | S::Exited) => Ok(Action::Launch),
        (R::Start, S::Running | S::Restarting) => Err(Refusal::NotModified),
        (R::Start, S::Paused) => Err(Refusal::PausedBeforeStart),

        (R::Stop, S::Running) => Ok(Action::StopProcess),
        (R::Stop, S::Paused) => Ok(Action::StopFrozen),
        (R::Stop, S::Restarting) => Ok(Action::CancelRestart),
        (R::Stop, S::Created | S::Exited) => Err(Refusal::NotModified),

        (R::Restart, S::Running) => Ok(Action::StopProcess),
        (R::Restart, S::Paused) => Ok(Action::StopFrozen),
        (R::Restart, _) => Ok(Action::Launch),

        (R::Kill, S::Running | S::Paused) => Ok(Action::Signal),
        (R::Kill, S::Restarting) => Ok(Action::CancelRestart),
        (R::Kill, S::Created | S::Exited) => Err(Refusal::NotRunning),

        (R::Pause, S::Running) => Ok(Action::Freeze),
        (R::Pause, S::Paused) => Err(Refusal::AlreadyPaused),
        (R::Pause, S::Restarting) => Err(Refusal::Restarting),
        (R::Pause, S::Created | S::Exited) => Err(Refusal::NotRunning),

        (R::Unpause, S::Paused) => Ok(Action::Thaw),
        (R::Unpause, _) => Err(Refusal::NotPaused),

        (R::Rename, _) => Ok(Action::Proceed),

        (R::Update, S::Running | S::Paused) => Ok(Action::ChangeLimits),
        (R::Update, _) => Ok(Action::Proceed),

        (R::Attach, S::Running) => Ok(Action::Proceed),
        (R::Attach, S::Paused) => Err(Refusal::PausedBeforeAttach),
        (R::Attach, S::Restarting) => Err(Refusal::Restarting),
        (R::Attach, S::Created | S::Exited) => Ok(Action::Queue),

        (R::Exec, S::Paused) => Err(Refusal::PausedBeforeExec),
        (R::Exec | R::Top | R::Resize, S::Running) => Ok(Action::Proceed),
        (R::Top | R::Resize, S::Paused) => Ok(Action::Proceed),
        (R::Exec | R::Top | R::Resize, S::Restarting) => Err(Refusal::Restarting),
        (R::Exec | R::Top | R::Resize, S::Created | S::Exited) => Err(Refusal::NotRunning),
    }
}

impl Refusal {
    /// Docker's words; `id` is the full id, `called` the name that the caller used.
    pub fn into_error(self, id: &str, called: &str) -> EngineError {
        match self {
            Refusal::NotModified => EngineError::not_modified(""),
            Refusal::NotRunning => EngineError::conflict(messages::not_running(id)),
            Refusal::AlreadyPaused => EngineError::conflict(messages::already_paused(id)),
            // Docker answers 500 here, and clients were written against it.
            Refusal::NotPaused => EngineError::new(Kind::Internal, messages::not_paused(id)),
            Refusal::PausedBeforeStart => EngineError::conflict(messages::CANNOT_START_PAUSED),
            Refusal::PausedBeforeExec => {
                EngineError::conflict(messages::paused_before_exec(called))
            }
            Refusal::PausedBeforeAttach => {
                EngineError::conflict(messages::paused_before_attach(called))
            }
            Refusal::Restarting => EngineError::conflict(messages::is_restarting(id)),
            Refusal::MarkedForRemoval => EngineError::conflict(messages::MARKED_FOR_REMOVAL),
            Refusal::MarkedBeforeUpdate => {
                EngineError::conflict(messages::marked_before_update(id))
            }
            Refusal::RemovalInProgress => {
                EngineError::conflict(messages::removal_in_progress(called))
            }
            Refusal::RemoveRunning(state) => {
                EngineError::conflict(messages::cannot_remove(called, state.name()))
            }
        }
    }
}

#[cfg(test)]
mod tests;
