//! Health checks: probes are execs whose output and exit code are looked at.

use std::io::Read;
use std::os::fd::OwnedFd;
use std::time::Duration;

use docker_api::{ExecConfig, Health, HealthConfig, HealthResult, Timestamp};
use monitor::protocol::{AttachSpec, PROTOCOL_SIGNALS_EXECS, Request as Order};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::exec::{Exec, ExecState};
use super::state::State;
use super::task::{Flow, Task};
use crate::spec::Caller;

/// Docker keeps the last five results, 4 KiB of output each.
const RESULTS: usize = 5;
const OUTPUT_BYTES_MAX: usize = 4096;

const INTERVAL: Duration = Duration::from_secs(30);
const TIMEOUT: Duration = Duration::from_secs(30);
const START_INTERVAL: Duration = Duration::from_secs(5);
const RETRIES: i64 = 3;

/// How health is probed, with defaults filled in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HealthSpec {
    command: Vec<String>,
    interval: Duration,
    timeout: Duration,
    start_period: Duration,
    start_interval: Duration,
    retries: i64,
}

impl HealthSpec {
    /// `None` when nothing is to be probed.
    pub fn of(config: Option<&HealthConfig>, shell: Option<&[String]>) -> Option<HealthSpec> {
        let config = config?;
        let test = config.test.as_deref().unwrap_or_default();
        let (kind, rest) = test.split_first()?;
        let command = match kind.as_str() {
            "CMD" if !rest.is_empty() => rest.to_vec(),
            "CMD-SHELL" => {
                let mut words = match shell {
                    Some(shell) if !shell.is_empty() => shell.to_vec(),
                    _ => vec!["/bin/sh".to_owned(), "-c".to_owned()],
                };
                words.push(rest.join(" "));
                words
            }
            _ => return None,
        };
        let time = |nanos: i64, default: Duration| match u64::try_from(nanos) {
            Ok(nanos) if nanos > 0 => Duration::from_nanos(nanos),
            _ => default,
        };
        Some(HealthSpec {
            command,
            interval: time(config.interval, INTERVAL),
            timeout: time(config.timeout, TIMEOUT),
            start_period: time(config.start_period, Duration::ZERO),
            start_interval: time(config.start_interval, START_INTERVAL),
            retries: if config.retries > 0 { config.retries } else { RETRIES },
        })
    }
}

/// Probes one running container.
pub struct Prober {
    spec: HealthSpec,
    began: Instant,
    next: Instant,
    running: Option<Probe>,
}

/// A probe under way.
struct Probe {
    exec_id: String,
    started: Timestamp,
    deadline: Instant,
    output: Option<oneshot::Receiver<Vec<u8>>>,
    code: Option<i64>,
}

/// What comes next for a prober.
#[derive(Debug)]
pub enum Outcome {
    /// It is time.
    Due,
    /// The probe hangs.
    TimedOut,
    /// Output and exit code are there.
    Done(Vec<u8>),
}

impl Prober {
    /// Waits for what comes next. Cancel-safe.
    pub async fn outcome(prober: &mut Option<Prober>) -> Outcome {
        let Some(prober) = prober else { return std::future::pending().await };
        let Some(probe) = prober.running.as_mut() else {
            tokio::time::sleep_until(prober.next).await;
            return Outcome::Due;
        };
        let done = async {
            match (probe.code, probe.output.as_mut()) {
                (Some(_), Some(output)) => output.await.unwrap_or_default(),
                (Some(_), None) => Vec::new(),
                (None, _) => std::future::pending().await,
            }
        };
        tokio::select! {
            output = done => Outcome::Done(output),
            () = tokio::time::sleep_until(probe.deadline) => Outcome::TimedOut,
        }
    }
}

/// The verdict after one more result.
pub fn judge(health: &mut Health, result: HealthResult, retries: i64, starting: bool) {
    let healthy = result.exit_code == 0;
    if healthy {
        health.failing_streak = 0;
        health.status = "healthy".to_owned();
    } else if !(starting && health.status == "starting") {
        health.failing_streak += 1;
        if health.failing_streak >= retries {
            health.status = "unhealthy".to_owned();
        }
    }
    let log = health.log.get_or_insert_with(Vec::new);
    log.push(result);
    if log.len() > RESULTS {
        log.remove(0);
    }
}

impl Task {
    /// A container has begun to run.
    pub(super) fn begin_probing(&mut self) {
        let config = &self.record.config;
        self.prober = None;
        let spec = HealthSpec::of(config.healthcheck.as_ref(), config.shell.as_deref());
        let Some(spec) = spec else { return };
        let now = Instant::now();
        let first = match spec.start_period.is_zero() {
            true => spec.interval,
            false => spec.start_interval.min(spec.interval),
        };
        self.prober = Some(Prober { spec, began: now, next: now + first, running: None });
        let mut view = self.container.view();
        // What earlier probes said stays to be read, as in Docker.
        let health = view.health.get_or_insert_default();
        "starting".clone_into(&mut health.status);
        health.failing_streak = 0;
    }

    /// A container that is paused or has ended is not healthy, as in Docker; nothing is told of it.
    pub(super) fn probed_no_more(&mut self) {
        let mut view = self.container.view();
        if let Some(health) = view.health.as_mut() {
            "unhealthy".clone_into(&mut health.status);
        }
        self.record.state.health.clone_from(&view.health);
    }

    pub(super) async fn on_probe(&mut self, outcome: Outcome) -> Flow {
        match outcome {
            Outcome::Due => self.begin_probe().await,
            Outcome::Done(output) => {
                let text = String::from_utf8_lossy(&output).into_owned();
                let probe = self.prober.as_mut().and_then(|prober| prober.running.take());
                if let Some(probe) = probe {
                    self.record_probe(probe.started, probe.code.unwrap_or(-1), text);
                }
            }
            Outcome::TimedOut => self.probe_timed_out().await,
        }
        Flow::Continue
    }

    async fn begin_probe(&mut self) {
        // A frozen container cannot answer, and is not ill.
        let can_answer = self.state() == State::Running && self.link.is_some();
        let Some(prober) = self.prober.as_mut() else { return };
        let (command, timeout) = (prober.spec.command.clone(), prober.spec.timeout);
        if !can_answer {
            prober.next = Instant::now() + prober.spec.interval;
            return;
        }
        let exec_id = stdx::id::random_hex::<32>();
        let wish = ExecConfig {
            cmd: Some(command),
            attach_stdout: true,
            attach_stderr: true,
            ..ExecConfig::default()
        };
        let state = ExecState::Starting;
        let exec = Exec { wish: wish.clone(), caller: Caller::ENGINE, state, is_probe: true };
        let events = &self.services.events;
        let more = [("execID", exec_id.as_str())];
        events.container(Caller::ENGINE, &self.record, &exec.event("exec_create"), &more);
        events.container(Caller::ENGINE, &self.record, &exec.event("exec_start"), &more);
        self.container.view().execs.insert(exec_id.clone(), exec);
        let started = Timestamp::now();
        let ordered = match collector() {
            Ok((client, output)) => {
                let attach = Some((probe_attach(), client));
                self.order_exec(&exec_id, &wish, None, attach).await.map(|()| output)
            }
            Err(error) => Err(crate::EngineError::internal("failed to start a probe", error)),
        };
        match (ordered, self.prober.as_mut()) {
            (Ok(output), Some(prober)) => {
                let deadline = Instant::now() + timeout;
                let output = Some(output);
                prober.running = Some(Probe { exec_id, started, deadline, output, code: None });
            }
            (Err(error), _) => {
                self.container.view().execs.remove(&exec_id);
                self.record_probe(started, -1, error.client_text());
            }
            (Ok(_), None) => {}
        }
    }

    async fn probe_timed_out(&mut self) {
        let Some(prober) = self.prober.as_mut() else { return };
        let Some(probe) = prober.running.take() else { return };
        let timeout = i64::try_from(prober.spec.timeout.as_nanos()).unwrap_or(i64::MAX);
        let timeout = docker_api::query::duration::print(timeout);
        self.container.view().execs.remove(&probe.exec_id);
        // By the monitor, which has it for a child: the number may be another's by now. One of an
        // older engine cannot; then the probe ends with its container.
        if self.link.as_ref().is_some_and(|link| link.speaks(PROTOCOL_SIGNALS_EXECS)) {
            let order = Order::ExecSignal { exec_id: probe.exec_id, signal: sys::libc::SIGKILL };
            if let Err(error) = self.order(&order, None).await {
                tracing::warn!(container = self.record.id, %error, "a probe that hangs goes on");
            }
        }
        let text = format!("Health check exceeded timeout ({timeout})");
        self.record_probe(probe.started, -1, text);
    }

    /// An exec ended: perhaps it is the probe.
    pub(super) fn probe_ended(&mut self, exec_id: &str, code: i64) {
        let probe = self.prober.as_mut().and_then(|prober| prober.running.as_mut());
        if let Some(probe) = probe.filter(|probe| probe.exec_id == exec_id) {
            probe.code = Some(code);
            self.container.view().execs.remove(exec_id);
        }
    }

    /// An exec could not be started: perhaps it is the probe.
    pub(super) fn probe_failed(&mut self, exec_id: &str, message: &str) {
        let Some(prober) = self.prober.as_mut() else { return };
        if prober.running.as_ref().is_none_or(|probe| probe.exec_id != exec_id) {
            return;
        }
        let started = prober.running.take().map_or(Timestamp::now(), |probe| probe.started);
        self.container.view().execs.remove(exec_id);
        self.record_probe(started, -1, docker_api::messages::exec_failed(message));
    }

    fn record_probe(&mut self, started: Timestamp, code: i64, output: String) {
        let Some(prober) = self.prober.as_mut() else { return };
        let result =
            HealthResult { start: started, end: Timestamp::now(), exit_code: code, output };
        let starting = prober.began.elapsed() < prober.spec.start_period;
        let changed = {
            let mut view = self.container.view();
            let Some(health) = view.health.as_mut() else { return };
            let before = health.status.clone();
            judge(health, result, prober.spec.retries, starting);
            (health.status != before).then(|| health.status.clone())
        };
        let still_starting = starting && changed.is_none();
        prober.next = Instant::now()
            + match still_starting {
                true => prober.spec.start_interval.min(prober.spec.interval),
                false => prober.spec.interval,
            };
        if let Some(status) = changed {
            let action = format!("health_status: {status}");
            self.services.events.container(Caller::ENGINE, &self.record, &action, &[]);
        }
    }
}

fn probe_attach() -> AttachSpec {
    AttachSpec {
        attach_id: 0,
        stdin: false,
        stdout: true,
        stderr: true,
        multiplexed: false,
        detach_keys: Vec::new(),
        preread: Vec::new(),
    }
}

/// A client for the monitor, and what will have been written to it.
fn collector() -> std::io::Result<(OwnedFd, oneshot::Receiver<Vec<u8>>)> {
    let (ours, theirs) = sys::socket::socketpair_stream()?;
    let (sender, receiver) = oneshot::channel();
    tokio::task::spawn_blocking(move || {
        let mut stream = std::os::unix::net::UnixStream::from(ours);
        let mut kept = Vec::new();
        let mut buffer = [0; 4096];
        // To its end, whatever the probe prints: a full socket would hold it up.
        while let Ok(count @ 1..) = stream.read(&mut buffer) {
            let room = OUTPUT_BYTES_MAX.saturating_sub(kept.len()).min(count);
            kept.extend_from_slice(&buffer[..room]);
        }
        drop(sender.send(kept));
    });
    Ok((theirs, receiver))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(exit_code: i64) -> HealthResult {
        HealthResult { exit_code, ..HealthResult::default() }
    }

    #[test]
    fn verdicts() {
        let mut health = Health { status: "starting".to_owned(), ..Health::default() };
        judge(&mut health, result(1), 2, true);
        assert_eq!((health.status.as_str(), health.failing_streak), ("starting", 0));
        judge(&mut health, result(1), 2, false);
        assert_eq!((health.status.as_str(), health.failing_streak), ("starting", 1));
        judge(&mut health, result(1), 2, false);
        assert_eq!(health.status, "unhealthy");
        judge(&mut health, result(0), 2, false);
        assert_eq!((health.status.as_str(), health.failing_streak), ("healthy", 0));
        for _ in 0..9 {
            judge(&mut health, result(0), 2, false);
        }
        assert_eq!(health.log.unwrap().len(), RESULTS);
    }

    #[test]
    fn commands_and_defaults() {
        let config = |test: &[&str]| HealthConfig {
            test: Some(test.iter().map(|word| (*word).to_owned()).collect()),
            interval: 1_000_000_000,
            ..HealthConfig::default()
        };
        let of = |test: &[&str]| HealthSpec::of(Some(&config(test)), None);
        let spec = of(&["CMD-SHELL", "true"]).unwrap();
        assert_eq!(spec.command, ["/bin/sh", "-c", "true"]);
        assert_eq!((spec.interval, spec.timeout), (Duration::from_secs(1), TIMEOUT));
        assert_eq!(of(&["CMD", "a", "b"]).unwrap().command, ["a", "b"]);
        assert!(of(&["NONE"]).is_none() && of(&[]).is_none() && of(&["CMD"]).is_none());
    }
}
