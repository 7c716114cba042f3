//! `container prune`, `image prune`, `system prune`.

use std::io::{BufRead, Write};

use client::Client;
use docker_api::{Filters, ImageDeleteItem};

use super::filters;
use crate::failure::{Failure, Outcome};
use crate::flags::parse::Parsed;
use show::human::size_precise;

/// Bytes that are free now, and what of a kind was removed, in lines.
type Pruned = Result<(u64, String), Failure>;

/// `container prune`.
pub async fn containers(client: &Client, flags: &Parsed) -> Outcome {
    if !confirmed(flags, "WARNING! This will remove all stopped containers.\n")? {
        return Ok(0);
    }
    report(prune_containers(client, &chosen(flags)).await?)
}

/// `image prune`.
pub async fn images(client: &Client, flags: &Parsed) -> Outcome {
    let all = flags.switch("all");
    let which = match all {
        true => "all images without at least one container associated to them",
        false => "all dangling images",
    };
    if !confirmed(flags, &format!("WARNING! This will remove {which}.\n"))? {
        return Ok(0);
    }
    report(prune_images(client, &chosen(flags), all).await?)
}

/// `system prune`: containers first, so that what they used is used no more.
pub async fn system(client: &Client, flags: &Parsed) -> Outcome {
    let (filters, all) = (chosen(flags), flags.switch("all"));
    if flags.switch("volumes") && filters.contains("until") {
        return Err(Failure::new(
            "ERROR: The \"until\" filter is not supported with \"--volumes\"",
        ));
    }
    if !confirmed(flags, &warning(flags))? {
        return Ok(0);
    }
    let mut parts = vec![prune_containers(client, &filters).await?];
    let networks = client.network_prune(&filters).await?.networks_deleted;
    parts.push((0, list("Deleted Networks:", networks.unwrap_or_default())));
    if flags.switch("volumes") {
        let volumes = client.volume_prune(&filters).await?;
        let names = volumes.volumes_deleted.unwrap_or_default();
        parts.push((volumes.space_reclaimed, list("Deleted Volumes:", names)));
    }
    parts.push(prune_images(client, &filters, all).await?);
    let caches = client.build_prune(all, &filters).await?;
    let names = caches.caches_deleted.unwrap_or_default();
    parts.push((caches.space_reclaimed, list("Deleted build cache objects:", names)));
    let bytes = parts.iter().map(|(bytes, _)| bytes).sum();
    let text: String = parts.into_iter().map(|(_, lines)| lines).collect();
    report((bytes, text))
}

async fn prune_containers(client: &Client, filters: &Filters) -> Pruned {
    let done = client.container_prune(filters).await?;
    let names = done.containers_deleted.unwrap_or_default();
    Ok((done.space_reclaimed, list("Deleted Containers:", names)))
}

async fn prune_images(client: &Client, filters: &Filters, all: bool) -> Pruned {
    let mut filters = filters.clone();
    filters.add("dangling", if all { "false" } else { "true" });
    let done = client.image_prune(&filters).await?;
    let line = |item: &ImageDeleteItem| match item.untagged.is_empty() {
        false => format!("untagged: {}", item.untagged),
        true => format!("deleted: {}", item.deleted),
    };
    let lines = done.images_deleted.iter().flatten().map(line).collect();
    Ok((done.space_reclaimed, list("Deleted Images:", lines)))
}

/// A heading, lines and an empty line; nothing when there are none.
fn list(heading: &str, lines: Vec<String>) -> String {
    match lines.is_empty() {
        true => String::new(),
        false => format!("{heading}\n{}\n\n", lines.join("\n")),
    }
}

fn report((bytes, lines): (u64, String)) -> Outcome {
    println!(
        "{lines}Total reclaimed space: {}",
        size_precise(i64::try_from(bytes).unwrap_or(i64::MAX))
    );
    Ok(0)
}

fn chosen(flags: &Parsed) -> Filters {
    filters(flags.list("filter"))
}

/// What `system prune` is about to do.
fn warning(flags: &Parsed) -> String {
    let all = flags.switch("all");
    let mut text = String::from(
        "WARNING! This will remove:\n  - all stopped containers\n  - all networks not used by at \
         least one container\n",
    );
    if flags.switch("volumes") {
        text.push_str("  - all anonymous volumes not used by at least one container\n");
    }
    text.push_str(match all {
        true => {
            "  - all images without at least one container associated to them\n  - all build \
             cache\n"
        }
        false => "  - all dangling images\n  - unused build cache\n",
    });
    let mut chosen: Vec<&str> = flags.list("filter").iter().map(String::as_str).collect();
    chosen.sort_unstable();
    if !chosen.is_empty() {
        text.push_str("\n  Items to be pruned will be filtered with:\n");
        text.extend(chosen.iter().map(|filter| format!("  - {filter}\n")));
    }
    text.push('\n');
    text
}

/// Whether the user wants it: asked, unless `--force` says so.
fn confirmed(flags: &Parsed, warning: &str) -> Result<bool, Failure> {
    if flags.switch("force") {
        return Ok(true);
    }
    print!("{warning}Are you sure you want to continue? [y/N] ");
    std::io::stdout().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(answer.trim().eq_ignore_ascii_case("y"))
}
