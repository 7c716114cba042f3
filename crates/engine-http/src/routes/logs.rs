//! A container's log.

use bytes::Bytes;
use docker_api::stdcopy;
use engine::{LogPiece, LogsWish};
use futures_util::stream;

use super::Outcome;
use crate::call::{Call, bad_value};
use crate::hijack;
use crate::reply::Reply;

/// What a batch of the engine's and the headers of its frames mostly take.
const BATCH_BYTES: usize = 96 << 10;

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
    let batches = stream::unfold(lines, move |mut lines| async move {
        let mut batch = Batch::new(raw, !lines.follows());
        let batch = match lines.next(|piece| batch.add(&piece)).await {
            Ok(true) => Ok(Bytes::from(batch.bytes)),
            Ok(false) => return None,
            Err(error) => Err(std::io::Error::other(error)),
        };
        Some((batch, lines))
    });
    Ok(Reply::stream(content_type, batches))
}

/// Lines on their way to a client.
struct Batch {
    bytes: Vec<u8>,
    framed: bool,
    /// Lines of one stream share a frame. Not where lines are followed: some clients take what
    /// comes live for a line a frame.
    joined: bool,
    /// The frame that more lines may join: its stream and where it begins.
    open: Option<(u8, usize)>,
}

impl Batch {
    fn new(raw: bool, joined: bool) -> Batch {
        let bytes = Vec::with_capacity(BATCH_BYTES);
        Batch { bytes, framed: !raw, joined, open: None }
    }

    fn add(&mut self, piece: &LogPiece<'_>) {
        if self.framed {
            self.frame(piece);
        }
        self.bytes.extend_from_slice(piece.prefix);
        self.bytes.extend_from_slice(piece.text);
    }

    /// Makes room in a frame.
    fn frame(&mut self, piece: &LogPiece<'_>) {
        let stream = match piece.stream {
            2 => stdcopy::Stream::Stderr,
            _ => stdcopy::Stream::Stdout,
        };
        let open = self.open.filter(|(open, _)| self.joined && *open == piece.stream);
        let begin = open.map_or(self.bytes.len(), |(_, begin)| begin);
        if open.is_none() {
            self.bytes.extend_from_slice(&[0; stdcopy::HEADER_BYTES]);
            self.open = Some((piece.stream, begin));
        }
        let before = self.bytes.len() - begin - stdcopy::HEADER_BYTES;
        let length = (before + piece.prefix.len() + piece.text.len()) as u32;
        self.bytes[begin..begin + stdcopy::HEADER_BYTES]
            .copy_from_slice(&stdcopy::header(stream, length));
    }
}
