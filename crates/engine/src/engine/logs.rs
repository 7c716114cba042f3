//! Reading and following a container's log.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use docker_api::{Timestamp, messages};
use logs::{Follower, Line, LogError, Next, Query, Reader, Stream};
use stdx::Kind;
use tokio::io::unix::AsyncFd;
use tokio::sync::oneshot;

use crate::container::log;
use crate::engine::Engine;
use crate::error::{EngineError, Result};
use crate::spec::{Caller, LogPiece, LogsWish, WaitCondition, WaitOutcome};

/// What is given at a time: enough that its way to the client costs little, little enough that a
/// client that takes nothing costs nothing.
const BATCH_BYTES: usize = 64 << 10;

/// What a piece costs besides its text: empty lines are something too.
const PIECE_BYTES: usize = 16;

impl Engine {
    /// Opens a container's log. Errors (400 without a stream, 404) come before the first piece.
    pub async fn logs(&self, caller: Caller, id: &str, wish: LogsWish) -> Result<LogStream> {
        tracing::debug!(id, caller_uid = caller.uid, "logs");
        let container = self.find(id)?;
        if !wish.stdout && !wish.stderr {
            return Err(EngineError::invalid(messages::NO_STREAM));
        }
        // Registered before anything is read: an end in between is not missed.
        let (record, ended) = {
            let mut view = container.view();
            let runs = view.record.state.state.has_process() || view.starting;
            let ended =
                (wish.follow && runs).then(|| view.waiters.register(WaitCondition::NextExit));
            (view.record.clone(), ended)
        };
        let Some(format) = log::format(&record) else {
            return Err(EngineError::new(
                Kind::Unsupported,
                "configured logging driver does not support reading",
            ));
        };
        let path = self.services.places(&container.id).log(&container.id, format);
        let query = Query {
            tail: wish.tail,
            since: wish.since.and_then(Timestamp::nanos).map(logs::Timestamp::from_nanos),
            until: wish.until.and_then(Timestamp::nanos).map(logs::Timestamp::from_nanos),
            stdout: wish.stdout,
            stderr: wish.stderr,
        };
        let source = match ended {
            Some(ended) => {
                let follower = Follower::open(&path, format, &query).map_err(failed)?;
                let follower = link::readable(Watched(follower))
                    .map_err(|error| EngineError::internal("failed to watch the log", error))?;
                Source::Follow { follower, ended, is_over: false }
            }
            None => Source::Read(Reader::open(&path, format, &query).map_err(failed)?),
        };
        Ok(LogStream { source, tty: record.config.tty, wish })
    }
}

fn failed(error: LogError) -> EngineError {
    EngineError::internal("failed to read the log", error)
}

/// See [`Engine::logs`].
pub struct LogStream {
    source: Source,
    tty: bool,
    wish: LogsWish,
}

enum Source {
    Read(Reader),
    Follow { follower: AsyncFd<Watched>, ended: oneshot::Receiver<WaitOutcome>, is_over: bool },
}

/// tokio asks for a number, and keeps the follower as long as it uses it.
struct Watched(Follower);

impl AsRawFd for Watched {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl AsFd for Watched {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl LogStream {
    /// The container has a terminal: pieces are sent as they are, not framed.
    pub fn is_tty(&self) -> bool {
        self.tty
    }

    /// Lines that will still come are followed.
    pub fn follows(&self) -> bool {
        matches!(self.source, Source::Follow { .. })
    }

    /// Gives what there is to `take`, up to [`BATCH_BYTES`] and a line, after waiting until there
    /// is something; `false` at the end. Cancel-safe.
    pub async fn next(&mut self, mut take: impl FnMut(LogPiece<'_>)) -> Result<bool> {
        let (mut prefix, mut taken) = (Vec::new(), 0);
        loop {
            while taken < BATCH_BYTES {
                let line = match &mut self.source {
                    Source::Read(reader) => match reader.next_line().map_err(failed)? {
                        Some(line) => line,
                        None => return Ok(taken > 0),
                    },
                    Source::Follow { follower, is_over, .. } => {
                        match follower.get_mut().0.next_line().map_err(failed)? {
                            Next::Line(line) => line,
                            Next::Pending if taken == 0 && !*is_over => break,
                            Next::Pending | Next::End => return Ok(taken > 0),
                        }
                    }
                };
                taken += PIECE_BYTES + line.text.len();
                take(piece(&line, &self.wish, &mut prefix));
            }
            let Source::Follow { follower, ended, is_over } = &mut self.source else {
                return Ok(true);
            };
            if taken > 0 {
                return Ok(true);
            }
            // The monitor writes everything before it tells the end: one more look, then done.
            *is_over = wait(follower, ended, self.wish.until).await;
        }
    }
}

/// Waits for more, or for the end; whether it is the end.
async fn wait(
    follower: &AsyncFd<Watched>,
    ended: &mut oneshot::Receiver<WaitOutcome>,
    until: Option<Timestamp>,
) -> bool {
    let past_until = async {
        match until {
            Some(until) => tokio::time::sleep(until.since(Timestamp::now())).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        ready = follower.readable() => {
            if let Ok(mut guard) = ready {
                guard.clear_ready();
            }
            false
        }
        _ = ended => true,
        () = past_until => true,
    }
}

fn piece<'a>(line: &Line<'a>, wish: &LogsWish, prefix: &'a mut Vec<u8>) -> LogPiece<'a> {
    line.prefix(wish.timestamps, wish.details, prefix);
    let stream = match line.stream {
        Stream::Stdout => 1,
        Stream::Stderr => 2,
    };
    LogPiece { stream, prefix, text: line.text }
}
