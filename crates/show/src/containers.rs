//! Rows of `ps`.

use docker_api::ContainerSummary;
use gotmpl::{NilKind, Value};

use super::human::{ago, ellipsis, instant, short_id, size};
use super::list::{Row, Shape};
use super::words;
use docker_api::text::quote;

/// The list without sizes.
pub const SHAPE: Shape = Shape {
    table: "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t\
            {{.Names}}",
    headings: &[
        ("ID", "CONTAINER ID"),
        ("Names", "NAMES"),
        ("Image", "IMAGE"),
        ("Command", "COMMAND"),
        ("CreatedAt", "CREATED AT"),
        ("RunningFor", "CREATED"),
        ("Ports", "PORTS"),
        ("State", "STATE"),
        ("Status", "STATUS"),
        ("Size", "SIZE"),
        ("Labels", "LABELS"),
        ("Mounts", "MOUNTS"),
        ("LocalVolumes", "LOCAL VOLUMES"),
        ("Networks", "NETWORKS"),
        ("Platform", "PLATFORM"),
    ],
};

/// The list with sizes.
pub const SIZED: Shape = Shape {
    table: "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t\
            {{.Names}}\t{{.Size}}",
    headings: SHAPE.headings,
};

/// The row of a container; `short`: ids, commands and mounts are shortened.
pub fn row(container: &ContainerSummary, short: bool) -> Row {
    let cut = |text: &str, most: usize| if short { ellipsis(text, most) } else { text.to_owned() };
    let id = if short { short_id(&container.id) } else { &container.id };
    let networks = container.network_settings.networks.iter().flat_map(|all| all.keys().cloned());
    let mounts = container
        .mounts
        .iter()
        .map(|mount| cut(if mount.name.is_empty() { &mount.source } else { &mount.name }, 15));
    let volumes = container.mounts.iter().filter(|mount| mount.driver == "local").count();
    Row::new(
        "*formatter.ContainerContext",
        container.labels.clone().unwrap_or_default(),
        vec![
            ("Command", quote(&cut(&container.command, 20)).into()),
            ("CreatedAt", instant(container.created).into()),
            ("ID", id.into()),
            ("Image", image(container, short).into()),
            ("Labels", words::labels(container.labels.as_ref()).into()),
            ("LocalVolumes", volumes.to_string().into()),
            ("Mounts", mounts.collect::<Vec<_>>().join(",").into()),
            ("Names", words::names(&container.names, !short).into()),
            ("Networks", networks.collect::<Vec<_>>().join(",").into()),
            ("Platform", Value::Nil(NilKind::Pointer("*ocispec.Platform"))),
            ("Ports", words::ports(&container.ports).into()),
            ("RunningFor", ago(container.created).into()),
            ("Size", sizes(container).into()),
            ("State", container.state.as_str().into()),
            ("Status", container.status.as_str().into()),
        ],
    )
}

fn image(container: &ContainerSummary, short: bool) -> String {
    let name = container.image.as_str();
    if name.is_empty() {
        return "<no image>".into();
    }
    if !short {
        return name.to_owned();
    }
    if !container.image_id.is_empty() && short_id(name) == short_id(&container.image_id) {
        return short_id(name).to_owned();
    }
    match name.split_once('@') {
        Some((tagged, _)) if tagged.rsplit('/').next().is_some_and(|n| n.contains(':')) => {
            tagged.to_owned()
        }
        _ => name.to_owned(),
    }
}

fn sizes(container: &ContainerSummary) -> String {
    let own = size(container.size_rw);
    match container.size_root_fs {
        ..=0 => own,
        all => format!("{own} (virtual {})", size(all)),
    }
}
