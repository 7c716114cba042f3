//! A container's log.

use bytes::Bytes;
use docker_api::stdcopy;
use engine::LogsWish;
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
    let lines = call.engine.logs(call.caller, call.target(), wish).await?;
    let raw = lines.is_tty();
    let content_type = hijack::content_type(call.head.version, raw);
    let pieces = stream::unfold(lines, move |mut lines| async move {
        let piece = match lines.next().await? {
            Ok(piece) if raw => Ok(Bytes::from(piece.bytes)),
            Ok(piece) => {
                let mut framed = Vec::with_capacity(piece.bytes.len() + stdcopy::HEADER_BYTES);
                let stream = match piece.stream {
                    2 => stdcopy::Stream::Stderr,
                    _ => stdcopy::Stream::Stdout,
                };
                stdcopy::encode(stream, &piece.bytes, &mut framed);
                Ok(Bytes::from(framed))
            }
            Err(error) => Err(std::io::Error::other(error)),
        };
        Some((piece, lines))
    });
    Ok(Reply::stream(content_type, pieces))
}
