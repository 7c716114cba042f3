//! `load` and `import`.

use std::os::fd::AsFd;

use client::{Client, ImportOptions};
use oci::Reference;
use tokio::fs::File;

use super::progress::{self, Place};
use crate::body::env::open_error;
use crate::failure::{Failure, Outcome};
use crate::flags::parse::Parsed;
use crate::terminal;

/// `load`.
pub async fn load(client: &Client, flags: &Parsed) -> Outcome {
    if !flags.text("platform").is_empty() {
        return Err(Failure::new("failed to load one platform of an image: not supported"));
    }
    let archive = match flags.text("input") {
        "" if terminal::stdin_is_terminal() => {
            return Err(Failure::new("requested load from stdin, but stdin is empty"));
        }
        "" => stdin()?,
        path => open(path)?,
    };
    // Who reads a pipe wants names, not numbers.
    let quiet = flags.switch("quiet") || !terminal::stdout_is_terminal();
    let lines = client.image_load(archive, quiet).await?;
    progress::show(lines, Place::Stdout).await?;
    Ok(0)
}

/// `import`.
pub async fn import(client: &Client, flags: &Parsed) -> Outcome {
    let source = flags.args[0].as_str();
    let reference = flags.args.get(1).cloned().unwrap_or_default();
    if source.starts_with("http://") || source.starts_with("https://") {
        return Err(Failure::new(format!(
            "failed to import `{source}`: addresses are not supported\n\n\
             Fetch it first: curl -L {source} | wharf import - {reference}"
        )));
    }
    let archive = if source == "-" { stdin()? } else { open(source)? };
    if !reference.is_empty() {
        Reference::parse(&reference).map_err(|error| Failure::new(error.to_string()))?;
    }
    let options = ImportOptions {
        reference,
        message: flags.text("message").to_owned(),
        changes: flags.list("change").to_vec(),
        platform: flags.text("platform").to_owned(),
    };
    let lines = client.image_import(archive, &options).await?;
    progress::show(lines, Place::Stdout).await?;
    Ok(0)
}

fn stdin() -> Result<File, Failure> {
    let stdin = std::io::stdin().as_fd().try_clone_to_owned()?;
    Ok(File::from_std(std::fs::File::from(stdin)))
}

fn open(path: &str) -> Result<File, Failure> {
    let file = std::fs::File::open(path).map_err(|e| Failure::new(open_error(path, &e)))?;
    Ok(File::from_std(file))
}
