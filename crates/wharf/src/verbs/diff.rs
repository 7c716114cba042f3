//! `diff`.

use client::Client;

use crate::failure::{Failure, Outcome};
use crate::flags::parse::Parsed;

/// `diff`.
pub async fn diff(client: &Client, flags: &Parsed) -> Outcome {
    let container = flags.args[0].as_str();
    if container.is_empty() {
        return Err(Failure::new("Container name cannot be empty"));
    }
    for change in client.container_changes(container).await? {
        let letter = match change.kind {
            0 => 'C',
            1 => 'A',
            _ => 'D',
        };
        println!("{letter} {}", change.path);
    }
    Ok(0)
}
