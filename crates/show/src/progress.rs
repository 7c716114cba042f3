//! The streams of JSON lines that pull, push, load and import answer with: on a terminal one line a
//! layer that is drawn anew, in a pipe a line each without bars.

use docker_api::{JsonMessage, Timestamp};

/// A stream said that what it tells of has failed. Displays as the engine's words.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct StreamError {
    /// The engine's words.
    pub message: String,
    /// Exit code of a build step, or 0.
    pub code: i64,
}

/// Draws one stream.
#[derive(Debug, Default)]
pub struct Progress {
    /// What has a line on the terminal, from the top.
    ids: Vec<String>,
}

impl Progress {
    /// What to write for a message; `width` is that of the terminal, if it is one.
    ///
    /// # Errors
    /// The message says that everything failed.
    pub fn draw(
        &mut self,
        message: &JsonMessage,
        width: Option<u16>,
    ) -> Result<String, StreamError> {
        // Results for programs, not for people.
        if message.aux.is_some() {
            return Ok(String::new());
        }
        let moves = self.moves(message);
        if let Some(detail) = &message.error_detail {
            let message = detail.message.clone();
            return Err(StreamError { message, code: detail.code });
        }
        if !message.error.is_empty() {
            return Err(StreamError { message: message.error.clone(), code: 0 });
        }
        let Some(width) = width else { return Ok(plain(message)) };
        let Moves { is_new, up } = moves;
        let mut text = String::new();
        if is_new {
            text.push('\n');
        }
        if up > 0 {
            text.push_str(&format!("\x1b[{up}A"));
        }
        text.push_str(&drawn(message, width));
        if up > 0 {
            text.push_str(&format!("\x1b[{up}B"));
        }
        Ok(text)
    }

    /// Where the line of a message is, counted from below.
    fn moves(&mut self, message: &JsonMessage) -> Moves {
        let is_progress = message.progress_detail.is_some() || !message.progress.is_empty();
        if message.id.is_empty() || !is_progress {
            // What stands above from now on is never drawn again.
            self.ids.clear();
            return Moves { is_new: false, up: 0 };
        }
        let known = self.ids.iter().position(|id| *id == message.id);
        let at = known.unwrap_or_else(|| {
            self.ids.push(message.id.clone());
            self.ids.len() - 1
        });
        Moves { is_new: known.is_none(), up: self.ids.len() - at }
    }
}

struct Moves {
    is_new: bool,
    up: usize,
}

/// On a terminal. Streams of text are never drawn anew.
fn drawn(message: &JsonMessage, width: u16) -> String {
    let (start, end) = match message.stream.is_empty() && message.progress_detail.is_some() {
        true => ("\x1b[2K\r", "\r"),
        false => ("", ""),
    };
    let label = label(message);
    let bar = match &message.progress_detail {
        Some(detail) => Some(detail.text(width, Timestamp::now())),
        None if message.progress.is_empty() => None,
        None => Some(message.progress.clone()),
    };
    match bar {
        Some(bar) => format!("{start}{label}{} {bar}{end}", message.status),
        None => format!("{start}{label}{}", rest(message)),
    }
}

/// In a pipe: numbers are left out.
fn plain(message: &JsonMessage) -> String {
    let has_numbers = message
        .progress_detail
        .as_ref()
        .is_some_and(|detail| detail.current > 0 || detail.total > 0);
    if has_numbers || message.progress_detail.is_none() && !message.progress.is_empty() {
        return String::new();
    }
    format!("{}{}", label(message), rest(message))
}

fn label(message: &JsonMessage) -> String {
    let mut label = String::new();
    if !message.id.is_empty() {
        label.push_str(&format!("{}: ", message.id));
    }
    if !message.from.is_empty() {
        label.push_str(&format!("(from {}) ", message.from));
    }
    label
}

fn rest(message: &JsonMessage) -> String {
    match message.stream.is_empty() {
        true => format!("{}\n", message.status),
        false => message.stream.clone(),
    }
}

#[cfg(test)]
mod tests;
