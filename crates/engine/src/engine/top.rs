//! `top`: the processes of a container.

use cgroup::Cgroup;
use docker_api::{TopResponse, messages};

use crate::container::state::Request;
use crate::engine::Engine;
use crate::error::{EngineError, Result};
use crate::spec::Caller;

impl Engine {
    /// `ps_args`: as `-ef`, `aux` or `-o pid,comm`; empty is `-ef`.
    pub async fn top(&self, caller: Caller, id: &str, ps_args: &str) -> Result<TopResponse> {
        let container = self.find(id)?;
        container.permits(Request::Top, id)?;
        let columns =
            ps::columns(ps_args).map_err(|unknown| EngineError::invalid(unknown.to_string()))?;
        let titles = columns.titles();
        let services = self.services.clone();
        let record = container.record();
        let (path, first) = (services.cgroup_path(&record), record.state.pid);
        let work = tokio::task::spawn_blocking(move || {
            let mut pids = match services.is_rootless() {
                true => rootless::pids_with(first),
                false => Cgroup::open(&services.hierarchy, &path)?.pids()?,
            };
            pids.sort_unstable();
            Ok::<_, cgroup::CgroupError>(columns.rows(&pids))
        });
        let failed = "failed to list the container's processes";
        let rows =
            work.await.map_err(|error| EngineError::internal(failed, error))?.map_err(|error| {
                match error {
                    cgroup::CgroupError::Absent { .. } => {
                        EngineError::conflict(messages::not_running(&container.id))
                    }
                    other => EngineError::internal(failed, other),
                }
            })?;
        self.services.events.container(caller, &record, "top", &[]);
        Ok(TopResponse { processes: Some(rows), titles: Some(titles) })
    }
}
