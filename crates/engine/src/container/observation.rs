//! What a container was seen to use.

use std::collections::BTreeSet;

use docker_api::{Timestamp, messages};
use monitor::protocol::{Observed, PROTOCOL_OBSERVES, Request as Order};
use serde::{Deserialize, Serialize};
use stdx::Kind;
use tokio::sync::oneshot;

use super::Ask;
use super::task::{Task, answer};
use crate::error::EngineError;

/// All that was noted, over all runs.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Observation {
    /// How many parts it has: runs, or times that somebody watched.
    pub parts: u32,
    /// Each part began with its run.
    pub from_start: bool,
    /// Numbers of this machine's own system calls.
    pub calls: BTreeSet<u32>,
    /// Some call was of another architecture.
    pub foreign_calls: bool,
    /// Capabilities, a bit each; `None`: the kernel did not tell.
    pub capabilities: Option<u64>,
    /// When the first part began.
    pub since: Timestamp,
    /// When the last one ended.
    pub until: Timestamp,
    /// The most memory that was in use.
    pub memory_bytes_max: Option<u64>,
    /// The most tasks that there were.
    pub tasks_max: Option<u64>,
    /// Why a part could not be noted.
    pub problems: BTreeSet<String>,
}

impl Observation {
    /// Adds one part.
    pub fn add(&mut self, part: &Observed) {
        if !part.problem.is_empty() {
            self.problems.insert(part.problem.clone());
            return;
        }
        let is_first = self.parts == 0;
        self.parts += 1;
        self.from_start = part.from_start && (is_first || self.from_start);
        self.calls.extend(&part.calls);
        self.foreign_calls |= part.foreign_calls;
        self.capabilities = match (is_first, self.capabilities, part.capabilities) {
            (true, _, bits) => bits,
            (false, Some(before), Some(bits)) => Some(before | bits),
            (false, _, _) => None,
        };
        if is_first {
            self.since = Timestamp::from_nanos(part.since_ns);
        }
        self.until = Timestamp::from_nanos(part.until_ns);
        self.memory_bytes_max = self.memory_bytes_max.max(part.memory_bytes_max);
        self.tasks_max = self.tasks_max.max(part.tasks_max);
    }

    /// Whether anything was noted.
    pub fn is_empty(&self) -> bool {
        self.parts == 0
    }
}

impl Task {
    /// Has the monitor begin to note.
    pub(super) async fn observe(&mut self, ask: Ask) {
        let done = match &self.link {
            Some(link) if !link.speaks(PROTOCOL_OBSERVES) => Err(EngineError::new(
                Kind::Unsupported,
                format!("container {} was started by an older engine: restart it", self.record.id),
            )),
            _ if !self.state().has_process() => {
                Err(EngineError::conflict(messages::not_running(&self.record.id)))
            }
            _ => self.order(&Order::Observe, None).await,
        };
        answer(ask.reply, done);
    }

    /// Asks the monitor what it has noted. Dropping the reply says: nothing.
    pub(super) async fn ask_observed(
        &mut self,
        end: bool,
        reply: oneshot::Sender<Option<Observed>>,
    ) {
        let knows = self.link.as_ref().is_some_and(|link| link.speaks(PROTOCOL_OBSERVES));
        if knows && self.order(&Order::Observed { end }, None).await.is_ok() {
            self.observing.push_back((end, reply));
        }
    }

    pub(super) fn on_observed(&mut self, observed: Option<Observed>) {
        let Some((end, reply)) = self.observing.pop_front() else { return };
        // What a watch has seen is forgotten by the monitor with its end.
        let watched = observed.as_ref().filter(|part| end && !part.from_start);
        if let Some(part) = watched {
            self.record.state.observed.get_or_insert_default().add(part);
            self.save_or_log();
            drop(reply.send(None));
            return;
        }
        // Who asked may be gone.
        drop(reply.send(observed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(calls: &[u32], capabilities: Option<u64>, from_start: bool) -> Observed {
        Observed { calls: calls.to_vec(), capabilities, from_start, ..Observed::default() }
    }

    #[test]
    fn parts_add_up_and_gaps_stay_gaps() {
        let mut all = Observation::default();
        all.add(&part(&[1, 2], Some(1), true));
        all.add(&part(&[2, 3], Some(4), true));
        assert_eq!(all.calls, BTreeSet::from([1, 2, 3]));
        assert_eq!((all.capabilities, all.from_start, all.parts), (Some(5), true, 2));
        all.add(&part(&[], None, false));
        assert_eq!((all.capabilities, all.from_start), (None, false));
        all.add(&part(&[], Some(1), true));
        assert_eq!((all.capabilities, all.from_start), (None, false));
        let mut none = Observation::default();
        none.add(&Observed { problem: "no BPF".to_owned(), ..Observed::default() });
        assert!(none.is_empty() && none.problems.contains("no BPF"));
    }
}
