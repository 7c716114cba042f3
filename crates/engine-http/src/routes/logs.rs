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
    let mut frames = Frames { framed: !raw, joined: !log.follows(), open: None };
    let lines = log.encoded(Box::new(move |piece, batch| frames.add(piece, batch)));
    let batches = stream::try_unfold(lines, |mut lines| async move {
        let batch = lines.next().await.map_err(std::io::Error::other)?;
        Ok(batch.map(|batch| (Bytes::from(batch), lines)))
    });
    Ok(Reply::stream(content_type, batches))
}

/// How lines are put on their way to a client.
struct Frames {
    framed: bool,
    /// Lines of one stream share a frame. Not where lines are followed: some clients take what
    /// comes live for a line a frame.
    joined: bool,
    /// The frame of this batch that more lines may join: its stream and where it begins.
    open: Option<(u8, usize)>,
}

impl Frames {
    fn add(&mut self, piece: &LogPiece<'_>, batch: &mut Vec<u8>) {
        if self.framed {
            self.frame(piece, batch);
        }
        batch.extend_from_slice(piece.prefix);
        batch.extend_from_slice(piece.text);
    }

    /// Makes room in a frame.
    fn frame(&mut self, piece: &LogPiece<'_>, batch: &mut Vec<u8>) {
        let stream = match piece.stream {
            2 => stdcopy::Stream::Stderr,
            _ => stdcopy::Stream::Stdout,
        };
        let is_new = batch.is_empty() || !self.joined;
        let open = self.open.filter(|(open, _)| !is_new && *open == piece.stream);
        let begin = open.map_or(batch.len(), |(_, begin)| begin);
        if open.is_none() {
            batch.extend_from_slice(&[0; stdcopy::HEADER_BYTES]);
            self.open = Some((piece.stream, begin));
        }
        let before = batch.len() - begin - stdcopy::HEADER_BYTES;
        let length = (before + piece.prefix.len() + piece.text.len()) as u32;
        batch[begin..begin + stdcopy::HEADER_BYTES]
            .copy_from_slice(&stdcopy::header(stream, length));
    }
}
