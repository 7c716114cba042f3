//! `images` and `tag`.

use client::{Client, ImageListOptions};
use oci::Reference;

use super::filters;
use crate::failure::{Failure, Outcome};
use crate::flags::number::quote;
use crate::flags::parse::Parsed;
use show::{images as shown, list};

/// `images`.
pub async fn images(client: &Client, flags: &Parsed) -> Outcome {
    if flags.switch("tree") {
        return Err(Failure::new("failed to show images as a tree: not supported"));
    }
    let mut filters = filters(flags.list("filter"));
    if let Some(name) = flags.args.first() {
        filters.add("reference", name);
    }
    let all = flags.switch("all");
    let options = ImageListOptions { all, filters, ..ImageListOptions::default() };
    let images = client.image_list(&options).await?;
    let (short, quiet) = (!flags.switch("no-trunc"), flags.switch("quiet"));
    let format = flags.text("format");
    let digests = flags.switch("digests") || format.contains("{{.Digest}}");
    let shape = if flags.switch("digests") { &shown::WITH_DIGESTS } else { &shown::SHAPE };
    let rows = images.iter().flat_map(|image| shown::rows(image, short, digests)).collect();
    print!("{}", list::render(shape, format, quiet, rows)?);
    Ok(0)
}

/// `tag`.
pub async fn tag(client: &Client, flags: &Parsed) -> Outcome {
    let check = |text: &str| {
        Reference::parse(text).map_err(|error| {
            let name = quote(text);
            let text = "is not a valid repository/tag";
            Failure::new(format!("Error parsing reference: {name} {text}: {error}"))
        })
    };
    check(&flags.args[0])?;
    let target = check(&flags.args[1])?;
    if target.digest().is_some() {
        return Err(Failure::new("refusing to create a tag with a digest reference"));
    }
    let tag = target.tag().unwrap_or("latest");
    client.image_tag(&flags.args[0], &target.repository(), tag).await?;
    Ok(0)
}
