//! `cp`.

use client::Client;
use copy::{CopyError, CopySpec};

use crate::failure::{Failure, Outcome};
use crate::flags::parse::Parsed;
use crate::terminal;

/// `cp`.
pub async fn cp(client: &Client, flags: &Parsed) -> Outcome {
    let spec = CopySpec {
        source: &flags.args[0],
        destination: &flags.args[1],
        copies_ids: flags.switch("archive"),
        follows_link: flags.switch("follow-link"),
    };
    let copied = copy::copy(client, &spec).await.map_err(|error| match error {
        CopyError::Engine(error) => error.into(),
        CopyError::Here(error) => super::save::gone(error),
        other => Failure::new(other.to_string()),
    })?;
    // As Docker, only where somebody looks.
    if let Some(copied) = copied
        && !flags.switch("quiet")
        && terminal::stderr_is_terminal()
    {
        eprintln!("Successfully copied {} to {}", stdx::size::human(copied.bytes), copied.to);
    }
    Ok(0)
}
