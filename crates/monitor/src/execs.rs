//! Further processes in the container.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use cgroup::Hierarchy;
use runtime::failure::Failure;
use runtime::foreign::Foreign;
use runtime::plan::{ExecPlan, TerminalSize};
use sys::process::Exit;
use sys::rustix::event::PollFlags;

use crate::client::Client;
use crate::connection::Connection;
use crate::hold::OUTPUT_AFTER_EXIT;
use crate::output::Log;
use crate::protocol::{Event, ExecExit, ExecRunning};
use crate::streams::{Gone, Source, Streams};

/// How many ended execs are remembered for an engine that was away.
const EXITED_MAX: usize = 256;

/// What precedes the reason in a client's stream: Docker's words.
const RUNTIME_FAILED: &str = "OCI runtime exec failed: ";

/// The same, of our own runtime.
const FAILED: &str = "OCI runtime exec failed: exec failed: unable to start container process";

#[derive(Debug)]
struct Exec {
    id: String,
    pid: i32,
    pidfd: OwnedFd,
    streams: Streams,
    exit: Option<Exit>,
    /// When its output is no longer waited for: a child that it left behind may hold it open.
    output_deadline: Option<Instant>,
    /// It has been said that it ended; what is left is to send the last output.
    told: bool,
}

/// Who starts them.
#[derive(Clone, Copy)]
pub(crate) struct Launcher<'a> {
    pub(crate) hierarchy: &'a Hierarchy,
    /// The other runtime, if one started the container.
    pub(crate) foreign: &'a Option<Foreign>,
}

/// All of a container's execs.
#[derive(Debug, Default)]
pub(crate) struct Execs {
    running: Vec<Exec>,
    exited: VecDeque<ExecExit>,
    no_log: Log,
}

impl Execs {
    /// Starts one. A client hears in its stream why it could not be.
    pub(crate) fn start(
        &mut self,
        id: String,
        plan: &ExecPlan,
        client: Option<Client>,
        by: Launcher<'_>,
    ) -> Event {
        match self.try_start(&id, plan, client, by) {
            Ok(pid) => Event::ExecStarted { exec_id: id, pid },
            Err(failure) => {
                let code = crate::hold::failure_code(failure.kind);
                self.remember(ExecExit { exec_id: id.clone(), code });
                Event::ExecFailed { exec_id: id, failure }
            }
        }
    }

    fn try_start(
        &mut self,
        id: &str,
        plan: &ExecPlan,
        client: Option<Client>,
        by: Launcher<'_>,
    ) -> Result<i32, Failure> {
        let takes_input = client.as_ref().is_some_and(|client| client.spec.stdin);
        let (mut streams, ends) = match (&client, plan.process.terminal) {
            (_, Some(_)) => Streams::terminal(takes_input),
            (Some(_), None) => Streams::pipes(takes_input, true),
            (None, None) => Streams::nothing(),
        }
        .map_err(Failure::at("make the standard streams"))?;
        if let Some(client) = client {
            streams.attach(client);
        }
        let executed = match by.foreign {
            None => runtime::exec::exec(plan, by.hierarchy, &ends.borrow()),
            Some(foreign) => foreign.exec(plan, &ends.borrow()),
        };
        let executed = match executed {
            Ok(executed) => executed,
            Err(failure) => {
                let said = match failure.message.starts_with(RUNTIME_FAILED) {
                    true => failure.message.clone(),
                    false => format!("{FAILED}: {}", failure.message),
                };
                streams.say(&format!("{said}\r\n"));
                streams.finish();
                return Err(failure);
            }
        };
        drop(ends);
        if let Some(master) = executed.terminal {
            streams
                .set_terminal(master, takes_input)
                .map_err(Failure::at("set up the terminal"))?;
        }
        // A client is never gone before its process has begun: what it typed is in the queue.
        drop(streams.take_preread());
        self.running.push(Exec {
            id: id.to_owned(),
            pid: executed.pid,
            pidfd: executed.pidfd,
            streams,
            exit: None,
            output_deadline: None,
            told: false,
        });
        Ok(executed.pid)
    }

    fn remember(&mut self, exit: ExecExit) {
        self.exited.push_back(exit);
        if self.exited.len() > EXITED_MAX {
            self.exited.pop_front();
        }
    }

    pub(crate) fn resize(&self, id: &str, size: TerminalSize) {
        let master =
            self.running.iter().find(|exec| exec.id == id).and_then(|exec| exec.streams.master());
        if let Some(master) = master {
            // The process may have closed its terminal; then there is nothing to resize.
            drop(sys::terminal::set_size(master, size.height, size.width));
        }
    }

    /// One that has ended needs no signal; its number may be another's by now, its descriptor not.
    pub(crate) fn signal(&self, id: &str, signal: i32) {
        for exec in self.running.iter().filter(|exec| exec.id == id && exec.exit.is_none()) {
            drop(sys::process::pidfd_send_signal(exec.pidfd.as_fd(), signal));
        }
    }

    pub(crate) fn pidfds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let running = self.running.iter().filter(|exec| exec.exit.is_none());
        running.map(|exec| exec.pidfd.as_fd())
    }

    pub(crate) fn sources(
        &self,
    ) -> impl Iterator<Item = (usize, Source, BorrowedFd<'_>, PollFlags)> {
        self.running.iter().enumerate().flat_map(|(index, exec)| {
            let sources = exec.streams.sources(&self.no_log);
            sources.into_iter().map(move |(source, fd, flags)| (index, source, fd, flags))
        })
    }

    pub(crate) fn handle(
        &mut self,
        index: usize,
        source: Source,
        flags: PollFlags,
    ) -> Option<Gone> {
        self.running.get_mut(index)?.streams.handle(source, flags, &mut self.no_log)
    }

    /// Reaps those that ended, and tells engines of those whose output is read as well.
    pub(crate) fn reap(&mut self, connections: &mut [Connection]) {
        let mut ended = Vec::new();
        for exec in &mut self.running {
            if exec.exit.is_none() {
                exec.exit =
                    sys::process::wait(exec.pidfd.as_fd(), false).unwrap_or(Some(Exit::Code(255)));
                if exec.exit.is_some() {
                    exec.output_deadline = Some(Instant::now() + OUTPUT_AFTER_EXIT);
                    exec.streams.drain(&mut self.no_log);
                }
            }
            let Some(exit) = exec.exit.filter(|_| !exec.told) else { continue };
            let overdue = exec.output_deadline.is_some_and(|due| Instant::now() >= due);
            if exec.streams.output_ended() || overdue {
                exec.told = true;
                ended.push(ExecExit { exec_id: exec.id.clone(), code: exit.shell_code() });
            }
        }
        for exit in ended {
            for connection in connections.iter_mut() {
                connection.send(&Event::ExecExited(exit.clone()));
            }
            self.remember(exit);
        }
    }

    /// The container has ended, and so have all execs in it.
    pub(crate) fn drain_all(&mut self, connections: &mut [Connection]) {
        let mut ended = Vec::new();
        for exec in self.running.iter_mut().filter(|exec| !exec.told) {
            let exit = match exec.exit {
                Some(exit) => exit,
                None => {
                    // Dead with its process namespace, unless that is the host's or another's.
                    drop(sys::process::pidfd_send_signal(exec.pidfd.as_fd(), sys::libc::SIGKILL));
                    sys::process::wait(exec.pidfd.as_fd(), true)
                        .ok()
                        .flatten()
                        .unwrap_or(Exit::Code(255))
                }
            };
            exec.exit = Some(exit);
            exec.streams.drain(&mut self.no_log);
            exec.told = true;
            ended.push(ExecExit { exec_id: exec.id.clone(), code: exit.shell_code() });
        }
        for exit in ended {
            for connection in connections.iter_mut() {
                connection.send(&Event::ExecExited(exit.clone()));
            }
            self.remember(exit);
        }
    }

    /// How long until an ended exec's output is given up.
    pub(crate) fn output_due(&self) -> Option<Duration> {
        let untold = self.running.iter().filter(|exec| !exec.told);
        untold
            .filter_map(|exec| exec.output_deadline)
            .min()
            .map(|due| due.saturating_duration_since(Instant::now()))
    }

    /// Whether this process is one that we have not reaped.
    pub(crate) fn has(&self, pid: i32) -> bool {
        self.running.iter().any(|exec| exec.pid == pid && exec.exit.is_none())
    }

    pub(crate) fn have_pending(&self) -> bool {
        self.running.iter().any(|exec| exec.streams.has_pending())
    }

    /// Forgets those that are done.
    pub(crate) fn sweep(&mut self) {
        for exec in &mut self.running {
            exec.streams.sweep();
            if exec.told {
                exec.streams.finish();
            }
        }
        self.running.retain(|exec| !exec.told || exec.streams.has_pending());
    }

    pub(crate) fn running(&self) -> Vec<ExecRunning> {
        self.running
            .iter()
            .filter(|exec| !exec.told)
            .map(|exec| ExecRunning { exec_id: exec.id.clone(), pid: exec.pid })
            .collect()
    }

    pub(crate) fn exited(&self) -> Vec<ExecExit> {
        self.exited.iter().cloned().collect()
    }
}
