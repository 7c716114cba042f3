//! Images as clients see them.

use std::collections::{BTreeMap, BTreeSet};

use docker_api::filters::Filters;
use docker_api::{
    Empty, GraphDriver, HealthConfig, HistoryItem, ImageInspect, ImageInspectConfig, ImageMetadata,
    ImageSummary, RootFs, Timestamp,
};
use oci::{Digest, ImageDefaults};
use store::Image;

use super::manifests;
use crate::error::{EngineError, Result};
use crate::services::Services;
use crate::spec::ImageListSpec;

/// What lists can be filtered by.
const FILTERS: &[&str] = &["before", "dangling", "label", "label!", "reference", "since", "until"];

pub(super) fn list(services: &Services, spec: &ImageListSpec) -> Result<Vec<ImageSummary>> {
    let selection = Selection::parse(services, &spec.filters)?;
    let images = services.store.images();
    let parents: BTreeSet<Digest> =
        images.iter().filter_map(|image| image.parent.clone()).collect();
    let users: Vec<String> = {
        let all = services.registry().all();
        all.iter().map(|container| container.record().image_id.clone()).collect()
    };
    let mut chosen: Vec<&Image> = images
        .iter()
        .filter(|image| {
            // A nameless image that others were made from is a step on the way to them.
            let is_step = image.tags.is_empty() && parents.contains(&image.id);
            // Its name is shown with the image that it stands for.
            let is_elsewhere = image.tags.is_empty() && !image.reached_by.is_empty();
            (spec.all || !(is_step || is_elsewhere)) && selection.matches(image)
        })
        .collect();
    chosen.sort_by_key(|image| (std::cmp::Reverse(created(image)), image.id.clone()));
    let shared =
        spec.shared_size.then(|| services.store.layer_usage(&BTreeSet::new()).shared_bytes);
    let shared = shared.as_ref();
    let shown = chosen.into_iter().map(|image| {
        let mut row = summary(image, &users, &selection, shared);
        if spec.manifests {
            row.descriptor = services.store.image_target(image).as_ref().map(manifests::descriptor);
            row.manifests = Some(manifests::of(services, image));
        }
        row
    });
    Ok(shown.collect())
}

fn summary(
    image: &Image,
    users: &[String],
    selection: &Selection<'_>,
    shared: Option<&BTreeMap<Digest, u64>>,
) -> ImageSummary {
    let id = image.id.to_string();
    let containers = users.iter().filter(|user| **user == id).count();
    ImageSummary {
        parent_id: image.parent.as_ref().map(ToString::to_string).unwrap_or_default(),
        repo_tags: Some(selection.names(&image.tags)),
        repo_digests: Some(selection.names(&image.digests)),
        created: created(image).seconds().max(0),
        size: signed(image.size),
        // Not reckoned unless asked for.
        shared_size: shared.and_then(|all| all.get(&image.id)).map_or(-1, |bytes| signed(*bytes)),
        labels: image.config.config.labels.clone(),
        // Counted only for `system df`, which asks for what is shared, too.
        containers: shared.map_or(-1, |_| i64::try_from(containers).unwrap_or(i64::MAX)),
        id,
        ..ImageSummary::default()
    }
}

/// Filters, read once.
struct Selection<'a> {
    filters: &'a Filters,
    dangling: Option<bool>,
    before: Option<Timestamp>,
    since: Option<Timestamp>,
}

impl<'a> Selection<'a> {
    fn parse(services: &Services, filters: &'a Filters) -> Result<Selection<'a>> {
        let bad = |error: docker_api::filters::FilterError| {
            EngineError::new(error.kind(), error.to_string())
        };
        filters.validate(FILTERS).map_err(bad)?;
        let of = |key: &str| -> Result<Option<Timestamp>> {
            let mut values = filters.values(key);
            values.next().map(|name| Ok(created(&super::find(services, name)?))).transpose()
        };
        let mut before = of("before")?;
        for text in filters.values("until") {
            let until = docker_api::query::instant(text, Timestamp::now(), 0)
                .map_err(|error| EngineError::new(error.kind(), error.to_string()))?;
            before = Some(before.map_or(until, |before| before.min(until)));
        }
        let dangling = filters.boolean("dangling").map_err(bad)?;
        Ok(Selection { filters, dangling, before, since: of("since")? })
    }

    fn matches(&self, image: &Image) -> bool {
        let labels = image.config.config.labels.as_ref();
        let named = image.tags.iter().chain(&image.digests);
        self.filters.labels("label", labels)
            && self.filters.labels_absent("label!", labels)
            && self.dangling.is_none_or(|dangling| dangling == image.is_dangling())
            && self.before.is_none_or(|before| created(image) < before)
            && self.since.is_none_or(|since| created(image) > since)
            && (!self.filters.contains("reference")
                || named.into_iter().any(|name| self.is_wanted(name)))
    }

    fn is_wanted(&self, name: &oci::Reference) -> bool {
        !self.filters.contains("reference")
            || self.filters.values("reference").any(|pattern| name.matches(pattern) == Some(true))
    }

    /// Docker shows only the names that were asked for.
    fn names(&self, names: &[oci::Reference]) -> Vec<String> {
        names.iter().filter(|name| self.is_wanted(name)).map(oci::Reference::familiar).collect()
    }
}

pub(super) fn inspect(image: &Image) -> ImageInspect {
    let config = &image.config;
    let nanos = image.last_tagged.map(|stamp| stamp.as_nanosecond());
    let last_tag_time = nanos
        .and_then(|nanos| i64::try_from(nanos).ok())
        .map_or(Timestamp::ZERO, Timestamp::from_nanos);
    let names = |names: &[oci::Reference]| names.iter().map(oci::Reference::familiar).collect();
    ImageInspect {
        id: image.id.to_string(),
        repo_tags: names(&image.tags),
        repo_digests: names(&image.digests),
        parent: image.parent.as_ref().map(ToString::to_string).unwrap_or_default(),
        comment: comment(image),
        created: config.created.as_deref().and_then(Timestamp::parse),
        docker_version: config.docker_version.clone(),
        author: config.author.clone(),
        config: defaults(&config.config),
        architecture: config.architecture.clone(),
        variant: config.variant.clone(),
        os: config.os.clone(),
        os_version: config.os_version.clone(),
        size: signed(image.size),
        virtual_size: 0,
        graph_driver: GraphDriver { data: Some(BTreeMap::new()), name: "overlay2".to_owned() },
        root_fs: RootFs {
            kind: "layers".to_owned(),
            layers: Some(image.layers.iter().map(ToString::to_string).collect()),
        },
        metadata: ImageMetadata { last_tag_time },
        descriptor: None,
        manifests: None,
    }
}

/// Images of other tools have it in the history only.
fn comment(image: &Image) -> String {
    let config = &image.config;
    match (config.comment.is_empty(), config.history.last()) {
        (true, Some(last)) => last.comment.clone(),
        _ => config.comment.clone(),
    }
}

fn defaults(config: &ImageDefaults) -> ImageInspectConfig {
    let set = |names: &BTreeSet<String>| -> BTreeMap<String, Empty> {
        names.iter().map(|name| (name.clone(), Empty)).collect()
    };
    ImageInspectConfig {
        user: config.user.clone(),
        exposed_ports: (!config.exposed_ports.is_empty()).then(|| set(&config.exposed_ports.0)),
        env: config.env.clone(),
        cmd: config.cmd.clone(),
        healthcheck: config.healthcheck.as_ref().map(|check| HealthConfig {
            test: Some(check.test.clone()),
            interval: check.interval,
            timeout: check.timeout,
            start_period: check.start_period,
            start_interval: check.start_interval,
            retries: check.retries,
        }),
        args_escaped: config.args_escaped,
        volumes: (!config.volumes.is_empty()).then(|| set(&config.volumes.0)),
        working_dir: config.working_dir.clone(),
        entrypoint: config.entrypoint.clone(),
        on_build: config.on_build.clone(),
        labels: config.labels.clone(),
        stop_signal: config.stop_signal.clone(),
        shell: config.shell.clone(),
    }
}

/// One line a step; the newest has the image's id, older ones those of their images, where they
/// are still here.
pub(super) fn history(services: &Services, image: &Image) -> Vec<HistoryItem> {
    let mut owner = Some(image.clone());
    let mut sizes = layer_sizes(services, image).into_iter().rev();
    let mut items = Vec::new();
    for step in image.config.history.iter().rev() {
        let size = match step.empty_layer {
            true => 0,
            false => sizes.next().unwrap_or(0),
        };
        let of = owner.take();
        let tags: Vec<String> =
            of.iter().flat_map(|image| &image.tags).map(oci::Reference::familiar).collect();
        let stamp = step.created.as_deref().and_then(Timestamp::parse);
        items.push(HistoryItem {
            id: of.as_ref().map_or("<missing>".to_owned(), |image| image.id.to_string()),
            created: stamp.unwrap_or(Timestamp::from_seconds(0)).seconds(),
            created_by: step.created_by.clone(),
            tags: (!tags.is_empty()).then_some(tags),
            size: signed(size),
            comment: step.comment.clone(),
        });
        owner = of.and_then(|image| image.parent).and_then(|parent| services.store.image(&parent));
    }
    items
}

/// Bytes of each layer, lowest first.
fn layer_sizes(services: &Services, image: &Image) -> Vec<u64> {
    let size = |diff_id: &Digest| services.store.layer(diff_id).map_or(0, |l| l.facts.size);
    image.layers.iter().map(size).collect()
}

/// When it was made; long ago, if it does not say.
pub fn created(image: &Image) -> Timestamp {
    image.config.created.as_deref().and_then(Timestamp::parse).unwrap_or(Timestamp::ZERO)
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
