//! `history`.

use client::Client;

use crate::failure::{Failure, Outcome};
use crate::flags::parse::Parsed;
use show::{history as shown, list};

/// `history`.
pub async fn history(client: &Client, flags: &Parsed) -> Outcome {
    if !flags.text("platform").is_empty() {
        return Err(Failure::new("failed to show the history for one platform: not supported"));
    }
    let steps = client.image_history(&flags.args[0]).await?;
    let (short, human) = (!flags.switch("no-trunc"), flags.switch("human"));
    let shape = if human { &shown::SHAPE } else { &shown::PRECISE };
    let rows = steps.iter().map(|step| shown::row(step, short, human)).collect();
    print!("{}", list::render(shape, flags.text("format"), flags.switch("quiet"), rows)?);
    Ok(0)
}
