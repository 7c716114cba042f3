//! Changing limits and the restart policy.

use cgroup::{Cgroup, Limit, Limits};
use docker_api::{HostConfig, Resources, UpdateRequest, update};

use super::Ask;
use super::state::{Action, Request};
use super::task::{Task, answer};
use crate::error::{EngineError, Result};
use crate::failpoint;

/// What the kernel has when nobody says anything.
const CPU_SHARES_DEFAULT: u64 = 1024;
const CPU_PERIOD_US_DEFAULT: u64 = 100_000;

/// The limits in `host` of those that `wish` touches; the kernel's defaults where it has none, so
/// that the limits from before can be put back.
fn touched(host: &Resources, wish: &Resources) -> Limits {
    let positive = |value: i64| u64::try_from(value).ok().filter(|value| *value > 0);
    let limit = |value: i64| Some(positive(value).map_or(Limit::Unlimited, Limit::At));
    let given = |wished: bool, value: i64| if wished { limit(value) } else { None };
    let text = |wished: &str, text: &String| {
        (!wished.is_empty() && !text.is_empty()).then(|| text.clone())
    };
    let (memory, swap) = (wish.memory != 0, wish.memory_swap != 0);
    let by_cpus = wish.nano_cpus != 0;
    Limits {
        // The kernel keeps both together, so they are told together; `memory_swap` counts both.
        memory_bytes: given(memory || (swap && host.memory > 0), host.memory),
        memory_swap_bytes: given(swap || (memory && host.memory_swap != 0), host.memory_swap),
        memory_reservation_bytes: given(wish.memory_reservation != 0, host.memory_reservation),
        cpu_shares: (wish.cpu_shares != 0)
            .then(|| positive(host.cpu_shares).unwrap_or(CPU_SHARES_DEFAULT)),
        rt_runtime_us: positive(host.cpu_realtime_runtime)
            .filter(|_| wish.cpu_realtime_runtime != 0),
        rt_period_us: positive(host.cpu_realtime_period).filter(|_| wish.cpu_realtime_period != 0),
        nano_cpus: positive(host.nano_cpus).filter(|_| by_cpus),
        cpu_quota_us: given(
            wish.cpu_quota != 0 || (by_cpus && host.nano_cpus <= 0),
            host.cpu_quota,
        ),
        cpu_period_us: (wish.cpu_period != 0)
            .then(|| positive(host.cpu_period).unwrap_or(CPU_PERIOD_US_DEFAULT)),
        cpuset_cpus: text(&wish.cpuset_cpus, &host.cpuset_cpus),
        cpuset_mems: text(&wish.cpuset_mems, &host.cpuset_mems),
        pids: wish.pids_limit.map(|_| plan::limits::pids(host.pids_limit)),
        blkio_weight: Some(host.blkio_weight)
            .filter(|weight| *weight != 0 && wish.blkio_weight != 0),
        ..Limits::default()
    }
}

impl Task {
    /// Changes the record, and what runs with it: both or neither.
    pub(super) async fn update(&mut self, ask: Ask, wish: &UpdateRequest) {
        let Some((action, ask)) = self.permit(Request::Update, ask) else { return };
        let done = self.update_now(wish, action == Action::ChangeLimits).await;
        if done.is_ok() {
            self.services.events.container(ask.caller, &self.record, "update", &[]);
        }
        answer(ask.reply, done);
    }

    async fn update_now(&mut self, wish: &UpdateRequest, live: bool) -> Result<()> {
        let refused = format!("Cannot update container {}", self.record.id);
        let new = update::changed(&self.record.host, wish)
            .map_err(|text| EngineError::conflict(text).wrapped(&refused))?;
        let limits = |host: &HostConfig| touched(&host.resources, &wish.resources);
        let (before, after) = (limits(&self.record.host), limits(&new));
        if live && let Err(error) = self.set_limits(after).await {
            self.put_back(before).await;
            return Err(error.wrapped(&refused));
        }
        failpoint::hit("engine.update.applied");
        let old = std::mem::replace(&mut self.record.host, new);
        if let Err(error) = self.save() {
            self.record.host = old;
            if live {
                self.put_back(before).await;
            }
            return Err(error);
        }
        failpoint::hit("engine.update.recorded");
        if let Err(error) = self.services.write_copy(&self.record) {
            let error = stdx::error::chain(&error).to_string();
            tracing::warn!(container = self.record.id, error, "the copy of a record is old");
        }
        Ok(())
    }

    async fn set_limits(&self, limits: Limits) -> Result<()> {
        if limits == Limits::default() {
            return Ok(());
        }
        self.services.needs_cgroups("a limit")?;
        let (hierarchy, path) = (self.services.hierarchy.clone(), self.cgroup_path());
        let work =
            tokio::task::spawn_blocking(move || Cgroup::open(&hierarchy, &path)?.update(&limits));
        let failed = "failed to change the limits";
        match work.await {
            Ok(Ok(discarded)) => {
                tracing::debug!(container = self.record.id, ?discarded, "limits changed");
                Ok(())
            }
            Ok(Err(error)) => Err(EngineError::internal(failed, error)),
            Err(error) => Err(EngineError::internal(failed, error)),
        }
    }

    /// After a failure some limits may have changed already.
    async fn put_back(&self, limits: Limits) {
        if let Err(error) = self.set_limits(limits).await {
            let error = stdx::error::chain(&error).to_string();
            tracing::warn!(container = self.record.id, error, "some limits stay changed");
        }
    }
}

#[cfg(test)]
mod tests;
