//! Reading and following a container's log.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use docker_api::{Timestamp, messages};
use logs::{Follower, Format, Line, LogError, Next, Query, Reader, Stream};
use stdx::Kind;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::task::JoinHandle;

use crate::container::log;
use crate::engine::Engine;
use crate::error::{EngineError, Result};
use crate::log_reading::{LogReading, Watched};
use crate::spec::{Caller, LogPiece, LogsWish, WaitCondition, WaitOutcome};

/// What is given at a time: enough that its way to the client costs little, little enough that a
/// client that takes nothing costs nothing.
const BATCH_BYTES: usize = 256 << 10;

/// What a batch and a line behind it mostly take.
const BATCH_ROOM: usize = BATCH_BYTES + (20 << 10);

/// Reads in one turn, of 128 KiB each, that need not find a line: some milliseconds.
const TURN_READS_MAX: usize = 32;

/// How a client wants its lines: appends one to a batch, which is empty at first.
pub type Encoder = Box<dyn FnMut(&LogPiece<'_>, &mut Vec<u8>) + Send + Sync>;

impl Engine {
    /// Opens a container's log. Errors (400 without a stream, 404) come before the first piece.
    pub async fn logs(&self, caller: Caller, id: &str, wish: LogsWish) -> Result<Log> {
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
        let reading = Arc::clone(&self.services.log_reading);
        // Watched before it is opened: a change in between is not missed.
        let following = match ended {
            Some(ended) => {
                let watched = reading.watch(&path)?;
                Some(Following { watched, ended, until: wish.until, is_over: false })
            }
            None => None,
        };
        let log = Log::open(reading, path, format, wish, following).await?;
        Ok(Log { tty: record.config.tty, ..log })
    }
}

fn query(wish: &LogsWish) -> Query {
    let nanos = |time: Option<Timestamp>| time.and_then(Timestamp::nanos);
    Query {
        tail: wish.tail,
        since: nanos(wish.since).map(logs::Timestamp::from_nanos),
        until: nanos(wish.until).map(logs::Timestamp::from_nanos),
        stdout: wish.stdout,
        stderr: wish.stderr,
    }
}

/// Opens a log. A long tail of a compressed one is searched from its beginning.
async fn open(
    reading: &LogReading,
    stop: &Stop,
    path: PathBuf,
    format: Format,
    query: Query,
    follow: bool,
) -> Result<Source> {
    let turn = reading.turn().await?;
    let stop = Arc::clone(&stop.0);
    let work = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let stop = || stop.load(Ordering::Relaxed);
        match follow {
            true => Follower::open_unless(&path, format, &query, &stop).map(Source::Follow),
            false => Reader::open_unless(&path, format, &query, &stop).map(Source::Read),
        }
    });
    work.await.map_err(ended_badly)?.map_err(failed)
}

fn failed(error: LogError) -> EngineError {
    EngineError::internal("failed to read the log", error)
}

fn ended_badly(error: tokio::task::JoinError) -> EngineError {
    EngineError::internal("failed to read the log", error)
}

/// A log that is open. See [`Engine::logs`].
pub struct Log {
    source: Source,
    following: Option<Following>,
    reading: Arc<LogReading>,
    stop: Stop,
    tty: bool,
    wish: LogsWish,
}

impl Log {
    /// What was logged so far, as it is.
    pub(super) async fn of_the_past(
        reading: Arc<LogReading>,
        path: PathBuf,
        format: Format,
        wish: LogsWish,
    ) -> Result<Log> {
        Log::open(reading, path, format, wish, None).await
    }

    async fn open(
        reading: Arc<LogReading>,
        path: PathBuf,
        format: Format,
        wish: LogsWish,
        following: Option<Following>,
    ) -> Result<Log> {
        let (stop, query) = (Stop::default(), query(&wish));
        let source = open(&reading, &stop, path, format, query, following.is_some()).await?;
        Ok(Log { source, following, reading, stop, tty: false, wish })
    }

    /// The container has a terminal: pieces are sent as they are, not framed.
    pub fn is_tty(&self) -> bool {
        self.tty
    }

    /// Its lines, as `encode` writes them.
    pub fn encoded(self, encode: Encoder) -> LogStream {
        let stop = Arc::clone(&self.stop.0);
        let work = Work { source: self.source, wish: self.wish, prefix: Vec::new(), encode, stop };
        LogStream {
            work: Some(Box::new(work)),
            running: None,
            then: Then::More,
            following: self.following,
            reading: self.reading,
            _stop: self.stop,
        }
    }
}

/// Batches of lines. They are read on blocking threads, in turns, one batch ahead of the client.
pub struct LogStream {
    /// What reads, when it does not run.
    work: Option<Box<Work>>,
    running: Option<JoinHandle<Turn>>,
    then: Then,
    following: Option<Following>,
    reading: Arc<LogReading>,
    _stop: Stop,
}

/// What reads, what it has found, and what comes after that.
type Turn = (Box<Work>, Vec<u8>, Result<Then>);

/// Stops the reading when the client is gone.
#[derive(Default)]
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What comes after a batch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Then {
    More,
    /// Nothing before the log changes.
    Pending,
    End,
}

/// What is known of the writer.
struct Following {
    watched: Watched,
    ended: oneshot::Receiver<WaitOutcome>,
    until: Option<Timestamp>,
    is_over: bool,
}

enum Source {
    Read(Reader),
    Follow(Follower),
}

/// What reads and encodes.
struct Work {
    source: Source,
    wish: LogsWish,
    prefix: Vec<u8>,
    encode: Encoder,
    stop: Arc<AtomicBool>,
}

impl LogStream {
    /// The next batch, after waiting until there is something; `None` at the end. Cancel-safe.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>> {
        loop {
            if self.running.is_none() {
                match (self.then, &mut self.following) {
                    (Then::More, _) => {}
                    // The monitor writes everything before it tells the end: one more look, then
                    // done.
                    (Then::Pending, Some(following)) if !following.is_over => {
                        following.wait().await;
                        self.then = Then::More;
                    }
                    (Then::Pending | Then::End, _) => return Ok(None),
                }
                let turn = self.reading.turn().await?;
                self.run(turn);
            }
            let Some(running) = &mut self.running else { continue };
            let done = running.await;
            self.running = None;
            let (work, batch, then) = done.map_err(ended_badly)?;
            self.work = Some(work);
            self.then = then?;
            if batch.is_empty() {
                continue;
            }
            if self.then == Then::More
                && let Some(turn) = self.reading.free_turn()
            {
                self.run(turn);
            }
            return Ok(Some(batch));
        }
    }

    fn run(&mut self, turn: OwnedSemaphorePermit) {
        self.running = self.work.take().map(|mut work| {
            tokio::task::spawn_blocking(move || {
                let _turn = turn;
                let mut batch = Vec::new();
                let then = work.fill(&mut batch);
                (work, batch, then)
            })
        });
    }
}

impl Following {
    /// Waits for more, or for the end.
    async fn wait(&mut self) {
        let past_until = async {
            match self.until {
                Some(until) => tokio::time::sleep(until.since(Timestamp::now())).await,
                None => std::future::pending().await,
            }
        };
        self.is_over = tokio::select! {
            () = self.watched.changed() => false,
            _ = &mut self.ended => true,
            () = past_until => true,
        };
    }
}

impl Work {
    /// Fills a batch: up to [`BATCH_BYTES`] and a line.
    fn fill(&mut self, batch: &mut Vec<u8>) -> Result<Then> {
        let mut reads = 0;
        while batch.len() < BATCH_BYTES {
            let next = match &mut self.source {
                Source::Read(reader) => reader.step(),
                Source::Follow(follower) => follower.step(),
            };
            match next.map_err(failed)? {
                Next::Line(line) => {
                    if batch.capacity() == 0 && !self.wish.follow {
                        batch.reserve(BATCH_ROOM);
                    }
                    (self.encode)(&piece(&line, &self.wish, &mut self.prefix), batch);
                }
                Next::More => {
                    reads += 1;
                    if reads > TURN_READS_MAX || self.stop.load(Ordering::Relaxed) {
                        break;
                    }
                }
                Next::Pending => return Ok(Then::Pending),
                Next::End => return Ok(Then::End),
            }
        }
        Ok(Then::More)
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
