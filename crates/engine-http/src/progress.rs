//! What happens during a pull or a push, as the lines of JSON that Docker's clients draw.

use std::collections::HashMap;
use std::future::Future;
use std::time::{Duration, Instant};

use bytes::Bytes;
use distribution::{LayerStatus, ProgressEvent, ProgressReader, PushedTag};
use docker_api::{JsonMessage, ProgressDetail};
use engine::EngineError;
use futures_util::stream;
use hyper::StatusCode;
use tokio::task::JoinHandle;

use crate::call::Gone;
use crate::reply::{self, Reply};

/// Numbers of one layer are told at most this often, as Docker has it: no eye sees more.
const NUMBERS_INTERVAL: Duration = Duration::from_millis(100);

/// One line; Docker ends them with both characters.
pub(crate) fn line(message: &JsonMessage) -> Bytes {
    let mut line = serde_json::to_vec(message).unwrap_or_default();
    line.extend(b"\r\n");
    Bytes::from(line)
}

/// A pull or a push under way. It is stopped when its answer is not read any more, or `gone` ends.
struct Transfer {
    reader: ProgressReader,
    work: Work,
    pace: Pace,
    /// What was read already.
    first: Option<ProgressEvent>,
    is_over: bool,
}

/// A task that is stopped when nobody waits for it.
struct Work(JoinHandle<Result<Option<String>, EngineError>>);

impl Drop for Work {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The answer of a pull or a push: an error with its own status as long as nothing was told, else a
/// stream, which an error then ends. `work` gives a last line, if it has one.
pub(crate) async fn answer(
    work: impl Future<Output = Result<Option<String>, EngineError>> + Send + 'static,
    reader: ProgressReader,
    gone: Gone,
) -> Result<Reply, Reply> {
    tokio::select! {
        biased;
        reply = begin(work, reader) => reply,
        // Who left reads no answer either.
        _ = gone => Err(Reply::empty(StatusCode::NO_CONTENT)),
    }
}

async fn begin(
    work: impl Future<Output = Result<Option<String>, EngineError>> + Send + 'static,
    reader: ProgressReader,
) -> Result<Reply, Reply> {
    let work = Work(tokio::spawn(work));
    let first = reader.next().await;
    let mut transfer =
        Transfer { reader, work, pace: Pace::default(), is_over: first.is_none(), first };
    if transfer.is_over {
        let last = transfer.end().await?;
        let lines = last.map(|text| Ok(line(&JsonMessage::of_status(text))));
        return Ok(Reply::json_stream(stream::iter(lines)));
    }
    let lines = stream::unfold(transfer, |mut transfer| async move {
        Some((Ok(transfer.next().await?), transfer))
    });
    Ok(Reply::json_stream(lines))
}

impl Transfer {
    /// The next lines; `None` after the last ones.
    async fn next(&mut self) -> Option<Bytes> {
        while !self.is_over {
            let event = match self.first.take() {
                Some(first) => Some(first),
                None => self.reader.next().await,
            };
            match event {
                Some(event) if self.pace.permits(&event, Instant::now()) => {
                    return Some(lines(&event));
                }
                Some(_) => {}
                None => {
                    self.is_over = true;
                    return match self.end().await {
                        Ok(last) => last.map(|text| line(&JsonMessage::of_status(text))),
                        Err(error) => {
                            reply::tell_operator(&error);
                            Some(line(&JsonMessage::of_error(error.client_text())))
                        }
                    };
                }
            }
        }
        None
    }

    async fn end(&mut self) -> Result<Option<String>, EngineError> {
        (&mut self.work.0)
            .await
            .unwrap_or_else(|error| Err(EngineError::internal("failed to finish", error)))
    }
}

/// Leaves numbers out that come too fast.
#[derive(Default)]
struct Pace(HashMap<String, Instant>);

impl Pace {
    fn permits(&mut self, event: &ProgressEvent, now: Instant) -> bool {
        use LayerStatus::{Downloading, Extracting, Pushing};
        let ProgressEvent::Layer { id, status } = event else { return true };
        let (Downloading { current, total }
        | Extracting { current, total }
        | Pushing { current, total }) = status
        else {
            self.0.remove(id);
            return true;
        };
        let is_early = self.0.get(id).is_some_and(|last| now - *last < NUMBERS_INTERVAL);
        if is_early && current < total {
            return false;
        }
        self.0.insert(id.clone(), now);
        true
    }
}

/// What an event reads as; a tag that was pushed is told to people and to programs.
fn lines(event: &ProgressEvent) -> Bytes {
    let status = JsonMessage::of_status;
    match event {
        ProgressEvent::Pulling { path, tag } => {
            let id = tag.clone();
            line(&JsonMessage { id, ..status(format!("Pulling from {path}")) })
        }
        ProgressEvent::Pushing { repository } => {
            line(&status(format!("The push refers to repository [{repository}]")))
        }
        ProgressEvent::Layer { id, status } => line(&layer(id, status)),
        ProgressEvent::PulledDigest(digest) => line(&status(format!("Digest: {digest}"))),
        ProgressEvent::PullStatus { name, is_newer: true } => {
            line(&status(format!("Status: Downloaded newer image for {name}")))
        }
        ProgressEvent::PullStatus { name, is_newer: false } => {
            line(&status(format!("Status: Image is up to date for {name}")))
        }
        ProgressEvent::Pushed(pushed) => pushed_lines(pushed),
    }
}

fn pushed_lines(pushed: &PushedTag) -> Bytes {
    let PushedTag { tag, digest, size } = pushed;
    let text = format!("{tag}: digest: {digest} size: {size}");
    let aux = serde_json::json!({ "Tag": tag, "Digest": digest.to_string(), "Size": size });
    let result = JsonMessage {
        progress_detail: Some(ProgressDetail::default()),
        aux: Some(aux),
        ..JsonMessage::default()
    };
    [line(&JsonMessage::of_status(text)), line(&result)].concat().into()
}

fn layer(id: &str, status: &LayerStatus) -> JsonMessage {
    let step = |text: &str| JsonMessage::of_step(id, text);
    match status {
        LayerStatus::PullingFsLayer => step("Pulling fs layer"),
        LayerStatus::Waiting => step("Waiting"),
        LayerStatus::Downloading { current, total } => {
            JsonMessage::of_bytes(id, "Downloading", *current, *total)
        }
        LayerStatus::Retrying { seconds: 1 } => step("Retrying in 1 second"),
        LayerStatus::Retrying { seconds } => step(&format!("Retrying in {seconds} seconds")),
        LayerStatus::VerifyingChecksum => step("Verifying Checksum"),
        LayerStatus::DownloadComplete => step("Download complete"),
        LayerStatus::Extracting { current, total } => {
            JsonMessage::of_bytes(id, "Extracting", *current, *total)
        }
        LayerStatus::PullComplete => step("Pull complete"),
        LayerStatus::AlreadyExists => step("Already exists"),
        LayerStatus::Preparing => step("Preparing"),
        LayerStatus::Pushing { current, total } => {
            JsonMessage::of_bytes(id, "Pushing", *current, *total)
        }
        LayerStatus::Pushed => step("Pushed"),
        LayerStatus::LayerAlreadyExists => step("Layer already exists"),
        LayerStatus::MountedFrom(path) => step(&format!("Mounted from {path}")),
    }
}

#[cfg(test)]
mod tests;
