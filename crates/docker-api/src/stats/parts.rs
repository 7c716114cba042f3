//! Which parts of a line somebody wants: a parameter of ours, `fields=cpu,memory`.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use stdx::Kind;

use super::StatsResponse;

/// One part.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StatsPart {
    /// `pids_stats`
    Pids,
    /// `blkio_stats`
    Blkio,
    /// `cpu_stats` and `precpu_stats`
    Cpu,
    /// `memory_stats`
    Memory,
    /// `networks`
    Networks,
}

const NAMES: [(&str, StatsPart); 5] = [
    ("pids", StatsPart::Pids),
    ("blkio", StatsPart::Blkio),
    ("cpu", StatsPart::Cpu),
    ("memory", StatsPart::Memory),
    ("networks", StatsPart::Networks),
];

/// A part that there is none of. Status 400.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("invalid field {0:?}: it must be one of pids, blkio, cpu, memory, networks")]
pub struct UnknownPart(pub String);

impl UnknownPart {
    /// What sort of failure it is.
    pub fn kind(&self) -> Kind {
        Kind::Invalid
    }
}

/// The parts of a line; which container it is and when it was read stands in every line.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum StatsParts {
    /// As Docker sends it.
    #[default]
    All,
    /// These alone.
    Some(Vec<StatsPart>),
}

impl StatsParts {
    /// Reads names with commas between them; the empty text is all.
    pub fn parse(text: &str) -> Result<StatsParts, UnknownPart> {
        if text.is_empty() {
            return Ok(StatsParts::All);
        }
        let part = |name: &str| {
            let known = NAMES.iter().find(|(known, _)| *known == name.trim());
            known.map(|(_, part)| *part).ok_or_else(|| UnknownPart(name.to_owned()))
        };
        text.split(',').map(part).collect::<Result<_, _>>().map(StatsParts::Some)
    }

    /// A line with these parts.
    pub fn of<'a>(&'a self, response: &'a StatsResponse) -> SelectedStats<'a> {
        SelectedStats { response, parts: self }
    }
}

/// A line, to be written.
#[derive(Clone, Copy, Debug)]
pub struct SelectedStats<'a> {
    response: &'a StatsResponse,
    parts: &'a StatsParts,
}

impl Serialize for SelectedStats<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (line, parts) = match self.parts {
            StatsParts::All => return self.response.serialize(serializer),
            StatsParts::Some(parts) => (self.response, parts),
        };
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &line.name)?;
        map.serialize_entry("id", &line.id)?;
        map.serialize_entry("read", &line.read)?;
        map.serialize_entry("preread", &line.preread)?;
        for (_, part) in NAMES.iter().filter(|(_, part)| parts.contains(part)) {
            match part {
                StatsPart::Pids => map.serialize_entry("pids_stats", &line.pids_stats)?,
                StatsPart::Blkio => map.serialize_entry("blkio_stats", &line.blkio_stats)?,
                StatsPart::Cpu => {
                    map.serialize_entry("cpu_stats", &line.cpu_stats)?;
                    map.serialize_entry("precpu_stats", &line.precpu_stats)?;
                }
                StatsPart::Memory => map.serialize_entry("memory_stats", &line.memory_stats)?,
                StatsPart::Networks => {
                    if let Some(networks) = &line.networks {
                        map.serialize_entry("networks", networks)?;
                    }
                }
            }
        }
        map.end()
    }
}

#[cfg(test)]
mod tests;
