//! `push`.

use client::{Client, PushOptions};
use oci::Platform;
use show::note;

use super::progress::{self, Place};
use super::{accounts, pull};
use crate::failure::{Failure, Outcome};
use crate::flags::parse::Parsed;
use crate::terminal;

/// What somebody who pushes one platform should know.
const ONE_PLATFORM: &str =
    "Using --platform pushes only the specified platform manifest of a multi-platform image index.
Other components, like attestations, will not be included.
To push the complete multi-platform image, remove the --platform flag.
";

/// `push`.
pub async fn push(client: &Client, flags: &Parsed) -> Outcome {
    let (all, quiet) = (flags.switch("all-tags"), flags.switch("quiet"));
    let platform = platform(flags.text("platform"))?;
    let mut reference = pull::parse(&flags.args[0], all)?;
    if !all && reference.is_name_only() {
        reference = reference.with_default_tag();
        if !quiet {
            println!("Using default tag: latest");
        }
    }
    if reference.digest().is_some() {
        return Err(Failure::new("cannot push a digest reference"));
    }
    let options = PushOptions {
        repository: reference.repository(),
        tag: reference.tag().unwrap_or_default().to_owned(),
        platform,
    };
    let lines = client.image_push(&options, &accounts::of_image(&reference)?).await?;
    let place = if quiet { Place::Nowhere } else { Place::Stdout };
    progress::show(lines, place).await?;
    if quiet {
        println!("{reference}");
    }
    Ok(0)
}

/// The platform that is wished, checked; with it comes a note.
fn platform(text: &str) -> Result<String, Failure> {
    if text.is_empty() {
        return Ok(String::new());
    }
    Platform::parse(text)
        .map_err(|error| Failure::new(format!("Invalid platform {text}: {error}")))?;
    print!("{}", note::info(ONE_PLATFORM, "--platform", terminal::stdout_is_colored()));
    Ok(text.to_owned())
}
