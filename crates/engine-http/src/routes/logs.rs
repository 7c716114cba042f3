//! A container's log.

use bytes::Bytes;
use docker_api::stdcopy;
use engine::{LogPiece, LogsWish};
use futures_util::stream;

use super::Outcome;
use crate::call::{Call, bad_value};
use crate::hijack;
use crate::reply::Reply;

pub(super) async fn logs(call: Call) -> Outcome {
    let tail = match call.text("tail") {
        "" | "all" => None,
        // As in Docker, what is no number is all.
        text => text.parse().ok(),
    };
    let wish = LogsWish {
        stdout: call.flag("stdout"),
        stderr: call.flag("stderr"),
        follow: call.flag("follow"),
        since: call.instant("since")?,
        until: call.instant("until")?,
        tail,
        timestamps: call.flag("timestamps"),
        details: call.flag("details"),
    };
    if !(wish.stdout || wish.stderr) {
        return Err(bad_value(format!("Bad parameters: {}", docker_api::messages::NO_STREAM)));
    }
    let log = call.engine.logs(call.caller, call.target(), wish).await?;
    let raw = log.is_tty();
    let content_type = hijack::content_type(call.head.version, raw);
    let lines = log.encoded(Box::new(move |piece, batch| add(piece, batch, !raw)));
    let batches = stream::try_unfold(lines, |mut lines| async move {
        let batch = lines.next().await.map_err(std::io::Error::other)?;
        Ok(batch.map(|batch| (Bytes::from(batch), lines)))
    });
    Ok(Reply::stream(content_type, batches))
}

/// Puts a line on its way. As in Docker, a frame holds one line: some clients take it for that.
fn add(piece: &LogPiece<'_>, batch: &mut Vec<u8>, is_framed: bool) {
    if is_framed {
        let stream = match piece.stream {
            2 => stdcopy::Stream::Stderr,
            _ => stdcopy::Stream::Stdout,
        };
        let length = (piece.prefix.len() + piece.text.len()) as u32;
        batch.extend_from_slice(&stdcopy::header(stream, length));
    }
    batch.extend_from_slice(piece.prefix);
    batch.extend_from_slice(piece.text);
}
