//! Restart policies and the time between restarts.

use std::time::Duration;

use docker_api::RestartPolicy;

use crate::error::{EngineError, Result};

/// First pause, doubled after every quick end.
const BACKOFF_MIN: Duration = Duration::from_millis(100);
/// Docker's bound: a failing container costs one start a minute.
const BACKOFF_MAX: Duration = Duration::from_secs(60);
/// A run of this length counts as a success.
const STEADY: Duration = Duration::from_secs(10);

/// What happens after an exit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Policy {
    /// Nothing.
    No,
    /// A restart after a failure.
    OnFailure {
        /// So many in a row; `None`: without limit.
        retries_max: Option<u32>,
    },
    /// A restart, unless a user stopped it.
    Always,
    /// The same; and after a restart of the engine only when it ran before.
    UnlessStopped,
}

impl Policy {
    /// Reads and checks a policy.
    pub fn parse(policy: &RestartPolicy) -> Result<Policy> {
        docker_api::validate::restart_policy(policy)
            .map_err(|refusal| EngineError::new(refusal.kind(), refusal.text))?;
        let retries = u32::try_from(policy.maximum_retry_count).ok();
        Ok(match policy.name.as_str() {
            "always" => Policy::Always,
            "unless-stopped" => Policy::UnlessStopped,
            "on-failure" => Policy::OnFailure { retries_max: retries.filter(|most| *most > 0) },
            _ => Policy::No,
        })
    }

    /// Whether to start it again after an exit that no user asked for.
    pub fn restarts(self, exit_code: i64, restarts_so_far: u32) -> bool {
        match self {
            Policy::No => false,
            Policy::Always | Policy::UnlessStopped => true,
            Policy::OnFailure { retries_max } => {
                exit_code != 0 && retries_max.is_none_or(|most| restarts_so_far < most)
            }
        }
    }

    /// Whether to start it when the engine starts and finds it ended.
    pub fn restarts_at_open(self, ran: bool, stopped_by_user: bool, exit_code: i64) -> bool {
        match self {
            Policy::No => false,
            Policy::Always => true,
            Policy::UnlessStopped => !stopped_by_user,
            Policy::OnFailure { .. } => ran && !stopped_by_user && exit_code != 0,
        }
    }
}

/// Time until the next restart.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    next: Duration,
}

impl Default for Backoff {
    fn default() -> Backoff {
        Backoff { next: BACKOFF_MIN }
    }
}

impl Backoff {
    /// The pause after a run of this length.
    pub fn after(&mut self, ran: Duration) -> Duration {
        if ran >= STEADY {
            self.next = BACKOFF_MIN;
        }
        let pause = self.next;
        self.next = (pause * 2).min(BACKOFF_MAX);
        pause
    }
}

#[cfg(test)]
mod tests;
