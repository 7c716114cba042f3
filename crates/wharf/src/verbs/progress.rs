//! The streams of JSON lines that pull, push, load and import answer with.

use std::io::Write;

use client::JsonLines;
use docker_api::JsonMessage;
use show::progress::Progress;

use crate::failure::Failure;
use crate::terminal;

/// Where progress is shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Place {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// Nowhere: only a failure is told.
    Nowhere,
}

/// Shows what happens: drawn on a terminal, a line each elsewhere. An error in the stream ends it.
pub async fn show(mut lines: JsonLines<JsonMessage>, place: Place) -> Result<(), Failure> {
    let mut progress = Progress::default();
    while let Some(message) = lines.next().await? {
        let width = match place {
            Place::Stdout => terminal::width_of(std::io::stdout()),
            Place::Stderr => terminal::width_of(std::io::stderr()),
            Place::Nowhere => None,
        };
        let text = progress.draw(&message, width).map_err(|error| Failure::new(error.message))?;
        match place {
            Place::Stdout => write(&mut std::io::stdout(), &text)?,
            Place::Stderr => write(&mut std::io::stderr(), &text)?,
            Place::Nowhere => {}
        }
    }
    Ok(())
}

fn write(output: &mut impl Write, text: &str) -> Result<(), Failure> {
    output.write_all(text.as_bytes()).and_then(|()| output.flush()).map_err(super::save::gone)
}
