//! The monitor: from the start of a container to its end.

use std::fmt::Display;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use cgroup::{Cgroup, Hierarchy};
use runtime::failure::{Failure, FailureKind};
use runtime::foreign::Foreign;
use runtime::launch::claim_files;
use runtime::plan::Namespace;
use sys::process::Exit;
use sys::rustix::event::{PollFd, PollFlags, Timespec, poll};
use sys::rustix::io::Errno;

use crate::begin::{self, Begun, begin};
use crate::client::Client;
use crate::connection::Connection;
use crate::execs::{Execs, Launcher};
use crate::leftovers::Rest;
use crate::observe::Observer;
use crate::output::Log;
use crate::protocol::{Event, ExitRecord, Observed, PROTOCOL, Request, SpawnRequest};
use crate::records::{self, now_ns};
use crate::streams::{Source, Streams};

/// How long clients may take for the last output after the container's end.
const LAST_OUTPUT: Duration = Duration::from_secs(30);

/// How long output is waited for after the end: whoever still holds the streams is outside the
/// container's process ids (`--pid=host`) and was killed with the cgroup.
pub(crate) const OUTPUT_AFTER_EXIT: Duration = Duration::from_secs(2);

/// How long the container's cgroup may take to empty itself.
const CGROUP_REMOVAL: Duration = Duration::from_secs(5);

/// A container that has run for so long will probably go on: memory that its start took is given
/// back. Those that only run a command are not held up by it.
const CALM: Duration = Duration::from_secs(1);

/// Enough for any engine and its successor; more would be a fault.
const CONNECTIONS_MAX: usize = 8;

struct Monitor<'a> {
    request: SpawnRequest,
    hierarchy: &'a Hierarchy,
    listener: UnixListener,
    connections: Vec<Connection>,
    streams: Streams,
    log: Log,
    execs: Execs,
    pid: i32,
    pidfd: OwnedFd,
    cgroup: Option<Cgroup>,
    /// What tells of the processes that its first one leaves.
    rest: Rest,
    /// The other runtime, if one started the container.
    foreign: Option<Foreign>,
    /// Keeps other writers from the container's files while it runs.
    files: Option<OwnedFd>,
    /// Readable when a child ended that may be one of nobody's: runtimes leave some to us.
    orphans: Option<OwnedFd>,
    started_ns: i64,
    /// What notes what the container uses, or why it cannot.
    observer: Option<Result<Observer, Failure>>,
    /// The first process has been reaped.
    ended: bool,
}

/// What to poll next.
enum Watched {
    Listener,
    Connection(usize),
    Init,
    Orphans,
    Main(Source),
    ExecEnd,
    Exec(usize, Source),
    Log,
}

/// Starts the container of a request and stays until it has ended.
pub(crate) fn hold(request: SpawnRequest, fds: Vec<OwnedFd>, hierarchy: &Hierarchy) {
    prepare_process();
    let mut fds = fds.into_iter();
    let Some(control) = fds.next() else { return };
    let mut connection = Connection::new(control);
    let started_ns = now_ns();
    let run_dir = request.run_dir.clone();
    match Monitor::start(request, connection, fds.collect(), hierarchy, started_ns) {
        Ok(monitor) => monitor.run(),
        Err((failure, back)) => {
            connection = back;
            let record = ExitRecord {
                code: failure_code(failure.kind),
                oom_killed: false,
                started_ns,
                finished_ns: now_ns(),
                execs_exited: Vec::new(),
                failure: Some(failure.clone()),
                observed: None,
            };
            report("record the failed start", records::write(&run_dir, records::EXIT, &record));
            connection.send(&Event::StartFailed(failure));
        }
    }
}

/// A session of our own: nothing sent to the engine's terminal or group reaches us. Children are
/// waited for, which the spawner does not want.
fn prepare_process() {
    report("leave the spawner's session", sys::rustix::process::setsid().map(drop));
    sys::process::set_name(c"wharf-monitor");
    report("reset signals", sys::signal::reset_all());
    for signal in [sys::libc::SIGINT, sys::libc::SIGTERM, sys::libc::SIGHUP, sys::libc::SIGPIPE] {
        report("ignore a signal", sys::signal::ignore(signal));
    }
}

impl<'a> Monitor<'a> {
    fn start(
        request: SpawnRequest,
        connection: Connection,
        clients: Vec<OwnedFd>,
        hierarchy: &'a Hierarchy,
        started_ns: i64,
    ) -> Result<Monitor<'a>, (Failure, Connection)> {
        match Self::try_start(request, clients, hierarchy, started_ns) {
            Err(failure) => Err((failure, connection)),
            Ok(mut monitor) => {
                monitor.connections.push(connection);
                monitor.tell(&Event::Started { pid: monitor.pid, started_ns });
                Ok(monitor)
            }
        }
    }

    fn try_start(
        request: SpawnRequest,
        clients: Vec<OwnedFd>,
        hierarchy: &'a Hierarchy,
        started_ns: i64,
    ) -> Result<Monitor<'a>, Failure> {
        let listener = records::listen(&request.run_dir)
            .map_err(|error| Failure::at("listen")(stdx::error::chain(&error)))?;
        let log = Log::open(&request.log)?;
        let files = claim_files(&request.plan.root)?;
        let has_terminal = request.plan.process.terminal.is_some();
        let (mut streams, ends) = match has_terminal {
            true => Streams::terminal(request.io.open_stdin),
            false => Streams::pipes(request.io.open_stdin, request.io.stdin_once),
        }
        .map_err(Failure::at("make the standard streams"))?;
        let orphans = begin::hear_of_children(&request)?;
        let mut observer = None;
        let mut on_created = |pid| {
            observer = request.observe.then(|| observe(&request, pid, true));
        };
        let begun = begin(&request, hierarchy, &ends.borrow(), &mut on_created)?;
        drop(ends);
        let Begun { pid, pidfd, terminal, cgroup, foreign } = begun;
        if let Some(master) = terminal {
            streams
                .set_terminal(master, request.io.open_stdin)
                .map_err(Failure::at("set up the terminal"))?;
        }
        for (spec, socket) in request.attachments.iter().zip(clients) {
            streams.attach(Client::new(spec.clone(), socket));
        }
        let rest = Rest::of(&request.plan, pid, cgroup.as_ref());
        report("hold the container's namespace", rest.as_ref().map(drop));
        report("record the start", begin::record(&request.run_dir, pid, started_ns));
        Ok(Monitor {
            request,
            hierarchy,
            listener,
            connections: Vec::new(),
            streams,
            log,
            execs: Execs::default(),
            pid,
            pidfd,
            cgroup,
            rest: rest.unwrap_or(Rest::None),
            foreign,
            files,
            orphans,
            started_ns,
            observer,
            ended: false,
        })
    }

    fn run(mut self) {
        let gone = self.streams.take_preread();
        self.tell_gone(gone);
        let mut exit = None;
        let mut output_deadline = None;
        let mut calm = Some(Instant::now() + CALM);
        while exit.is_none() || !self.streams.output_ended() {
            let now = Instant::now();
            if output_deadline.is_some_and(|deadline| now >= deadline) {
                break;
            }
            if calm.take_if(|calm| now >= *calm).is_some() {
                sys::memory::give_back();
            }
            let next = [output_deadline, calm].into_iter().flatten().min();
            let timeout = next.map(|next| next.saturating_duration_since(now));
            self.turn(timeout, exit.is_none());
            if exit.is_none() {
                exit = self.reap();
                if exit.is_some() {
                    self.ended = true;
                    let killed = self.rest.kill(self.cgroup.as_ref());
                    report("kill the container's remaining processes", killed);
                    self.streams.drain(&mut self.log);
                    output_deadline = Some(Instant::now() + OUTPUT_AFTER_EXIT);
                }
            }
        }
        self.end(exit.unwrap_or(Exit::Code(255)));
    }

    fn reap(&self) -> Option<Exit> {
        sys::process::wait(self.pidfd.as_fd(), false).unwrap_or(Some(Exit::Code(255)))
    }

    /// Children that another runtime left to us. Unreaped, they would keep their process id
    /// namespace from ending.
    fn reap_orphans(&self) {
        if let Some(orphans) = &self.orphans {
            while let Ok(Some(_)) = sys::signal::next(orphans.as_fd()) {}
        }
        let ours = |pid: &i32| *pid == self.pid || self.execs.has(*pid) || self.log.has(*pid);
        for pid in records::children().into_iter().filter(|pid| !ours(pid)) {
            drop(sys::process::wait_pid(pid, false));
        }
    }

    fn end(mut self, exit: Exit) {
        self.log.finish();
        self.execs.drain_all(&mut self.connections);
        let oom_killed = self
            .cgroup
            .as_ref()
            .is_some_and(|cgroup| cgroup.oom_kills().is_ok_and(|kills| kills > 0));
        // While its records are there: an engine that hears of the end clears them away.
        if let Some(foreign) = &self.foreign {
            foreign.delete();
        }
        let record = ExitRecord {
            code: exit.shell_code(),
            oom_killed,
            started_ns: self.started_ns,
            finished_ns: now_ns(),
            execs_exited: self.execs.exited(),
            failure: None,
            observed: self.observed(),
        };
        report("record the exit", records::write(&self.request.run_dir, records::EXIT, &record));
        self.streams.finish();
        // The next start need not wait for clients that are slow to take the last output.
        self.files = None;
        self.tell(&Event::Exited(record));
        if let Some(cgroup) = self.cgroup.take() {
            report("remove the container's cgroup", cgroup.remove(CGROUP_REMOVAL));
        }
        let deadline = Instant::now() + LAST_OUTPUT;
        while Instant::now() < deadline
            && (self.streams.has_pending() || self.execs.have_pending() || self.has_unsent())
        {
            self.turn(Some(deadline.saturating_duration_since(Instant::now())), false);
            self.streams.sweep();
            self.streams.finish();
        }
        // Nobody waits for this: what is still being compressed is, with all else that we hold.
    }

    fn has_unsent(&self) -> bool {
        self.connections.iter().any(|connection| !connection.broken && connection.has_pending())
    }

    /// One round of waiting and handling.
    fn turn(&mut self, timeout: Option<Duration>, init_runs: bool) {
        let (watched, ready) = self.wait(timeout, init_runs);
        for (what, flags) in watched.into_iter().zip(ready) {
            if flags.is_empty() {
                continue;
            }
            match what {
                Watched::Listener => self.accept(),
                Watched::Connection(index) => self.serve(index, flags),
                Watched::Main(source) => {
                    let gone = self.streams.handle(source, flags, &mut self.log);
                    self.tell_gone(gone);
                }
                Watched::Exec(index, source) => {
                    let gone = self.execs.handle(index, source, flags);
                    self.tell_gone(gone);
                }
                Watched::Orphans => self.reap_orphans(),
                Watched::Init | Watched::ExecEnd | Watched::Log => {}
            }
        }
        self.log.flush();
        self.execs.reap(&mut self.connections);
        self.streams.sweep();
        self.execs.sweep();
        self.connections.retain(|connection| !connection.broken);
    }

    fn wait(&self, timeout: Option<Duration>, init_runs: bool) -> (Vec<Watched>, Vec<PollFlags>) {
        let mut all = vec![(Watched::Listener, self.listener.as_fd(), PollFlags::IN)];
        for (index, connection) in self.connections.iter().enumerate() {
            let mut flags = PollFlags::IN;
            if connection.has_pending() {
                flags |= PollFlags::OUT;
            }
            all.push((Watched::Connection(index), connection.socket(), flags));
        }
        if init_runs {
            all.push((Watched::Init, self.pidfd.as_fd(), PollFlags::IN));
        }
        if let Some(orphans) = &self.orphans {
            all.push((Watched::Orphans, orphans.as_fd(), PollFlags::IN));
        }
        for (source, fd, flags) in self.streams.sources(&self.log) {
            all.push((Watched::Main(source), fd, flags));
        }
        if let Some((fd, flags)) = self.log.wake() {
            all.push((Watched::Log, fd, flags));
        }
        for pidfd in self.execs.pidfds() {
            all.push((Watched::ExecEnd, pidfd, PollFlags::IN));
        }
        for (index, source, fd, flags) in self.execs.sources() {
            all.push((Watched::Exec(index, source), fd, flags));
        }
        let (watched, mut fds): (Vec<Watched>, Vec<PollFd<'_>>) = all
            .into_iter()
            .map(|(what, fd, flags)| (what, PollFd::from_borrowed_fd(fd, flags)))
            .unzip();
        let due = [timeout, self.execs.output_due(), self.log.retry_in()];
        let timeout = due.into_iter().flatten().min();
        let timeout = timeout.map(|time| Timespec {
            tv_sec: time.as_secs() as i64,
            tv_nsec: time.subsec_nanos().into(),
        });
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => report("wait", Err::<(), _>(error)),
        }
        let ready = fds.iter().map(PollFd::revents).collect();
        (watched, ready)
    }

    fn accept(&mut self) {
        if let Ok((socket, _)) = self.listener.accept()
            && self.connections.len() < CONNECTIONS_MAX
        {
            self.connections.push(Connection::new(socket.into()));
        }
    }

    fn serve(&mut self, index: usize, flags: PollFlags) {
        let Some(connection) = self.connections.get_mut(index) else { return };
        if flags.contains(PollFlags::OUT) {
            connection.flush();
        }
        if flags.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
            for request in connection.receive() {
                self.obey(index, request);
            }
        }
    }

    fn obey(&mut self, index: usize, request: Request) {
        match request {
            Request::Hello { .. } => {
                let hello = Event::Hello {
                    protocol: PROTOCOL,
                    container_id: self.request.container_id.clone(),
                    pid: self.pid,
                    started_ns: self.started_ns,
                    execs_running: self.execs.running(),
                    execs_exited: self.execs.exited(),
                };
                self.connections[index].send(&hello);
            }
            Request::Attach(spec) => {
                if let Some(socket) = self.connections[index].take_fd() {
                    self.streams.attach(Client::new(spec, socket));
                    let gone = self.streams.take_preread();
                    self.tell_gone(gone);
                }
            }
            Request::Resize(size) => {
                if let Some(master) = self.streams.master() {
                    let resized = sys::terminal::set_size(master, size.height, size.width);
                    report("resize the terminal", resized);
                }
            }
            Request::Signal { signal } => self.signal(signal),
            Request::Exec { exec_id, mut plan, attach } => {
                let fd = attach.is_some().then(|| self.connections[index].take_fd()).flatten();
                let client = attach.zip(fd).map(|(spec, fd)| Client::new(spec, fd));
                // Ours to reap: until then its number is nobody else's.
                plan.init_pid = self.pid;
                let event = match self.ended {
                    true => Event::ExecFailed {
                        exec_id,
                        failure: Failure::invalid("the container has ended"),
                    },
                    false => {
                        let by = Launcher { hierarchy: self.hierarchy, foreign: &self.foreign };
                        self.execs.start(exec_id, &plan, client, by)
                    }
                };
                self.tell(&event);
            }
            Request::ExecResize { exec_id, size } => self.execs.resize(&exec_id, size),
            Request::ExecSignal { exec_id, signal } => self.execs.signal(&exec_id, signal),
            Request::Observe => {
                let begin = || observe(&self.request, self.pid, false);
                self.observer.get_or_insert_with(begin);
            }
            Request::Observed { end } => {
                let observed = self.observed();
                self.connections[index].send(&Event::Observed(observed));
                if end && !self.request.observe {
                    self.observer = None;
                }
            }
        }
    }

    fn observed(&self) -> Option<Observed> {
        Some(match self.observer.as_ref()? {
            Ok(observer) => observer.read(self.cgroup.as_ref()),
            Err(failure) => Observed { problem: failure.message.clone(), ..Observed::default() },
        })
    }

    /// A process that has just ended needs no signal.
    fn signal(&self, signal: i32) {
        let told = match &self.foreign {
            Some(foreign) if !self.ended => foreign.kill(signal),
            _ => Ok(()),
        };
        // A runtime that cannot kill is no reason that a container cannot be killed.
        if self.foreign.is_none() || (told.is_err() && signal == sys::libc::SIGKILL) {
            drop(sys::process::pidfd_send_signal(self.pidfd.as_fd(), signal));
        }
    }

    fn tell(&mut self, event: &Event) {
        for connection in &mut self.connections {
            connection.send(event);
        }
    }

    fn tell_gone(&mut self, gone: impl IntoIterator<Item = crate::streams::Gone>) {
        for client in gone {
            self.tell(&Event::Detached { attach_id: client.attach_id, by_keys: client.by_keys });
        }
    }
}

/// Begins to note what the container of process `pid` uses.
fn observe(request: &SpawnRequest, pid: i32, from_start: bool) -> Result<Observer, Failure> {
    if request.plan.namespaces.pid != Namespace::New {
        return Err(Failure::invalid(
            "the container shares its process ids with others, whose calls would count as its own",
        ));
    }
    Observer::start(pid, from_start)
}

/// Docker's exit codes of a container that did not start.
pub(crate) fn failure_code(kind: FailureKind) -> i32 {
    match kind {
        FailureKind::CommandNotFound => 127,
        FailureKind::CommandNotExecutable => 126,
        FailureKind::Invalid | FailureKind::Internal => 125,
    }
}

/// Our standard error is the engine's log: nobody else would hear of it.
fn report<E: Display>(step: &str, result: Result<(), E>) {
    if let Err(error) = result {
        eprintln!("wharf monitor {}: failed to {step}: {error}", std::process::id());
    }
}
