//! Block devices.

use super::file::{Fault, File, OpenFault};
use super::parse::{device_line, lines, number};
use super::{BlockCounters, Transfers};
use crate::devices::DeviceNumber;
use crate::mount::Node;

#[derive(Debug)]
pub(super) enum BlockFiles {
    V1 { bytes: File, operations: File },
    V2(File),
}

impl BlockFiles {
    pub fn open(node: &Node<'_>, is_v2: bool) -> Result<BlockFiles, OpenFault> {
        if is_v2 {
            return File::open(node, "io.stat").map(BlockFiles::V2);
        }
        Ok(BlockFiles::V1 {
            bytes: File::open(node, "blkio.throttle.io_service_bytes_recursive")?,
            operations: File::open(node, "blkio.throttle.io_serviced_recursive")?,
        })
    }

    pub fn descriptors(&self) -> usize {
        match self {
            BlockFiles::V1 { .. } => 2,
            BlockFiles::V2(_) => 1,
        }
    }

    pub fn read(
        &self,
        block: &mut Vec<BlockCounters>,
        all: bool,
        buffer: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        match self {
            BlockFiles::V2(file) => take_v2(block, file.text(buffer)?),
            BlockFiles::V1 { bytes, operations } => {
                let moved = take_v1(block, bytes.text(buffer)?, |one| &mut one.bytes);
                if moved || all {
                    take_v1(block, operations.text(buffer)?, |one| &mut one.operations);
                }
            }
        }
        Ok(())
    }
}

/// The counters of a device. Devices stay: a counter never goes.
fn counters_of(block: &mut Vec<BlockCounters>, device: DeviceNumber) -> &mut BlockCounters {
    let at = block.iter().position(|one| one.device == device).unwrap_or_else(|| {
        let (bytes, operations) = Default::default();
        block.push(BlockCounters { device, bytes, operations });
        block.len() - 1
    });
    &mut block[at]
}

/// Takes lines like `8:0 Read 4096`; the sums have other shapes, or follow from the rest. Whether
/// something has changed.
pub(super) fn take_v1(
    block: &mut Vec<BlockCounters>,
    text: &[u8],
    part: impl Fn(&mut BlockCounters) -> &mut Transfers,
) -> bool {
    let mut changed = false;
    for (device, rest) in lines(text).filter_map(device_line) {
        let Some(space) = rest.iter().position(|byte| *byte == b' ') else { continue };
        let (operation, value) = rest.split_at(space);
        let Some(value) = number(value.trim_ascii()) else { continue };
        let transfers = part(counters_of(block, device));
        let counter = match operation {
            b"Read" => &mut transfers.read,
            b"Write" => &mut transfers.write,
            b"Sync" => &mut transfers.sync,
            b"Async" => &mut transfers.background,
            b"Discard" => &mut transfers.discard,
            _ => continue,
        };
        changed |= std::mem::replace(counter, value) != value;
    }
    changed
}

/// Takes lines like `8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6`; a device without
/// counters has no more than its number.
pub(super) fn take_v2(block: &mut Vec<BlockCounters>, text: &[u8]) {
    for (device, rest) in lines(text).filter_map(device_line) {
        for word in rest.split(|byte| *byte == b' ') {
            let Some(at) = word.iter().position(|byte| *byte == b'=') else { continue };
            let Some(value) = number(&word[at + 1..]) else { continue };
            let counters = counters_of(block, device);
            match &word[..at] {
                b"rbytes" => counters.bytes.read = value,
                b"wbytes" => counters.bytes.write = value,
                b"dbytes" => counters.bytes.discard = value,
                b"rios" => counters.operations.read = value,
                b"wios" => counters.operations.write = value,
                b"dios" => counters.operations.discard = value,
                _ => {}
            }
        }
    }
}
