//! `update`: limits and restart policies that change.

use docker_api::{UpdateRequest, UpdateResponse, validate};

use crate::container::Message;
use crate::container::restart::Policy;
use crate::create;
use crate::engine::Engine;
use crate::error::{EngineError, Result};
use crate::spec::Caller;
use plan::limits;

impl Engine {
    /// Changes limits, also of what runs, and the restart policy. All or nothing.
    ///
    /// # Errors
    /// Docker's words: a limit that makes no sense, or contradicts one that is set.
    pub async fn update(
        &self,
        caller: Caller,
        id: &str,
        mut wish: UpdateRequest,
    ) -> Result<UpdateResponse> {
        Policy::parse(&wish.restart_policy)?;
        let refused = |refusal: validate::Refusal| EngineError::new(refusal.kind(), refusal.text);
        validate::changed_resources(&wish.resources, create::cpus()).map_err(refused)?;
        create::check_cpusets(&wish.resources)?;
        create::check_real_time(&wish.resources, self.services.hierarchy.real_time())?;
        let container = self.find(id)?;
        let wished = limits::limits(&wish.resources, true, &[])?;
        let discarded = self.services.hierarchy.discards(&wished);
        if discarded.contains(&cgroup::Discarded::BlkioWeight) {
            wish.resources.blkio_weight = 0;
        }
        let warnings: Vec<String> =
            discarded.iter().map(|limit| limit.warning().to_owned()).collect();
        container.ask(caller, id, |ask| Message::Update(ask, Box::new(wish))).await?;
        Ok(UpdateResponse { warnings: (!warnings.is_empty()).then_some(warnings) })
    }
}
