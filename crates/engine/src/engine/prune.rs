//! Removing what nobody uses.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use docker_api::filters::Filters;
use docker_api::{
    BuildPruneReport, ContainersPruneReport, ImageDeleteItem, ImagesPruneReport,
    NetworksPruneReport, Timestamp, VolumesPruneReport,
};
use oci::Reference;
use stdx::Kind;
use store::{Image, RemoveSpec, Removed};
use tokio::sync::{Mutex, MutexGuard};

use crate::container::{Container, Message};
use crate::engine::Engine;
use crate::error::{EngineError, Result};
use crate::images;
use crate::services::Services;
use crate::spec::Caller;

/// A pull that was cut tries again within this time, if at all.
const ABANDONED: Duration = Duration::from_secs(600);

/// Held by whoever prunes: a second one at the same time would count the same bytes.
#[derive(Debug, Default)]
pub struct Pruning {
    containers: Mutex<()>,
    images: Mutex<()>,
}

fn hold(lock: &Mutex<()>) -> Result<MutexGuard<'_, ()>> {
    let busy = |_| EngineError::conflict("a prune operation is already running");
    lock.try_lock().map_err(busy)
}

impl Engine {
    /// Removes the containers that do not run.
    pub async fn container_prune(
        &self,
        caller: Caller,
        filters: Filters,
    ) -> Result<ContainersPruneReport> {
        let selection = Selection::parse(&filters, &["label", "label!", "until"])?;
        let _held = hold(&self.services.pruning.containers)?;
        let all = self.services.registry().all();
        let mut report = ContainersPruneReport::default();
        for container in all {
            let record = container.record();
            let labels = record.config.labels.as_ref();
            let idle = !record.state.state.counts_as_running();
            if idle
                && selection.matches(record.created, labels)
                && let Some(bytes) = self.prune_one(caller, &container).await
            {
                report.containers_deleted.get_or_insert_default().push(container.id.clone());
                report.space_reclaimed += bytes;
            }
        }
        self.services.events.prune(caller, "container", report.space_reclaimed);
        Ok(report)
    }

    /// Removes a container; how many bytes it had written. `None` when it has to stay: somebody
    /// started it meanwhile, for example.
    async fn prune_one(&self, caller: Caller, container: &Container) -> Option<u64> {
        let (services, id) = (self.services.clone(), container.id.clone());
        let work = tokio::task::spawn_blocking(move || services.store.rootfs_size(&id));
        let bytes = work.await.ok().and_then(|size| size.ok()).map_or(0, |size| size.rw_bytes);
        let removed = container.ask(caller, &container.id, |ask| Message::Remove(ask, false)).await;
        removed
            .inspect_err(|error| tracing::info!(container = container.id, %error, "not pruned"))
            .is_ok()
            .then_some(bytes)
    }

    /// Removes images without a name or, with `dangling=false`, all that no container uses.
    pub async fn image_prune(&self, caller: Caller, filters: Filters) -> Result<ImagesPruneReport> {
        let selection = Selection::parse(&filters, &["dangling", "label", "label!", "until"])?;
        let dangling = filters
            .boolean("dangling")
            .map_err(|error| EngineError::new(error.kind(), error.to_string()))?;
        let _held = hold(&self.services.pruning.images)?;
        let doomed: Vec<Image> = candidates(&self.services, dangling.unwrap_or(true))
            .into_iter()
            .filter(|image| {
                selection.matches(images::created(image), image.config.config.labels.as_ref())
            })
            .collect();
        let (removed, space_reclaimed) =
            self.with_store(move |services| Ok(remove_all(services, &doomed))).await?;
        self.services.sweep();
        let items = self.tell_removed(caller, removed);
        self.services.events.prune(caller, "image", space_reclaimed);
        let images_deleted = (!items.is_empty()).then_some(items);
        Ok(ImagesPruneReport { images_deleted, space_reclaimed })
    }

    /// Removes the networks of users that nothing uses: this engine has none.
    pub fn network_prune(&self, caller: Caller, filters: &Filters) -> Result<NetworksPruneReport> {
        Selection::parse(filters, &["label", "label!", "until"])?;
        self.services.events.prune(caller, "network", 0);
        Ok(NetworksPruneReport::default())
    }

    /// Removes the volumes that nothing uses: this engine has none.
    pub fn volume_prune(&self, caller: Caller, filters: &Filters) -> Result<VolumesPruneReport> {
        Selection::parse(filters, &["all", "label", "label!"])?;
        let bad = |error: docker_api::filters::FilterError| {
            EngineError::new(error.kind(), error.to_string())
        };
        filters.boolean("all").map_err(bad)?;
        self.services.events.prune(caller, "volume", 0);
        Ok(VolumesPruneReport { volumes_deleted: Some(Vec::new()), space_reclaimed: 0 })
    }

    /// Removes what builds keep: this engine keeps nothing.
    pub fn build_prune(&self, caller: Caller, filters: &Filters) -> Result<BuildPruneReport> {
        let known = [
            "description",
            "id",
            "immutable",
            "inuse",
            "label",
            "label!",
            "mutable",
            "parent",
            "private",
            "shared",
            "type",
            "unused-for",
            "until",
        ];
        let failed = |error: EngineError| error.wrapped("failed to prune build cache");
        Selection::parse(filters, &known).map_err(failed)?;
        self.services.events.prune(caller, "builder", 0);
        Ok(BuildPruneReport::default())
    }

    /// Tells of what was removed, and lists it.
    pub(crate) fn tell_removed(
        &self,
        caller: Caller,
        removed: Vec<Removed>,
    ) -> Vec<ImageDeleteItem> {
        let item = ImageDeleteItem::default;
        let told = removed.into_iter().map(|one| match one {
            Removed::Untagged { name, image } => {
                self.image_event(caller, &image, "untag", &image.to_string());
                ImageDeleteItem { untagged: name.familiar(), ..item() }
            }
            Removed::Image(image) => {
                let deleted = image.to_string();
                self.image_event(caller, &image, "delete", &deleted);
                ImageDeleteItem { deleted, ..item() }
            }
            Removed::Layer(chain) => ImageDeleteItem { deleted: chain.to_string(), ..item() },
        });
        told.collect()
    }
}

/// Images that no container stands on and that are not mere steps on the way to others; with
/// `dangling`, only those that have no tag, and that no other was made from.
fn candidates(services: &Services, dangling: bool) -> Vec<Image> {
    let all = services.store.images();
    let parents: BTreeSet<_> = all.iter().filter_map(|image| image.parent.clone()).collect();
    let used: BTreeSet<_> = images::users(services).into_iter().map(|user| user.image).collect();
    all.into_iter()
        .filter(|image| {
            let has_children = parents.contains(&image.id);
            let is_named = !(image.tags.is_empty() && image.digests.is_empty());
            let fits = match dangling {
                true => image.is_dangling() && !has_children,
                false => is_named || !has_children,
            };
            fits && !used.contains(&image.id)
        })
        .collect()
}

/// Removes images one by one; one that has to stay keeps no other from going. Blocks.
fn remove_all(services: &Services, images: &[Image]) -> (Vec<Removed>, u64) {
    let before = services.store.layer_sizes();
    let mut removed = Vec::new();
    for image in images {
        let names: Vec<String> =
            image.tags.iter().chain(&image.digests).map(Reference::familiar).collect();
        let names = if names.is_empty() { vec![image.id.hex().to_owned()] } else { names };
        for name in names {
            let spec = RemoveSpec { image: &name, force: false, prune_parents: true };
            match services.store.remove(spec, &images::users(services)) {
                Ok(more) => removed.extend(more),
                Err(error) if matches!(error.kind(), Kind::Conflict | Kind::NotFound) => {
                    tracing::debug!(name, %error, "not pruned");
                }
                // What is gone is gone, and told; the next prune tries the rest again.
                Err(error) => {
                    let error = stdx::error::chain(&error).to_string();
                    tracing::warn!(name, error, "an image could not be pruned");
                }
            }
        }
    }
    let after = services.store.layer_sizes();
    let gone = before.iter().filter(|(layer, _)| !after.contains_key(*layer));
    // What came in of pulls that nobody goes on with. This is the last thing: a failure is told.
    let abandoned = services.store.prune_ingests(ABANDONED).unwrap_or_else(|error| {
        tracing::warn!(error = %stdx::error::chain(&error), "abandoned downloads stay");
        0
    });
    (removed, gone.map(|(_, bytes)| bytes).sum::<u64>() + abandoned)
}

/// Filters, read once.
struct Selection<'a> {
    filters: &'a Filters,
    until: Option<Timestamp>,
}

impl<'a> Selection<'a> {
    fn parse(filters: &'a Filters, known: &[&str]) -> Result<Selection<'a>> {
        filters
            .validate(known)
            .map_err(|error| EngineError::new(error.kind(), error.to_string()))?;
        let mut times = filters.values("until");
        let until = match (times.next(), times.next()) {
            (None, _) => None,
            (Some(text), None) => Some(
                docker_api::query::instant(text, Timestamp::now(), 0)
                    .map_err(|error| EngineError::new(error.kind(), error.to_string()))?,
            ),
            _ => return Err(EngineError::invalid("more than one until filter specified")),
        };
        Ok(Selection { filters, until })
    }

    fn matches(&self, created: Timestamp, labels: Option<&BTreeMap<String, String>>) -> bool {
        self.until.is_none_or(|until| created <= until)
            && self.filters.labels("label", labels)
            && self.filters.labels_absent("label!", labels)
    }
}
