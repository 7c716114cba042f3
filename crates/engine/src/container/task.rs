//! The task that owns a container's state: its loop, its clock, its record.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use monitor::protocol::{Event, Observed, Request as Order};
use stdx::Kind;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::exit::Ending;
use super::health::Prober;
use super::launch::Starting;
use super::record::{ContainerRecord, Places};
use super::restart::Backoff;
use super::state::{Action, Request, State, transition};
use super::stop::Stopping;
use super::{Ask, Container, Message, Reply};
use crate::error::{EngineError, Result};
use crate::services::Services;
use link::{Link, LinkError, Watch};

/// Owns one container.
pub struct Task {
    pub(super) services: Arc<Services>,
    pub(super) container: Arc<Container>,
    pub(super) mailbox: mpsc::Receiver<Message>,
    pub(super) record: ContainerRecord,
    pub(super) places: Places,
    /// The monitor, while there is a process.
    pub(super) link: Option<Link>,
    /// The process itself, when its monitor died.
    pub(super) watch: Option<Watch>,
    pub(super) starting: Option<Starting>,
    pub(super) stopping: Option<Stopping>,
    /// When the policy starts it again.
    pub(super) restart_at: Option<Instant>,
    pub(super) backoff: Backoff,
    /// What is left of the last run is being cleared away.
    pub(super) cleanup: Option<JoinHandle<()>>,
    /// Who waits for an exec to run.
    pub(super) exec_replies: HashMap<String, (Reply, bool)>,
    pub(super) prober: Option<Prober>,
    /// Who waits for the monitor's next `Hello`: it comes behind all that was said before.
    settling: Vec<oneshot::Sender<()>>,
    /// Who waits for the monitor's next `Observed`.
    pub(super) observing: VecDeque<(bool, oneshot::Sender<Option<Observed>>)>,
}

/// Whether the task goes on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Flow {
    /// It does.
    Continue,
    /// The container is removed, or the engine closes.
    End,
}

/// An event, the end of the stream, or its failure.
type Heard = std::result::Result<Option<Event>, LinkError>;

/// What comes next.
enum Next {
    Message(Option<Message>),
    Monitor(Heard),
    ProcessEnded,
    Timer,
    Probe(super::health::Outcome),
}

impl Task {
    /// For a container that does not run, or whose monitor is `link`, or which is watched.
    pub fn new(
        services: Arc<Services>,
        container: Arc<Container>,
        mailbox: mpsc::Receiver<Message>,
        record: ContainerRecord,
        link: Option<Link>,
        watch: Option<Watch>,
    ) -> Task {
        let places = services.places(&record.id);
        Task {
            services,
            container,
            mailbox,
            record,
            places,
            link,
            watch,
            starting: None,
            stopping: None,
            restart_at: None,
            backoff: Backoff::default(),
            cleanup: None,
            exec_replies: HashMap::new(),
            prober: None,
            settling: Vec::new(),
            observing: VecDeque::new(),
        }
    }

    /// Runs until the container is removed or the engine closes. `first` is what recovery found
    /// to be done at once.
    pub async fn run(mut self, first: super::exit::FirstStep) {
        self.services.count(&self.record);
        if self.first_step(first).await == Flow::End {
            return;
        }
        loop {
            let next = self.next().await;
            let flow = match next {
                Next::Message(Some(message)) => self.handle(message).await,
                Next::Message(None) => Flow::End,
                Next::Monitor(Ok(Some(event))) => self.on_event(event).await,
                Next::Monitor(Ok(None)) => self.on_monitor_gone(None).await,
                Next::Monitor(Err(error)) => self.on_monitor_gone(Some(error)).await,
                Next::ProcessEnded => {
                    let code = match &self.watch {
                        Some(watch) => watch.exit_code().await,
                        None => None,
                    };
                    self.on_exit(Ending::unheard(code)).await
                }
                Next::Timer => self.on_timer().await,
                Next::Probe(outcome) => self.on_probe(outcome).await,
            };
            if flow == Flow::End {
                return;
            }
        }
    }

    async fn next(&mut self) -> Next {
        let deadline = self.next_deadline();
        // While a start is under way its outcome decides what the next request means.
        let listens = self.starting.is_none();
        tokio::select! {
            event = next_event(&mut self.link), if self.link.is_some() => Next::Monitor(event),
            () = ended(&self.watch), if self.watch.is_some() => Next::ProcessEnded,
            outcome = Prober::outcome(&mut self.prober), if self.prober.is_some() => {
                Next::Probe(outcome)
            }
            message = self.mailbox.recv(), if listens => Next::Message(message),
            () = sleep_until(deadline), if deadline.is_some() => Next::Timer,
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let starting = self.starting.as_ref().map(|starting| starting.deadline);
        let stopping = self.stopping.as_ref().and_then(|stopping| stopping.deadline);
        [starting, stopping, self.restart_at].into_iter().flatten().min()
    }

    async fn on_timer(&mut self) -> Flow {
        let now = Instant::now();
        let due = |deadline: Option<Instant>| deadline.is_some_and(|deadline| deadline <= now);
        if due(self.starting.as_ref().map(|starting| starting.deadline)) {
            return self.start_timed_out().await;
        }
        if due(self.stopping.as_ref().and_then(|stopping| stopping.deadline)) {
            self.stop_harder().await;
        }
        if due(self.restart_at) {
            self.restart_at = None;
            return self.launch_by_policy().await;
        }
        Flow::Continue
    }

    async fn handle(&mut self, message: Message) -> Flow {
        match message {
            Message::Start(ask) => return self.start(ask).await,
            Message::Stop(ask, wish) => self.stop(ask, wish).await,
            Message::Restart(ask, wish) => return self.restart(ask, wish).await,
            Message::Kill(ask, signal) => self.kill(ask, signal).await,
            Message::Pause(ask) => self.pause(ask).await,
            Message::Unpause(ask) => self.unpause(ask).await,
            Message::Remove(ask, force) => return self.remove(ask, force).await,
            Message::Rename(ask, name) => self.rename(ask, name),
            Message::Update(ask, wish) => self.update(ask, &wish).await,
            Message::Resize(ask, size) => self.resize(ask, size).await,
            Message::Attach(ask, spec, client) => {
                let done = self.order(&Order::Attach(spec), Some(&client)).await;
                answer(ask.reply, done);
            }
            Message::Exec(ask, exec_id, size, client) => {
                self.exec(ask, exec_id, size, client).await;
            }
            Message::ExecResize(ask, exec_id, size) => {
                let done = self.order(&Order::ExecResize { exec_id, size }, None).await;
                answer(ask.reply, done);
            }
            Message::Settle(reply) => {
                let hello = Order::Hello { protocol: monitor::protocol::PROTOCOL };
                // Without a monitor there is nothing to wait for: dropping the reply says so.
                if self.order(&hello, None).await.is_ok() {
                    self.settling.push(reply);
                }
            }
            Message::Observe(ask) => self.observe(ask).await,
            Message::Observed(end, reply) => self.ask_observed(end, reply).await,
            Message::Close => return Flow::End,
        }
        Flow::Continue
    }

    async fn on_event(&mut self, event: Event) -> Flow {
        match event {
            Event::Hello { .. } => self.settled(),
            Event::Started { pid, started_ns } => self.on_started(pid, started_ns).await,
            Event::StartFailed(failure) => return self.on_start_failed(&failure).await,
            Event::Exited(record) => {
                return match record.failure.clone() {
                    Some(failure) if self.starting.is_some() => {
                        self.on_start_failed(&failure).await
                    }
                    _ => self.on_exit(Ending::of(record)).await,
                };
            }
            Event::Detached { by_keys: true, .. } => {
                let caller = crate::spec::Caller::ENGINE;
                self.services.events.container(caller, &self.record, "detach", &[]);
            }
            Event::Detached { .. } => {}
            Event::ExecStarted { exec_id, pid } => self.on_exec_started(&exec_id, pid),
            Event::ExecFailed { exec_id, failure } => self.on_exec_failed(&exec_id, &failure),
            Event::Observed(observed) => self.on_observed(observed),
            Event::ExecExited(exit) => self.on_exec_exited(&exit.exec_id, exit.code),
        }
        Flow::Continue
    }

    /// Nothing more is to be heard: dropping a sender is an answer.
    pub(super) fn settled(&mut self) {
        self.settling.clear();
        if self.link.is_none() {
            self.observing.clear();
        }
    }

    /// Whether a request is legal now; answers it when it is not.
    pub(super) fn permit(&self, request: Request, ask: Ask) -> Option<(Action, Ask)> {
        match transition(self.record.state.state, request) {
            Ok(action) => Some((action, ask)),
            Err(refusal) => {
                let error = refusal.into_error(&self.record.id, &ask.called);
                answer(ask.reply, Err(error));
                None
            }
        }
    }

    /// Tells the monitor to do something.
    pub(super) async fn order(
        &mut self,
        order: &Order,
        fd: Option<&std::os::fd::OwnedFd>,
    ) -> Result<()> {
        use std::os::fd::AsFd;
        let Some(link) = self.link.as_mut() else {
            return Err(match self.watch {
                Some(_) => EngineError::new(
                    Kind::Unavailable,
                    format!(
                        "the monitor of container {} has died: it runs on, but only stop, kill, \
                         pause and remove work; restart it to repair it",
                        self.record.id
                    ),
                ),
                None => EngineError::conflict(docker_api::messages::not_running(&self.record.id)),
            });
        };
        link.send(order, fd.map(AsFd::as_fd)).await.map_err(|error| {
            EngineError::internal("failed to give an order to the container's monitor", error)
        })
    }

    /// Sends a signal to the first process, through its monitor or past it.
    pub(super) async fn signal(&mut self, signal: i32) -> Result<()> {
        let past = |watch: &link::Watch| {
            watch.signal(signal).map_err(|error| {
                EngineError::internal("failed to signal the container's process", error)
            })
        };
        if let Some(watch) = &self.watch {
            return past(watch);
        }
        let ordered = self.order(&Order::Signal { signal }, None).await;
        let (Err(_), Some(_)) = (&ordered, &self.link) else { return ordered };
        // The monitor has died, which we are about to hear; the process is still there.
        let state = &self.record.state;
        link::Watch::new(state.pid, state.start_ticks).map_or(ordered, |watch| past(&watch))
    }

    /// Makes the record visible.
    pub(super) fn publish(&self) {
        self.container.view().record = Arc::new(self.record.clone());
        self.services.count(&self.record);
    }

    /// Writes the record, then makes it visible.
    pub(super) fn save(&self) -> Result<()> {
        self.services.records.put(&self.record)?;
        self.publish();
        Ok(())
    }

    /// [`Task::save`] where there is nobody to tell: what happened stays true in memory, and the
    /// next change writes it, too.
    pub(super) fn save_or_log(&self) -> bool {
        let saved = self.services.records.put(&self.record);
        if let Err(error) = &saved {
            let error = stdx::error::chain(error).to_string();
            tracing::error!(container = self.record.id, error, "a record could not be written");
        }
        self.publish();
        saved.is_ok()
    }

    /// Waits until what is left of the last run is gone.
    pub(super) async fn finish_cleanup(&mut self) {
        if let Some(cleanup) = self.cleanup.take() {
            // It reports its own failures; a panic in it was logged by the runtime.
            drop(cleanup.await);
        }
    }

    pub(super) fn cgroup_path(&self) -> String {
        self.services.cgroup_path(&self.record)
    }

    pub(super) fn state(&self) -> State {
        self.record.state.state
    }
}

/// Who asked may be gone; that is no concern of the container.
pub(super) fn answer(reply: Reply, result: Result<()>) {
    drop(reply.send(result));
}

async fn next_event(link: &mut Option<Link>) -> Heard {
    match link {
        Some(link) => link.next().await,
        None => std::future::pending().await,
    }
}

async fn ended(watch: &Option<Watch>) {
    match watch {
        Some(watch) => watch.ended().await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    // Without a deadline this is never polled.
    tokio::time::sleep_until(
        deadline.unwrap_or_else(|| Instant::now() + Duration::from_secs(86_400)),
    )
    .await;
}
