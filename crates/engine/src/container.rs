//! One container: the handle that everybody has, and the task that owns its state.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use docker_api::query::Grace;
use docker_api::{Health, UpdateRequest};
use monitor::protocol::{AttachSpec, Observed};
use runtime::plan::TerminalSize;
use tokio::sync::{mpsc, oneshot};

pub mod exec;
pub mod exit;
mod health;
mod launch;
pub mod log;
pub mod observation;
mod pause;
pub mod record;
mod remove;
pub mod restart;
pub mod state;
mod stop;
pub mod task;
mod update;
pub mod waiters;

use self::exec::Exec;
use self::record::ContainerRecord;
use self::state::{Action, Request, transition};
use self::waiters::Waiters;
use crate::error::{EngineError, Result};
use crate::spec::Caller;

/// Requests that wait for a container's task; more callers than this wait in line.
const MAILBOX: usize = 64;

/// How an asked task answers.
pub type Reply = oneshot::Sender<Result<()>>;

/// A client that is attached when its connection is there.
pub type Queued = oneshot::Receiver<(AttachSpec, OwnedFd)>;

/// A container, for everybody but its task.
#[derive(Debug)]
pub struct Container {
    /// 64 hexadecimal digits.
    pub id: String,
    mailbox: mpsc::Sender<Message>,
    view: Mutex<View>,
}

/// What readers see; published by the task after every change.
#[derive(Debug)]
pub struct View {
    /// The record as of now.
    pub record: Arc<ContainerRecord>,
    /// A start is under way: who attaches now belongs to it.
    pub starting: bool,
    /// Its execs.
    pub execs: BTreeMap<String, Exec>,
    /// Results of health probes, when there are any.
    pub health: Option<Health>,
    /// Who waits.
    pub waiters: Waiters,
    /// Clients attached before the next start.
    pub queued: Vec<Queued>,
}

/// What a task is asked.
#[derive(Debug)]
pub enum Message {
    /// See [`crate::Engine::start`].
    Start(Ask),
    /// See [`crate::Engine::stop`].
    Stop(Ask, StopWish),
    /// See [`crate::Engine::restart`].
    Restart(Ask, StopWish),
    /// See [`crate::Engine::kill`]: a signal by number.
    Kill(Ask, i32),
    /// See [`crate::Engine::pause`].
    Pause(Ask),
    /// See [`crate::Engine::unpause`].
    Unpause(Ask),
    /// See [`crate::Engine::remove`].
    Remove(Ask, bool),
    /// See [`crate::Engine::rename`]: the name is reserved already.
    Rename(Ask, String),
    /// See [`crate::Engine::update`].
    Update(Ask, Box<UpdateRequest>),
    /// See [`crate::Engine::resize`].
    Resize(Ask, TerminalSize),
    /// A client to attach to a running container.
    Attach(Ask, AttachSpec, OwnedFd),
    /// Start an exec; with its client.
    Exec(Ask, String, Option<TerminalSize>, Option<(AttachSpec, OwnedFd)>),
    /// New size of an exec's terminal.
    ExecResize(Ask, String, TerminalSize),
    /// Answer when all is known that the monitor has said so far.
    Settle(oneshot::Sender<()>),
    /// Note what its programs use, from now on.
    Observe(Ask),
    /// Answer with what was noted, or with `None`; with `true`, note no more.
    Observed(bool, oneshot::Sender<Option<Observed>>),
    /// The engine closes; the container runs on.
    Close,
}

/// Who asks, under which name, and where the answer goes.
#[derive(Debug)]
pub struct Ask {
    /// Who.
    pub caller: Caller,
    /// What the caller called the container.
    pub called: String,
    /// The answer.
    pub reply: Reply,
}

/// How to stop.
#[derive(Clone, Copy, Debug)]
pub struct StopWish {
    /// Signal; `None`: the container's own.
    pub signal: Option<i32>,
    /// Grace; `None`: the container's own.
    pub grace: Option<Grace>,
}

impl Container {
    /// A handle and the other end of its mailbox.
    pub fn new(record: ContainerRecord) -> (Arc<Container>, mpsc::Receiver<Message>) {
        let (mailbox, receiver) = mpsc::channel(MAILBOX);
        let (id, health) = (record.id.clone(), record.state.health.clone());
        let view = View {
            record: Arc::new(record),
            starting: false,
            execs: BTreeMap::new(),
            health,
            waiters: Waiters::default(),
            queued: Vec::new(),
        };
        (Arc::new(Container { id, mailbox, view: Mutex::new(view) }), receiver)
    }

    /// What readers see. Never held across an await.
    pub fn view(&self) -> MutexGuard<'_, View> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The record as of now.
    pub fn record(&self) -> Arc<ContainerRecord> {
        self.view().record.clone()
    }

    /// Whether a request is legal as of now; the task asks again when it comes to it.
    pub fn permits(&self, request: Request, called: &str) -> Result<Action> {
        let state = self.view().record.state.state;
        transition(state, request).map_err(|refusal| refusal.into_error(&self.id, called))
    }

    /// Asks the task, and waits for its answer.
    pub async fn ask(
        &self,
        caller: Caller,
        called: &str,
        message: impl FnOnce(Ask) -> Message,
    ) -> Result<()> {
        let (reply, answer) = oneshot::channel();
        let ask = Ask { caller, called: called.to_owned(), reply };
        let gone = || EngineError::not_found(docker_api::messages::no_such_container(called));
        self.mailbox.send(message(ask)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    /// Waits until everything that the monitor has said so far is known here. A client that saw
    /// the end of a stream may ask for its exit code before the task has heard of it.
    pub async fn settle(&self) {
        let (reply, answer) = oneshot::channel();
        // A task that has ended has heard everything.
        if self.mailbox.send(Message::Settle(reply)).await.is_ok() {
            drop(answer.await);
        }
    }

    /// What was noted of the present run; `None` when nothing is. With `end`, the noting ends.
    pub async fn observed(&self, end: bool) -> Option<Observed> {
        let (reply, answer) = oneshot::channel();
        self.mailbox.send(Message::Observed(end, reply)).await.ok()?;
        answer.await.ok().flatten()
    }

    /// Tells the task that the engine closes.
    pub async fn close(&self) {
        // A task that has ended needs not be told.
        drop(self.mailbox.send(Message::Close).await);
    }
}
