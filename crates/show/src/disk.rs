//! Rows of `system df`.

use docker_api::{ContainerSummary, SystemDf, Timestamp};
use gotmpl::Value;

use super::human::{ago, instant, short_id, size_precise as size};
use super::list::{Row, Shape};
use super::{containers as shown_containers, images as shown_images, words};

/// One line for each kind of thing.
pub const SUMMARY: Shape = Shape {
    table: "{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}",
    headings: &[
        ("Type", "TYPE"),
        ("TotalCount", "TOTAL"),
        ("Active", "ACTIVE"),
        ("Size", "SIZE"),
        ("Reclaimable", "RECLAIMABLE"),
    ],
};

/// Images with what they share.
pub const IMAGES: Shape = Shape {
    table: "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{if .CreatedSince }}{{.CreatedSince}}\
            {{else}}N/A{{end}}\t{{.Size}}\t{{.SharedSize}}\t{{.UniqueSize}}\t{{.Containers}}",
    headings: shown_images::SHAPE.headings,
};

/// Containers with their sizes.
pub const CONTAINERS: Shape = Shape {
    table: "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.LocalVolumes}}\t{{.Size}}\t{{.RunningFor}}\t\
            {{.Status}}\t{{.Names}}",
    headings: shown_containers::SHAPE.headings,
};

/// Volumes.
pub const VOLUMES: Shape = Shape {
    table: "{{.Name}}\t{{.Links}}\t{{.Size}}",
    headings: &[("Name", "VOLUME NAME"), ("Links", "LINKS"), ("Size", "SIZE")],
};

/// What builds keep.
pub const BUILD_CACHE: Shape = Shape {
    table: "{{.ID}}\t{{.CacheType}}\t{{.Size}}\t{{.CreatedSince}}\t{{.LastUsedSince}}\t\
            {{.UsageCount}}\t{{.Shared}}",
    headings: &[
        ("ID", "CACHE ID"),
        ("CacheType", "CACHE TYPE"),
        ("Size", "SIZE"),
        ("CreatedSince", "CREATED"),
        ("LastUsedSince", "LAST USED"),
        ("UsageCount", "USAGE"),
        ("Shared", "SHARED"),
    ],
};

/// One kind of thing in numbers.
struct Kind {
    name: &'static str,
    total: usize,
    active: usize,
    bytes: i64,
    reclaimable: i64,
    /// The share of what is reclaimable is told.
    percent: bool,
}

/// The four lines.
pub fn summary(usage: &SystemDf) -> Vec<Row> {
    let kinds =
        [images_kind(usage), containers_kind(usage), volumes_kind(usage), cache_kind(usage)];
    kinds.into_iter().map(row).collect()
}

fn row(kind: Kind) -> Row {
    let reclaimable = match kind.percent && kind.bytes > 0 {
        true => {
            let percent = i128::from(kind.reclaimable) * 100 / i128::from(kind.bytes);
            format!("{} ({percent}%)", size(kind.reclaimable))
        }
        false => size(kind.reclaimable),
    };
    Row::new(
        "*formatter.diskUsageContext",
        Default::default(),
        vec![
            ("Active", kind.active.to_string().into()),
            ("Reclaimable", reclaimable.into()),
            ("Size", size(kind.bytes).into()),
            ("TotalCount", kind.total.to_string().into()),
            ("Type", kind.name.into()),
        ],
    )
}

fn images_kind(usage: &SystemDf) -> Kind {
    let all = usage.images.as_deref().unwrap_or_default();
    let used = all.iter().filter(|image| image.containers > 0);
    // What Docker's client reckons: right when images in use share nothing with each other.
    let own = used.clone().filter(|image| image.size >= 0 && image.shared_size >= 0);
    let guess = usage.layers_size - own.map(|image| image.size - image.shared_size).sum::<i64>();
    Kind {
        name: "Images",
        total: all.len(),
        active: used.count(),
        bytes: usage.layers_size,
        reclaimable: usage.image_usage.as_ref().map_or(guess, |usage| usage.reclaimable),
        percent: true,
    }
}

fn containers_kind(usage: &SystemDf) -> Kind {
    let all = usage.containers.as_deref().unwrap_or_default();
    let is_active = |container: &&ContainerSummary| {
        ["running", "paused", "restarting"].contains(&container.state.as_str())
    };
    let bytes = all.iter().map(|container| container.size_rw).sum();
    let of_active: i64 = all.iter().filter(is_active).map(|container| container.size_rw).sum();
    Kind {
        name: "Containers",
        total: all.len(),
        active: all.iter().filter(is_active).count(),
        bytes,
        reclaimable: bytes - of_active,
        percent: true,
    }
}

fn volumes_kind(usage: &SystemDf) -> Kind {
    let all = usage.volumes.as_deref().unwrap_or_default();
    let known = all.iter().filter_map(|volume| volume.usage_data.as_ref());
    let bytes = |used: bool| -> i64 {
        let of = known.clone().filter(|usage| (usage.ref_count > 0) == used && usage.size > 0);
        of.map(|usage| usage.size).sum()
    };
    Kind {
        name: "Local Volumes",
        total: all.len(),
        active: known.clone().filter(|usage| usage.ref_count > 0).count(),
        bytes: bytes(true) + bytes(false),
        reclaimable: bytes(false),
        percent: true,
    }
}

fn cache_kind(usage: &SystemDf) -> Kind {
    let all = usage.build_cache.as_deref().unwrap_or_default();
    let own = all.iter().filter(|record| !record.shared);
    Kind {
        name: "Build Cache",
        total: all.len(),
        active: all.iter().filter(|record| record.in_use).count(),
        bytes: own.clone().map(|record| record.size).sum(),
        reclaimable: own.filter(|record| !record.in_use).map(|record| record.size).sum(),
        percent: false,
    }
}

/// One row an image; `short`: ids are.
pub fn images(usage: &SystemDf, short: bool) -> Vec<Row> {
    let all = usage.images.iter().flatten();
    all.filter_map(|image| shown_images::rows(image, short, false).into_iter().next())
        .map(|row| row.with("Digest", "".into()))
        .collect()
}

/// One row a container.
pub fn containers(usage: &SystemDf, short: bool) -> Vec<Row> {
    let all = usage.containers.iter().flatten();
    // What a container has of its image is told there.
    let own = |one: &ContainerSummary| ContainerSummary { size_root_fs: 0, ..one.clone() };
    all.map(|container| shown_containers::row(&own(container), short)).collect()
}

/// One row a volume.
pub fn volumes(usage: &SystemDf) -> Vec<Row> {
    let row = |volume: &docker_api::Volume| {
        let usage = volume.usage_data.clone().unwrap_or_default();
        let bytes = if usage.size < 0 { "N/A".to_owned() } else { size(usage.size) };
        Row::new(
            "*formatter.volumeContext",
            volume.labels.clone().unwrap_or_default(),
            vec![
                ("Availability", "N/A".into()),
                ("Driver", volume.driver.as_str().into()),
                ("Group", "N/A".into()),
                ("Labels", words::labels(volume.labels.as_ref()).into()),
                ("Links", usage.ref_count.to_string().into()),
                ("Mountpoint", volume.mountpoint.as_str().into()),
                ("Name", volume.name.as_str().into()),
                ("Scope", volume.scope.as_str().into()),
                ("Size", bytes.into()),
                ("Status", "N/A".into()),
            ],
        )
    };
    usage.volumes.iter().flatten().map(row).collect()
}

/// Bytes that builds keep.
pub fn build_cache_size(usage: &SystemDf) -> String {
    size(cache_kind(usage).bytes)
}

/// One row an entry.
pub fn build_cache(usage: &SystemDf, short: bool) -> Vec<Row> {
    let since = |at: Option<Timestamp>| -> Value {
        at.map_or(String::new(), |at| ago(at.seconds())).into()
    };
    let row = |record: &docker_api::BuildCacheRecord| {
        let id = if short { short_id(&record.id) } else { &record.id };
        let mark = if record.in_use { "*" } else { "" };
        Row::new(
            "*formatter.buildCacheContext",
            Default::default(),
            vec![
                ("CacheType", record.kind.as_str().into()),
                ("CreatedAt", instant(record.created_at.seconds()).into()),
                ("CreatedSince", since(Some(record.created_at))),
                ("Description", record.description.as_str().into()),
                ("ID", format!("{id}{mark}").into()),
                ("InUse", record.in_use.to_string().into()),
                (
                    "LastUsedAt",
                    record.last_used_at.map_or(String::new(), |at| instant(at.seconds())).into(),
                ),
                ("LastUsedSince", since(record.last_used_at)),
                (
                    "Parent",
                    record.parents.iter().flatten().cloned().collect::<Vec<_>>().join(", ").into(),
                ),
                ("Shared", record.shared.to_string().into()),
                ("Size", size(record.size).into()),
                ("UsageCount", record.usage_count.to_string().into()),
            ],
        )
    };
    let mut all: Vec<_> = usage.build_cache.iter().flatten().collect();
    all.sort_by_key(|record| (record.last_used_at, &record.id));
    all.into_iter().map(row).collect()
}
