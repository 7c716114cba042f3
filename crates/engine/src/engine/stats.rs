//! `stats`: what containers use, once or again and again, of one or of many.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use cgroup::Version;
use collector::{CpuPoint, Reading, Watch};

use crate::container::Container;
use crate::container::record::ContainerRecord;
use crate::engine::Engine;
use crate::error::{EngineError, Result};
use crate::services::Services;
use crate::spec::{Caller, ListSpec, StatsOfManySpec, StatsSpec};

impl Engine {
    /// The counters of one container. One that does not run has a line without counters; a stream
    /// ends when the container is removed.
    pub async fn stats(&self, caller: Caller, id: &str, spec: StatsSpec) -> Result<StatsStream> {
        tracing::debug!(id, caller_uid = caller.uid, "stats");
        self.services.needs_cgroups("stats")?;
        if spec.stream && spec.one_shot {
            let text = "cannot have stream=true and one-shot=true";
            return Err(EngineError::invalid(text));
        }
        let container = self.find(id)?;
        let watch = self.services.collector.watch(spec.interval);
        let wanted = Wanted::Named(vec![container]);
        let stream = StatsStream::new(self.services.clone(), watch, wanted, spec.stream);
        Ok(StatsStream { one_shot: spec.one_shot, ..stream })
    }

    /// The counters of many containers in one stream: a line for each at every interval. Where
    /// only running ones are wanted, one that has ended has one line more, without counters.
    pub async fn stats_of_many(
        &self,
        caller: Caller,
        spec: StatsOfManySpec,
    ) -> Result<StatsStream> {
        tracing::debug!(caller_uid = caller.uid, "stats of many");
        self.services.needs_cgroups("stats")?;
        let wanted = match spec.containers.as_slice() {
            [] => {
                // What is wrong with the filters is said before the first line.
                self.choose(&spec.list)?;
                Wanted::Listed(Box::new(spec.list))
            }
            names => {
                Wanted::Named(names.iter().map(|name| self.find(name)).collect::<Result<_>>()?)
            }
        };
        let watch = self.services.collector.watch(spec.interval);
        Ok(StatsStream::new(self.services.clone(), watch, wanted, spec.stream))
    }
}

/// What a container uses.
#[derive(Clone, Debug)]
pub struct Stats {
    /// Without a leading slash.
    pub name: String,
    /// 64 hexadecimal digits.
    pub id: String,
    /// `None` when it does not run.
    pub reading: Option<Reading>,
    /// Its processor time before: in a stream, of the line before.
    pub before: Option<CpuPoint>,
    /// Which counters there are.
    pub cgroups: Version,
    /// The machine's memory: the limit of those that have none.
    pub machine_bytes: u64,
}

/// Whose counters.
enum Wanted {
    /// These, as long as they exist.
    Named(Vec<Arc<Container>>),
    /// Those that a list has when it is asked.
    Listed(Box<ListSpec>),
}

/// Counters as they come; see [`Engine::stats`].
///
/// Nothing is read ahead: who takes lines slowly misses readings.
pub struct StatsStream {
    services: Arc<Services>,
    watch: Watch,
    wanted: Wanted,
    stream: bool,
    one_shot: bool,
    /// Of how many rounds lines were given.
    rounds: u64,
    /// Who is left of this round.
    left: VecDeque<Arc<ContainerRecord>>,
    /// Who had a line, by id, and its processor time then.
    shown: BTreeMap<String, Shown>,
}

struct Shown {
    record: Arc<ContainerRecord>,
    point: Option<CpuPoint>,
    round: u64,
}

impl StatsStream {
    fn new(services: Arc<Services>, watch: Watch, wanted: Wanted, stream: bool) -> StatsStream {
        let (left, shown) = (VecDeque::new(), BTreeMap::new());
        StatsStream { services, watch, wanted, stream, one_shot: false, rounds: 0, left, shown }
    }

    /// The next line; `None` at the end. Cancel-safe.
    pub async fn next(&mut self) -> Option<Stats> {
        loop {
            while let Some(record) = self.left.pop_front() {
                if let Some(line) = self.line(&record) {
                    return Some(line);
                }
            }
            if self.rounds > 0 && !(self.stream && self.watch.next().await) {
                return None;
            }
            let records = self.records()?;
            if self.rounds == 0 {
                let running = records.iter().filter(|record| record.state.state.has_process());
                let readings = if self.one_shot { 1 } else { 2 };
                self.watch.first(running.map(|record| record.id.as_str()), readings).await;
            }
            self.rounds += 1;
            self.left = records.into();
            self.part();
        }
    }

    /// Whose turn it is; `None` when nobody is left to wait for.
    fn records(&mut self) -> Option<Vec<Arc<ContainerRecord>>> {
        match &mut self.wanted {
            Wanted::Named(containers) => {
                let registry = self.services.registry();
                containers.retain(|one| registry.find(&one.id).is_ok());
                drop(registry);
                let records = containers.iter().map(|one| one.record()).collect();
                (!containers.is_empty()).then_some(records)
            }
            Wanted::Listed(list) => {
                let engine = Engine { services: self.services.clone() };
                // A container that a filter names may be gone; then nothing matches.
                let listed = engine.choose(list).unwrap_or_default();
                Some(listed.into_iter().map(|one| one.record).collect())
            }
        }
    }

    /// Adds those who were running in the round before and are not any more.
    fn part(&mut self) {
        let here: BTreeSet<&str> = self.left.iter().map(|record| record.id.as_str()).collect();
        let gone: Vec<String> = match &self.wanted {
            Wanted::Listed(list) if !list.all => {
                self.shown.keys().filter(|id| !here.contains(id.as_str())).cloned().collect()
            }
            _ => Vec::new(),
        };
        for id in gone {
            if let Some(shown) = self.shown.remove(&id) {
                let mut record = ContainerRecord::clone(&shown.record);
                record.state = Default::default();
                self.left.push_back(Arc::new(record));
            }
        }
        // Who has been removed is not kept in mind for ever.
        let round = self.rounds;
        self.shown.retain(|_, shown| shown.round + 2 > round);
    }

    /// A line of this round; `None` when its time has not come.
    fn line(&mut self, record: &Arc<ContainerRecord>) -> Option<Stats> {
        if !record.state.state.has_process() {
            return Some(self.stats(record, None, None));
        }
        let Some(reading) = self.watch.reading(&record.id) else {
            return (!self.stream).then(|| self.stats(record, None, None));
        };
        let (round, point) = (self.rounds, Some(reading.point.clone()));
        let shown = Shown { record: record.clone(), point, round };
        let before = self.shown.insert(record.id.clone(), shown).and_then(|shown| shown.point);
        // A container that was started anew has begun to count anew.
        let is_older = |point: &CpuPoint| {
            point.read_ns < reading.point.read_ns
                && point.cpu.total_ns <= reading.point.cpu.total_ns
        };
        let before = before.filter(is_older).or_else(|| reading.before.clone());
        if before.is_none() && self.stream {
            return None;
        }
        let before = before.filter(|_| !self.one_shot);
        Some(self.stats(record, Some(reading), before))
    }

    fn stats(
        &self,
        record: &ContainerRecord,
        reading: Option<Reading>,
        before: Option<CpuPoint>,
    ) -> Stats {
        Stats {
            name: record.name.clone(),
            id: record.id.clone(),
            reading,
            before,
            cgroups: self.services.hierarchy.version(),
            machine_bytes: self.services.collector.memory_bytes(),
        }
    }
}

impl std::fmt::Debug for StatsStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StatsStream").field("rounds", &self.rounds).finish_non_exhaustive()
    }
}
