//! `system df`: how much room everything takes.

use std::collections::BTreeSet;

use docker_api::{ImageUsage, SystemDf};

use crate::engine::Engine;
use crate::engine::inspect::signed;
use crate::error::Result;
use crate::images;
use crate::spec::{Caller, DiskUsageSpec, ImageListSpec, ListSpec};

impl Engine {
    /// How much room images, containers, volumes and builds take. Walks what containers wrote:
    /// slow.
    pub async fn disk_usage(&self, caller: Caller, spec: DiskUsageSpec) -> Result<SystemDf> {
        let mut answer = SystemDf::default();
        if spec.images {
            let list = ImageListSpec { shared_size: true, ..ImageListSpec::default() };
            let mut all = self.image_list(caller, list).await?;
            for image in &mut all {
                image.repo_tags = image.repo_tags.take().filter(|names| !names.is_empty());
                image.repo_digests = image.repo_digests.take().filter(|names| !names.is_empty());
            }
            let users = images::users(&self.services);
            let used: BTreeSet<_> = users.into_iter().map(|user| user.image).collect();
            let usage = self.services.store.layer_usage(&used);
            answer.layers_size = signed(usage.bytes);
            answer.images = Some(all);
            let reclaimable = signed(usage.reclaimable_bytes);
            answer.image_usage = Some(ImageUsage { reclaimable });
        }
        if spec.containers {
            let list = ListSpec { all: true, size: true, ..ListSpec::default() };
            answer.containers = Some(self.list(caller, list).await?);
        }
        answer.volumes = spec.volumes.then(Vec::new);
        answer.build_cache = spec.build_cache.then(Vec::new);
        Ok(answer)
    }
}
