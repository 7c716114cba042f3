//! `create`, and what `run` shares with it.

use std::path::Path;

use client::{Client, CreateOptions};
use docker_api::CreateRequest;
use oci::{Platform, Reference};

use super::progress::{self, Place};
use super::pull;
use crate::body::create_request;
use crate::failure::{Failure, Outcome};
use crate::flags::number::quote;
use crate::flags::parse::Parsed;

/// Flags that mean something to a Windows engine only.
const WINDOWS_ONLY: [&str; 4] = ["cpu-count", "cpu-percent", "io-maxbandwidth", "io-maxiops"];

/// Refuses flags of other systems.
pub fn check_flags(flags: &Parsed) -> Result<(), Failure> {
    let set = WINDOWS_ONLY.into_iter().filter(|flag| flags.is_set(flag));
    let errors: Vec<String> = set
        .map(|flag| {
            format!(
                "\"--{flag}\" is only supported on a Docker daemon running on windows, but the \
                 Docker daemon is running on linux"
            )
        })
        .collect();
    if errors.is_empty() { Ok(()) } else { Err(Failure::new(errors.join("\n"))) }
}

/// `create`.
pub async fn create(client: &Client, flags: &Parsed) -> Outcome {
    check_flags(flags)?;
    let request = request(client, flags).map_err(|failure| failure.with_help("create"))?;
    println!("{}", make(client, flags, &request).await?);
    Ok(0)
}

/// The body for the flags.
pub fn request(client: &Client, flags: &Parsed) -> Result<CreateRequest, Failure> {
    let pull = flags.text("pull");
    if !matches!(pull, "always" | "missing" | "never") {
        return Err(Failure::new(format!(
            "invalid pull option: '{pull}': must be one of \"always\", \"missing\" or \"never\""
        )));
    }
    let socket = client.host().path().to_string_lossy().into_owned();
    create_request(flags, Some(&socket)).map_err(Failure::new)
}

/// Creates the container, pulling its image if that is missing; its id.
pub async fn make(
    client: &Client,
    flags: &Parsed,
    request: &CreateRequest,
) -> Result<String, Failure> {
    let cidfile = flags.text("cidfile");
    if !cidfile.is_empty() && Path::new(cidfile).exists() {
        return Err(Failure::new(format!(
            "container ID file found, make sure the other container isn't running or delete \
             {cidfile}"
        )));
    }
    let platform = platform(flags.text("platform"))?;
    let image = request.config.image.as_str();
    let by_id = image.strip_prefix("sha256:").unwrap_or(image);
    let by_id = by_id.len() == 64 && by_id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let reference = match by_id {
        true => None,
        false => {
            let parsed = Reference::parse(image);
            Some(parsed.map_err(|error| Failure::new(error.to_string()))?)
        }
    };
    let pull = flags.text("pull");
    if let Some(reference) = reference.as_ref().filter(|_| pull == "always") {
        bring(client, flags, reference, &platform).await?;
    }
    let options = CreateOptions { name: flags.text("name").to_owned(), platform: platform.clone() };
    let created = match client.container_create(request, &options).await {
        Err(error) if error.is_not_found() && pull == "missing" => {
            let Some(reference) = reference else { return Err(error.into()) };
            let name = reference.clone().with_default_tag().familiar();
            eprintln!("Unable to find image '{name}' locally");
            bring(client, flags, &reference, &platform).await?;
            client.container_create(request, &options).await?
        }
        result => result?,
    };
    for warning in &created.warnings {
        eprintln!("WARNING: {warning}");
    }
    if !cidfile.is_empty() {
        std::fs::write(cidfile, &created.id).map_err(|error| {
            let why = crate::body::env::plain(&error);
            Failure::new(format!("failed to write the container ID file: {why}"))
        })?;
    }
    Ok(created.id)
}

/// `linux/amd64`, in the words of images.
fn platform(text: &str) -> Result<String, Failure> {
    if text.is_empty() {
        return Ok(String::new());
    }
    let platform = Platform::parse(text).map_err(|error| {
        Failure::new(format!("error parsing specified platform: {}: {error}", quote(text)))
    })?;
    let mut words = format!("{}/{}", platform.os, platform.architecture);
    if !platform.variant.is_empty() {
        words.push_str(&format!("/{}", platform.variant));
    }
    Ok(words)
}

async fn bring(
    client: &Client,
    flags: &Parsed,
    reference: &Reference,
    platform: &str,
) -> Result<(), Failure> {
    let reference = reference.clone().with_default_tag();
    let lines = pull::ask(client, &reference, platform).await?;
    let place = if flags.switch("quiet") { Place::Nowhere } else { Place::Stderr };
    progress::show(lines, place).await
}
