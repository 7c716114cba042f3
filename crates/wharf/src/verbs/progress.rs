//! The streams of JSON lines that pull, load and import answer with.

use std::io::Write;

use docker_api::JsonMessage;

use crate::failure::Failure;
use client::JsonLines;

/// Shows what happens, a line each; progress bars are left out. An error in the stream ends it.
pub async fn show(
    mut lines: JsonLines<JsonMessage>,
    out: &mut (dyn Write + Send),
) -> Result<(), Failure> {
    while let Some(message) = lines.next().await? {
        if let Some(detail) = message.error_detail.filter(|detail| !detail.message.is_empty()) {
            return Err(Failure::new(detail.message));
        }
        if !message.error.is_empty() {
            return Err(Failure::new(message.error));
        }
        if !message.progress.is_empty() || message.aux.is_some() && message.status.is_empty() {
            continue;
        }
        if !message.stream.is_empty() {
            write!(out, "{}", message.stream)?;
        } else if !message.status.is_empty() {
            if !message.id.is_empty() {
                write!(out, "{}: ", message.id)?;
            }
            writeln!(out, "{}", message.status)?;
        }
        out.flush()?;
    }
    Ok(())
}
