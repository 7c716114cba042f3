//! `logs`.

use client::{Client, LogsOptions};

use super::time::instant;
use crate::attach::Output;
use crate::failure::{Failure, Outcome};
use crate::flags::parse::Parsed;

/// `logs`.
pub async fn logs(client: &Client, flags: &Parsed) -> Outcome {
    let time = |name: &str| {
        let bad = |why| Failure::new(format!("invalid value for \"{name}\": {why}"));
        instant(flags.text(name)).map_err(bad)
    };
    let container = client.container_inspect(&flags.args[0], false).await?;
    let options = LogsOptions {
        stdout: true,
        stderr: true,
        follow: flags.switch("follow"),
        timestamps: flags.switch("timestamps"),
        details: flags.switch("details"),
        since: time("since")?,
        until: time("until")?,
        tail: flags.text("tail").to_owned(),
    };
    let mut stream = client.container_logs(&container.id, &options).await?;
    let mut output = Output::new(container.config.tty);
    while let Some(piece) = stream.next().await? {
        output.write(&piece)?;
    }
    Ok(0)
}
