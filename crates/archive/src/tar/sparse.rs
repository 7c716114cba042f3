//! Where the bytes of a sparse file go. Pure.

use super::header::{Block, number};

/// A run of a sparse file's bytes that is in the archive.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Segment {
    /// Where in the file.
    pub offset: u64,
    /// How many bytes.
    pub length: u64,
}

/// The four segments, the real size and the "more follows" mark of a GNU `S` header.
pub(super) fn in_header(block: &Block) -> Option<(Vec<Segment>, u64, bool)> {
    let size = u64::try_from(number(&block[483..495])?).ok()?;
    Some((pairs(&block[386..482])?, size, block[482] != 0))
}

/// The 21 segments and the "more follows" mark of the block after such a header.
pub(super) fn in_extension(block: &Block) -> Option<(Vec<Segment>, bool)> {
    Some((pairs(&block[0..504])?, block[504] != 0))
}

/// Pairs of 12-byte numbers up to the first unused one.
fn pairs(bytes: &[u8]) -> Option<Vec<Segment>> {
    let mut segments = Vec::new();
    for pair in bytes.chunks_exact(24) {
        let (offset, length) = pair.split_at(12);
        if offset.first() == Some(&0) || length.first() == Some(&0) {
            break;
        }
        let offset = u64::try_from(number(offset)?).ok()?;
        let length = u64::try_from(number(length)?).ok()?;
        segments.push(Segment { offset, length });
    }
    Some(segments)
}

/// Offsets and lengths in turn, as PAX has them.
pub(super) fn from_numbers(numbers: &[u64]) -> Vec<Segment> {
    let pair = |pair: &[u64]| match pair {
        [offset, length] => Some(Segment { offset: *offset, length: *length }),
        _ => None,
    };
    numbers.chunks_exact(2).filter_map(pair).collect()
}

/// Whether the segments rise, do not overlap, lie inside the file, and are `stored` bytes in all.
pub(super) fn is_sound(segments: &[Segment], size: u64, stored: u64) -> bool {
    let (mut end, mut total) = (0u64, 0u64);
    for segment in segments {
        let Some(next) = segment.offset.checked_add(segment.length) else { return false };
        if segment.offset < end || next > size {
            return false;
        }
        end = next;
        total += segment.length;
    }
    total == stored
}
