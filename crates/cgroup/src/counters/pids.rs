//! The files of the pids controller, which are the same in both versions.

use super::PidCounters;
use super::file::{Fault, File, OpenFault};
use crate::mount::Node;

#[derive(Debug)]
pub(super) struct PidFiles {
    current: File,
    peak: Option<File>,
    limit: File,
}

impl PidFiles {
    pub fn open(node: &Node<'_>) -> Result<PidFiles, OpenFault> {
        Ok(PidFiles {
            current: File::open(node, "pids.current")?,
            peak: File::open_if_present(node, "pids.peak")?,
            limit: File::open(node, "pids.max")?,
        })
    }

    pub fn descriptors(&self) -> usize {
        2 + usize::from(self.peak.is_some())
    }

    pub fn read(
        &self,
        pids: &mut Option<PidCounters>,
        all: bool,
        buffer: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        let current = self.current.number(buffer)?;
        match pids {
            Some(pids) if !all => {
                pids.current = current;
                pids.peak = pids.peak.map(|peak| peak.max(current));
            }
            _ => {
                let peak = self.peak.as_ref().map(|file| file.number(buffer)).transpose()?;
                *pids = Some(PidCounters { current, peak, limit: self.limit.limit(buffer)? });
            }
        }
        Ok(())
    }
}
