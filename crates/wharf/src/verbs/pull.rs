//! `pull`.

use client::{Client, ClientError, JsonLines, PullOptions};
use docker_api::JsonMessage;
use oci::Reference;

use super::progress::{self, Place};
use super::{accounts, login};
use crate::failure::{Failure, Outcome};
use crate::flags::parse::Parsed;

/// `pull`.
pub async fn pull(client: &Client, flags: &Parsed) -> Outcome {
    let (all, quiet) = (flags.switch("all-tags"), flags.switch("quiet"));
    let mut reference = parse(&flags.args[0], all)?;
    if !all && reference.is_name_only() {
        reference = reference.with_default_tag();
        if !quiet {
            println!("Using default tag: latest");
        }
    }
    let place = if quiet { Place::Nowhere } else { Place::Stdout };
    let lines = ask(client, &reference, flags.text("platform")).await?;
    progress::show(lines, place).await?;
    println!("{reference}");
    Ok(0)
}

/// A name; with all tags it must have none of its own.
pub fn parse(name: &str, all_tags: bool) -> Result<Reference, Failure> {
    let reference = Reference::parse(name).map_err(|error| Failure::new(error.to_string()))?;
    match all_tags && !reference.is_name_only() {
        true => Err(Failure::new("tag can't be used with --all-tags/-a")),
        false => Ok(reference),
    }
}

/// Asks the engine for an image; a name without tag and digest means all tags. Who sits at a
/// terminal may log in when the registry wants that.
pub async fn ask(
    client: &Client,
    reference: &Reference,
    platform: &str,
) -> Result<JsonLines<JsonMessage>, Failure> {
    let digest = reference.digest().map(ToString::to_string);
    let options = PullOptions {
        repository: reference.repository(),
        tag: digest.as_deref().or(reference.tag()).unwrap_or_default().to_owned(),
        platform: platform.to_owned(),
    };
    let account = accounts::of_image(reference)?;
    match client.image_pull(&options, &account).await {
        Err(error) if may_log_in(&error) => {
            let account = login::before("pull", reference, &account).await?;
            Ok(client.image_pull(&options, &account).await?)
        }
        lines => Ok(lines?),
    }
}

/// Whether somebody is there to say who they are.
fn may_log_in(error: &ClientError) -> bool {
    error.kind() == stdx::Kind::Unauthenticated && crate::terminal::stdin_is_terminal()
}
