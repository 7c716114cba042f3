//! Reading and following a container's log.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use docker_api::{Timestamp, messages};
use logs::{Driver, Follower, Line, LogError, Next, Query, Reader, Stream};
use stdx::Kind;
use tokio::io::unix::AsyncFd;
use tokio::sync::oneshot;

use crate::engine::Engine;
use crate::error::{EngineError, Result};
use crate::spec::{Caller, LogPiece, LogsWish, WaitCondition, WaitOutcome};

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
        let log_config = &record.host.log_config;
        let options = log_config.config.clone().unwrap_or_default();
        if matches!(Driver::parse(&log_config.driver, &options), Ok(Driver::None)) {
            return Err(EngineError::new(
                Kind::Unsupported,
                "configured logging driver does not support reading",
            ));
        }
        let path = self.services.places(&container.id).log(&container.id);
        let query = Query {
            tail: wish.tail,
            since: wish.since.and_then(Timestamp::nanos).map(logs::Timestamp::from_nanos),
            until: wish.until.and_then(Timestamp::nanos).map(logs::Timestamp::from_nanos),
            stdout: wish.stdout,
            stderr: wish.stderr,
        };
        let source = match ended {
            Some(ended) => {
                let follower = Follower::open(&path, &query).map_err(failed)?;
                let follower = link::readable(Watched(follower))
                    .map_err(|error| EngineError::internal("failed to watch the log", error))?;
                Source::Follow { follower, ended, is_over: false }
            }
            None => Source::Read(Reader::open(&path, &query).map_err(failed)?),
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

    /// The next piece; `None` at the end. Cancel-safe.
    pub async fn next(&mut self) -> Option<Result<LogPiece>> {
        let wish = &self.wish;
        match &mut self.source {
            Source::Read(reader) => match reader.next_line() {
                Ok(line) => line.map(|line| Ok(piece(&line, wish))),
                Err(error) => Some(Err(failed(error))),
            },
            Source::Follow { follower, ended, is_over } => loop {
                match follower.get_mut().0.next_line() {
                    Ok(Next::Line(line)) => return Some(Ok(piece(&line, wish))),
                    Ok(Next::End) => return None,
                    Err(error) => return Some(Err(failed(error))),
                    Ok(Next::Pending) if *is_over => return None,
                    Ok(Next::Pending) => {}
                }
                // The monitor writes everything before it tells the end: one more look, then done.
                *is_over = wait(follower, ended, wish.until).await;
            },
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

/// Docker's order: time, attributes, text.
fn piece(line: &Line<'_>, wish: &LogsWish) -> LogPiece {
    let mut bytes = Vec::with_capacity(line.text.len() + 32);
    if wish.timestamps {
        line.time.write_fixed_to(&mut bytes);
        bytes.push(b' ');
    }
    if wish.details {
        let attributes = logs::attributes(line.attributes.unwrap_or_default());
        let pairs: Vec<String> = attributes
            .iter()
            .map(|(key, value)| format!("{}={}", escape(key), escape(value)))
            .collect();
        bytes.extend_from_slice(pairs.join(",").as_bytes());
        bytes.push(b' ');
    }
    bytes.extend_from_slice(line.text);
    let stream = match line.stream {
        Stream::Stdout => 1,
        Stream::Stderr => 2,
    };
    LogPiece { stream, bytes }
}

/// Go's `url.QueryEscape`.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match byte {
            b' ' => escaped.push('+'),
            b'-' | b'_' | b'.' | b'~' => escaped.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => escaped.push(char::from(byte)),
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes() {
        let line = Line {
            stream: Stream::Stderr,
            time: logs::Timestamp::from_nanos(1_795_470_135_913_798_473),
            text: b"tick\n",
            attributes: Some(br#"{"a":"b c","x":"1/2"}"#),
        };
        let wish = |timestamps, details| LogsWish { timestamps, details, ..LogsWish::default() };
        let text = |timestamps, details| {
            let piece = piece(&line, &wish(timestamps, details));
            assert_eq!(piece.stream, 2);
            String::from_utf8(piece.bytes).unwrap()
        };
        assert_eq!(text(false, false), "tick\n");
        assert_eq!(text(false, true), "a=b+c,x=1%2F2 tick\n");
        assert_eq!(text(true, true), "2026-11-23T21:42:15.913798473Z a=b+c,x=1%2F2 tick\n");
    }
}
