//! The pool of id ranges for user namespaces.

use std::collections::BTreeSet;

use crate::error::{EngineError, Result};
use plan::namespaces::IdRange;

/// Ids of one range; larger needs take several neighbors.
pub const RANGE: u32 = 65_536;
/// First id of the pool: above what login and service managers hand out.
const FIRST: u32 = 1 << 20;
/// End of the pool: ids above are negative for programs with signed numbers.
const END: u32 = 1 << 31;
/// No image needs ids beyond this.
const COUNT_MAX: u32 = 1 << 24;

/// Which ranges are leased. What is leased is in the containers' records; this is made of them.
#[derive(Debug, Default)]
pub struct IdPool {
    leased: BTreeSet<u32>,
    /// No block below is free.
    lowest: u32,
    /// Without root there is one range for all, from 0 on and this long.
    shared: Option<u32>,
}

impl IdPool {
    /// Of an engine that has `count` ids, from 0 on, and gives all to every container.
    pub fn shared(count: u32) -> IdPool {
        IdPool { shared: Some(count), ..IdPool::default() }
    }

    /// Leases the lowest free range with room for ids up to `largest_id`.
    ///
    /// # Errors
    /// `Exhausted` when there is none; `Invalid` when no range has that many.
    pub fn lease(&mut self, largest_id: u32) -> Result<IdRange> {
        if let Some(count) = self.shared {
            return match largest_id < count {
                true => Ok(IdRange { start: 0, count }),
                false => Err(EngineError::invalid(format!(
                    "user or group id {largest_id} is beyond the {count} ids of this engine, which \
                     runs without root; give its user more in /etc/subuid and /etc/subgid"
                ))),
            };
        }
        if largest_id >= COUNT_MAX {
            return Err(EngineError::invalid(format!(
                "user or group id {largest_id} is too large for a user namespace of this engine; \
                 use --userns=host"
            )));
        }
        let blocks = largest_id / RANGE + 1;
        let total = (END - FIRST) / RANGE;
        let mut block = self.lowest;
        while block + blocks <= total {
            match self.leased.range(block..block + blocks).next_back() {
                Some(taken) => block = taken + 1,
                None => {
                    self.leased.extend(block..block + blocks);
                    if blocks == 1 || block == self.lowest {
                        self.lowest = block + blocks;
                    }
                    return Ok(IdRange { start: FIRST + block * RANGE, count: blocks * RANGE });
                }
            }
        }
        Err(EngineError::new(
            stdx::Kind::Exhausted,
            "all id ranges for user namespaces are in use; remove containers or use --userns=host",
        ))
    }

    /// Marks a range that a record holds.
    pub fn claim(&mut self, range: IdRange) {
        if self.shared.is_none() {
            self.leased.extend(blocks(range));
        }
    }

    /// Gives a range back.
    pub fn release(&mut self, range: IdRange) {
        let own = if self.shared.is_none() { blocks(range) } else { 0..0 };
        for block in own {
            self.leased.remove(&block);
            self.lowest = self.lowest.min(block);
        }
    }
}

fn blocks(range: IdRange) -> std::ops::Range<u32> {
    let first = range.start.saturating_sub(FIRST) / RANGE;
    first..first + range.count / RANGE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_do_not_overlap_and_come_back() {
        let mut pool = IdPool::default();
        let one = pool.lease(0).unwrap();
        let wide = pool.lease(200_000).unwrap();
        let next = pool.lease(65_535).unwrap();
        assert_eq!((one.start, one.count), (1 << 20, 65_536));
        assert_eq!((wide.start, wide.count), (one.start + RANGE, 4 * RANGE));
        assert_eq!(next.start, wide.start + wide.count);
        pool.release(one);
        assert_eq!(pool.lease(70_000).unwrap().start, next.start + RANGE);
        assert_eq!(pool.lease(1).unwrap(), one);
        let mut again = IdPool::default();
        again.claim(one);
        assert_eq!(again.lease(0).unwrap().start, one.start + RANGE);
    }

    #[test]
    fn without_root_all_share_one_range() {
        let mut pool = IdPool::shared(65_537);
        let one = pool.lease(65_535).unwrap();
        assert_eq!((one.start, one.count), (0, 65_537));
        assert_eq!(pool.lease(0).unwrap(), one);
        pool.claim(one);
        pool.release(one);
        assert_eq!(pool.lease(0).unwrap(), one);
        assert_eq!(pool.lease(65_537).unwrap_err().kind(), stdx::Kind::Invalid);
    }

    #[test]
    fn the_pool_ends() {
        let mut pool = IdPool::default();
        assert_eq!(pool.lease(u32::MAX - 1).unwrap_err().kind(), stdx::Kind::Invalid);
        let mut count = 0;
        while let Ok(range) = pool.lease(0) {
            assert!(u64::from(range.start) + u64::from(range.count) <= 1 << 31);
            count += 1;
        }
        assert_eq!(count, 32_752);
        assert_eq!(pool.lease(0).unwrap_err().kind(), stdx::Kind::Exhausted);
    }
}
